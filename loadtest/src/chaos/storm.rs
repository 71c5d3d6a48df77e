//! The run itself: feed the stream, do the faults one after the other, see decisions come again after each, audit.

use super::audit::{Findings, audit};
use super::expectation::Shop;
use super::faults::{Fault, Step, Who};
use super::feeder::{Pace, feed};
use super::member::Member;
use super::outcome::{Done, Outcome};
use super::site::{Installation, Site};
use super::stream::{Delivery, Plan, RecordWriter, records};
use super::watch::{Mark, Watch};
use crate::error::Error;
use service::Shutdown;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// No new decision in every partition for so long after a fault: the run goes on, and the report says so.
const RECOVERY_LIMIT: Duration = Duration::from_secs(90);
/// What a fault is thought to take until some were seen.
const USUAL_FAULT: Duration = Duration::from_secs(7);
/// Of the input, per cent, is kept for after the last fault.
const KEPT_PERCENT: u64 = 2;
/// A supervisor's pause before it starts a process that ended by itself.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);
/// All is decided and nothing came for so long: the run has ended.
const QUIET: Duration = Duration::from_secs(3);
/// Nothing came for so long although something is missing: it is lost. Longer than a dead process's transaction keeps
/// readers waiting.
const STUCK: Duration = Duration::from_secs(75);

#[derive(Clone, Debug)]
pub struct Options {
    /// The scratch folder; what is in it is deleted.
    pub dir: PathBuf,
    /// The `tributary` executable.
    pub exe: PathBuf,
    pub seed: u64,
    pub clicks: u64,
    pub steps: Vec<Step>,
    pub partitions: i32,
    /// Tells each fault as it happens.
    pub say: fn(&str),
}

/// Runs until the audit, or until `shutdown` is requested, which is an error.
pub fn run(options: &Options, shutdown: &Shutdown) -> Result<Outcome, Error> {
    let shop = || Shop::open().ok_or(Error::Chaos { doing: "name the shop", reason: "no names".into() });
    let plan = Plan::new(options.seed, options.clicks, &shop()?);
    let site = Site::open(&options.dir, &options.exe)?;
    let installation = site.install("chaos.", options.partitions)?;
    let watch = Watch::start(&installation)?;
    let writer = RecordWriter::new(shop()?, installation.catalog_offset)
        .map_err(|error| Error::Chaos { doing: "name the publishers", reason: error.to_string() })?;
    let stream = records(&plan, writer);
    let member = |who: Who| {
        let instance = format!("chaos-{}", format!("{who:?}").to_lowercase());
        let settings = ["processor.checkpoint_interval=\"3s\"".to_owned()];
        Member::new(&instance, &options.exe, site.dir(), &installation, &settings)
    };
    let began = Instant::now();
    let mut storm = Storm {
        options,
        shutdown,
        plan: &plan,
        site: &site,
        installation: &installation,
        watch: &watch,
        pace: Pace::default(),
        members: [member(Who::A), member(Who::B)],
        began,
        done: Vec::new(),
        ended_by_themselves: 0,
        broker_starts: Vec::new(),
    };
    let rewritten = storm.feed_and_break(stream)?;
    let last_fault = Instant::now();
    storm.drain()?;
    for who in Who::BOTH {
        if storm.member(who).runs() {
            storm.member(who).leave()?;
        }
    }
    let drained = last_fault.elapsed();
    // With nobody left to write: what is there now is what there is.
    let findings = audit(&installation, &plan)?;
    let outcome = storm.outcome(rewritten, drained, findings);
    Ok(outcome)
}

struct Storm<'s> {
    options: &'s Options,
    shutdown: &'s Shutdown,
    plan: &'s Plan,
    site: &'s Site,
    installation: &'s Installation,
    watch: &'s Watch,
    pace: Pace,
    members: [Member; 2],
    began: Instant,
    done: Vec<(Done, Mark)>,
    ended_by_themselves: u64,
    broker_starts: Vec<Duration>,
}

impl Storm<'_> {
    fn member(&mut self, who: Who) -> &mut Member {
        &mut self.members[who as usize]
    }

    /// Writes the stream in the background while the faults are done; returns how many records were written again.
    fn feed_and_break(&mut self, stream: impl Iterator<Item = Delivery> + Send) -> Result<u64, Error> {
        let pace = std::mem::take(&mut self.pace);
        let (kafka, shutdown) = (self.installation.kafka.clone(), self.shutdown.clone());
        let outcome = std::thread::scope(|scope| {
            let feeder = scope.spawn(|| feed(&kafka, stream, &pace, &shutdown));
            let broken = self.break_things(&pace);
            pace.full_speed();
            if broken.is_err() {
                self.shutdown.request();
            }
            let fed = feeder.join().unwrap_or_else(|_| {
                Err(Error::Chaos { doing: "write the input", reason: "its thread panicked".into() })
            });
            broken.and(fed)
        });
        self.pace = pace;
        outcome
    }

    fn break_things(&mut self, pace: &Pace) -> Result<(), Error> {
        pace.set(500);
        self.member(Who::A).start()?;
        let started = self.watch.mark();
        self.await_recovery(started)?;
        let first_fault = Instant::now();
        let steps = self.options.steps.clone();
        for (number, step) in steps.iter().enumerate() {
            self.set_pace(pace, number, first_fault.elapsed());
            let at = first_fault.elapsed();
            (self.options.say)(&format!("{:>6.1} s  {}", at.as_secs_f64(), step.fault));
            let marks = self.do_fault(step.fault, first_fault)?;
            if step.await_recovery || number + 1 == steps.len() {
                self.await_recovery(marks)?;
            }
            self.wait(step.pause)?;
        }
        Ok(())
    }

    /// Spreads what is left of the input over the faults that are left.
    fn set_pace(&self, pace: &Pace, number: usize, elapsed: Duration) {
        let kept = self.plan.deliveries * KEPT_PERCENT / 100;
        let left = self.plan.deliveries.saturating_sub(pace.acknowledged() + kept);
        let usual = if number < 5 { USUAL_FAULT } else { elapsed / number as u32 };
        let time_left = usual * (self.options.steps.len() - number) as u32;
        pace.set(((left as f64 / time_left.as_secs_f64()) as u64).max(20));
    }

    /// Returns the mark of the moment after which decisions must come again.
    fn do_fault(&mut self, fault: Fault, first_fault: Instant) -> Result<Mark, Error> {
        let mut mark = self.mark(fault.to_string(), fault.name(), true, first_fault);
        match fault {
            Fault::KillAndRestart(who, pause) => {
                self.member(who).kill();
                self.wait(pause)?;
                self.member(who).start()?;
            }
            Fault::Zombie(who, stopped) => {
                self.member(who).freeze()?;
                let waited = self.wait(stopped);
                // Also when the run ends here: a frozen process could not end.
                self.member(who).thaw()?;
                waited?;
                mark = self.mark(format!("{who:?} goes on as a zombie"), "return", false, first_fault);
            }
            Fault::Join { who, fresh } => {
                if fresh {
                    self.member(who).lose_store()?;
                }
                self.member(who).start()?;
            }
            Fault::Leave(who) => {
                let took = self.member(who).leave()?;
                (self.options.say)(&format!("          ended after {:.2} s", took.as_secs_f64()));
            }
            Fault::Vanish(who) => self.member(who).kill(),
            Fault::Broker(pause) => {
                self.site.kill_broker()?;
                self.wait(pause)?;
                let began = Instant::now();
                self.site.start_broker()?;
                let took = began.elapsed();
                self.broker_starts.push(took);
                (self.options.say)(&format!(
                    "          the broker answers {:.2} s after its start",
                    took.as_secs_f64()
                ));
            }
        }
        Ok(mark)
    }

    fn mark(&mut self, what: String, kind: &'static str, counts: bool, first_fault: Instant) -> Mark {
        let mark = self.watch.mark();
        let recovery = self.watch.recovery(mark);
        self.done.push((Done { at: first_fault.elapsed(), what, kind, counts, recovery }, mark));
        mark
    }

    /// Waits, and does what a supervisor does meanwhile: a process that ended by itself is started again.
    fn wait(&mut self, time: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + time;
        loop {
            self.look()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn await_recovery(&mut self, mark: Mark) -> Result<(), Error> {
        let deadline = Instant::now() + RECOVERY_LIMIT;
        while self.watch.recovery(mark).whole.is_none() && Instant::now() < deadline {
            self.look()?;
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Error> {
        if self.shutdown.requested() {
            return Err(Error::Chaos { doing: "go on", reason: "stopped before the end".into() });
        }
        for who in Who::BOTH {
            if self.member(who).ended()? {
                self.ended_by_themselves += 1;
                let log = self.member(who).log();
                (self.options.say)(&format!("          {who:?} ended by itself, see {}", log.display()));
                std::thread::sleep(RESTART_PAUSE);
                self.member(who).start()?;
            }
        }
        Ok(())
    }

    /// Waits until every conversion has a decision and no more come, or for nothing to come for too long.
    fn drain(&mut self) -> Result<(), Error> {
        loop {
            self.wait(Duration::from_millis(500))?;
            let quiet = self.watch.quiet();
            let all = self.watch.conversions() >= self.plan.conversions.len();
            if quiet > STUCK || (all && quiet > QUIET && self.installation.clicks_left()? == 0) {
                return Ok(());
            }
        }
    }

    fn outcome(self, rewritten: u64, drained: Duration, findings: Findings) -> Outcome {
        let done = self.done.into_iter().map(|(done, mark)| Done { recovery: self.watch.recovery(mark), ..done });
        Outcome {
            seed: self.options.seed,
            clicks: self.plan.clicks,
            conversions: self.plan.conversions.len() as u64,
            done: done.collect(),
            ended_by_themselves: self.ended_by_themselves,
            slowest_broker_start: self.broker_starts.iter().max().copied(),
            rewritten,
            findings,
            took: self.began.elapsed(),
            drained,
        }
    }
}
