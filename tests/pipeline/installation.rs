//! One installation for one test: topics and tables of its own, roles as processes, on a stack that tests share.

use kafka::KafkaConfig;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TRIBUTARY: &str = env!("CARGO_BIN_EXE_tributary");

/// Kafka and ClickHouse on free ports, stopped when the last test that uses them ends.
pub struct Stack {
    pub options: stack::Options,
    pub endpoints: stack::Endpoints,
    _folder: TempDir,
}

impl Stack {
    fn up() -> Arc<Stack> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = stack::Options::for_test(folder.path().join("stack"), PathBuf::from(TRIBUTARY));
        let endpoints = stack::up(&options).expect("the servers start");
        Arc::new(Stack { options, endpoints, _folder: folder })
    }

    fn shared() -> Arc<Stack> {
        static SHARED: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let stack = Stack::up();
            *shared = Arc::downgrade(&stack);
            stack
        })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = stack::down(&self.options) {
            eprintln!("servers did not stop: {error}");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    Edge,
    Processor,
    Sinks,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Edge, Role::Processor, Role::Sinks];

    fn name(self) -> &'static str {
        match self {
            Role::Edge => "edge",
            Role::Processor => "processor",
            Role::Sinks => "sinks",
        }
    }
}

pub struct Installation {
    pub stack: Arc<Stack>,
    folder: TempDir,
    name: String,
    roles: BTreeMap<Role, Child>,
    ports: BTreeMap<Role, u16>,
}

impl Installation {
    /// On the shared stack.
    pub fn new(name: &str) -> Installation {
        Installation::on(Stack::shared(), name)
    }

    /// On a stack of its own, which the test may break.
    pub fn alone(name: &str) -> Installation {
        Installation::on(Stack::up(), name)
    }

    /// Another installation on the same servers.
    pub fn on(stack: Arc<Stack>, name: &str) -> Installation {
        let folder = tempfile::tempdir().expect("a folder");
        let port = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let ports = Role::ALL.map(|role| (role, port().expect("a free port").port())).into();
        let installation = Installation { stack, folder, name: name.into(), roles: BTreeMap::new(), ports };
        installation.write_config();
        let secrets = installation.path("secrets");
        installation.tributary(&["secrets", "init", "--dir", &secrets]);
        installation.tributary(&["topics", "create", "--partitions", "3"]);
        installation.tributary(&["tables", "create"]);
        installation.tributary(&["catalog", "apply", "loadtest/demo/catalog.yaml", "--secrets", &secrets]);
        installation
    }

    fn write_config(&self) {
        let port = |role| self.ports[&role];
        let text = format!(
            "[kafka]\nbootstrap = {:?}\nprefix = \"{}.\"\ndevelopment = true\n\
             [clickhouse]\nurl = {:?}\ndatabase = \"{}\"\n\
             [edge]\nlisten = \"127.0.0.1:{}\"\nmac_keys = {:?}\nspool_dir = {:?}\n\
             [processor]\nstate_dir = {:?}\nmetrics_listen = \"127.0.0.1:{}\"\ncheckpoint_interval = \"2s\"\nthreads = 2\n\
             [sinks]\nmetrics_listen = \"127.0.0.1:{}\"\n",
            self.stack.endpoints.kafka_bootstrap,
            self.name,
            self.stack.endpoints.clickhouse_http,
            self.database(),
            port(Role::Edge),
            self.path("secrets/mac-keys"),
            self.path("spool"),
            self.path("state"),
            port(Role::Processor),
            port(Role::Sinks),
        );
        std::fs::write(self.path("tributary.toml"), text).expect("a configuration");
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    pub fn database(&self) -> String {
        format!("tributary_{}", self.name)
    }

    pub fn kafka(&self) -> KafkaConfig {
        let bootstrap = self.stack.endpoints.kafka_bootstrap.clone();
        KafkaConfig { bootstrap, prefix: format!("{}.", self.name), development: true }
    }

    pub fn edge_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[&Role::Edge])
    }

    pub fn api_key(&self) -> String {
        std::fs::read_to_string(self.path("secrets/acme-server.key")).expect("a key").trim().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TRIBUTARY);
        command.args(["--config", &self.path("tributary.toml")]).args(arguments);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed and returns what it printed.
    pub fn tributary(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tributary {arguments:?} ended with {}:\n{text}", output.status);
        text
    }

    /// Runs a command that must fail, and returns what it printed.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "tributary {arguments:?} went well:\n{text}");
        text
    }

    /// Starts a role without waiting for it to be ready.
    pub fn spawn(&mut self, role: Role) {
        let log = self.path(&format!("{}.log", role.name()));
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let both = log.try_clone().expect("a second handle");
        // A write beyond a limit on the size of files is to fail, as on a full disk, and not to end the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", TRIBUTARY]);
        command.args(["--config", &self.path("tributary.toml"), role.name()]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stdin(Stdio::null());
        let child = command.stdout(log).stderr(both).spawn().expect("the role starts");
        assert!(self.roles.insert(role, child).is_none(), "{role:?} runs already");
    }

    pub fn start(&mut self, role: Role) {
        self.spawn(role);
        self.wait_for(&format!("{role:?} to be ready"), || {
            self.page(role, "health").is_some_and(|answer| answer.status == 200)
        });
    }

    /// A page of a role's own; none while it does not answer.
    pub fn page(&self, role: Role, path: &str) -> Option<Answer> {
        http("GET", &format!("http://127.0.0.1:{}/{path}", self.ports[&role]), &[], None).ok()
    }

    pub fn pid(&self, role: Role) -> u32 {
        self.roles[&role].id()
    }

    pub fn start_all(&mut self) {
        Role::ALL.into_iter().for_each(|role| self.start(role));
    }

    /// kill -9.
    pub fn kill(&mut self, role: Role) {
        let mut child = self.roles.remove(&role).expect("the role runs");
        child.kill().expect("a signal");
        child.wait().expect("an end");
    }

    /// SIGTERM, as an operator would; the role must end by itself.
    pub fn stop(&mut self, role: Role) {
        let mut child = self.roles.remove(&role).expect("the role runs");
        let signalled = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(signalled.success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while child.try_wait().expect("a status").is_none() {
            assert!(Instant::now() < deadline, "{role:?} does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command in the background.
    pub fn background(&self, arguments: &[&str]) -> Child {
        let log = File::create(self.path("background.log")).expect("a log file");
        let both = log.try_clone().expect("a second handle");
        self.command(arguments).stdout(log).stderr(both).spawn().expect("the binary runs")
    }

    /// Replays the visitors of 3,000 journeys through the edge, in the background.
    pub fn replay(&self, rate: u32) -> Child {
        let (key, out, edge) = (self.path("secrets/acme-server.key"), self.path("replay"), self.edge_url());
        let rate = rate.to_string();
        let target = ["--edge", &edge, "--api-key-file", &key, "--out", &out];
        let load = ["--limit-journeys", "3000", "--rate", &rate];
        self.background(&[["loadtest", "replay"].as_slice(), &target, &load].concat())
    }

    /// Waits for the end of a replay, then holds ClickHouse against what it was acknowledged.
    pub fn verify(&self, mut replay: Child) {
        let status = replay.wait().expect("a status");
        assert!(status.success(), "the replay ended with {status}:\n{}", self.log("background.log"));
        let (out, report, database) = (self.path("replay"), self.path("report.json"), self.database());
        let url = self.stack.endpoints.clickhouse_http.clone();
        let tables = ["--clickhouse", &url, "--database", &database];
        self.tributary(&[["loadtest", "verify", "--out", &out, "--report", &report].as_slice(), &tables].concat());
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Rows of a query as text, with `{db}` for this installation's database.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let sql = sql.replace("{db}", &self.database());
        let answer = http("POST", &self.stack.endpoints.clickhouse_http, &[], Some(&sql)).expect("ClickHouse answers");
        assert_eq!(answer.status, 200, "{sql}\n{}", answer.body);
        answer.body.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().expect("a number")
    }

    pub fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !done() {
            assert!(Instant::now() < deadline, "waited 90 s for {what}\n{}", self.tails());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a query gives this number.
    pub fn wait_for_number(&self, sql: &str, expected: i64) {
        self.wait_for(&format!("{sql} = {expected}"), || self.number(sql) == expected);
    }

    fn tails(&self) -> String {
        let tail = |name: &str| {
            let text = self.log(name);
            let lines: Vec<&str> = text.lines().rev().take(15).collect();
            format!("--- {name}\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        ["edge.log", "processor.log", "sinks.log", "background.log"].map(tail).concat()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for child in self.roles.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.tails());
        }
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request by curl, an HTTP client that is not ours; `Err` where there was no answer.
pub fn http(method: &str, url: &str, headers: &[&str], body: Option<&str>) -> Result<Answer, String> {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "30", "-X", method, url, "-H", "Expect:"]);
    headers.iter().for_each(|header| {
        command.args(["-H", header]);
    });
    if let Some(body) = body {
        command.args(["--data-binary", body]);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok(Answer { status, headers: headers.to_owned(), body: body.to_owned() })
}
