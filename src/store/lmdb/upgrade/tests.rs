//! Environments as the first layout had them.

use std::path::Path;

use heed::{CommitOrAbort, Database, EnvOpenOptions, types::Bytes};

use crate::store::{
    CookieStore, LmdbStore, StoreError, SyncMode,
    lmdb::record::{expiry_key, testing::unchecked},
    testing::{at, id, logged_in, login, record},
};

const SIZE: usize = 1 << 20;

/// Writes an environment of the first layout, with clients from 0 on, of which every third is authenticated.
fn write(path: &Path, count: usize) {
    std::fs::create_dir(path).unwrap();
    let mut options = EnvOpenOptions::new();
    options.map_size(SIZE).max_dbs(3);
    #[allow(unsafe_code, reason = "a file that only this test has")]
    // SAFETY: nothing else has the file.
    let env = unsafe { options.open(path).unwrap() };
    let written = env.create_databases_and_commit(env.write_txn().unwrap(), |create, txn| {
        let meta: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("meta"))?;
        let records: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("records"))?;
        let expiry: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("expiry"))?;
        meta.put(txn, b"format", &1_u64.to_be_bytes())?;
        for number in 0..count {
            let (id, record) = (id(number), client(number));
            let key = id.expose().as_bytes();
            records.put(txn, key, &unchecked(key, &record))?;
            expiry.put(txn, &expiry_key(record.expires(), key), &[])?;
        }
        heed::Result::Ok(CommitOrAbort::<_, ()>::Commit((meta, records, expiry)))
    });
    assert!(matches!(written.unwrap(), CommitOrAbort::Commit(_)));
}

fn client(number: usize) -> crate::store::CookieRecord {
    let plain = record(number as u64, 86_400);
    if number.is_multiple_of(3) { logged_in(plain, login("joe", at(number as u64))) } else { plain }
}

fn open(path: &Path) -> LmdbStore {
    LmdbStore::open(path, SIZE, SyncMode::Never, at(10_000)).unwrap()
}

#[test]
fn environment_of_the_first_layout_is_taken_with_all_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cookies");
    write(&path, 100);
    for _ in 0..2 {
        let store = open(&path);
        for number in 0..100 {
            assert_eq!(store.look_up(&id(number), at(10_000)).wait().unwrap(), Some(client(number)));
        }
    }
}

#[test]
fn environment_that_is_full_of_records_without_ranks_is_taken_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cookies");
    // Two thirds of the map: with the ranks it is more than the whole.
    write(&path, 4_500);
    let store = open(&path);
    assert!((0..4_500).all(|number| store.look_up(&id(number), at(10_000)).wait().unwrap().is_some()));
    // The longest unseen makes room.
    for number in 5_000..5_010 {
        store.create(&id(number), record(10_000, 600)).wait().unwrap();
    }
    assert!(store.look_up(&id(1), at(10_001)).wait().unwrap().is_none());
    drop(store);
    let store = open(&path);
    let created = store.create(&id(6_000), record(10_002, 600)).wait();
    assert!(matches!(created, Ok(()) | Err(StoreError::MapFull { .. })), "{created:?}");
    assert!(store.look_up(&id(5_009), at(10_003)).wait().unwrap().is_some());
}
