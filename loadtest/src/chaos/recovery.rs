//! How long decisions pause when a processor is killed with much state: killed, given new events whose touches are in
//! the old state, started again; from the start to the first of their decisions.

use super::chance::Chance;
use super::expectation::Shop;
use super::feeder::{Pace, feed};
use super::member::Member;
use super::site::{Installation, Site};
use super::stream::{Delivery, RecordWriter};
use super::visit::{PUBLISHERS, PlannedClick, PlannedEvent, Token};
use super::watch::Watch;
use crate::error::Error;
use schemas::decimal::{Currency, Fixed};
use schemas::id::{ClickId, JourneyId, time_ordered};
use schemas::record::event::EvidenceSource;
use schemas::time::Micros;
use serde_json::{Value, json};
use service::Shutdown;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;
/// 2026-06-01T00:00:00Z. All clicks are within two weeks of it.
const FIRST_CLICK: Micros = Micros(1_780_272_000_000_000);
const DAY: i64 = 24 * 3600 * 1_000_000;
/// Events of one round.
const EVENTS: u64 = 400;
/// Nothing decided for so long is a failure.
const LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(20);
/// A look at how far the group has come makes a client of its own.
const LAG_LOOK: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Options {
    pub dir: PathBuf,
    pub exe: PathBuf,
    pub seed: u64,
    /// Of state when the processor is killed.
    pub clicks: u64,
    /// To read again into an empty store.
    pub reread: u64,
    pub rounds: usize,
    pub say: fn(&str),
}

/// From the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub first: Duration,
    /// All events of the round are decided.
    pub all: Duration,
}

#[derive(Debug)]
pub struct Measured {
    pub clicks: u64,
    pub reread: u64,
    pub restarts: Vec<Round>,
    pub rebuilds: Vec<Round>,
    /// Clicks a second that went through the processor before the kill.
    pub clicks_per_s: f64,
    pub took: Duration,
}

pub fn run(options: &Options, shutdown: &Shutdown) -> Result<Measured, Error> {
    let began = Instant::now();
    let site = Site::open(&options.dir, &options.exe)?;
    let mut small = Bench::new(options, &site, "reread.", options.reread, shutdown)?;
    small.fill()?;
    let rebuilds = small.rounds(true)?;
    drop(small);
    let mut large = Bench::new(options, &site, "restart.", options.clicks, shutdown)?;
    let clicks_per_s = large.fill()?;
    let restarts = large.rounds(false)?;
    let (clicks, reread) = (options.clicks, options.reread);
    Ok(Measured { clicks, reread, restarts, rebuilds, clicks_per_s, took: began.elapsed() })
}

struct Bench<'b> {
    options: &'b Options,
    shutdown: &'b Shutdown,
    installation: Installation,
    member: Member,
    writer: RecordWriter,
    clicks: u64,
}

impl<'b> Bench<'b> {
    fn new(
        options: &'b Options,
        site: &Site,
        prefix: &str,
        clicks: u64,
        shutdown: &'b Shutdown,
    ) -> Result<Bench<'b>, Error> {
        let names = |reason: String| Error::Chaos { doing: "name the shop", reason };
        let installation = site.install(prefix, PARTITIONS)?;
        let shop = Shop::open().ok_or_else(|| names("no names".into()))?;
        let writer = RecordWriter::new(shop, installation.catalog_offset).map_err(|error| names(error.to_string()))?;
        let instance = format!("recovery-{}", prefix.trim_end_matches('.'));
        let member = Member::new(&instance, &options.exe, site.dir(), &installation, &[]);
        Ok(Bench { options, shutdown, installation, member, writer, clicks })
    }

    /// Writes all clicks and has a processor take them; returns how many it took a second.
    fn fill(&mut self) -> Result<f64, Error> {
        (self.options.say)(&format!("{} clicks into Kafka and into the processor's state", self.clicks));
        let clicks = (0..self.clicks).map(|number| self.writer.click(&click(self.options.seed, number)));
        self.feed(clicks)?;
        let began = Instant::now();
        self.member.start()?;
        while self.installation.clicks_left()? > 0 {
            self.look()?;
            std::thread::sleep(LAG_LOOK);
        }
        Ok(self.clicks as f64 / began.elapsed().as_secs_f64())
    }

    fn rounds(&mut self, lose_store: bool) -> Result<Vec<Round>, Error> {
        (0..self.options.rounds).map(|round| self.round(round as u64, lose_store)).collect()
    }

    fn round(&mut self, round: u64, lose_store: bool) -> Result<Round, Error> {
        // So that the kill does not follow a start at once.
        self.wait(Duration::from_secs(2))?;
        self.member.kill();
        if lose_store {
            self.member.lose_store()?;
        }
        let watch = Watch::start(&self.installation)?;
        self.feed((0..EVENTS).map(|number| self.event(round, number)))?;
        let mark = watch.mark();
        let began = Instant::now();
        self.member.start()?;
        while watch.conversions() < EVENTS as usize {
            self.look()?;
            if began.elapsed() > LIMIT {
                let reason = format!("{} of {EVENTS} decisions after {LIMIT:?}", watch.conversions());
                return Err(Error::Chaos { doing: "wait for decisions", reason });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let all = began.elapsed();
        if watch.attributed() != watch.records() {
            let reason = format!("{} of {} decisions name a publisher", watch.attributed(), watch.records());
            return Err(Error::Chaos { doing: "find touches in the old state", reason });
        }
        let round = Round { first: watch.recovery(mark).first.unwrap_or(all), all };
        let what = if lose_store { "empty store" } else { "restart" };
        (self.options.say)(&format!("{what}: first decision after {:?}, all after {:?}", round.first, round.all));
        Ok(round)
    }

    /// An event of a click that is one of the state's, anywhere in it.
    fn event(&self, round: u64, number: u64) -> Delivery {
        let of = Chance::new(self.options.seed ^ round, number).within(0..self.clicks);
        let PlannedClick { id, journey, at, .. } = click(self.options.seed, of);
        let sold_at = at.plus(DAY);
        self.writer.event(&PlannedEvent {
            event_id: format!("r-{round}-{number}"),
            order_id: None,
            value: Fixed(20_000_000),
            currency: Currency::USD,
            at: sold_at,
            received_at: sold_at,
            tokens: vec![Token { source: EvidenceSource::ClickId, click: id, journey }],
            arrives: vec![0],
        })
    }

    fn feed(&self, records: impl Iterator<Item = Delivery>) -> Result<(), Error> {
        let pace = Pace::default();
        pace.full_speed();
        feed(&self.installation.kafka, records, &pace, self.shutdown)?;
        self.stopped()
    }

    fn wait(&mut self, time: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.look()?;
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Error> {
        if self.member.ended()? {
            let reason = format!("it ended by itself, see {}", self.member.log().display());
            return Err(Error::Chaos { doing: "watch the processor", reason });
        }
        self.stopped()
    }

    fn stopped(&self) -> Result<(), Error> {
        if self.shutdown.requested() {
            return Err(Error::Chaos { doing: "go on", reason: "stopped before the end".into() });
        }
        Ok(())
    }
}

/// A click of a journey of its own: nothing of it is cheap because a neighbour was read.
fn click(seed: u64, number: u64) -> PlannedClick {
    let mut chance = Chance::new(seed, number);
    let at = FIRST_CLICK.plus((number % (14 * 24 * 3600)) as i64 * 1_000_000);
    let journey = JourneyId(time_ordered(at, chance.bytes()));
    let id = ClickId(time_ordered(at, chance.bytes()));
    PlannedClick { id, journey, at, publisher: (number % u64::from(PUBLISHERS)) as u8, arrives: vec![0] }
}

impl Measured {
    pub fn figures(&self) -> Value {
        let slowest = |rounds: &[Round], of: fn(&Round) -> Duration| {
            rounds.iter().map(of).max().map_or(Value::Null, |slowest| json!(slowest.as_millis() as u64))
        };
        json!({
            "clicks": self.clicks,
            "restart_first_ms": slowest(&self.restarts, |round| round.first),
            "restart_all_ms": slowest(&self.restarts, |round| round.all),
            "reread_clicks": self.reread,
            "reread_first_ms": slowest(&self.rebuilds, |round| round.first),
            "reread_all_ms": slowest(&self.rebuilds, |round| round.all),
            "rounds": self.restarts.len(),
            "fill_clicks_per_s": self.clicks_per_s.round(),
            "seconds": self.took.as_secs(),
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slowest = |rounds: &[Round]| rounds.iter().map(|round| round.first).max().unwrap_or_default();
        write!(
            out,
            "kill -9 with {} clicks of state: first new decision {:.2} s after the restart; with a new store and {} \
             clicks to read again: {:.2} s (slowest of {})",
            self.clicks,
            slowest(&self.restarts).as_secs_f64(),
            self.reread,
            slowest(&self.rebuilds).as_secs_f64(),
            self.restarts.len()
        )
    }
}
