//! `/health` of a process with several threads: ready when every one of them works.

use service::Health;
use std::sync::{Mutex, PoisonError};

pub struct Readiness {
    health: Health,
    /// Per thread, why it does not work; none while it does.
    threads: Mutex<Vec<Option<String>>>,
}

impl Readiness {
    pub fn new(health: Health, threads: usize) -> Readiness {
        Readiness { health, threads: Mutex::new(vec![Some("starting".into()); threads]) }
    }

    /// `why` it does not work, or none when it does.
    pub fn set(&self, thread: usize, why: Option<String>) {
        // One assignment at a time: a panic cannot leave it half changed.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads[thread] = why;
        match threads.iter().flatten().next() {
            None => self.health.set(true),
            Some(why) => self.health.not_ready(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_threads_are() {
        let health = Health::default();
        let readiness = Readiness::new(health.clone(), 2);
        readiness.set(0, None);
        assert_eq!(health.why_not().as_deref(), Some("starting"));
        readiness.set(1, None);
        assert_eq!(health.why_not(), None);
        readiness.set(0, Some("no room".into()));
        assert_eq!(health.why_not().as_deref(), Some("no room"));
    }
}
