//! What an error leads to: decided here and nowhere else.

use crate::runtime::{Error, room};
use crate::state::StoreError;
use kafka::Kind;

/// One for each kind of error; what heals by itself is retried where it occurs and never comes here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// Abort the transaction, drop the overlay, go back to the committed positions: a new producer, the same consumer and stores.
    Abort,
    /// Fenced, or an outcome that nobody knows: leave the group, close the stores, begin a session with a new producer.
    GiveUp,
    /// The store cannot be read: delete it, and build it again from Kafka.
    Rebuild,
    /// The disk is full: close the stores, and begin again when there is room.
    AwaitRoom,
}

impl Reaction {
    pub fn name(self) -> &'static str {
        match self {
            Reaction::Abort => "abort",
            Reaction::GiveUp => "give_up",
            Reaction::Rebuild => "rebuild",
            Reaction::AwaitRoom => "no_room",
        }
    }
}

pub fn reaction(error: &Error) -> Reaction {
    match error {
        Error::Kafka(error) => match error.kind {
            // What was to be retried has been, for as long as there was patience.
            Kind::Retry | Kind::Abort => Reaction::Abort,
            Kind::GiveUp => Reaction::GiveUp,
        },
        Error::CatalogBehind { .. } => Reaction::Abort,
        Error::Store { error: StoreError::Corrupt { .. }, .. } => Reaction::Rebuild,
        Error::Store { error: StoreError::Failed { reason, .. }, .. } if room::says_full(reason) => Reaction::AwaitRoom,
        Error::Store { error: StoreError::Failed { .. }, .. } => Reaction::GiveUp,
        Error::File { error, .. } | Error::Start(error) if room::is_full(error) => Reaction::AwaitRoom,
        Error::File { .. }
        | Error::Start(_)
        | Error::Topics(_)
        | Error::BadConfig(_)
        | Error::Interrupted
        | Error::Panicked => Reaction::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn each_error_leads_to_one_reaction() {
        let store = |error| Error::Store { path: "state".into(), error };
        let failed = |reason: &str| store(StoreError::Failed { doing: "write", reason: reason.into() });
        for (error, expected) in [
            (Error::CatalogBehind { partition: 1, offset: 2 }, Reaction::Abort),
            (store(StoreError::Corrupt { what: "a touch", reason: "3 bytes".into() }), Reaction::Rebuild),
            (failed("IO error: No space left on device: While appending to file: a.sst"), Reaction::AwaitRoom),
            (failed("IO error: File too large: While appending to file: a.sst"), Reaction::AwaitRoom),
            (failed("IO error: While lock file: LOCK: Resource temporarily unavailable"), Reaction::GiveUp),
            (Error::Start(io::Error::from(io::ErrorKind::StorageFull)), Reaction::AwaitRoom),
            (Error::Start(io::Error::from(io::ErrorKind::PermissionDenied)), Reaction::GiveUp),
            (Error::Interrupted, Reaction::GiveUp),
        ] {
            assert_eq!(reaction(&error), expected, "{error}");
        }
    }
}
