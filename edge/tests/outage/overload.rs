//! A measurement, no test: clicks on a schedule, whatever the answers take, while other processes want the cores too.
//!
//! `OVERLOAD=rate:seconds:hogs cargo test -p edge --test outage overload -- --ignored --nocapture`

use super::site::Site;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 128;

struct Seen {
    took: Duration,
    token: bool,
}

pub fn measure() {
    let given = std::env::var("OVERLOAD").unwrap_or_else(|_| "4000:20:3".into());
    let numbers: Vec<u32> = given.split(':').map(|part| part.parse().expect("a number")).collect();
    let [rate, seconds, hogs] = numbers[..] else { panic!("OVERLOAD=rate:seconds:hogs") };
    let mut site = Site::new();
    site.start_edge();
    let mut wasters: Vec<_> = (0..hogs)
        .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).stdout(Stdio::null()).spawn().expect("a hog"))
        .collect();
    let cpu = cpu_seconds(site.edge_pid());
    let start = Instant::now() + Duration::from_millis(200);
    let between = Duration::from_secs(1) * CONNECTIONS as u32 / rate;
    let mut seen: Vec<Seen> = std::thread::scope(|scope| {
        let site = &site;
        let running: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let first = start + between * number as u32 / CONNECTIONS as u32;
                scope.spawn(move || visit(site, first, between, seconds * rate / CONNECTIONS as u32))
            })
            .collect();
        running.into_iter().flat_map(|one| one.join().expect("a client")).collect()
    });
    let cpu = cpu_seconds(site.edge_pid()) - cpu;
    for hog in &mut wasters {
        let _ = (hog.kill(), hog.wait());
    }
    seen.sort_unstable_by_key(|one| one.took);
    let at = |share: f64| seen[((seen.len() - 1) as f64 * share) as usize].took;
    println!("{} clicks, p50 {:?}, p90 {:?}, p99 {:?}, slowest {:?}", seen.len(), at(0.5), at(0.9), at(0.99), at(1.0));
    println!("with a token: {}", seen.iter().filter(|one| one.token).count());
    println!("edge: {:.1} CPU-us a click", cpu * 1e6 / seen.len() as f64);
    let page = site.get("/metrics").expect("metrics").body;
    for line in page.lines().filter(|line| line.starts_with("edge_spool") || line.starts_with("edge_breaker")) {
        println!("{line}");
    }
    page.lines().filter(|line| line.starts_with("edge_clicks")).for_each(|line| println!("{line}"));
    site.stop_edge();
}

/// Of the process, user and system.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("runs");
    let behind = stat.rsplit_once(')').expect("a name").1;
    let field = |index: usize| behind.split_whitespace().nth(index).and_then(|value| value.parse::<f64>().ok());
    (field(11).unwrap_or(0.0) + field(12).unwrap_or(0.0)) / 100.0
}

/// One connection's clicks, each measured from when it was due.
fn visit(site: &Site, first: Instant, between: Duration, count: u32) -> Vec<Seen> {
    let stream = TcpStream::connect(site.address()).expect("connects");
    stream.set_nodelay(true).expect("an option");
    let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
    let mut writer = stream;
    let mut seen = Vec::new();
    let mut line = String::new();
    for number in 0..count {
        let due = first + between * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        writer.write_all(b"GET /r/alpha-demo?sub1=x HTTP/1.1\r\nHost: t.example\r\n\r\n").expect("sent");
        let mut token = false;
        loop {
            line.clear();
            assert!(reader.read_line(&mut line).expect("an answer") > 0, "closed");
            token |= line.starts_with("location:") && line.contains("click_id=");
            if line == "\r\n" {
                break;
            }
        }
        seen.push(Seen { took: due.elapsed(), token });
    }
    seen
}
