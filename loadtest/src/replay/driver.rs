//! The visitors of a run: which request is due when, and what each answer changes. Does no I/O and reads no clock; the
//! shell (`replay`) passes both in and carries out the effects.
//!
//! Open loop: a request is due by the schedule, not by the answers. Where a visitor's earlier request is not answered yet,
//! the later one waits and keeps its due time, so the delay counts.

use crate::journeys::Journeys;
use crate::record::{Clicks, Events, Line, RunId};
use crate::replay::measure::Latencies;
use crate::replay::outcome::{self, ClickOutcome, EventOutcome};
use crate::replay::pool::{Answer, Reply};
use crate::replay::request::{Job, Task};
use crate::replay::visitor::CookieJar;
use crate::schedule::Schedule;
use schemas::time::Micros;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Different problems that are kept for the summary; a broken edge would otherwise fill it.
const PROBLEMS: usize = 10;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Of what `Retry-After` asks for: a test wants to go on soon after the server does.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What the shell must do.
#[derive(Default)]
pub struct Effects {
    pub jobs: Vec<Job>,
    pub lines: Vec<Line>,
    /// Event ids of conversions that were acknowledged now.
    pub acknowledged: Vec<String>,
}

/// What is known of the run so far.
#[derive(Default)]
pub struct Tally {
    pub clicks: Clicks,
    pub events: Events,
    pub click_latency: Latencies,
    pub event_latency: Latencies,
    /// As `click_latency`, since the progress was shown last.
    pub recent: Latencies,
    pub problems: Vec<String>,
    pub requests: u64,
    pub last_click_answer: Option<Instant>,
}

/// A moment of the run in both clocks.
#[derive(Clone, Copy)]
pub struct Start {
    pub at: Instant,
    pub wall: Micros,
}

pub struct Driver {
    journeys: Journeys,
    run: RunId,
    schedule: Schedule,
    rate: u32,
    start: Start,
    give_up: Duration,
    next_step: usize,
    /// Events, first tries and repeated ones, by due time and a running number.
    later: BTreeMap<(Instant, u64), Later>,
    laters: u64,
    visitors: HashMap<u32, Visitor>,
    in_flight: usize,
    stopping: bool,
    pub tally: Tally,
}

/// A visitor from the first click to the last answer.
#[derive(Default)]
struct Visitor {
    jar: CookieJar,
    /// Of the last acknowledged click.
    token: Option<String>,
    busy: bool,
    /// Due, but an earlier request is not answered.
    waiting: VecDeque<(Instant, Next)>,
    ended: usize,
}

#[derive(Clone, Copy)]
enum Next {
    Click { position: u16 },
    Event,
}

enum Later {
    Event { journey: u32 },
    Retry(Job),
}

impl Driver {
    pub fn new(journeys: Journeys, run: RunId, schedule: Schedule, rate: u32, start: Start, give_up: Duration) -> Self {
        Driver {
            journeys,
            run,
            schedule,
            rate,
            start,
            give_up,
            next_step: 0,
            later: BTreeMap::new(),
            laters: 0,
            visitors: HashMap::new(),
            in_flight: 0,
            stopping: false,
            tally: Tally::default(),
        }
    }

    /// Nothing new from now on; what is in flight is awaited.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// All that was planned has ended; or after `stop`, all that was in flight.
    pub fn finished(&self) -> bool {
        self.in_flight == 0 && (self.stopping || self.next_due().is_none())
    }

    /// Every planned request has ended.
    pub fn complete(&self) -> bool {
        self.next_due().is_none() && self.visitors.is_empty()
    }

    pub fn next_due(&self) -> Option<Instant> {
        let click = self.schedule.steps.get(self.next_step).map(|step| self.due(step.slot));
        let event = self.later.keys().next().map(|(due, _)| *due);
        click.into_iter().chain(event).min()
    }

    fn due(&self, slot: u32) -> Instant {
        self.start.at + Duration::from_nanos(u64::from(slot) * 1_000_000_000 / u64::from(self.rate))
    }

    fn wall(&self, at: Instant) -> Micros {
        self.start.wall.plus(at.saturating_duration_since(self.start.at).as_micros() as i64)
    }

    /// Sends what is due.
    pub fn release(&mut self, now: Instant, effects: &mut Effects) {
        if self.stopping {
            return;
        }
        while let Some(step) = self.schedule.steps.get(self.next_step).copied() {
            let due = self.due(step.slot);
            if due > now {
                break;
            }
            self.next_step += 1;
            self.begin(step.journey, due, Next::Click { position: step.position }, now, effects);
            let last = usize::from(step.position) + 1 == self.journeys.touches(step.journey).len();
            if last && self.journeys.value(step.journey).is_some() {
                let event_due = self.due(step.slot + self.schedule.pause_slots);
                self.put_off(event_due, Later::Event { journey: step.journey });
            }
        }
        while let Some(entry) = self.later.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            match entry.remove() {
                Later::Event { journey } => self.begin(journey, due, Next::Event, now, effects),
                Later::Retry(job) => self.send(job, effects),
            }
        }
    }

    fn put_off(&mut self, due: Instant, what: Later) {
        self.laters += 1;
        self.later.insert((due, self.laters), what);
    }

    fn begin(&mut self, journey: u32, due: Instant, next: Next, now: Instant, effects: &mut Effects) {
        let visitor = self.visitors.entry(journey).or_default();
        if visitor.busy {
            visitor.waiting.push_back((due, next));
            return;
        }
        visitor.busy = true;
        let task = match next {
            Next::Click { position } => {
                let publisher = self.journeys.touches(journey)[usize::from(position)];
                Task::Click { position, publisher, cookie: visitor.jar.header() }
            }
            Next::Event => {
                let value = self.journeys.value(journey).unwrap_or_default();
                Task::Event { value, token: visitor.token.clone(), attempt: 0, first_sent: now }
            }
        };
        self.send(Job { journey, due, task }, effects);
    }

    fn send(&mut self, job: Job, effects: &mut Effects) {
        self.in_flight += 1;
        effects.jobs.push(job);
    }

    /// Takes an answer in; sends what waited for it.
    pub fn answered(&mut self, answer: Answer, effects: &mut Effects) {
        self.in_flight -= 1;
        self.tally.requests += 1;
        let Answer { job, reply, at, .. } = answer;
        let journey = job.journey;
        let ended = match job.task {
            Task::Click { position, .. } => {
                self.click_answered(journey, position, job.due, &reply, at, effects);
                true
            }
            Task::Event { .. } => self.event_answered(job, &reply, at, effects),
        };
        if ended {
            self.visitor_is_free(journey, at, effects);
        }
    }

    fn visitor_is_free(&mut self, journey: u32, now: Instant, effects: &mut Effects) {
        let steps = self.journeys.touches(journey).len() + usize::from(self.journeys.value(journey).is_some());
        let Some(visitor) = self.visitors.get_mut(&journey) else { return };
        visitor.busy = false;
        visitor.ended += 1;
        if visitor.ended == steps {
            self.visitors.remove(&journey);
        } else if !self.stopping
            && let Some((due, next)) = visitor.waiting.pop_front()
        {
            self.begin(journey, due, next, now, effects);
        }
    }

    fn click_answered(
        &mut self,
        journey: u32,
        position: u16,
        due: Instant,
        reply: &Reply,
        at: Instant,
        effects: &mut Effects,
    ) {
        let visitor = self.visitors.entry(journey).or_default();
        if let Reply::Answered(answered) = reply {
            answered.cookies.iter().for_each(|cookie| visitor.jar.take(cookie));
        }
        let publisher = self.journeys.publisher(self.journeys.touches(journey)[usize::from(position)]).clone();
        let counts = &mut self.tally.clicks;
        let problem = match outcome::of_click(reply) {
            ClickOutcome::Acknowledged { token, click } => {
                counts.acknowledged += 1;
                visitor.token = Some(token);
                let latency = at.saturating_duration_since(due);
                self.tally.click_latency.record(latency);
                self.tally.recent.record(latency);
                self.tally.last_click_answer = Some(at);
                effects.lines.push(Line::Click { journey, position, publisher, click });
                return;
            }
            ClickOutcome::Shed => {
                counts.shed += 1;
                effects.lines.push(Line::UnknownClick { journey, position, publisher });
                "click redirected without a token".to_owned()
            }
            ClickOutcome::Unknown(why) => {
                counts.unknown += 1;
                effects.lines.push(Line::UnknownClick { journey, position, publisher });
                why
            }
            ClickOutcome::Refused(why) => {
                counts.refused += 1;
                why
            }
            ClickOutcome::Unsent(why) => {
                counts.unsent += 1;
                why
            }
        };
        self.note(problem);
    }

    /// Whether the event has ended; else it is put off.
    fn event_answered(&mut self, job: Job, reply: &Reply, at: Instant, effects: &mut Effects) -> bool {
        let Task::Event { value, token, attempt, first_sent } = job.task else { return true };
        let event_id = self.run.event_id(job.journey);
        match outcome::of_event(reply) {
            EventOutcome::Acknowledged(conversion) => {
                self.tally.events.acknowledged += 1;
                self.tally.event_latency.record(at.saturating_duration_since(job.due));
                effects.acknowledged.push(event_id.clone());
                let (sent_at, acknowledged_at) = (self.wall(first_sent), self.wall(at));
                let journey = job.journey;
                effects.lines.push(Line::Event { journey, event_id, conversion, value, sent_at, acknowledged_at });
                true
            }
            EventOutcome::Refused(why) => {
                self.tally.events.refused += 1;
                self.note(why);
                true
            }
            EventOutcome::Again { after, why } => {
                self.note(why);
                let wait = after.unwrap_or(backoff(attempt)).clamp(FIRST_BACKOFF, LONGEST_WAIT);
                if self.stopping || at + wait > job.due + self.give_up {
                    // An earlier try may have been taken, whatever became of this one.
                    self.tally.events.given_up += 1;
                    effects.lines.push(Line::UnknownEvent { journey: job.journey, event_id });
                    return true;
                }
                self.tally.events.retries += 1;
                let task = Task::Event { value, token, attempt: attempt + 1, first_sent };
                self.put_off(at + wait, Later::Retry(Job { task, ..job }));
                false
            }
        }
    }

    /// After `stop`: tries that were put off are events that may have been taken.
    pub fn abandon(&mut self, effects: &mut Effects) {
        for (_, later) in std::mem::take(&mut self.later) {
            if let Later::Retry(job) = later {
                self.tally.events.given_up += 1;
                let event_id = self.run.event_id(job.journey);
                effects.lines.push(Line::UnknownEvent { journey: job.journey, event_id });
            }
        }
    }

    fn note(&mut self, problem: String) {
        let problems = &mut self.tally.problems;
        if problems.len() < PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

fn backoff(attempt: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << attempt.min(10)).min(LONGEST_BACKOFF)
}
