//! Which ports a stack uses: the recorded ones where they are free, else the wanted ones, else free ones.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Free ports are taken from below Linux's ephemeral range (32768 and up). In that range a client that keeps
/// reconnecting to a killed server can be given the server's own port as its source: it then connects to itself,
/// and the server cannot bind any more.
const LOW: u16 = 20_000;
const HIGH: u16 = 30_000;

/// Whether 127.0.0.1:`port` can be listened on. Port 0 is never free: it would mean "any".
pub(crate) fn is_free(port: u16) -> bool {
    port != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port that is not in `not`. It starts at a random place, so that two stacks that start together rarely meet.
pub(crate) fn find_free(not: &[u16]) -> Result<u16, Error> {
    let span = HIGH - LOW;
    // A fresh RandomState is std's way to a random number.
    let start = (RandomState::new().hash_one(0) % u64::from(span)) as u16;
    (0..span)
        .map(|step| LOW + (start + step) % span)
        .find(|port| !not.contains(port) && is_free(*port))
        .ok_or(Error::NoPort { low: LOW, high: HIGH })
}

/// What is known about one port before the server starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Asked for on the command line: goes before everything.
    pub asked: Option<u16>,
    /// What the folder was used with last.
    pub recorded: Option<u16>,
    /// The usual one; `None` when any free port will do.
    pub usual: Option<u16>,
}

/// The port to use, and the one that it replaces when that was taken.
pub(crate) fn choose(wish: Wish, used: &[u16]) -> Result<(u16, Option<u16>), Error> {
    let Some(wanted) = wish.asked.or(wish.recorded).or(wish.usual) else {
        return Ok((find_free(used)?, None));
    };
    if !used.contains(&wanted) && is_free(wanted) {
        return Ok((wanted, None));
    }
    Ok((find_free(used)?, Some(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_goes_before_recorded_and_recorded_before_usual() {
        let [a, b, c] = {
            let a = find_free(&[]).expect("a");
            let b = find_free(&[a]).expect("b");
            [a, b, find_free(&[a, b]).expect("c")]
        };
        let rows = [
            (Wish { asked: Some(a), recorded: Some(b), usual: Some(c) }, a),
            (Wish { asked: None, recorded: Some(b), usual: Some(c) }, b),
            (Wish { asked: None, recorded: None, usual: Some(c) }, c),
        ];
        for (wish, expected) in rows {
            assert_eq!(choose(wish, &[]).expect("a port"), (expected, None), "{wish:?}");
        }
    }

    #[test]
    fn a_taken_port_is_replaced_and_named() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let taken = listener.local_addr().expect("address").port();
        let (port, replaced) = choose(Wish { asked: Some(taken), recorded: None, usual: None }, &[]).expect("a port");
        assert_ne!(port, taken);
        assert_eq!(replaced, Some(taken));
    }

    #[test]
    fn two_servers_of_a_stack_never_share_a_port() {
        let free = find_free(&[]).expect("a port");
        let (port, _) = choose(Wish { asked: Some(free), recorded: None, usual: None }, &[free]).expect("a port");
        assert_ne!(port, free);
    }
}
