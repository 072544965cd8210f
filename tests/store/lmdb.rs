//! What only the LMDB store has: a map that fills up.

use wampgate::store::{self, CookieRecord, CookieStore, StoreError, StoreOptions, SyncMode};

use super::support::{at, authentication, authid, id, knows, planned, record, replacement, wait};

const SIZE: usize = 1 << 20;

fn open(folder: &tempfile::TempDir, max_size: usize) -> std::sync::Arc<dyn CookieStore> {
    let path = folder.path().join("cookies");
    store::open(&StoreOptions::Lmdb { path, max_size, max_per_principal: 100, sync: SyncMode::Never }, at(0))
        .unwrap()
        .store
}

/// A record that makes room for no other one.
fn authenticated(number: usize, now: u64) -> CookieRecord {
    let login = authentication(&format!("joe-{number}"), now);
    CookieRecord { authentication: Some(login.into()), ..record(now, 600) }
}

/// Creates authenticated records until no more fit; how many did.
fn fill(store: &dyn CookieStore, from: usize, now: u64) -> usize {
    for n in from.. {
        match wait(store.create(&id(n), authenticated(n, now))) {
            Ok(()) => {}
            Err(error @ StoreError::MapFull { max_size: SIZE }) => {
                assert!(error.to_string().contains("raise `max_size`"), "{error}");
                return n - from;
            }
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("the range has no end")
}

#[test]
fn full_map_refuses_new_records_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, SIZE);
    let count = fill(&*store, 0, 0);
    assert!(count > 1_500, "{count} records of three hundred bytes in a mebibyte");
    wait(store.authenticate(&id(0), Some(authentication("joe", 1)), at(1))).unwrap();
    assert_eq!(authid(&*store, &id(0), 2).as_deref(), Some("joe"));
    for n in 1..count {
        wait(store.revoke(&id(n), at(2))).unwrap();
    }
    assert!(knows(&*store, &id(0), 3) && !knows(&*store, &id(1), 3));
    assert!(fill(&*store, 100_000, 3) > count * 9 / 10, "the room is there again");
}

#[test]
fn replacements_go_on_in_a_full_map() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, SIZE);
    wait(store.create(&id(0), authenticated(0, 0))).unwrap();
    fill(&*store, 1, 0);
    let mut places_taken = 0;
    for round in 0..50 {
        let (from, to) = (if round == 0 { 0 } else { 200_000 + round - 1 }, 200_000 + round);
        wait(store.authenticate(&id(from), Some(planned("joe", 1, to, None)), at(1))).unwrap();
        wait(store.replace(&id(from), &replacement(to), at(1))).unwrap();
        assert_eq!(authid(&*store, &id(to), 2).as_deref(), Some("joe"));
        places_taken += usize::from(!knows(&*store, &id(from), 2));
    }
    assert!(places_taken > 0, "the map was full");
}

#[test]
fn expired_records_make_room_in_a_full_map() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, SIZE);
    let count = fill(&*store, 0, 0);
    wait(store.create(&id(100_000), record(600_000, 600))).unwrap();
    assert!(fill(&*store, 100_001, 600_000) > count * 9 / 10);
}

#[test]
fn larger_map_takes_more_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, SIZE);
    let count = fill(&*store, 0, 0);
    drop(store);
    let store = open(&folder, 2 * SIZE);
    wait(store.create(&id(100_000), record(0, 600))).unwrap();
    assert!((0..count).all(|n| knows(&*store, &id(n), 1)));
}

#[test]
fn many_changes_in_one_batch_may_find_the_map_full() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, SIZE);
    let commits: Vec<_> = (0..20_000).map(|n| store.create(&id(n), authenticated(n, 0))).collect();
    let outcomes: Vec<_> = commits.into_iter().map(wait).collect();
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            knows(&*store, &id(n), 1),
            outcome.is_ok(),
            "what was acknowledged is there, and only that"
        );
    }
    assert!(outcomes.iter().any(Result::is_ok) && outcomes.iter().any(Result::is_err));
}
