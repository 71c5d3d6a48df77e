//! Keep-alive connections to the edge, one request at a time on each, opened as they are needed.
//!
//! A request that was certainly not written to a connection (it had been closed while idle) goes out on a new one, as a
//! browser would do; whether to try again after anything else is the driver's to decide.

use crate::replay::request::{Job, Requests};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// The edge answers a click after 2 s at the latest, whatever Kafka does; an event after its own timeout of some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A problem+json is below a kilobyte; this is for an edge that is none.
const BODY_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub enum Reply {
    Answered(Answered),
    /// Certainly never reached the edge.
    Unsent(String),
    /// Sent, at least in part, and no answer.
    Unknown(String),
}

#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub location: Option<String>,
    pub cookies: Vec<String>,
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

#[derive(Debug)]
pub struct Answer {
    pub job: Job,
    pub reply: Reply,
    pub at: Instant,
    worker: usize,
}

/// Hands each job to an idle connection; more jobs than connections wait in order, and their lateness counts.
pub struct Pool {
    requests: Arc<Requests>,
    limit: usize,
    workers: Vec<mpsc::UnboundedSender<Job>>,
    /// Last in, first out: the fewest connections do the work.
    idle: Vec<usize>,
    queue: VecDeque<Job>,
    answers: mpsc::UnboundedSender<Answer>,
}

impl Pool {
    pub fn new(requests: Requests, limit: usize) -> (Pool, mpsc::UnboundedReceiver<Answer>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        let (workers, idle, queue) = (Vec::new(), Vec::new(), VecDeque::new());
        (Pool { requests: Arc::new(requests), limit, workers, idle, queue, answers }, receiver)
    }

    pub fn submit(&mut self, job: Job) {
        let worker = match self.idle.pop() {
            Some(worker) => worker,
            None if self.workers.len() < self.limit => self.open(),
            None => return self.queue.push_back(job),
        };
        self.hand(worker, job);
    }

    /// The connection that this answer came on is free again.
    pub fn freed_by(&mut self, answer: &Answer) {
        match self.queue.pop_front() {
            Some(job) => self.hand(answer.worker, job),
            None => self.idle.push(answer.worker),
        }
    }

    fn open(&mut self) -> usize {
        let (sender, jobs) = mpsc::unbounded_channel();
        let worker = self.workers.len();
        self.workers.push(sender);
        tokio::spawn(work(worker, self.requests.clone(), jobs, self.answers.clone()));
        worker
    }

    fn hand(&self, worker: usize, job: Job) {
        // A worker ends only when its sender is dropped, which is with the pool.
        let _ = self.workers[worker].send(job);
    }
}

type Connection = SendRequest<Full<Bytes>>;

async fn work(
    worker: usize,
    requests: Arc<Requests>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut connection = None;
    while let Some(job) = jobs.recv().await {
        let reply = exchange(&mut connection, &requests.authority, requests.of(&job)).await;
        // The receiver goes first when a replay is stopped.
        let _ = answers.send(Answer { job, reply, at: Instant::now(), worker });
    }
}

/// One request and its answer; leaves the connection behind where it can be used again.
async fn exchange(kept: &mut Option<Connection>, authority: &str, request: Request<Full<Bytes>>) -> Reply {
    let mut request = request;
    let mut last_error = String::new();
    for _ in 0..3 {
        let mut connection = match usable(kept.take(), authority).await {
            Ok(connection) => connection,
            Err(error) => return Reply::Unsent(error),
        };
        match timeout(ANSWER_LIMIT, connection.try_send_request(request)).await {
            Err(_) => return Reply::Unknown(format!("no answer in {} s", ANSWER_LIMIT.as_secs())),
            Ok(Ok(response)) => {
                let reply = read(response).await;
                *kept = matches!(reply, Reply::Answered(_)).then_some(connection);
                return reply;
            }
            Ok(Err(mut refused)) => match refused.take_message() {
                Some(unwritten) => (request, last_error) = (unwritten, refused.into_error().to_string()),
                None => return Reply::Unknown(refused.into_error().to_string()),
            },
        }
    }
    Reply::Unsent(last_error)
}

async fn usable(kept: Option<Connection>, authority: &str) -> Result<Connection, String> {
    if let Some(mut connection) = kept
        && connection.ready().await.is_ok()
    {
        return Ok(connection);
    }
    let connected = timeout(CONNECT_LIMIT, TcpStream::connect(authority)).await;
    let stream = connected.map_err(|_| "no connection in 2 s".to_owned())?.map_err(|error| error.to_string())?;
    // Small requests: Nagle's algorithm would hold them back.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    sender.ready().await.map_err(|error| error.to_string())?;
    Ok(sender)
}

async fn read(response: Response<Incoming>) -> Reply {
    let (head, body) = response.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let seconds = head.headers.get(RETRY_AFTER).and_then(text).and_then(|text| text.parse().ok());
    let limited = http_body_util::Limited::new(body, BODY_BYTES);
    let body = match timeout(ANSWER_LIMIT, limited.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return Reply::Unknown(error.to_string()),
        Err(_) => return Reply::Unknown("the answer's body did not come".to_owned()),
    };
    Reply::Answered(Answered {
        status: head.status.as_u16(),
        location: head.headers.get(LOCATION).and_then(text),
        cookies: head.headers.get_all(SET_COOKIE).iter().filter_map(text).collect(),
        retry_after: seconds.map(Duration::from_secs),
        body,
    })
}
