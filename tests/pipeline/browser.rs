//! A real browser: Chromium clicks a publisher's link, the edge redirects it to a shop's page that loads the edge's
//! `collect.js`, the visitor buys there, and the purchase is credited to the publisher.

use crate::installation::{Installation, Role};
use crate::log;
use schemas::record::click::Click;
use schemas::record::decision::{Decision, Outcome};
use schemas::topic::Topic;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The demo's advertiser with a campaign that leads to the test's own shop, and a key that may stand in its pages.
const CATALOG: &str = "tenant: default
effective_from: 2026-01-01T00:00:00Z
campaigns:
- {id: shop, advertiser: acme, name: Shop, destination: 'http://SHOP/welcome', contract: standard, look_back: 30d}
links:
- {code: alpha-shop, campaign: shop, publisher: alpha}
api_keys:
- {id: acme-page, advertiser: acme, key_file: acme-page.key, use: browser}
";

/// A browser says what it is, and a headless one says that it is a program.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// A publisher's page. Its visitor follows the link.
const BLOG: &str = "<!doctype html><title>Blog</title><a id=link href='http://EDGE/r/alpha-shop?sub1=post-7'>Shoes!</a>
<script>addEventListener('load', () => setTimeout(() => document.getElementById('link').click(), 100))</script>";

/// The shop's page. Its visitor looks at it for a moment, and buys.
const WELCOME: &str = "<!doctype html><title>Shop</title><script src='http://EDGE/collect.js' data-key='KEY'></script>
<button id=buy onclick=\"tributary.purchase({order_id: 'W-1001', value: '49.90', currency: 'USD'})\">Buy</button>
<script>addEventListener('load', () => setTimeout(() => document.getElementById('buy').click(), 300))</script>";

/// The publisher's and the shop's server; what was asked for, in order.
struct Pages {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

fn lock(asked: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pages {
    /// Bound first: the catalog must know the address before the pages know the key.
    fn bind() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").expect("a free port")
    }

    fn serve(listener: TcpListener, edge: &str, key: &str) -> Pages {
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let filled = |page: &str| page.replace("EDGE", edge).replace("KEY", key);
        let (blog, welcome) = (filled(BLOG), filled(WELCOME));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let path = answer(stream, |path| match path.split('?').next() {
                    Some("/blog") => Some(blog.clone()),
                    Some("/welcome") => Some(welcome.clone()),
                    _ => None,
                });
                lock(&heard).extend(path);
            }
        });
        Pages { address, asked }
    }
}

/// One request and its answer; returns what was asked for.
fn answer(stream: TcpStream, page: impl Fn(&str) -> Option<String>) -> Option<String> {
    // A browser opens connections that it may not use.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut head = String::new();
    while reader.read_line(&mut head).ok()? > 2 {
        head.clear();
    }
    let (status, body) = page(&path).map_or(("404 Not Found", String::new()), |page| ("200 OK", page));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    reader.get_mut().write_all((head + &body).as_bytes()).ok()?;
    Some(path)
}

/// Chromium without a window, which reaches this machine only; ended with the test.
struct Browser(Child);

impl Browser {
    fn open(installation: &Installation, url: &str) -> Browser {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = names.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
        let program = found.expect("a browser: scripts/setup.sh chromium installs one");
        let mut command = Command::new(program);
        command.args([
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-sync",
        ]);
        command.args(["--no-default-browser-check", "--disable-background-networking", "--disable-component-update"]);
        // Stays open until it is ended.
        command.arg("--remote-debugging-port=0");
        // As root there is no sandbox; the pages are our own.
        command.arg("--no-sandbox");
        command.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost");
        command.arg(format!("--user-agent={AGENT}"));
        command.arg(format!("--user-data-dir={}", installation.path("browser")));
        let log = std::fs::File::create(installation.path("background.log")).expect("a log file");
        let both = log.try_clone().expect("a second handle");
        command.arg(url).stdin(Stdio::null()).stdout(log).stderr(both);
        Browser(command.spawn().expect("the browser starts"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Names that every browser knows to be this machine: three sites, as in life.
fn site(name: &str, port: u16) -> String {
    format!("{name}.localhost:{port}")
}

#[test]
fn a_browser_clicks_a_link_lands_on_a_page_with_the_script_and_its_purchase_is_credited() {
    let mut installation = Installation::new("browser");
    let listener = Pages::bind();
    let port = listener.local_addr().expect("an address").port();
    let (catalog, secrets) = (installation.path("browser.yaml"), installation.path("secrets"));
    std::fs::write(&catalog, CATALOG.replace("SHOP", &site("shop", port))).expect("a catalog");
    installation.tributary(&["catalog", "apply", &catalog, "--secrets", &secrets]);
    installation.start(Role::Edge);
    installation.start(Role::Processor);
    let key = std::fs::read_to_string(installation.path("secrets/acme-page.key")).expect("a key");
    let edge_port = installation.edge_url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let pages = Pages::serve(listener, &site("track", edge_port), key.trim());

    let blog = format!("http://{}/blog", site("blog", pages.address.port()));
    let browser = Browser::open(&installation, &blog);
    let decisions = || log::records::<Decision>(&installation, Topic::Decisions);
    installation.wait_for("a decision about the purchase", || !decisions().is_empty());
    drop(browser);

    let asked = lock(&pages.asked).clone();
    let landed = asked.iter().find(|path| path.starts_with("/welcome?")).expect("the visitor landed in the shop");
    assert!(landed.contains("click_id=") && landed.contains("ref_code=alpha-shop"), "{landed}");
    let clicks = log::records::<Click>(&installation, Topic::Clicks);
    assert_eq!(clicks.len(), 1, "one click, one record");
    assert_eq!((clicks[0].publisher.as_str(), clicks[0].user_agent.as_deref()), ("alpha", Some(AGENT)));
    assert_eq!(clicks[0].params.get("sub1").map(String::as_str), Some("post-7"));
    let decided = decisions();
    let newest = decided.iter().max_by_key(|decision| decision.revision).expect("a decision");
    assert_eq!(newest.outcome, Outcome::Attributed, "{newest:?}");
    let paid: Vec<_> =
        newest.shares.iter().map(|share| (share.publisher.as_str(), share.commission.to_string())).collect();
    // 10 % of 49.90.
    assert_eq!(paid, [("alpha", "4.990000".to_owned())]);
    installation.stop(Role::Edge);
}
