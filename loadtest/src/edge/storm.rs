//! Faults under load: Kafka away, the edge killed, the spool's disk full, while visitors click and advertisers send
//! events; then, when the spool is empty, the client's journal is held against what Kafka has.

use super::audit::{self, Findings};
use super::generator::{Generator, Load, Outcome};
use super::journal::Journal;
use super::plan::{Fault, Step};
use super::server::{Server, free_address};
use super::site::{CODES, EdgeSite};
use super::visitors::{Tally, Visitors};
use super::volume::Volume;
use crate::bench::metrics::Page;
use crate::error::Error;
use service::Shutdown;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;
const CONNECTIONS: usize = 256;
/// Between two lines about how far it is.
const TELL: Duration = Duration::from_secs(5);
/// A supervisor's, before it starts a process that ended by itself.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);
/// The spool did not get empty for so long after the load: what is in it then is lost.
const DRAIN_LIMIT: Duration = Duration::from_secs(300);

pub struct Options {
    pub dir: PathBuf,
    pub exe: PathBuf,
    pub clicks_per_s: u32,
    pub events_per_s: u32,
    pub steps: Vec<Step>,
    pub lasts: Duration,
    pub say: fn(&str),
}

pub struct Stormed {
    pub tally: Tally,
    pub complaint: Option<String>,
    pub outcome: Outcome,
    pub kills: u64,
    pub ended_by_itself: u64,
    pub away: Duration,
    pub drained: Duration,
    pub disk: &'static str,
    pub findings: Findings,
}

/// Runs until the audit, or until `shutdown` is requested, which is an error.
pub fn run(options: &Options, shutdown: &Shutdown) -> Result<Stormed, Error> {
    let site = EdgeSite::open(&options.dir, &options.exe, PARTITIONS)?;
    let volume = Volume::create(site.dir())?;
    (options.say)(&format!("the spool's disk: {}", volume.describe()));
    let address = free_address()?;
    let mut edge = start_edge(&site, &volume, address)?;
    edge.await_listening()?;
    let journal = Journal::create(&site.dir().join("journal"))?;
    let each = options.clicks_per_s + options.events_per_s;
    let every = u64::from(each / options.events_per_s.max(1));
    let mut visitors = Visitors::new(&address.to_string(), &site.api_key()?, &CODES, every, journal);
    let load = Load { rate: Some(f64::from(each)), connections: CONNECTIONS, lasts: options.lasts };
    let began = Instant::now();
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut faults = Faults {
        options,
        shutdown,
        site: &site,
        volume: &volume,
        address,
        edge: Some(edge),
        began,
        answered: &answered,
        told: began,
        kills: 0,
        ended_by_itself: 0,
        stopped: None,
        away: Duration::ZERO,
    };
    let generator = Generator::new(address, load, &mut visitors)?;
    let (outcome, done) = std::thread::scope(|scope| {
        let over = &over;
        let breaking = scope.spawn(|| {
            let done = faults.run();
            // The load goes on to its end, also where a fault could not be done.
            over.store(done.is_err(), Ordering::Relaxed);
            (faults, done)
        });
        let outcome = generator.run(|count| {
            answered.store(count, Ordering::Relaxed);
            !over.load(Ordering::Relaxed)
        });
        let panicked = || Error::Chaos { doing: "break things", reason: "its thread panicked".into() };
        (outcome, breaking.join().map_err(|_| panicked()))
    });
    let (faults, done) = done?;
    done?;
    let outcome = outcome?;
    let (kills, ended_by_itself, away) = (faults.kills, faults.ended_by_itself, faults.away);
    let edge = faults.edge;
    let drained = drain(options, shutdown, address)?;
    if let Some(edge) = edge {
        edge.stop();
    }
    (options.say)("reading what Kafka holds");
    let found = audit::read(&site)?;
    let acknowledged = visitors.journal.close()?;
    let findings = audit::audit(&acknowledged, &visitors.sent, &found);
    let (tally, complaint) = (visitors.tally, visitors.complaint);
    let disk = volume.describe();
    Ok(Stormed { tally, complaint, outcome, kills, ended_by_itself, away, drained, disk, findings })
}

fn start_edge(site: &EdgeSite, volume: &Volume, address: SocketAddr) -> Result<Server, Error> {
    let command = site.edge(address, &volume.folder.join("spool"), &["edge.threads=2".to_owned()]);
    // A write beyond a limit on the size of files is to fail, as on a full disk, and not to end the process.
    let shell = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned);
    let command: Vec<String> = shell.into_iter().chain(command).collect();
    Server::spawn("edge", address, &command, &[], None, &site.dir().join("edge.log"))
}

/// Waits until the spool holds nothing that Kafka was not heard to have.
fn drain(options: &Options, shutdown: &Shutdown, address: SocketAddr) -> Result<Duration, Error> {
    let (began, mut told) = (Instant::now(), Instant::now());
    loop {
        let left = Page::fetch(address)?.sum("edge_spool_records");
        if left == 0.0 || began.elapsed() > DRAIN_LIMIT {
            return Ok(began.elapsed());
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            (options.say)(&format!("{left} records are left in the spool"));
        }
        pause(shutdown)?;
    }
}

fn pause(shutdown: &Shutdown) -> Result<(), Error> {
    std::thread::sleep(LOOK);
    if shutdown.requested() { Err(Error::Chaos { doing: "finish", reason: "stopped".into() }) } else { Ok(()) }
}

struct Faults<'s> {
    options: &'s Options,
    shutdown: &'s Shutdown,
    site: &'s EdgeSite,
    volume: &'s Volume,
    address: SocketAddr,
    edge: Option<Server>,
    began: Instant,
    answered: &'s AtomicU64,
    told: Instant,
    kills: u64,
    ended_by_itself: u64,
    stopped: Option<Instant>,
    away: Duration,
}

impl Faults<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let site = self.site;
        // A broker takes a while to start, and the edge is killed meanwhile too.
        std::thread::scope(|scope| {
            let mut starting = None;
            for step in &self.options.steps {
                while self.began.elapsed() < step.at {
                    self.see_to_it()?;
                }
                self.say(&step.fault.to_string());
                if step.fault == Fault::StartKafka {
                    self.away = self.stopped.map_or(Duration::ZERO, |since| since.elapsed());
                    starting = Some(scope.spawn(|| site.broker().start_broker()));
                } else {
                    self.apply(step.fault)?;
                }
            }
            while self.began.elapsed() < self.options.lasts {
                self.see_to_it()?;
            }
            let panicked = || Error::Chaos { doing: "start Kafka", reason: "its thread panicked".into() };
            starting.map_or(Ok(()), |starting| starting.join().unwrap_or_else(|_| Err(panicked())))
        })?;
        // The last kill may have been a moment ago.
        self.edge.as_mut().map_or(Ok(()), Server::await_listening)
    }

    fn apply(&mut self, fault: Fault) -> Result<(), Error> {
        let pid = self.edge.as_ref().map_or(0, Server::pid);
        match fault {
            Fault::KillEdge => {
                // Dropping a server kills it with SIGKILL and waits for its end.
                drop(self.edge.take());
                self.edge = Some(start_edge(self.site, self.volume, self.address)?);
                self.kills += 1;
            }
            Fault::StopKafka => {
                self.site.broker().kill_broker()?;
                self.stopped = Some(Instant::now());
            }
            // Done beside the others.
            Fault::StartKafka => {}
            Fault::FillDisk => self.volume.fill(pid)?,
            Fault::MakeRoom => self.volume.make_room(pid)?,
        }
        Ok(())
    }

    fn say(&self, what: &str) {
        (self.options.say)(&format!("{:>6.1} s  {what}", self.began.elapsed().as_secs_f64()));
    }

    /// While nothing is to be done: an edge that ended by itself, such as for want of a disk, is started again.
    fn see_to_it(&mut self) -> Result<(), Error> {
        if let Some(edge) = &mut self.edge
            && edge.ended()?
        {
            self.say("the edge ended by itself");
            self.ended_by_itself += 1;
            std::thread::sleep(RESTART_PAUSE);
            self.edge = Some(start_edge(self.site, self.volume, self.address)?);
        }
        self.tell();
        pause(self.shutdown)
    }

    fn tell(&mut self) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let spool = Page::fetch(self.address).map_or_else(
            |_| "the edge does not listen".to_owned(),
            |page| format!("{} records in the spool", page.sum("edge_spool_records")),
        );
        self.say(&format!("{} answers, {spool}", self.answered.load(Ordering::Relaxed)));
    }
}
