//! Whether a failed insert heals by itself. Either way the same rows are sent again under the same token, for ever:
//! giving up would lose them. The difference is how soon, how loudly, and whether the role still calls itself healthy.

use clickhouse::error::Error;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reaction {
    /// The server is away, busy or full: it comes back.
    Again,
    /// Somebody has to do something: a table is missing or has other columns, the password is wrong.
    NeedsOperator,
}

/// ClickHouse's error codes (`src/Common/ErrorCodes.cpp`) that say "later".
const BUSY: [u32; 14] = [
    3,   // UNEXPECTED_END_OF_FILE: the connection broke
    159, // TIMEOUT_EXCEEDED
    164, // READONLY: a table lost Keeper; a read-only user looks the same and is seen in the log
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    203, // NO_FREE_CONNECTION
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY
    243, // NOT_ENOUGH_SPACE
    252, // TOO_MANY_PARTS
    319, // UNKNOWN_STATUS_OF_INSERT
    394, // QUERY_WAS_CANCELLED
    999, // KEEPER_EXCEPTION
];

pub(crate) fn reaction(error: &Error) -> Reaction {
    match error {
        Error::Network(_) | Error::TimedOut => Reaction::Again,
        Error::BadResponse(text) => match code(text) {
            Some(code) if !BUSY.contains(&code) => Reaction::NeedsOperator,
            // A proxy's page, or an answer that was cut.
            Some(_) | None => Reaction::Again,
        },
        // The crate's own judgement of rows and columns; new kinds are for people to look at, too.
        _ => Reaction::NeedsOperator,
    }
}

/// `Code: 60. DB::Exception: ...`
fn code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    rest.split_once('.')?.0.parse().ok()
}

/// Pauses between attempts: doubling, because a server that just came back has enough to do.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

impl Backoff {
    pub fn new() -> Self {
        Backoff(FIRST)
    }

    pub fn pause(&mut self, reaction: Reaction) -> Duration {
        match reaction {
            Reaction::Again => {
                let pause = self.0;
                self.0 = (pause * 2).min(LONGEST);
                pause
            }
            Reaction::NeedsOperator => LONGEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_heals_is_told_from_what_does_not() {
        let answer = |text: &str| Error::BadResponse(text.into());
        for (error, expected) in [
            (Error::Network("connection refused".into()), Reaction::Again),
            (Error::TimedOut, Reaction::Again),
            (answer("Code: 252. DB::Exception: Too many parts"), Reaction::Again),
            (answer("502 Bad Gateway"), Reaction::Again),
            (answer("Code: 60. DB::Exception: Table t.clicks does not exist"), Reaction::NeedsOperator),
            (answer("Code: 53. DB::Exception: Cannot convert"), Reaction::NeedsOperator),
            (answer("Code: 516. DB::Exception: Authentication failed"), Reaction::NeedsOperator),
            (Error::SchemaMismatch("column".into()), Reaction::NeedsOperator),
        ] {
            assert_eq!(reaction(&error), expected, "{error}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        let millis: Vec<_> = (0..8).map(|_| backoff.pause(Reaction::Again).as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(Backoff::new().pause(Reaction::NeedsOperator), LONGEST);
    }
}
