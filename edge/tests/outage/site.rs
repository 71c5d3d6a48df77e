//! A Kafka and an edge for one test: processes that are killed, stopped and started again, and what Kafka holds in the
//! end.

#![allow(dead_code, reason = "each of the tests uses its part")]

use kafka::KafkaConfig;
use kafka::ends::Ends;
use kafka::group::Place;
use schemas::codec;
use schemas::record::click::Click;
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::topic::Topic;
use stack::Server;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Tells a process of this test what it is: arguments, with spaces between.
const PROCESS: &str = "TRIBUTARY_TEST_PROCESS";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../loadtest/demo/catalog.yaml");

/// What a process of the tests does: the broker, or an edge. None of these where it is the test itself.
pub fn process() {
    let Ok(arguments) = std::env::var(PROCESS) else { return };
    let mut arguments = arguments.split(' ');
    match arguments.next() {
        Some("stack") => {
            let arguments = ["tributary", "stack"].into_iter().chain(arguments);
            let stack = <Stack as clap::Parser>::parse_from(arguments);
            let Stack::Stack(stack) = stack;
            stack::cli::execute(stack, Path::new("")).expect("becomes the broker");
        }
        Some("edge") => {
            service::logging::init();
            let shutdown = service::Shutdown::default();
            shutdown.on_signals_in_background().expect("signals");
            let config = PathBuf::from(arguments.next().expect("a configuration"));
            let settings = service::config::Settings::load(Some(&config), &[], toml::Table::new()).expect("settings");
            let (edge, kafka) = (settings.section("edge").expect("edge"), settings.section("kafka").expect("kafka"));
            edge::run(edge, kafka, shutdown, |_| {}).expect("runs");
        }
        other => panic!("no process {other:?}"),
    }
}

#[derive(clap::Parser)]
enum Stack {
    Stack(stack::cli::StackArgs),
}

pub struct Site {
    folder: TempDir,
    options: stack::Options,
    pub kafka: KafkaConfig,
    address: SocketAddr,
    edge: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Site {
    pub fn new() -> Site {
        Site::with("")
    }

    /// With more of `[edge]`.
    pub fn with(settings: &str) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        // A write beyond a limit on the size of files is to fail, as on a full disk, and not to end the process.
        let script = folder.path().join("process");
        let this = std::env::current_exe().expect("this test");
        let text = format!(
            "#!/bin/sh\ntrap '' XFSZ\nexport {PROCESS}=\"$*\"\n\
             exec {this:?} --exact a_process_of_the_other_tests --ignored --nocapture\n"
        );
        std::fs::write(&script, text).expect("a script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("executable");
        let options = stack::Options::for_test(folder.path().join("stack"), &script);
        let endpoints = stack::start_one(&options, Server::Kafka).expect("Kafka starts");
        let kafka = KafkaConfig { bootstrap: endpoints.kafka_bootstrap, prefix: "outage.".into(), development: true };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
        let now = Micros(i64::try_from(now).expect("a time"));
        kafka::admin::create_topics(&kafka, 2, 1, now).expect("topics");
        let secrets = folder.path().join("secrets");
        edge::secrets::create_mac_keys(&secrets.join("mac-keys")).expect("keys");
        kafka::catalog::apply(&kafka, Path::new(CATALOG), Some(&secrets), now, false).expect("a catalog");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let site = Site { folder, options, kafka, address: port, edge: None, log: Arc::default() };
        let text = format!(
            "[kafka]\nbootstrap = {:?}\nprefix = \"outage.\"\ndevelopment = true\n\
             [edge]\nlisten = \"{}\"\nmac_keys = {:?}\nspool_dir = {:?}\nthreads = 2\n{settings}\n",
            site.kafka.bootstrap,
            site.address,
            secrets.join("mac-keys"),
            site.spool(),
        );
        std::fs::write(site.config(), text).expect("a configuration");
        site
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("tributary.toml")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn now(&self) -> Micros {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
        Micros(i64::try_from(now).expect("a time"))
    }

    /// Further configuration of the edge, before it starts.
    pub fn configure(&self, text: &str) {
        let before = std::fs::read_to_string(self.config()).expect("a configuration");
        std::fs::write(self.config(), format!("{before}{text}")).expect("a configuration");
    }

    /// Segments that are there.
    pub fn segments(&self) -> usize {
        let files = std::fs::read_dir(self.spool()).expect("a folder").flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(".spool")).count()
    }

    pub fn api_key(&self) -> String {
        let key = std::fs::read_to_string(self.folder.path().join("secrets/acme-server.key")).expect("a key");
        key.trim().to_owned()
    }

    pub fn keys(&self) -> schemas::token::MacKeys {
        edge::secrets::read_mac_keys(&self.folder.path().join("secrets/mac-keys")).expect("keys")
    }

    pub fn start_edge(&mut self) {
        // A pipe: the log is no file that a limit on the size of files would hit.
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let log = self.log.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let mut command = Command::new(self.folder.path().join("process"));
        command.arg("edge").arg(self.config()).stdin(Stdio::null());
        let child = command.stdout(writer.try_clone().expect("a handle")).stderr(writer).spawn().expect("starts");
        self.edge = Some(child);
        self.wait_for("the edge", || self.get("/health").is_some_and(|answer| answer.status == 200));
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn edge_pid(&self) -> u32 {
        self.edge.as_ref().expect("runs").id()
    }

    /// kill -9.
    pub fn kill_edge(&mut self) {
        let mut edge = self.edge.take().expect("runs");
        edge.kill().expect("a signal");
        edge.wait().expect("an end");
    }

    /// SIGTERM; it must end by itself.
    pub fn stop_edge(&mut self) {
        signal("TERM", self.edge_pid());
        self.stopped();
    }

    /// It was told to stop.
    pub fn stopped(&mut self) {
        let mut edge = self.edge.take().expect("runs");
        assert!(edge.wait().expect("an end").success());
    }

    pub fn kill_kafka(&self) {
        stack::kill(&self.options, Server::Kafka).expect("killed");
    }

    pub fn start_kafka(&self) {
        stack::start_one(&self.options, Server::Kafka).expect("starts again");
    }

    /// STOP or CONT.
    pub fn signal_kafka(&self, name: &str) {
        let kafka = stack::status(&self.options).into_iter().find(|one| one.server == Server::Kafka);
        let pid = kafka.and_then(|kafka| kafka.pid).expect("runs");
        signal(name, u32::try_from(pid).expect("a pid"));
    }

    pub fn get(&self, path: &str) -> Option<Answer> {
        self.request("GET", path, "", "")
    }

    pub fn post(&self, path: &str, body: &str) -> Option<Answer> {
        let headers = format!("X-API-KEY: {}\r\nContent-Type: application/json\r\n", self.api_key());
        self.request("POST", path, &headers, body)
    }

    /// None where there was no whole answer.
    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
        let began = Instant::now();
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        // An image is an answer too.
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.get(9..12)?.parse().ok()?;
        let location = head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
        Some(Answer { status, location, body: body.to_owned(), took: began.elapsed() })
    }

    /// A figure of the edge's.
    pub fn figure(&self, name: &str) -> f64 {
        let page = self.get("/metrics").expect("metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// How often Kafka has each click and event.
    pub fn in_kafka(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let ends = Ends::open(&self.kafka).expect("a client");
        for topic in [Topic::Clicks, Topic::Events] {
            let name = self.kafka.topics().name(topic);
            for partition in 0..2 {
                let (from, to) = patiently(|| ends.of(&name, partition));
                let place = Place { topic: name.clone(), partition };
                let each = |record: kafka::queue::Record<'_>| {
                    let value = record.value.expect("a value");
                    let id = match topic {
                        Topic::Clicks => codec::decode::<Click>(value).expect("a click").click_id.to_string(),
                        _ => codec::decode::<Event>(value).expect("an event").event_id,
                    };
                    *found.entry(id).or_default() += 1;
                    Ok(())
                };
                kafka::range::read(&self.kafka, &place, from, to, each, || Ok::<(), kafka::Error>(())).expect("read");
            }
        }
        found
    }

    /// All records of a topic.
    pub fn records<T: codec::Record>(&self, topic: Topic) -> Vec<T> {
        let mut found = Vec::new();
        let ends = Ends::open(&self.kafka).expect("a client");
        let name = self.kafka.topics().name(topic);
        for partition in 0..2 {
            let (from, to) = patiently(|| ends.of(&name, partition));
            let place = Place { topic: name.clone(), partition };
            let each = |record: kafka::queue::Record<'_>| {
                found.push(codec::decode::<T>(record.value.expect("a value")).expect("a record"));
                Ok(())
            };
            kafka::range::read(&self.kafka, &place, from, to, each, || Ok::<(), kafka::Error>(())).expect("read");
        }
        found
    }

    pub fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !done() {
            assert!(Instant::now() < deadline, "waited 90 s for {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut edge) = self.edge.take() {
            let _ = edge.kill();
            let _ = edge.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // One that a test stopped would not hear of its end.
        let kafka = stack::status(&self.options).into_iter().find(|one| one.server == Server::Kafka);
        if let Some(pid) = kafka.and_then(|kafka| kafka.pid) {
            signal("CONT", u32::try_from(pid).unwrap_or_default());
        }
        let _ = stack::kill(&self.options, Server::Kafka);
    }
}

pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
    pub took: Duration,
}

impl Answer {
    /// The token of a redirect.
    pub fn token(&self) -> Option<&str> {
        let (_, behind) = self.location.as_deref()?.split_once("click_id=")?;
        behind.split('&').next()
    }
}

pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{name} to {pid}");
}

/// What files may have in bytes from now on, for a process that runs.
pub fn limit_files(pid: u32, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status().expect("prlimit runs");
    assert!(set.success(), "prlimit {limit}");
}

/// A broker that stood still is taken out by its controller for a moment: its partitions are nobody's until it is back.
fn patiently<T>(ask: impl Fn() -> Result<T, kafka::Error>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
