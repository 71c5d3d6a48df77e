//! A bar on a terminal while a topic is read; elsewhere nothing. Asks whether to stop.

use crate::Error;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use service::Shutdown;

pub struct Progress {
    bar: ProgressBar,
    shutdown: Shutdown,
}

impl Progress {
    /// On standard error: what is asked for goes to standard output.
    pub fn new(shutdown: Shutdown) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(4));
        let template = "{elapsed_precise} {bar:30} {human_pos}/{human_len} {msg}, {eta} to go";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is constant and parses"));
        Progress { bar, shutdown }
    }

    pub fn expect(&self, records: u64, what: &'static str) {
        self.bar.set_length(records);
        self.bar.set_message(what);
    }

    /// One record more.
    pub fn step(&self) -> Result<(), Error> {
        self.bar.inc(1);
        self.check()
    }

    /// The next record is this one of all.
    pub fn at(&self, records: u64) {
        self.bar.set_position(records);
    }

    pub fn check(&self) -> Result<(), Error> {
        if self.shutdown.requested() { Err(Error::Stopped) } else { Ok(()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
