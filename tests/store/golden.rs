//! Files of every version of the format, as gateways of that version have written them.

use std::sync::Arc;

use wampgate::store::{CookieRecord, read_lines};

use super::support::{
    Kind, StoreFolder, at, authentication, id, in_place_of, look_up, planned, record, replacement, wait,
};

/// 2026-11-22T10:14:00Z, when the first record of each file was made; the rest follows by the second.
const START: u64 = 1_795_342_440_000;

const FILES: [&[u8]; 3] = [
    include_bytes!("golden/version-1.dat"),
    include_bytes!("golden/version-2.dat"),
    include_bytes!("golden/version-3.dat"),
];

const fn second(seconds: u64) -> u64 {
    START + 1000 * seconds
}

/// What a file says of the clients 1 to 3.
fn read(file: &[u8]) -> [Option<CookieRecord>; 3] {
    let place = StoreFolder::new(Kind::File);
    std::fs::write(place.path(), file).unwrap();
    let store = place.open(second(10));
    [1, 2, 3].map(|number| look_up(&*store, &id(number), second(10)))
}

#[test]
fn every_version_is_read_as_it_was_meant() {
    let [version_1, version_2, version_3] = FILES.map(read);
    let first = record(second(0), 86_400);
    let joe = Arc::new(authentication("joe", second(2)));
    let joe = CookieRecord { last_seen: at(second(2)), authentication: Some(joe), ..first.clone() };
    assert_eq!(version_1, [Some(joe), None, None]);

    let replaced = Arc::new(planned("joe", second(1), 2, Some(second(2))));
    let replaced = CookieRecord { last_seen: at(second(2)), authentication: Some(replaced), ..first };
    let next = CookieRecord {
        authentication: Some(Arc::new(authentication("joe", second(1)))),
        ..in_place_of(1, record(second(2), 600))
    };
    let third = in_place_of(2, record(second(3), 600));
    assert_eq!(version_2, [Some(replaced.clone()), Some(next.clone()), Some(third)]);
    assert_eq!(version_3, [Some(replaced), Some(next), None]);
}

#[test]
fn import_reads_every_version_as_the_store_does() {
    for file in FILES {
        let (records, skipped) = read_lines(file, None, false).unwrap();
        let found = [1, 2, 3].map(|number| records.get(&id(number)).cloned());
        assert_eq!((found, skipped), (read(file), 0));
    }
}

#[test]
fn version_3_is_written_to_the_letter() {
    let place = StoreFolder::new(Kind::File);
    let store = place.open(second(0));
    wait(store.create(&id(1), record(second(0), 86_400))).unwrap();
    let joe = planned("joe", second(1), 2, None);
    wait(store.authenticate(&id(1), Some(joe), at(second(1)))).unwrap();
    wait(store.replace(&id(1), &replacement(2), at(second(2)))).unwrap();
    drop(store);
    let written = std::fs::read(place.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(FILES[2]));
}

#[test]
fn damaged_line_that_replaces_an_id_takes_nothing_else_along() {
    let lines: Vec<&[u8]> = FILES[2].split_inclusive(|byte| *byte == b'\n').collect();
    let [created, authenticated, replacing] = lines[..] else { panic!("{} lines", lines.len()) };
    // What a crash leaves of the last line, byte by byte: the client still has its ID, as if nothing had been tried.
    let before = read(&[created, authenticated].concat());
    assert_eq!(before[1], None);
    for length in 0..replacing.len() - 1 {
        assert_eq!(read(&[created, authenticated, &replacing[..length]].concat()), before, "{length} bytes");
    }
}
