//! A thread of a process for what is done beside the data path, below the priority of what answers.

use std::sync::mpsc::{self, Receiver, Sender};

type Job = Box<dyn FnOnce() + Send>;

/// Hands jobs to a thread of its own; the thread ends with the last handle.
#[derive(Clone)]
pub struct Worker(Sender<Job>);

impl Worker {
    pub fn start(name: &str) -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let work = move || {
            // On Linux a thread's own; one that may not be made nicer works at the usual priority.
            let _ = rustix::process::nice(10);
            inbox.into_iter().for_each(|job| job());
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system has a thread for us");
        Worker(jobs)
    }

    /// Does it after what was given before. Dropping the answer's receiver is to want it no more.
    pub fn give<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (done, answer) = mpsc::channel();
        let job = move || {
            let _ = done.send(job());
        };
        // The thread ends only after the last sender.
        let _ = self.0.send(Box::new(job));
        answer
    }
}
