//! Requests at their times: one thread, many keep-alive connections, one request at a time on each.
//!
//! Open loop: a request is due when the rate says so, and its latency is counted from that moment, also where no
//! connection was free or this thread was late (no coordinated omission). Closed loop, to find what a server can do:
//! the next request is due when its connection's last answer came. A request without an answer is asked again, if the
//! traffic says so, and keeps its due time.

use super::answer::Answer;
use crate::error::Error;
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const EVENTS: usize = 512;
const READ_BYTES: usize = 64 * 1024;
/// Between two attempts of one connection to be opened, where nobody listens.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Longer without an answer, and the connection is closed: the edge answers within its acknowledge wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long this thread sleeps at most: so often it looks for `stop` and for answers that never came.
const LOOK: Duration = Duration::from_millis(50);
const SHORT_SLEEP: Duration = Duration::from_micros(100);

/// What is asked, and what is made of the answers.
pub trait Traffic {
    type Request;
    fn next(&mut self, connection: usize) -> Self::Request;
    fn write(&self, request: &Self::Request, out: &mut Vec<u8>);
    /// Whether this was the answer, or when to ask again.
    fn answered(&mut self, request: &mut Self::Request, connection: usize, answer: &Answer<'_>) -> Told;
    /// Nobody answered; `sent` where the server may have seen it. Asked again after the pause, or given up.
    fn unanswered(&mut self, request: &mut Self::Request, sent: bool) -> Option<Duration>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Done,
    Again(Duration),
}

#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests a second; none is the closed loop.
    pub rate: Option<f64>,
    pub connections: usize,
    pub lasts: Duration,
}

/// What one load gave.
pub struct Outcome {
    pub took: Duration,
    pub done: u64,
    /// Requests that nothing answered to the end.
    pub given_up: u64,
    /// Answers that came after a second attempt or a later one.
    pub repeated: u64,
    /// Attempts to connect while nobody listened.
    pub refused: u64,
    /// From due to the answer, microseconds; of requests that were answered at once.
    pub latency: Histogram<u64>,
}

impl Outcome {
    pub fn per_s(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

struct Flight<R> {
    request: R,
    due: Instant,
    attempts: u32,
    sent: Instant,
}

enum State<R> {
    /// Not connected; not tried again before this.
    Down(Instant),
    Idle,
    Busy(Flight<R>),
}

struct Connection<R> {
    stream: Option<TcpStream>,
    state: State<R>,
    input: Vec<u8>,
}

pub struct Generator<'t, T: Traffic> {
    address: SocketAddr,
    traffic: &'t mut T,
    load: Load,
    epoll: OwnedFd,
    connections: Vec<Connection<T::Request>>,
    /// In the order in which they became idle, so that all are used.
    idle: VecDeque<usize>,
    down: VecDeque<usize>,
    /// Asked again at this time: as long as pauses are alike, in order.
    again: VecDeque<(Instant, T::Request, Instant, u32)>,
    outcome: Outcome,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::Chaos { doing, reason: error.to_string() }
}

impl<'t, T: Traffic> Generator<'t, T> {
    pub fn new(address: SocketAddr, load: Load, traffic: &'t mut T) -> Result<Self, Error> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| failed("wait for answers")(error.into()))?;
        let latency = Histogram::new_with_bounds(1, 600_000_000, 3)
            .map_err(|error| Error::Chaos { doing: "make a histogram", reason: error.to_string() })?;
        let outcome = Outcome { took: Duration::ZERO, done: 0, given_up: 0, repeated: 0, refused: 0, latency };
        let now = Instant::now();
        let connection = || Connection { stream: None, state: State::Down(now), input: Vec::new() };
        Ok(Generator {
            address,
            traffic,
            load,
            epoll,
            connections: (0..load.connections).map(|_| connection()).collect(),
            idle: VecDeque::new(),
            down: (0..load.connections).collect(),
            again: VecDeque::new(),
            outcome,
            buffer: vec![0; READ_BYTES],
            out: Vec::new(),
        })
    }

    /// Runs the load to its end and waits for what is under way. `look` is called some twenty times a second with how
    /// many answers came; the load ends early where it says false.
    pub fn run(mut self, mut look: impl FnMut(u64) -> bool) -> Result<Outcome, Error> {
        let mut now = Instant::now();
        self.connect(now)?;
        let began = Instant::now();
        let end = began + self.load.lasts;
        let interval = self.load.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let (mut asked, mut next_look) = (0_u32, began);
        let mut events = Vec::with_capacity(EVENTS);
        let mut over = false;
        loop {
            now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK;
                over |= !look(self.outcome.done);
                self.connect(now)?;
                self.overdue(now);
            }
            over |= now >= end;
            let mut wake = next_look;
            while self.again.front().is_some_and(|(at, ..)| *at <= now)
                && let Some(connection) = self.idle.pop_front()
                && let Some((_, request, due, attempts)) = self.again.pop_front()
            {
                self.send(connection, request, due, attempts, now);
            }
            match interval {
                Some(interval) => loop {
                    let due = began + interval.mul_f64(f64::from(asked));
                    if over || due > now {
                        wake = wake.min(due);
                        break;
                    }
                    let Some(connection) = self.idle.pop_front() else { break };
                    asked += 1;
                    let request = self.traffic.next(connection);
                    self.send(connection, request, due, 0, now);
                },
                None => {
                    while !over && let Some(connection) = self.idle.pop_front() {
                        let request = self.traffic.next(connection);
                        self.send(connection, request, now, 0, now);
                    }
                }
            }
            if over && self.again.is_empty() && !self.connections.iter().any(|one| matches!(one.state, State::Busy(_)))
            {
                break;
            }
            // The kernel waits in milliseconds here: what is due sooner is slept for, and answers wait so long.
            let pause = wake.saturating_duration_since(Instant::now());
            if pause < Duration::from_millis(1) {
                std::thread::sleep(pause.min(SHORT_SLEEP));
            }
            let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_millis()) * 1_000_000 };
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed("wait for answers")(error.into())),
            }
            for event in &events {
                self.readable(event.data.u64() as usize);
            }
        }
        // What is under way at the end is answered after it; the rate is that of the whole.
        self.outcome.took = began.elapsed().max(Duration::from_millis(1));
        Ok(self.outcome)
    }

    /// Opens what is not open. Local connections: accepted by the kernel at once, or refused.
    fn connect(&mut self, now: Instant) -> Result<(), Error> {
        for _ in 0..self.down.len() {
            let Some(number) = self.down.pop_front() else { break };
            let State::Down(not_before) = self.connections[number].state else { continue };
            let wait = not_before > now;
            let Some(stream) = (if wait { None } else { open(self.address) }) else {
                self.outcome.refused += u64::from(!wait);
                self.connections[number].state = State::Down(if wait { not_before } else { now + CONNECT_PAUSE });
                self.down.push_back(number);
                continue;
            };
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN | epoll::EventFlags::RDHUP)
                .map_err(|error| failed("wait for answers")(error.into()))?;
            self.connections[number] = Connection { stream: Some(stream), state: State::Idle, input: Vec::new() };
            self.idle.push_back(number);
        }
        Ok(())
    }

    fn send(&mut self, number: usize, request: T::Request, due: Instant, attempts: u32, now: Instant) {
        self.out.clear();
        self.traffic.write(&request, &mut self.out);
        let connection = &mut self.connections[number];
        connection.state = State::Busy(Flight { request, due, attempts, sent: now });
        // A request fits into an empty socket's buffer; where it does not, the connection is of no use.
        let written = connection.stream.as_mut().and_then(|stream| stream.write(&self.out).ok());
        if written != Some(self.out.len()) {
            self.close(number, written.is_some());
        }
    }

    fn readable(&mut self, number: usize) {
        loop {
            let connection = &mut self.connections[number];
            let Some(stream) = connection.stream.as_mut() else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.close(number, true),
                Ok(count) => {
                    connection.input.extend_from_slice(&self.buffer[..count]);
                    self.take(number);
                    if count < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(number, true),
            }
        }
    }

    fn take(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let (answer, State::Busy(flight)) = (Answer::read(&connection.input), &mut connection.state) else {
            return self.close(number, true);
        };
        let answer = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(_) => return self.close(number, true),
        };
        let (now, last) = (Instant::now(), answer.last);
        let told = self.traffic.answered(&mut flight.request, number, &answer);
        connection.input.clear();
        let State::Busy(flight) = std::mem::replace(&mut connection.state, State::Idle) else { return };
        match told {
            Told::Done if flight.attempts == 0 => {
                self.outcome.done += 1;
                let latency = now.saturating_duration_since(flight.due).as_micros();
                // The bounds are ten minutes: longer is as bad.
                self.outcome.latency.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
            }
            Told::Done => {
                self.outcome.done += 1;
                self.outcome.repeated += 1;
            }
            Told::Again(pause) => self.again.push_back((now + pause, flight.request, flight.due, flight.attempts + 1)),
        }
        self.idle.push_back(number);
        if last {
            self.close(number, true);
        }
    }

    fn close(&mut self, number: usize, sent: bool) {
        let connection = &mut self.connections[number];
        connection.stream = None;
        connection.input.clear();
        let now = Instant::now();
        match std::mem::replace(&mut connection.state, State::Down(now)) {
            State::Down(since) => connection.state = State::Down(since),
            State::Idle => {
                self.idle.retain(|idle| *idle != number);
                self.down.push_back(number);
            }
            State::Busy(mut flight) => {
                self.down.push_back(number);
                match self.traffic.unanswered(&mut flight.request, sent) {
                    Some(pause) => {
                        self.again.push_back((now + pause, flight.request, flight.due, flight.attempts + 1));
                    }
                    None => self.outcome.given_up += 1,
                }
            }
        }
    }

    fn overdue(&mut self, now: Instant) {
        let late = |one: &Connection<T::Request>| match &one.state {
            State::Busy(flight) => now > flight.sent + ANSWER_LIMIT,
            State::Down(_) | State::Idle => false,
        };
        for number in 0..self.connections.len() {
            if late(&self.connections[number]) {
                self.close(number, true);
            }
        }
    }
}

fn open(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}
