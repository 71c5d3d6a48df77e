//! `stack` on the real servers: nothing is lost and nothing is left behind, whatever is killed.
//!
//! Each test has a stack of its own, on free ports, in a temporary folder. The first run on a machine downloads the
//! servers (into the cache of all clones).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use stack::{Endpoints, Options, Server, ServerState};

/// A stack that is gone when the test is, also when it failed.
struct Scratch {
    options: Options,
    dir: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let options = Options::for_test(dir.path().join("stack"), env!("CARGO_BIN_EXE_tributary"));
        Scratch { options, dir }
    }

    fn up(&self) -> Endpoints {
        stack::up(&self.options).unwrap_or_else(|error| panic!("up: {error}"))
    }

    fn pid(&self, server: Server) -> i32 {
        let found = stack::status(&self.options).into_iter().find(|one| one.server == server).expect("both listed");
        assert_eq!(found.state, ServerState::Running, "{server}");
        found.pid.expect("a running server has a pid")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["kafka/server.log", "clickhouse/server.log"] {
                eprintln!("== {log}\n{}", fs::read_to_string(self.options.dir.join(log)).unwrap_or_default());
            }
        }
        for server in Server::ALL {
            let _ = stack::kill(&self.options, server);
        }
    }
}

/// Runs one SQL statement over HTTP, as `user`; panics on any answer but 200.
fn query(endpoints: &Endpoints, user: &str, sql: &str) -> Result<String, String> {
    let address = endpoints.clickhouse_http.strip_prefix("http://").expect("an http address");
    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    let head = format!("POST /?user={user} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", sql.len());
    stream.write_all(head.as_bytes()).expect("send head");
    stream.write_all(sql.as_bytes()).expect("send query");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let body = body.trim_end().to_owned();
    if head.contains(" 200 ") { Ok(body) } else { Err(body) }
}

fn sql(endpoints: &Endpoints, text: &str) -> String {
    query(endpoints, "default", text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn kafka_tool(class: &str, endpoints: &Endpoints, arguments: &[&str], input: &str) -> String {
    let mut tool = stack::kafka_tool(class).expect("Kafka is in the cache");
    tool.args(["--bootstrap-server", &endpoints.kafka_bootstrap]).args(arguments);
    let mut child =
        tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("java starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("input");
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{class}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn read_topic(endpoints: &Endpoints) -> Vec<String> {
    let arguments = ["--topic", "orders", "--from-beginning", "--max-messages", "3", "--timeout-ms", "30000"];
    let text = kafka_tool("org.apache.kafka.tools.consumer.ConsoleConsumer", endpoints, &arguments, "");
    text.lines().map(str::to_owned).collect()
}

/// Processes that work below `dir`: servers, by their working folder.
fn processes_below(dir: &Path) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir)))
        .map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
        .collect()
}

#[test]
fn everything_is_there_after_both_servers_were_killed() {
    let scratch = Scratch::new();
    let before = scratch.up();
    assert_eq!(stack::endpoints(&scratch.options.dir).as_ref(), Some(&before));

    sql(&before, "CREATE DATABASE tributary");
    sql(&before, "CREATE TABLE tributary.orders (id UInt64, value Int64) ENGINE = MergeTree ORDER BY id");
    sql(&before, "INSERT INTO tributary.orders VALUES (1, 10), (2, 20)");
    let create = ["--create", "--topic", "orders", "--partitions", "1", "--replication-factor", "1"];
    kafka_tool("org.apache.kafka.tools.TopicCommand", &before, &create, "");
    kafka_tool("org.apache.kafka.tools.ConsoleProducer", &before, &["--topic", "orders"], "one\ntwo\nthree\n");

    let pids = Server::ALL.map(|server| scratch.pid(server));
    for server in Server::ALL {
        stack::kill(&scratch.options, server).expect("kill");
    }
    assert!(stack::status(&scratch.options).iter().all(|one| one.state == ServerState::Crashed));

    let after = scratch.up();
    assert_eq!(after, before, "clients find both servers where they were");
    assert_eq!(sql(&after, "SELECT count(), sum(value) FROM tributary.orders"), "2\t30");
    assert_eq!(read_topic(&after), ["one", "two", "three"]);

    // Only what is missing is started again.
    let clickhouse = scratch.pid(Server::ClickHouse);
    assert_ne!(clickhouse, pids[1]);
    stack::kill(&scratch.options, Server::Kafka).expect("kill");
    scratch.up();
    assert_eq!(scratch.pid(Server::ClickHouse), clickhouse);
}

#[test]
fn a_kill_from_outside_that_up_overtakes_is_still_repaired() {
    let scratch = Scratch::new();
    scratch.up();
    for server in Server::ALL {
        // Not through the library, which would wait for the end.
        let killed = Command::new("kill").args(["-9", &scratch.pid(server).to_string()]).status().expect("kill");
        assert!(killed.success());
        scratch.up();
        scratch.pid(server);
    }
}

#[test]
fn up_twice_is_up_once_and_down_leaves_no_process() {
    let scratch = Scratch::new();
    let first = scratch.up();
    let pids = Server::ALL.map(|server| scratch.pid(server));
    assert_eq!(scratch.up(), first);
    assert_eq!(Server::ALL.map(|server| scratch.pid(server)), pids);
    assert_eq!(processes_below(&scratch.options.dir).len(), 2);

    stack::down(&scratch.options).expect("down");
    assert_eq!(processes_below(&scratch.options.dir), Vec::<String>::new());
    assert!(stack::status(&scratch.options).iter().all(|one| one.state == ServerState::Stopped));
    stack::down(&scratch.options).expect("down twice is down");

    // Each can be stopped and started alone.
    stack::start_one(&scratch.options, Server::ClickHouse).expect("start ClickHouse");
    let [kafka, clickhouse] = stack::status(&scratch.options);
    assert_eq!((kafka.state, clickhouse.state), (ServerState::Stopped, ServerState::Running));
    stack::stop_one(&scratch.options, Server::ClickHouse).expect("stop ClickHouse");

    stack::reset(&scratch.options).expect("reset");
    assert!(!scratch.options.dir.exists());
    assert!(scratch.dir.path().exists());
}

#[test]
fn a_taken_port_is_replaced_and_the_data_moves_along() {
    let mut scratch = Scratch::new();
    let before = scratch.up();
    sql(&before, "CREATE TABLE default.t (a Int64) ENGINE = MergeTree ORDER BY a");
    let create = ["--create", "--topic", "orders", "--partitions", "1", "--replication-factor", "1"];
    kafka_tool("org.apache.kafka.tools.TopicCommand", &before, &create, "");
    stack::down(&scratch.options).expect("down");

    // Every port, the controller's too, whose number is in Kafka's quorum.
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let taken = [
        before.kafka_bootstrap.clone(),
        format!("127.0.0.1:{}", before.kafka_controller_port),
        address(&before.clickhouse_http),
        format!("127.0.0.1:{}", before.clickhouse_tcp_port),
    ]
    .map(|address| TcpListener::bind(&address).unwrap_or_else(|error| panic!("{address}: {error}")));

    let after = scratch.up();
    assert_ne!(after.kafka_bootstrap, before.kafka_bootstrap);
    assert_ne!(after.kafka_controller_port, before.kafka_controller_port);
    assert_ne!(after.clickhouse_http, before.clickhouse_http);
    assert_ne!(after.clickhouse_tcp_port, before.clickhouse_tcp_port);
    assert_eq!(sql(&after, "SELECT count() FROM default.t"), "0");
    let topics = kafka_tool("org.apache.kafka.tools.TopicCommand", &after, &["--list"], "");
    assert_eq!(topics.lines().collect::<Vec<_>>(), ["orders"]);
    drop(taken);

    // An asked port goes before the recorded one.
    stack::down(&scratch.options).expect("down");
    let asked = before.clickhouse_http.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    scratch.options.ports.clickhouse_http = Some(asked);
    assert_eq!(scratch.up().clickhouse_http, before.clickhouse_http);
}

#[test]
fn two_at_once_start_one_stack() {
    let scratch = Scratch::new();
    let [one, two] = std::thread::scope(|scope| {
        [scope.spawn(|| scratch.up()), scope.spawn(|| scratch.up())].map(|up| up.join().expect("up"))
    });
    assert_eq!(one, two);
    assert_eq!(processes_below(&scratch.options.dir).len(), 2);
}

#[test]
fn clickhouse_is_set_up_as_the_sinks_and_the_readers_need_it() {
    let scratch = Scratch::new();
    let endpoints = stack::start_one(&scratch.options, Server::ClickHouse).expect("start ClickHouse");
    assert_eq!(sql(&endpoints, "SELECT toUnixTimestamp(toDateTime('2026-01-01 00:00:00'))"), "1767225600", "UTC");
    assert_eq!(sql(&endpoints, "SELECT value FROM system.settings WHERE name = 'async_insert'"), "0");

    sql(&endpoints, "CREATE DATABASE tributary");
    sql(&endpoints, "CREATE TABLE tributary.t (a Int64) ENGINE = MergeTree ORDER BY a");
    for _ in 0..2 {
        sql(&endpoints, "INSERT INTO tributary.t SETTINGS insert_deduplication_token = 'x' VALUES (7)");
    }
    assert_eq!(sql(&endpoints, "SELECT count() FROM tributary.t"), "1", "a retried insert counts once");

    let readonly = |text: &str| query(&endpoints, "readonly", text);
    assert_eq!(readonly("SELECT sum(a) FROM tributary.t").as_deref(), Ok("7"));
    for forbidden in [
        "INSERT INTO tributary.t VALUES (8)",
        "DROP TABLE tributary.t",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1/', 'LineAsString')",
        "SELECT count() FROM system.users",
        "CREATE TABLE default.u (a Int64) ENGINE = Memory",
    ] {
        assert!(readonly(forbidden).is_err(), "{forbidden}");
    }
}
