//! What a person sees while something takes time: a spinner with the elapsed seconds on a terminal, plain lines
//! elsewhere, nothing when quiet. Progress goes to stderr, results to stdout.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    quiet: bool,
}

/// A step under way; it vanishes from the terminal when dropped.
pub(crate) struct Step(Option<ProgressBar>);

/// A line of a result. Unlike `println!` it does not panic when the reader (`| head`) has seen enough.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        Progress { quiet }
    }

    /// One line that stays.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// Something that takes seconds or more.
    pub fn step(&self, what: &str) -> Step {
        if self.quiet {
            return Step(None);
        }
        if !io::stderr().is_terminal() {
            eprintln!("{what} ...");
            return Step(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Step(Some(bar))
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
