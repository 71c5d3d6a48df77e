//! Whatever happens to a segment's bytes: no panic, nothing that was not written, nothing lost but what was hit.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const SALT: u64 = 0x1234_5678_9abc_def0;
const NAME: Name = Name { number: 7, salt: SALT };

type Written = Vec<(Topic, Vec<u8>, Vec<u8>)>;

/// A segment and where each of its records ends.
fn segment(written: &Written) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header(NAME).to_vec();
    let mut ends = Vec::new();
    for (index, (topic, key, value)) in written.iter().enumerate() {
        let entry = Entry { sequence: index as u64, stored_at: Micros(index as i64 - 3), topic: *topic, key, value };
        put_entry(&mut bytes, SALT, &entry);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// Sequences of what is found, each held against what was written.
fn read(bytes: &[u8], written: &Written) -> Vec<usize> {
    let (mut at, mut found) = (HEADER_BYTES, Vec::new());
    while let Some((what, next)) = next(bytes, SALT, at) {
        assert!(next > at && next <= bytes.len());
        at = next;
        match what {
            Found::Record(Record::Entry(entry)) => {
                let (topic, key, value) = &written[entry.sequence as usize];
                assert_eq!((entry.topic, entry.key, entry.value), (*topic, &key[..], &value[..]));
                assert_eq!(entry.stored_at, Micros(entry.sequence as i64 - 3));
                found.push(entry.sequence as usize);
            }
            Found::Record(Record::Closed(_)) => panic!("none was written"),
            Found::Damaged(_) => {}
        }
    }
    found
}

fn some_entries() -> impl Strategy<Value = Written> {
    let topic = prop_oneof![Just(Topic::Clicks), Just(Topic::Events)];
    // The salt itself and a frame's beginning stand in values too, as if a sender knew them.
    let marker = SALT.to_le_bytes().to_vec();
    let value = prop_oneof![vec(any::<u8>(), 0..200), Just([marker.clone(), vec![4, 0, 0, 0]].concat()), Just(marker)];
    vec((topic, vec(any::<u8>(), 0..30), value), 1..12)
}

proptest! {
    #[test]
    fn what_is_written_is_read(written in some_entries()) {
        let (bytes, _) = segment(&written);
        prop_assert_eq!(read_header(&bytes, NAME), Header::Ours);
        prop_assert_eq!(read(&bytes, &written), (0..written.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_cut_loses_what_lies_behind_it_alone(written in some_entries(), cut in any::<prop::sample::Index>()) {
        let (bytes, ends) = segment(&written);
        let cut = cut.index(bytes.len() + 1);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(read(&bytes[..cut], &written), (0..whole).collect::<Vec<_>>());
    }

    #[test]
    fn a_flipped_bit_loses_at_most_the_record_that_it_hits(
        written in some_entries(),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let (mut bytes, ends) = segment(&written);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let hit = (place >= HEADER_BYTES).then(|| ends.iter().filter(|end| **end <= place).count());
        let expected: Vec<_> = (0..written.len()).filter(|index| Some(*index) != hit).collect();
        prop_assert_eq!(read(&bytes, &written), expected);
        prop_assert_eq!(read_header(&bytes, NAME) == Header::Ours, hit.is_some());
    }

    #[test]
    fn a_stretch_written_over_loses_what_it_covers(
        written in some_entries(),
        place in any::<prop::sample::Index>(),
        rubbish in vec(any::<u8>(), 1..300),
    ) {
        let (mut bytes, ends) = segment(&written);
        let place = place.index(bytes.len());
        let end = (place + rubbish.len()).min(bytes.len());
        bytes[place..end].copy_from_slice(&rubbish[..end - place]);
        let found = read(&bytes, &written);
        let starts = std::iter::once(&HEADER_BYTES).chain(&ends);
        for (index, (start, stop)) in starts.zip(&ends).enumerate() {
            prop_assert!(found.contains(&index) || (*start < end && place < *stop), "{index} was not covered");
        }
    }

    #[test]
    fn any_bytes_at_all_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..2000), salt in any::<u64>()) {
        let mut at = 0;
        while let Some((_, next)) = next(&bytes, salt, at) {
            assert!(next > at);
            at = next;
        }
        let _ = read_header(&bytes, Name { number: 0, salt });
    }

    #[test]
    fn what_is_closed_is_read_as_it_was_written(pairs in vec((0..1_u64 << 40, 0..1_u64 << 20), 0..50)) {
        let ranges: Vec<_> = pairs.iter().map(|(first, count)| *first..first + count).collect();
        let mut bytes = Vec::new();
        put_closed(&mut bytes, SALT, &ranges);
        let expected = (!ranges.is_empty()).then_some((Found::Record(Record::Closed(ranges)), bytes.len()));
        prop_assert_eq!(next(&bytes, SALT, 0), expected);
    }
}

#[test]
fn a_name_says_number_and_salt() {
    assert_eq!(NAME.file(), "0000000000000007-123456789abcdef0.spool");
    for (file, expected) in [
        ("0000000000000007-123456789abcdef0.spool", Some(NAME)),
        ("0000000000000007-123456789abcdef0.spool.damaged", None),
        ("7-123456789abcdef0.spool", None),
        ("000000000000000x-123456789abcdef0.spool", None),
        ("lock", None),
    ] {
        assert_eq!(Name::parse(file), expected, "{file}");
    }
}

#[test]
fn a_header_of_another_version_or_segment_is_told_apart() {
    assert_eq!(read_header(&header_of(2, NAME), NAME), Header::Foreign(2));
    assert_eq!(read_header(&header(NAME), Name { number: 8, ..NAME }), Header::Damaged);
    assert_eq!(read_header(&header(NAME)[..31], NAME), Header::Damaged);
}

#[test]
fn only_what_an_edge_acknowledges_fits() {
    assert!(fits(Topic::Clicks, b"k", b"v") && fits(Topic::Events, &[0; 65_535], b""));
    assert!(!fits(Topic::Rejected, b"k", b"v"));
    assert!(!fits(Topic::Events, &[0; 65_536], b""));
    assert!(!fits(Topic::Events, b"", &vec![0; BODY_BYTES]));
}

/// The bytes of the first version, written down: a later one must go on reading them.
#[test]
fn the_bytes_of_version_1_stay() {
    let mut bytes = header(NAME).to_vec();
    let entry = Entry { sequence: 5, stored_at: Micros(9), topic: Topic::Events, key: b"k", value: b"vv" };
    put_entry(&mut bytes, SALT, &entry);
    put_closed(&mut bytes, SALT, std::slice::from_ref(&(1..3)));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // The sums are those of an independent CRC-32C (Castagnoli, reflected), computed apart from this program.
    assert_eq!(
        hex,
        concat!(
            "5452494253504c0a",
            "01000000",
            "0700000000000000",
            "f0debc9a78563412",
            "36ec15fa",
            "f0debc9a78563412",
            "17000000",
            "ba8e43ee",
            "01",
            "0500000000000000",
            "0900000000000000",
            "02",
            "0100",
            "6b",
            "7676",
            "f0debc9a78563412",
            "11000000",
            "020706f8",
            "02",
            "0100000000000000",
            "0200000000000000",
        )
    );
}
