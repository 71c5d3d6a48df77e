//! What a person sees while a replay runs: a bar on a terminal, else a line in the log now and then.

use crate::replay::driver::Tally;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

const LOG_EVERY: Duration = Duration::from_secs(10);

pub struct Progress {
    bar: ProgressBar,
    shown: bool,
    last_log: Instant,
    /// When and how many clicks had ended at the last look.
    last_look: (Instant, u64),
}

impl Progress {
    pub fn new(clicks: u64, shown: bool) -> Progress {
        let target = if shown { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(clicks), target);
        let template = "{elapsed_precise} {bar:30} {human_pos}/{human_len} clicks, {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is constant and parses"));
        Progress { bar, shown, last_log: Instant::now(), last_look: (Instant::now(), 0) }
    }

    pub fn show(&mut self, tally: &mut Tally) {
        let (now, ended) = (Instant::now(), tally.clicks.ended());
        let (before, ended_before) = std::mem::replace(&mut self.last_look, (now, ended));
        let per_s = (ended - ended_before) as f64 / (now - before).as_secs_f64().max(0.001);
        let p99_ms = tally.recent.summary().p99_ms;
        tally.recent.clear();
        let errors = tally.clicks.failed() + tally.events.refused + tally.events.given_up;
        let retries = tally.events.retries;
        self.bar.set_position(ended);
        self.bar.set_message(format!(
            "{per_s:.0}/s, p99 {p99_ms:.1} ms, {} conversions, {errors} errors, {retries} retries",
            tally.events.acknowledged
        ));
        if self.shown && self.bar.is_hidden() && now - self.last_log >= LOG_EVERY {
            self.last_log = now;
            let conversions = tally.events.acknowledged;
            tracing::info!(clicks = ended, per_s = per_s.round(), p99_ms, conversions, errors, retries, "replaying");
        }
    }

    pub fn finish(self) {
        self.bar.finish();
    }
}
