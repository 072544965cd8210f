use std::fs;

use heed::{CommitOrAbort, Database, types::Bytes};
use tempfile::TempDir;

use super::*;
use crate::store::lmdb::place::EnvironmentFiles;
use crate::store::{
    Authentication, CookieStore, LmdbStore, StoreError, StoreOpenError, SyncMode,
    testing::{at, id, logged_in, login, record},
};

const CLIENTS: usize = 400;
const PAGE: usize = 4096;

/// The record of a client. Some are long, so that they take pages of their own.
fn client(number: usize) -> crate::store::CookieRecord {
    let plain = record(number as u64, 86_400);
    match number % 4 {
        0 => plain,
        1 => logged_in(plain, login("joe", at(5))),
        _ if number.is_multiple_of(50) => {
            let long = format!("{{\"long\": \"{}\"}}", "x".repeat(9_000));
            logged_in(plain, Authentication { authextra: long, ..login("eve", at(5)) })
        }
        _ => plain,
    }
}

/// An environment with records, and with free pages.
fn sample() -> (TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    for number in 0..CLIENTS + 200 {
        store.create(&id(number), client(number)).wait().unwrap();
    }
    for number in CLIENTS..CLIENTS + 200 {
        store.revoke(&id(number), at(9)).wait().unwrap();
    }
    drop(store);
    let bytes = fs::read(data(&folder)).unwrap();
    (folder, bytes)
}

fn data(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("cookies").join(DATA)
}

fn open(folder: &TempDir) -> Result<LmdbStore, StoreOpenError> {
    let limits = crate::store::index::Limits::default();
    LmdbStore::open_with(&folder.path().join("cookies"), 4 << 20, limits, SyncMode::Never, at(10))
}

/// Opens a damaged file: whether it was refused. What is not refused gives no wrong record, and takes changes.
fn is_refused(folder: &TempDir, bytes: &[u8]) -> bool {
    fs::write(data(folder), bytes).unwrap();
    let store = match open(folder) {
        Ok(store) => store,
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("cookies") && text.contains("sound copy") && !text.contains("client-"),
                "{text}"
            );
            assert!(fs::read(data(folder)).unwrap() == bytes, "a refused file is left alone");
            return true;
        }
    };
    for number in 0..CLIENTS {
        if let Some(found) = store.look_up(&id(number), at(10)).wait().unwrap() {
            assert_eq!(found, client(number));
        }
    }
    for number in 0..20 {
        store.create(&id(5_000 + number), record(10, 600)).wait().unwrap();
        store.revoke(&id(number), at(10)).wait().unwrap();
    }
    false
}

#[test]
fn sound_environment_is_taken() {
    let (folder, bytes) = sample();
    assert!(!is_refused(&folder, &bytes));
    // And what it has become of changes.
    check(&folder.path().join("cookies")).unwrap();
}

#[test]
fn environment_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cookies");
    fs::create_dir(&path).unwrap();
    #[allow(unsafe_code, reason = "a file that only this test has")]
    // SAFETY: nothing else has the file.
    let env = unsafe { heed::EnvOpenOptions::new().map_size(1 << 20).max_dbs(8).open(&path).unwrap() };
    let written = env.create_databases_and_commit(env.write_txn().unwrap(), |create, txn| {
        let mail: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("mail"))?;
        heed::Result::Ok(CommitOrAbort::<_, ()>::Commit(mail))
    });
    assert!(matches!(written.unwrap(), CommitOrAbort::Commit(_)));
    drop(env);
    let bytes = fs::read(data(&folder)).unwrap();
    let error = open(&folder).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
    assert!(
        fs::read(data(&folder)).unwrap() == bytes && !path.join(crate::store::lmdb::place::LOCK).exists()
    );
}

#[test]
fn every_cut_is_refused_unless_only_free_pages_are_gone() {
    let (folder, bytes) = sample();
    let mut refused = 0;
    let pages = bytes.len() / PAGE;
    for length in (0..pages).flat_map(|page| [page * PAGE, page * PAGE + 100]) {
        refused += usize::from(is_refused(&folder, &bytes[..length]));
    }
    assert!(refused > pages, "{refused} of {}", 2 * pages);
    assert!(is_refused(&folder, b""), "an empty file is no new store");
}

#[test]
fn no_flipped_bit_ends_the_process_or_gives_a_wrong_record() {
    let (folder, bytes) = sample();
    let mut refused = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for page in 0..bytes.len() / PAGE {
        // In the header, among the offsets, and among the nodes.
        for range in [0..16, 16..64, 64..PAGE] {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = usize::try_from(random >> 33).unwrap();
            let mut flipped = bytes.clone();
            flipped[page * PAGE + range.start + random % range.len()] ^= 1 << (random % 8);
            refused += usize::from(is_refused(&folder, &flipped));
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn pages_of_zeros_or_of_another_place_are_refused() {
    let (folder, bytes) = sample();
    let mut refused = 0;
    for page in 0..bytes.len() / PAGE {
        let mut damaged = bytes.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0);
        refused += usize::from(is_refused(&folder, &damaged));
        let mut misplaced = bytes.clone();
        let other = (page + 1) % (bytes.len() / PAGE);
        misplaced.copy_within(other * PAGE..(other + 1) * PAGE, page * PAGE);
        refused += usize::from(is_refused(&folder, &misplaced));
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn file_that_is_cut_under_a_running_store_is_not_read_any_more() {
    let (folder, _) = sample();
    let store = open(&folder).unwrap();
    let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
    file.set_len(2 * PAGE as u64).unwrap();
    let error = store.look_up(&id(1), at(10)).wait().unwrap_err().to_string();
    assert!(error.contains("was cut"), "{error}");
    assert!(store.create(&id(9_000), record(10, 600)).wait().is_err());
    assert!(store.purge(at(1_000_000_000), 10).is_err());
    assert!(store.scan(at(10), &mut |_, _| ()).is_err());
    // Nor is it when the store is closed, although nothing is left.
    file.set_len(0).unwrap();
    drop(store);
}

/// Writes as another program does, later than the store by more than a tick of the file system's clock.
fn write_over(file: &fs::File, bytes: &[u8], at: usize) {
    file.write_all_at(bytes, at as u64).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_millis(50)).unwrap();
}

/// Waits until the store refuses changes although none is made; what it says then.
fn await_refusal(store: &LmdbStore) -> String {
    let begin = std::time::Instant::now();
    loop {
        // An ID that is taken: no change, if the store takes any.
        match store.create(&id(1), record(10, 600)).wait().unwrap_err() {
            StoreError::Exists => {
                assert!(begin.elapsed() < std::time::Duration::from_mins(1), "it was not noticed");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            error => return error.to_string(),
        }
    }
}

#[test]
fn what_another_program_writes_into_the_file_of_a_running_store_is_noticed() {
    // A bit in each place where LMDB finds its way, and in a record.
    let place_of = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).rposition(|found| found == what);
    for what in [&b"records"[..], id(77).expose().as_bytes()] {
        let (folder, _) = sample();
        let store = open(&folder).unwrap();
        let bytes = fs::read(data(&folder)).unwrap();
        let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
        // No copy of an old commit: each of them.
        let mut end = bytes.len();
        while let Some(at) = place_of(&bytes[..end], what) {
            write_over(&file, &[bytes[at] ^ 1], at);
            end = at;
        }
        let said = await_refusal(&store);
        assert!(said.contains("was changed by another program") && said.contains("sound copy"), "{said}");
        // What was there before comes back.
        write_over(&file, &bytes, 0);
        let begin = std::time::Instant::now();
        while !matches!(store.create(&id(1), record(10, 600)).wait(), Err(StoreError::Exists)) {
            assert!(begin.elapsed() < std::time::Duration::from_mins(1), "it did not recover");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        store.create(&id(9_000), record(10, 600)).wait().unwrap();
    }
}

#[test]
fn an_earlier_state_that_is_written_over_a_running_store_is_no_state_of_it() {
    let (folder, _) = sample();
    let store = open(&folder).unwrap();
    let earlier = fs::read(data(&folder)).unwrap();
    store.revoke(&id(2), at(10)).wait().unwrap();
    let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
    write_over(&file, &earlier, 0);
    let said = await_refusal(&store);
    assert!(said.contains("an earlier or another state"), "{said}");
}

#[test]
fn a_file_that_was_touched_is_the_same() {
    let (folder, _) = sample();
    let store = open(&folder).unwrap();
    let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    store.create(&id(9_000), record(10, 600)).wait().unwrap();
}

#[test]
fn a_commit_that_failed_makes_no_look_at_all_pages() {
    let (folder, bytes) = sample();
    let files = EnvironmentFiles::of(&folder.path().join("cookies")).unwrap();
    let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
    // Damage shows who has looked.
    let places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"records"));
    for at in places {
        write_over(&file, &[bytes[at] ^ 1], at);
    }
    files.note_failure();
    files.check().unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(files.check().unwrap_err().contains("was changed by another program"));
}

#[test]
fn record_that_is_damaged_under_a_running_store_is_refused_and_not_taken_for_none() {
    let (folder, _) = sample();
    let store = open(&folder).unwrap();
    let bytes = fs::read(data(&folder)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(data(&folder)).unwrap();
    let name = id(77);
    let name = name.expose().as_bytes();
    for at in (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)) {
        // In its value: behind the key come the version, two moments and an age.
        write_over(&file, &[bytes[at + name.len() + 3] ^ 1], at + name.len() + 3);
    }
    let error = store.look_up(&id(77), at(10)).wait().unwrap_err().to_string();
    assert!(error.contains("is damaged") && !error.contains(id(77).expose()), "{error}");
    assert_eq!(store.look_up(&id(78), at(10)).wait().unwrap(), Some(client(78)));
}

#[test]
fn removed_or_replaced_files_are_noticed_and_nothing_is_acknowledged() {
    for name in [DATA, "lock.mdb", "wampgate.lock"] {
        let (folder, _) = sample();
        let store = open(&folder).unwrap();
        let path = folder.path().join("cookies").join(name);
        let aside = folder.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        let error = store.create(&id(9_000), record(10, 600)).wait().unwrap_err().to_string();
        assert!(error.contains("was removed") && error.contains(name), "{error}");
        fs::write(&path, "another").unwrap();
        store.create(&id(9_001), record(10, 600)).wait().unwrap_err();
        assert!(store.look_up(&id(1), at(10)).wait().unwrap().is_some(), "look-ups go on");
        store.revoke(&id(1), at(10)).wait().unwrap_err();
        assert!(store.look_up(&id(1), at(10)).wait().unwrap().is_none(), "revoked all the same");
        // It comes back.
        fs::rename(&aside, &path).unwrap();
        let begin = std::time::Instant::now();
        while store.create(&id(9_002), record(10, 600)).wait().is_err() {
            assert!(begin.elapsed() < std::time::Duration::from_mins(1), "it did not recover");
            std::thread::yield_now();
        }
        drop(store);
        let store = open(&folder).unwrap();
        let found = [1, 9_000, 9_002].map(|n| store.look_up(&id(n), at(10)).wait().unwrap().is_some());
        assert_eq!(found, [false, false, true]);
    }
}
