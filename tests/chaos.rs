//! Adding and removing a process loses and doubles nothing: a load of planned clicks and events, two processors that come
//! and go, and every decision and journal entry held against the plan. `make chaos-processor` is the long run. And an edge that is
//! killed, without Kafka and with a full disk: `make chaos-edge`.

use loadtest::chaos::faults::{Fault, Step, Who};
use loadtest::chaos::{Options, run};
use service::Shutdown;
use std::time::Duration;

#[test]
fn adding_and_removing_a_process_loses_and_doubles_nothing() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    let then = |fault| Step { fault, await_recovery: true, pause: Duration::from_millis(500) };
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        dir: folder.path().join("chaos"),
        exe: env!("CARGO_BIN_EXE_tributary").into(),
        seed,
        clicks: 20_000,
        // The second one comes, goes as an operator sends it, comes again, and the first one dies.
        steps: vec![
            then(Fault::Join { who: Who::B, fresh: true }),
            then(Fault::Leave(Who::B)),
            then(Fault::Join { who: Who::B, fresh: false }),
            then(Fault::Vanish(Who::A)),
        ],
        partitions: 4,
        say: |text| println!("{text}"),
    };
    let outcome = run(&options, &Shutdown::default()).unwrap_or_else(|error| panic!("{error}"));
    println!("{outcome}");
    assert!(outcome.ok(), "{outcome}");
    assert_eq!(outcome.ended_by_themselves, 0, "a processor ended by itself");
}

#[test]
fn what_the_edge_acknowledged_is_in_kafka_once_whatever_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, report) = (folder.path().join("chaos"), folder.path().join("report.json"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.args("loadtest chaos-edge --rate 500 --events 50 --away 8 --kills 3 --seed 3".split(' '));
    let output = command.arg("--dir").arg(&dir).arg("--report").arg(&report).output().expect("the binary runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&report).expect("a report")).expect("JSON");
    let figure = |name: &str| report["figures"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"));
    // 18 s of 550 requests a second; what was not asked in time is asked later, and little is left out at the end.
    assert!(figure("redirects") > 4_000 && figure("events_acknowledged") > 400, "{said}");
    assert_eq!((figure("kills"), figure("lost"), figure("doubled")), (3, 0, 0), "{said}");
}
