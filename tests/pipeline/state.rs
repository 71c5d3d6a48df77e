//! A processor whose disk is full or whose files are damaged: it says so, loses nothing, and comes back by itself.

use crate::figures::figure;
use crate::installation::{Installation, Role};
use crate::log;
use crate::traffic::{self, Traffic};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Files of at most so many bytes for a running process: a write beyond it fails, as on a full disk.
fn limit_files(pid: u32, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status().expect("prlimit runs");
    assert!(set.success(), "prlimit {limit}");
}

fn tables(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tables(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sst") {
            found.push(path);
        }
    }
}

fn settled(installation: &Installation, purchases: usize) {
    installation.wait_for("all to be booked", || {
        // Reading the log takes two clients for each partition.
        std::thread::sleep(Duration::from_millis(500));
        figure(installation, "processor_lag_records", "") == Some(0.0)
            && traffic::booked(installation).decisions.len() == purchases
    });
}

#[test]
fn a_full_disk_stops_the_processor_with_a_message_and_room_lets_it_go_on_as_if_nothing_had_happened() {
    let mut full = Installation::new("full");
    let traffic = Traffic::of(&full);
    full.start(Role::Processor);
    limit_files(full.pid(Role::Processor), "100000");
    traffic.write_clicks(&full, 0..60_000);
    traffic.write_purchases(&full, (0..60_000).step_by(30));
    full.wait_for("the processor to say that there is no room", || {
        full.page(Role::Processor, "health").is_some_and(|page| {
            page.status == 503 && page.body.contains("no room on the disk") && page.body.contains("MiB free")
        })
    });
    assert!(figure(&full, "processor_sessions_failed_total", "no_room").is_some_and(|count| count >= 1.0));
    traffic.write_purchases(&full, (15..60_000).step_by(600));
    limit_files(full.pid(Role::Processor), "unlimited");
    full.wait_for("the processor to be ready", || {
        full.page(Role::Processor, "health").is_some_and(|page| page.status == 200)
    });
    settled(&full, 2100);

    let mut calm = Installation::on(full.stack.clone(), "roomy");
    log::copy_inputs(&full, &calm);
    calm.start(Role::Processor);
    settled(&calm, 2100);
    let (found, expected) = (traffic::booked(&full), traffic::booked(&calm));
    assert_eq!(found.net, expected.net);
    assert_eq!(found.decisions, expected.decisions);
}

#[test]
fn a_store_with_flipped_bytes_is_built_again_from_kafka() {
    let mut installation = Installation::new("flipped");
    let traffic = Traffic::of(&installation);
    traffic.write_clicks(&installation, 0..3000);
    traffic.write_purchases(&installation, (0..3000).step_by(30));
    installation.start(Role::Processor);
    settled(&installation, 100);
    let before = traffic::booked(&installation);
    installation.stop(Role::Processor);

    let mut files = Vec::new();
    tables(Path::new(&installation.path("state")), &mut files);
    assert!(files.len() >= 3, "{files:?}");
    for file in &files {
        let mut bytes = std::fs::read(file).expect("readable");
        // In the data, not in the footer: opening the file goes well, reading it does not.
        bytes[20] ^= 0x40;
        std::fs::write(file, bytes).expect("writable");
    }
    installation.start(Role::Processor);
    // The same purchases once more, and some for clicks whose touches were on the disk: state must be as it was.
    traffic.write_purchases(&installation, (0..3000).step_by(30));
    traffic.write_purchases(&installation, (15..3000).step_by(300));
    settled(&installation, 110);
    installation.wait_for("a store to be rebuilt", || {
        figure(&installation, "processor_stores_rebuilt_total", "").is_some_and(|count| count >= 1.0)
    });
    let after = traffic::booked(&installation);
    assert!(before.decisions.iter().all(|(id, decision)| after.decisions.get(id) == Some(decision)));
    let attributed = after.decisions.values().filter(|(_, publishers)| publishers == &["alpha"]).count();
    assert_eq!(attributed, 110);
}
