//! Segments as a crash or a bad disk leaves them, and what a start makes of each.

use super::*;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::io::Write;
use std::path::Path;

/// A segment of three entries with these sequences; where each begins, and the end.
fn write(folder: &mut Folder, number: u64, first: u64) -> (Name, Vec<usize>) {
    let name = Name { number, salt: 0xabcd + number };
    let mut file = folder.create(name).expect("created");
    let mut bytes = Vec::new();
    let mut places = vec![format::HEADER_BYTES];
    for sequence in first..first + 3 {
        let entry = format::Entry { sequence, stored_at: Micros(7), topic: Topic::Clicks, key: b"k", value: &[1; 100] };
        format::put_entry(&mut bytes, name.salt, &entry);
        places.push(format::HEADER_BYTES + bytes.len());
    }
    folder.append(&mut file, &bytes).expect("written");
    folder.sync(&mut file).expect("synced");
    (name, places)
}

fn change(folder: &Folder, name: Name, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.path(name);
    let mut bytes = std::fs::read(&path).expect("readable");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("writable");
}

fn open(ledger: &Ledger) -> Vec<u64> {
    ledger.segments().flat_map(|segment| segment.all(State::Doubtful).collect::<Vec<_>>()).collect()
}

fn damaged(ledger: &Ledger) -> Vec<u64> {
    ledger.segments().filter(|segment| segment.damaged).map(|segment| segment.name.number).collect()
}

fn folder(path: &Path) -> Folder {
    Folder::open(path).expect("a folder")
}

#[test]
fn each_kind_of_damage_has_its_reaction() {
    type Change = fn(&mut Vec<u8>, &[usize]);
    type Row = (&'static str, Change, Change, &'static [u64], &'static [u64]);
    let nothing: Change = |_, _| {};
    let half_of_the_last: Change = |bytes, places| bytes.truncate(places[2] + 20);
    let zeros_behind: Change = |bytes, _| bytes.extend([0; 512]);
    let in_the_middle: Change = |bytes, places| bytes[places[1] + 30] ^= 1;
    let in_the_header: Change = |bytes, _| bytes[21] ^= 1;
    let nearly_nothing: Change = |bytes, _| bytes.truncate(5);
    let empty: Change = |bytes, _| bytes.clear();
    let rows: &[Row] = &[
        ("whole", nothing, nothing, &[0, 1, 2, 3, 4, 5], &[]),
        ("a torn end of the last", nothing, half_of_the_last, &[0, 1, 2, 3, 4], &[]),
        ("a torn end of an earlier one", half_of_the_last, nothing, &[0, 1, 3, 4, 5], &[1]),
        ("zeros behind the last", nothing, zeros_behind, &[0, 1, 2, 3, 4, 5], &[]),
        ("a bit in the middle of the last", nothing, in_the_middle, &[0, 1, 2, 3, 5], &[2]),
        ("a bit in the middle of an earlier one", in_the_middle, nothing, &[0, 2, 3, 4, 5], &[1]),
        ("a bit in a header", in_the_header, nothing, &[0, 1, 2, 3, 4, 5], &[1]),
        ("half a header of the last", nothing, nearly_nothing, &[0, 1, 2], &[]),
        ("an empty last", nothing, empty, &[0, 1, 2], &[]),
    ];
    for (name, first, last, expected, aside) in rows {
        let path = tempfile::tempdir().expect("a folder");
        let mut folder = folder(path.path());
        for (number, make, sequence) in [(1, first, 0), (2, last, 3)] {
            let (segment, places) = write(&mut folder, number, sequence);
            change(&folder, segment, |bytes| make(bytes, &places));
        }
        let recovered = recover(&mut folder).expect("never fatal");
        assert_eq!(
            (open(&recovered.ledger), damaged(&recovered.ledger)),
            (expected.to_vec(), aside.to_vec()),
            "{name}"
        );
        assert_eq!(recovered.number, 3, "{name}");
        // The next start finds the same: a cut end is gone, damage is still told of.
        let again = recover(&mut folder).expect("never fatal");
        assert_eq!((open(&again.ledger), damaged(&again.ledger)), (expected.to_vec(), aside.to_vec()), "{name}, again");
    }
}

#[test]
fn what_another_version_wrote_is_left_for_it() {
    let path = tempfile::tempdir().expect("a folder");
    let mut folder = folder(path.path());
    let (name, _) = write(&mut folder, 1, 0);
    change(&folder, name, |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
        bytes[28..32].copy_from_slice(&crc);
    });
    let before = std::fs::read(folder.path(name)).expect("readable");
    let recovered = recover(&mut folder).expect("never fatal");
    assert_eq!(recovered.ledger.segments().count(), 0);
    assert_eq!(recovered.number, 2, "a new segment is not called like it");
    assert_eq!(std::fs::read(folder.path(name)).expect("still there"), before);
}

#[test]
fn two_edges_never_share_a_folder() {
    let path = tempfile::tempdir().expect("a folder");
    let first = folder(path.path());
    assert!(matches!(Folder::open(path.path()), Err(FolderError::InUse { .. })));
    drop(first);
    folder(path.path());
}

#[test]
fn what_a_folder_cannot_be_is_told() {
    let path = tempfile::tempdir().expect("a folder");
    let file = path.path().join("file");
    std::fs::File::create(&file).and_then(|mut file| file.write_all(b"x")).expect("a file");
    let error = Folder::open(&file.join("spool")).err().expect("no folder").to_string();
    assert!(error.contains("file/spool"), "{error}");
}

#[test]
fn other_files_of_the_folder_are_nobody_s() {
    let path = tempfile::tempdir().expect("a folder");
    let mut folder = folder(path.path());
    let (name, _) = write(&mut folder, 1, 0);
    let aside = folder.set_aside(name).expect("renamed");
    assert!(aside.exists());
    let recovered = recover(&mut folder).expect("never fatal");
    assert_eq!((recovered.ledger.open(), recovered.number), (0, 0));
}
