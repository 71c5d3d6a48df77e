//! Adding and removing a process loses and doubles nothing: a load of planned clicks and events, two processors that come
//! and go, and every decision and journal entry held against the plan. `make chaos-processor` is the long run.

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
