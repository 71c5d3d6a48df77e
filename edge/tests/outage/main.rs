//! Kafka slow, away, and the edge killed meanwhile (P1): what was acknowledged is in Kafka in the end, once; the
//! client's own list of acknowledged ids is the oracle.

mod doors;
mod overload;
mod site;

use site::{Answer, Site, limit_files};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One broker at a time: two cores are few for several.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "the other tests run it as a process"]
fn a_process_of_the_other_tests() {
    site::process();
}

#[test]
#[ignore = "a measurement"]
fn overload() {
    let _alone = alone();
    overload::measure();
}

/// What a client was told that we have.
struct Acknowledged<'s> {
    site: &'s Site,
    keys: schemas::token::MacKeys,
    ids: Vec<String>,
    slowest: Duration,
}

impl<'s> Acknowledged<'s> {
    fn new(site: &'s Site) -> Acknowledged<'s> {
        Acknowledged { site, keys: site.keys(), ids: Vec::new(), slowest: Duration::ZERO }
    }

    fn click(&mut self) -> Answer {
        let answer = self.site.get("/r/alpha-demo?sub1=x").expect("a visitor always gets an answer");
        assert_eq!(answer.status, 302, "{}", answer.body);
        if let Some(token) = answer.token() {
            self.ids.push(self.keys.verify_token(token).expect("our own token").click.to_string());
        }
        self.slowest = self.slowest.max(answer.took);
        answer
    }

    fn event(&mut self, id: &str) -> Answer {
        let body = format!(r#"{{"action":"purchase","event_id":"{id}","value":"20","ref_code":"alpha-demo"}}"#);
        let answer = self.site.post("/api/v1/events", &body).expect("an answer");
        if answer.status == 202 {
            self.ids.push(id.into());
        }
        self.slowest = self.slowest.max(answer.took);
        answer
    }
}

/// Waits until Kafka has all of them, and then that nothing more comes: each once.
fn each_once(site: &Site, ids: &[String]) {
    let missing = |found: &BTreeMap<String, usize>| ids.iter().filter(|id| !found.contains_key(*id)).count();
    site.wait_for("Kafka to have all", || missing(&site.in_kafka()) == 0);
    site.wait_for("an empty spool", || site.segments() == 0);
    site.wait_for("the figures to say so", || site.figure("edge_spool_records") == 0.0);
    let found = site.in_kafka();
    assert_eq!(missing(&found), 0);
    let repeated: Vec<_> = found.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn what_is_acknowledged_while_kafka_is_away_is_in_kafka_once_though_the_edge_is_killed() {
    let _alone = alone();
    let mut site = Site::new();
    site.start_edge();
    let mut ids = Vec::new();
    let mut told = Acknowledged::new(&site);
    assert!(told.click().token().is_some());
    assert_eq!(told.event("before").status, 202);
    ids.append(&mut told.ids);
    let path = site.spool().join("catalog");
    site.wait_for("the catalog's snapshot", || path.exists());
    site.wait_for("an empty spool", || site.segments() == 0);

    site.kill_kafka();
    for round in 0..3 {
        let mut told = Acknowledged::new(&site);
        for number in 0..40 {
            assert!(told.click().token().is_some(), "a click without Kafka has a token");
            assert_eq!(told.event(&format!("e-{round}-{number}")).status, 202);
        }
        println!("round {round}: slowest answer {:?}", told.slowest);
        assert!(told.slowest < Duration::from_millis(1000), "{:?}", told.slowest);
        let batch: Vec<_> = (0..200).map(|row| format!("b-{round}-{row}")).collect();
        let body = batch.iter().map(|id| format!(r#"{{"action":"purchase","event_id":"{id}","value":1}}"#));
        let answer = site.post("/api/v1/events", &format!("[{}]", body.collect::<Vec<_>>().join(","))).expect("one");
        assert_eq!((answer.status, answer.body.matches("\"accepted\"").count()), (202, 200), "{}", answer.body);
        ids.append(&mut told.ids);
        ids.extend(batch);
        site.wait_for("the figures to say so", || site.figure("edge_spool_records") >= 280.0);
        assert!(site.figure("edge_spool_bytes") > 0.0);
        // Killed in the middle, and back without Kafka.
        site.kill_edge();
        site.start_edge();
    }
    site.wait_for("an age", || site.figure("edge_spool_oldest_seconds") > 0.0);
    site.start_kafka();
    each_once(&site, &ids);
    assert_eq!(ids.len(), 2 + 3 * (80 + 200));
    site.stop_edge();
}

/// A wait so long that nobody could take it for another.
const LONG_WAIT: &str = "spool_wait = \"600ms\"\nacknowledge_wait = \"5s\"";

#[test]
fn while_kafka_is_away_nobody_waits_for_it_and_afterwards_it_has_every_record_first() {
    let _alone = alone();
    let mut site = Site::with(LONG_WAIT);
    site.start_edge();
    let mut told = Acknowledged::new(&site);
    assert!(told.click().token().is_some());
    site.wait_for("an empty spool", || site.segments() == 0);
    site.signal_kafka("STOP");
    // Each of two threads finds out for itself, after three waits.
    let mut waits: Vec<Duration> = (0..60).map(|_| told.click().took).collect();
    waits.sort_unstable();
    println!("a click while Kafka stands still: median {:?}, slowest {:?}", waits[30], waits[59]);
    assert!(waits[59] >= Duration::from_millis(600), "the first one waits: {:?}", waits[59]);
    let waited = waits.iter().filter(|wait| **wait >= Duration::from_millis(600)).count();
    assert!(waited <= 8 && waits[30] < Duration::from_millis(300), "{waits:?}");
    assert!(site.figure("edge_breaker_open") >= 1.0);

    site.signal_kafka("CONT");
    site.wait_for("Kafka to be trusted again", || {
        assert!(told.click().token().is_some());
        site.figure("edge_breaker_open") == 0.0
    });
    let before = site.figure("edge_spool_stored_total");
    for number in 0..30 {
        assert!(told.click().token().is_some());
        assert_eq!(told.event(&format!("after-{number}")).status, 202);
    }
    assert_eq!(site.figure("edge_spool_stored_total"), before);
    let ids = told.ids;
    each_once(&site, &ids);
    site.stop_edge();
}

#[test]
fn an_edge_that_stops_answers_what_is_in_flight_though_kafka_stands_still() {
    let _alone = alone();
    let mut site = Site::with(LONG_WAIT);
    site.start_edge();
    let mut told = Acknowledged::new(&site);
    assert!(told.click().token().is_some());
    let mut ids = told.ids;
    site.signal_kafka("STOP");
    std::thread::scope(|scope| {
        let site = &site;
        let running: Vec<_> = (0..20)
            .map(|number| {
                scope.spawn(move || {
                    let mut told = Acknowledged::new(site);
                    if number % 2 == 0 {
                        assert!(told.click().token().is_some());
                    } else {
                        assert_eq!(told.event(&format!("stop-{number}")).status, 202);
                    }
                    told.ids
                })
            })
            .collect();
        // All are there, and none is answered.
        std::thread::sleep(Duration::from_millis(300));
        assert!(running.iter().all(|one| !one.is_finished()));
        site::signal("TERM", site.edge_pid());
        ids.extend(running.into_iter().flat_map(|one| one.join().expect("an answer")));
    });
    site.stopped();
    assert_eq!(ids.len(), 21);
    site.signal_kafka("CONT");
    site.start_edge();
    each_once(&site, &ids);
    site.stop_edge();
}

/// The broker stands still: what it was sent lies in its socket, and is appended when it goes on, though the edge is
/// dead.
#[test]
fn what_kafka_took_after_all_is_not_sent_again() {
    let _alone = alone();
    let mut site = Site::new();
    site.start_edge();
    let mut told = Acknowledged::new(&site);
    told.click();
    let mut ids = told.ids;
    for killed in [false, true] {
        site.signal_kafka("STOP");
        let mut told = Acknowledged::new(&site);
        for number in 0..30 {
            assert!(told.click().token().is_some());
            assert_eq!(told.event(&format!("s-{killed}-{number}")).status, 202);
        }
        ids.append(&mut told.ids);
        assert!(site.segments() > 0);
        if killed {
            site.kill_edge();
        }
        site.signal_kafka("CONT");
        if killed {
            site.start_edge();
        }
        each_once(&site, &ids);
    }
    assert!(site.log().contains("looked in Kafka for entries of the spool"));
    site.stop_edge();
}

#[test]
fn without_kafka_and_without_room_on_the_disk_nothing_is_acknowledged_until_there_is_some() {
    let _alone = alone();
    let mut site = Site::new();
    site.start_edge();
    site.kill_kafka();
    let mut told = Acknowledged::new(&site);
    assert!(told.click().token().is_some());
    // Less than a segment's header; the log is a file too.
    let pid = site.edge_pid();
    limit_files(pid, "16");
    let click = told.click();
    assert!(click.token().is_none() && click.location.is_some_and(|to| to.contains("ref_code=alpha-demo")));
    let event = told.event("refused");
    assert_eq!(event.status, 503, "{}", event.body);
    assert!(site.figure("edge_spool_refused_total") >= 2.0);
    limit_files(pid, "unlimited");
    site.wait_for("room to be noticed", || told.event("accepted").status == 202);
    assert!(told.click().token().is_some());
    let mut ids = told.ids;
    ids.dedup();
    site.start_kafka();
    each_once_or_refused(&site, &ids);
    site.stop_edge();
}

/// What was refused may arrive too: its record was with the producer.
fn each_once_or_refused(site: &Site, ids: &[String]) {
    site.wait_for("Kafka to have all", || {
        let found = site.in_kafka();
        ids.iter().all(|id| found.contains_key(id))
    });
    site.wait_for("an empty spool", || site.segments() == 0);
    let found = site.in_kafka();
    assert!(ids.iter().all(|id| id == "accepted" || found[id] == 1), "{found:?}");
}
