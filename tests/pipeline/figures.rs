//! `/metrics` and `/health` of a real processor; that no topic starves another; that it stops when it is told to.

use crate::installation::{Installation, Role};
use crate::traffic::{self, Traffic};
use std::time::{Duration, Instant};

/// The sum of a figure over all its labels, or over those that contain `label`; none where it is missing.
pub fn figure(installation: &Installation, name: &str, label: &str) -> Option<f64> {
    let page = installation.page(Role::Processor, "metrics")?.body;
    let of_name = |line: &&str| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{"));
    let values: Vec<f64> = page
        .lines()
        .filter(of_name)
        .filter(|line| line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

fn expect(installation: &Installation, name: &str, label: &str, expected: impl Fn(f64) -> bool) {
    let found = figure(installation, name, label);
    assert!(found.is_some_and(expected), "{name} {label} is {found:?}");
}

#[test]
fn figures_of_a_real_processor_are_there_and_sane_and_it_stops_within_seconds() {
    let mut installation = Installation::new("figures");
    let traffic = Traffic::of(&installation);
    traffic.write_clicks(&installation, 0..5000);
    traffic.write_purchases(&installation, (0..5000).step_by(50));
    installation.start(Role::Processor);
    let caught_up = |installation: &Installation| {
        figure(installation, "processor_records_total", "settle") == Some(100.0)
            && figure(installation, "processor_lag_records", "") == Some(0.0)
    };
    installation.wait_for("all records to be processed", || caught_up(&installation));
    for stage in ["join", "decide", "settle"] {
        let label = format!("stage=\"{stage}\"");
        expect(&installation, "processor_lag_records", &label, |lag| lag == 0.0);
        expect(&installation, "processor_interval_records_count", &label, |count| count >= 1.0);
        expect(&installation, "processor_interval_records_sum", &label, |sum| sum >= 100.0);
    }
    expect(&installation, "processor_records_total", "topic=\"clicks\"", |records| records == 5000.0);
    expect(&installation, "processor_commit_seconds_count", "", |count| count >= 2.0);
    let count = figure(&installation, "processor_commit_seconds_count", "").expect("checked above");
    expect(&installation, "processor_commit_seconds_sum", "", |sum| sum > 0.0 && sum / count < 5.0);
    installation.wait_for("a checkpoint", || {
        figure(&installation, "processor_state_bytes", "").is_some_and(|bytes| bytes > 100_000.0)
    });
    expect(&installation, "processor_rebalances_total", "what=\"assigned\"", |count| count >= 1.0);
    expect(&installation, "processor_transactions_aborted_total", "", |count| count == 0.0);
    expect(&installation, "processor_sessions_failed_total", "", |count| count == 0.0);
    expect(&installation, "processor_stores_rebuilt_total", "", |count| count == 0.0);
    // The threads join one after the other: what the first had done of a partition is restored by the second.
    expect(&installation, "processor_restored_records_total", "", |count| count < 5000.0);

    // Idle: no transactions.
    let before = figure(&installation, "processor_commit_seconds_count", "");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        figure(&installation, "processor_commit_seconds_count", ""),
        before,
        "an idle processor commits nothing"
    );

    let began = Instant::now();
    installation.stop(Role::Processor);
    assert!(began.elapsed() < Duration::from_secs(3), "stopping took {:?}", began.elapsed());

    // Its state lost, everything is restored, and says so.
    std::fs::remove_dir_all(installation.path("state")).expect("removed");
    installation.start(Role::Processor);
    expect(&installation, "processor_restored_records_total", "", |records| records >= 5000.0);
    expect(&installation, "processor_restore_records_done", "", |records| records >= 5000.0);
    expect(&installation, "processor_restore_records_todo", "", |records| records == 0.0);
    assert!(traffic::booked(&installation).decisions.len() == 100);
}

#[test]
fn a_flood_of_clicks_keeps_no_event_waiting() {
    const CLICKS: u64 = 1_000_000;
    let mut installation = Installation::new("flood");
    let traffic = Traffic::of(&installation);
    traffic.write_clicks(&installation, 0..CLICKS);
    traffic.write_purchases(&installation, 0..30);
    installation.start(Role::Processor);
    let clicks = |installation: &Installation| {
        figure(installation, "processor_records_total", "topic=\"clicks\"").unwrap_or_default()
    };
    installation.wait_for("the purchases to be booked", || {
        let booked = figure(&installation, "processor_records_total", "settle").unwrap_or_default();
        booked >= 30.0 || clicks(&installation) == CLICKS as f64
    });
    let before = clicks(&installation);
    println!("{before} of {CLICKS} clicks were processed when the purchases were booked");
    assert!(before < CLICKS as f64, "purchases waited for {before} of {CLICKS} clicks");
    installation.wait_for("all clicks", || clicks(&installation) == CLICKS as f64);
}
