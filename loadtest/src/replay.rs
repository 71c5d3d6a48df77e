//! `replay`: the journeys of a file as visitors of the edge, over real HTTP.
//!
//! The shell around `driver`: it has the clock, the connections, the record's file and the progress bar. All of it runs on
//! one thread, so the client takes no more than it must from the servers beside it.

mod driver;
pub(crate) mod measure;
mod outcome;
mod pool;
mod progress;
mod request;
mod visibility;
mod visitor;

use crate::clickhouse::{ClickHouse, http_authority};
use crate::error::{Error, FileContext};
use crate::journeys::{Journeys, Totals};
use crate::record::{self, Latency, Recorder, Run, RunId};
use crate::schedule::schedule;
use driver::{Driver, Effects, Start};
use pool::{Answer, Pool};
use progress::Progress;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use request::Requests;
use schemas::time::Micros;
use service::Shutdown;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use visibility::Visibility;

/// Between two looks at the progress, the record's flush included.
const TICK: Duration = Duration::from_millis(500);
/// Before the first click is due, so that it is not late for what is set up.
const LEAD: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    /// `http://host:port`.
    pub edge: String,
    /// Clicks a second.
    pub rate: u32,
    /// Where the record goes.
    pub out: PathBuf,
    pub api_key: String,
    /// The first so many visitors only, in the order of `seed`.
    pub limit_journeys: Option<u32>,
    pub seed: u64,
    pub connections: usize,
    /// How long an event is retried.
    pub give_up: Duration,
    /// Its name; by default the time in milliseconds.
    pub run: Option<RunId>,
    /// Where sampled conversions are looked for.
    pub clickhouse: Option<ClickHouse>,
    pub show_progress: bool,
}

/// Replays until all is done or `shutdown` is requested; either way what was acknowledged is in `options.out`.
pub async fn replay(options: &Options, shutdown: &Shutdown) -> Result<Run, Error> {
    let authority = http_authority(&options.edge).ok_or_else(|| Error::BadOption {
        option: "--edge",
        problem: "is no http://host:port",
        given: options.edge.clone(),
    })?;
    let wall = now();
    let name = options.run.clone().or_else(|| RunId::new(&(wall.0 / 1000).to_string()));
    let run =
        name.ok_or(Error::BadOption { option: "the clock", problem: "is before 1970", given: wall.to_string() })?;
    let journeys = Journeys::read(&options.data)?;
    let order = order(&journeys, options);
    let planned = journeys.totals(order.iter().map(|(journey, _)| *journey));
    let requests = Requests::new(authority, run.clone(), &options.api_key, journeys.publishers())?;
    let mut recorder = Recorder::create(&options.out)?;
    let schedule = schedule(&order, options.rate);
    let start = Start { at: Instant::now() + LEAD, wall: wall.plus(LEAD.as_micros() as i64) };
    let driver = Driver::new(journeys, run.clone(), schedule, options.rate, start, options.give_up);
    let (pool, answers) = Pool::new(requests, options.connections);
    let visibility = options.clickhouse.clone().map(|clickhouse| Visibility::start(clickhouse, shutdown.clone()));
    let progress = Progress::new(planned.touches, options.show_progress);
    let mut shell = Shell { driver, pool, visibility, progress, recorder: &mut recorder };

    let cpu_before = measure::thread_cpu();
    shell.drive(answers, shutdown).await?;
    let cpu = cpu_before.zip(measure::thread_cpu()).map(|(before, after)| after.saturating_sub(before));
    let Shell { driver, visibility, progress, .. } = shell;
    progress.finish();
    recorder.flush()?;
    let mut run = summary(options, run, planned, start, driver, cpu);
    // Before the last samples are awaited, so that it is there whatever ends the waiting.
    record::write_run(&options.out, &run)?;
    if let Some(visibility) = visibility {
        (run.visible, run.never_visible) = visibility.finish().await;
        record::write_run(&options.out, &run)?;
    }
    Ok(run)
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(since.as_micros() as i64)
}

/// Journeys with their touches, shuffled, as many as are wanted.
fn order(journeys: &Journeys, options: &Options) -> Vec<(u32, u16)> {
    // A path has 254 touches at most.
    let mut order: Vec<(u32, u16)> =
        (0..journeys.len()).map(|journey| (journey, journeys.touches(journey).len() as u16)).collect();
    order.shuffle(&mut StdRng::seed_from_u64(options.seed));
    order.truncate(options.limit_journeys.map_or(order.len(), |limit| limit as usize));
    order
}

struct Shell<'a> {
    driver: Driver,
    pool: Pool,
    visibility: Option<Visibility>,
    progress: Progress,
    recorder: &'a mut Recorder,
}

impl Shell<'_> {
    async fn drive(&mut self, mut answers: mpsc::UnboundedReceiver<Answer>, shutdown: &Shutdown) -> Result<(), Error> {
        let mut effects = Effects::default();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopped = false;
        while !self.driver.finished() {
            // With nothing due the answers end the waiting.
            let next = self.driver.next_due().unwrap_or_else(|| Instant::now() + TICK);
            tokio::select! {
                Some(answer) = answers.recv() => {
                    self.take(answer, &mut effects);
                    while let Ok(answer) = answers.try_recv() {
                        self.take(answer, &mut effects);
                    }
                }
                () = sleep_until(next), if !stopped => {}
                _ = tick.tick() => {
                    self.progress.show(&mut self.driver.tally);
                    self.recorder.flush()?;
                }
                () = shutdown.wait(), if !stopped => {
                    stopped = true;
                    self.driver.stop();
                }
            }
            self.driver.release(Instant::now(), &mut effects);
            self.carry_out(&mut effects)?;
        }
        self.driver.abandon(&mut effects);
        self.carry_out(&mut effects)
    }

    fn take(&mut self, answer: Answer, effects: &mut Effects) {
        self.pool.freed_by(&answer);
        self.driver.answered(answer, effects);
    }

    fn carry_out(&mut self, effects: &mut Effects) -> Result<(), Error> {
        effects.jobs.drain(..).for_each(|job| self.pool.submit(job));
        for event_id in effects.acknowledged.drain(..) {
            if let Some(visibility) = &mut self.visibility {
                visibility.acknowledged(event_id);
            }
        }
        effects.lines.drain(..).try_for_each(|line| self.recorder.write(&line))
    }
}

fn summary(options: &Options, run: RunId, planned: Totals, start: Start, driver: Driver, cpu: Option<Duration>) -> Run {
    let complete = driver.complete();
    let tally = driver.tally;
    let seconds = tally.last_click_answer.map_or(0.0, |last| last.saturating_duration_since(start.at).as_secs_f64());
    let rounded = |figure: f64| (figure * 1000.0).round() / 1000.0;
    let per = |amount: f64, by: f64| if by > 0.0 { rounded(amount / by) } else { 0.0 };
    Run {
        run,
        started_at: start.wall.to_string(),
        edge: options.edge.clone(),
        data: options.data.display().to_string(),
        seed: options.seed,
        rate: options.rate,
        planned,
        complete,
        clicks: tally.clicks,
        events: tally.events,
        seconds: rounded(seconds),
        clicks_per_s: per(tally.clicks.acknowledged as f64, seconds),
        click_latency: tally.click_latency.summary(),
        event_latency: tally.event_latency.summary(),
        visible: Latency::default(),
        never_visible: 0,
        cpu_us_per_request: per(cpu.unwrap_or_default().as_secs_f64() * 1e6, tally.requests as f64),
        problems: tally.problems,
    }
}

/// The key in a file, without the line's end.
pub fn read_api_key(path: &std::path::Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).at("read", path)?;
    let key = text.trim();
    if key.is_empty() {
        return Err(Error::BadFile { path: path.to_owned(), error: "holds no API key".to_owned() });
    }
    Ok(key.to_owned())
}
