//! Cuts, flips and zeros at every byte of a file: whole records, or a clear refusal, never a wrong record.

use std::os::unix::fs::PermissionsExt as _;

use wampgate::store::{self, CookieRecord, StoreOpenError};

use super::support::{Kind, StoreFolder, at, id, look_up, planned, record, replacement, wait};

/// How many lines the sample has.
const LINES: usize = 6;

/// What is known of the clients 1 to 4.
type State = [Option<CookieRecord>; 4];

/// Four records, of which one is authenticated, one has replaced it, and one is revoked; the states after each line; and
/// the file.
fn sample() -> (Vec<State>, Vec<u8>) {
    let place = StoreFolder::new(Kind::File);
    let store = place.open(0);
    let mut states = vec![state(&*store)];
    let mut note = || states.push(state(&*store));
    wait(store.create(&id(1), record(0, 600))).unwrap();
    note();
    wait(store.create(&id(2), record(0, 600))).unwrap();
    note();
    wait(store.authenticate(&id(1), Some(planned("joe", 0, 4, None)), at(0))).unwrap();
    note();
    wait(store.replace(&id(1), &replacement(4), at(0))).unwrap();
    note();
    wait(store.create(&id(3), record(0, 600))).unwrap();
    note();
    wait(store.revoke(&id(2), at(0))).unwrap();
    note();
    drop(store);
    let bytes = std::fs::read(place.path()).unwrap();
    assert_eq!(line_of(&bytes, bytes.len()), LINES);
    (states, bytes)
}

fn state(store: &dyn store::CookieStore) -> State {
    [1, 2, 3, 4].map(|n| look_up(store, &id(n), 0))
}

/// Opens a damaged file: the number of whole lines that it shows, or the error.
fn open(bytes: &[u8], states: &[State]) -> Result<usize, StoreOpenError> {
    // What is tested here is not the disk.
    let place = StoreFolder::new(Kind::File);
    std::fs::write(place.path(), bytes).unwrap();
    match place.try_open(0) {
        Ok(store) => {
            let found = state(&*store);
            let lines = states.iter().position(|state| *state == found);
            let lines = lines.unwrap_or_else(|| panic!("no state of the file ever: {found:?}"));
            // What was cut off stays off, and what comes after it is not lost.
            wait(store.create(&id(9), record(0, 600))).unwrap();
            drop(store);
            assert_eq!(state(&*place.open(0)), found);
            Ok(lines)
        }
        Err(error) => {
            let text = error.to_string();
            assert!((1..=4).all(|n| !text.contains(id(n).expose())), "{text}");
            assert_eq!(std::fs::read(place.path()).unwrap(), bytes, "a refused file is left alone");
            Err(error)
        }
    }
}

/// How many line breaks come before a byte.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count() - 1
}

#[test]
fn every_cut_keeps_the_whole_lines() {
    let (states, bytes) = sample();
    for length in 0..=bytes.len() {
        // A line that lacks only its line break is whole.
        let whole = line_of(&bytes, length) + usize::from(bytes.get(length) == Some(&b'\n'));
        assert_eq!(open(&bytes[..length], &states).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn every_flip_is_refused_by_line_and_offset_or_cuts_the_end() {
    let (states, bytes) = sample();
    for at in 0..bytes.len() {
        let bit = at % 8;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let line = line_of(&bytes, at);
        match open(&flipped, &states) {
            // Only the last line break can be taken for one that was never written.
            Ok(whole) => assert_eq!((at, whole), (bytes.len() - 1, LINES - 1), "byte {at}, bit {bit}"),
            Err(StoreOpenError::Damaged { line: found, offset, .. }) => {
                assert_eq!(found, line as u64 + 1, "byte {at}, bit {bit}");
                assert_eq!(line_of(&bytes, usize::try_from(offset).unwrap()), line);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn zeros_from_every_byte_on_keep_the_whole_lines() {
    let (states, bytes) = sample();
    for at in 0..bytes.len() {
        let mut zeroed = bytes.clone();
        zeroed[at..].fill(0);
        let whole = line_of(&bytes, at);
        assert_eq!(open(&zeroed, &states).unwrap(), whole, "zeros from {at}");
    }
}

#[test]
fn zero_at_every_byte_is_refused_or_cuts_the_end() {
    let (states, bytes) = sample();
    for at in 0..bytes.len() {
        let mut zeroed = bytes.clone();
        zeroed[at] = 0;
        match open(&zeroed, &states) {
            Ok(whole) => {
                let is_last_line = line_of(&bytes, at) == LINES - 1;
                assert!(is_last_line && whole == LINES - 1 || at % 512 == 511, "zero at {at}");
            }
            Err(StoreOpenError::Damaged { line, .. }) => assert_eq!(line, line_of(&bytes, at) as u64 + 1),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn sectors_that_were_never_written_are_cut_unless_whole_lines_follow() {
    let (states, bytes) = sample();
    let mut hole = bytes.clone();
    hole[512..1024].fill(0);
    assert!(matches!(open(&hole, &states), Err(StoreOpenError::Damaged { .. })), "whole lines follow");
    // The last line begins before a sector that was not written and ends behind it.
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut torn = bytes[..last].to_vec();
    torn.resize(last.next_multiple_of(512) + 512, 0);
    torn.extend_from_slice(b"\"crc\": \"00000000\"}\n");
    assert_eq!(open(&torn, &states).unwrap(), LINES - 1);
}

#[test]
fn garbage_is_refused_whatever_it_is() {
    let (states, bytes) = sample();
    let endless = ["x", "{"].map(|byte| byte.repeat(1 << 20));
    let long = endless.iter().map(String::as_bytes);
    for garbage in [&b"\xff\xfe\n"[..], b"{}\n", b"[]\n", b"\0\n", b"null\n"].into_iter().chain(long) {
        let mut damaged = garbage.to_vec();
        damaged.push(b'\n');
        damaged.extend_from_slice(&bytes);
        assert!(matches!(open(&damaged, &states), Err(StoreOpenError::Damaged { line: 1, offset: 0, .. })));
    }
}

#[test]
fn repair_keeps_what_is_whole_and_a_copy_of_the_rest() {
    let (states, bytes) = sample();
    let place = StoreFolder::new(Kind::File);
    let mut damaged = bytes.clone();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    damaged[second + 10] ^= 1;
    std::fs::write(place.path(), &damaged).unwrap();
    assert!(place.try_open(0).is_err());

    let repaired = store::repair(&place.path()).unwrap();
    let dropped = bytes[second..].iter().position(|byte| *byte == b'\n').unwrap() as u64 + 1;
    assert_eq!((repaired.kept, repaired.dropped, repaired.dropped_bytes), (LINES as u64 - 1, 1, dropped));
    assert_eq!(std::fs::read(repaired.damaged_copy.unwrap()).unwrap(), damaged);
    // Without its first line the second client was never there, and ends revoked as before.
    assert_eq!(state(&*place.open(0)), *states.last().unwrap());

    let again = store::repair(&place.path()).unwrap();
    assert_eq!((again.kept, again.dropped, again.damaged_copy), (LINES as u64 - 1, 0, None), "nothing to do");
}

#[test]
fn repair_is_refused_while_the_store_is_open() {
    let place = StoreFolder::new(Kind::File);
    let _store = place.open(0);
    assert!(matches!(store::repair(&place.path()), Err(StoreOpenError::InUse { .. })));
}

#[test]
fn file_without_any_record_is_left_alone_and_not_to_be_repaired() {
    for text in
        ["hello", "hello\nworld\n", "hello\n{\"cbtid\": \"", "\0hello", "{\"controller\": {}}\n", "[]"]
    {
        let place = StoreFolder::new(Kind::File);
        std::fs::write(place.path(), text).unwrap();
        let error = place.try_open(0).unwrap_err();
        assert!(matches!(error, StoreOpenError::NoRecords { line: 1, .. }), "{text}: {error}");
        let message = error.to_string();
        assert!(message.contains("repair would keep nothing") && !message.contains("hello"), "{message}");
        assert!(matches!(store::repair(&place.path()), Err(StoreOpenError::NoRecords { .. })), "{text}");
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), text);
    }
}

#[test]
fn what_is_no_store_keeps_its_mode_and_its_neighbor() {
    let place = StoreFolder::new(Kind::File);
    let mode = || std::fs::metadata(place.path()).unwrap().permissions().mode() & 0o777;
    let neighbor = place.path().with_added_extension("compact");
    std::fs::write(place.path(), "notes\n").unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&neighbor, "more notes").unwrap();
    place.try_open(0).unwrap_err();
    store::repair(&place.path()).unwrap_err();
    assert_eq!(mode(), 0o644);
    assert!(neighbor.exists());
}
