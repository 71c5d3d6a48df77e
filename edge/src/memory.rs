//! What one edge remembers of its requests, for all its threads: nonces of signed ones, answers to such as have an
//! Idempotency-Key.
//!
//! Of this edge alone, and gone when it stops: that a repeat is harmless is the ids' promise, not this one's. It is the
//! only lock on a request's path, held for a look into a map, and only by requests that ask for it.

pub mod answers;
pub mod nonces;

use answers::{Answer, Answers, Asked};
use nonces::{Nonces, Taken};
use schemas::id::{KeyHash, hash_of};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Memory {
    nonces: Mutex<Nonces>,
    answers: Mutex<Answers>,
}

impl Memory {
    /// Takes a nonce at its time; both in seconds since 1970.
    pub fn take_nonce(&self, key: KeyHash, nonce: &str, stamp: i64, now: i64) -> Taken {
        lock(&self.nonces).take(key, nonce_id(nonce), stamp, now)
    }

    /// Of a request that came to nothing: the same one may come again.
    pub fn release_nonce(&self, key: KeyHash, nonce: &str, stamp: i64) {
        lock(&self.nonces).release(key, nonce_id(nonce), stamp);
    }

    /// What is known of this request, which is under way from now on where nothing is.
    pub fn ask(&self, key: KeyHash, idempotency_key: &str, payload: [u8; 16], now: i64) -> Result<UnderWay<'_>, Known> {
        let id = hash_of("tributary idempotency key of an edge v1", &[&key.0, idempotency_key.as_bytes()]);
        match lock(&self.answers).ask(id, payload, now) {
            Asked::New => Ok(UnderWay { memory: self, id }),
            Asked::UnderWay => Err(Known::UnderWay),
            Asked::OtherPayload => Err(Known::OtherPayload),
            Asked::Answered(answer) => Err(Known::Answered(answer)),
        }
    }
}

/// Why a request is not to be done.
pub enum Known {
    UnderWay,
    OtherPayload,
    Answered(Answer),
}

/// A request that is done now; forgotten where it ends without an answer, also because its client left.
pub struct UnderWay<'a> {
    memory: &'a Memory,
    id: [u8; 16],
}

impl UnderWay<'_> {
    pub fn answered(self, answer: Answer, now: i64) {
        lock(&self.memory.answers).answered(self.id, answer, now);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.memory.answers).forget(self.id);
    }
}

fn nonce_id(nonce: &str) -> [u8; 16] {
    hash_of("tributary nonce of an edge v1", &[nonce.as_bytes()])
}

/// What is kept is whole after each step, so a thread that panicked leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
