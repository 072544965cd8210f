//! What happens when the disk fails, shown on devices that do.

use std::fs::OpenOptions;

use super::*;
use crate::{
    cookie::MaxAge,
    store::{
        exclusive::Exclusive,
        file::{load::Replayed, lock::Locked},
        testing::{at, due, id, logged_in, login},
    },
};

fn record() -> CookieRecord {
    CookieRecord::new(at(0), MaxAge::DEFAULT)
}

fn joe() -> Authentication {
    login("joe", at(0))
}

/// A store on a device instead of a file, with a record of client 1 that is authenticated, and one of client 2.
fn store_on(device: &str, sync: SyncMode) -> FileStore {
    let path = PathBuf::from(device);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let locked = Locked { path: path.clone(), file: Exclusive::unlocked(file) };
    let mut index = Index::new(10, SettledClock::default());
    index.restore(&id(1), logged_in(record(), joe()));
    index.restore(&id(2), record());
    let index = Arc::new(Mutex::new(index));
    let log = Log::new(locked, Replayed { lines: 0, end: 0 }, sync, Arc::clone(&index));
    FileStore { path, index, group: Group::start("test", log).unwrap() }
}

async fn fails(commit: Commit, device: &str) {
    let error = commit.await.unwrap_err();
    assert!(matches!(error, StoreError::Io(_)));
    let text = error.to_string();
    assert!(text.contains(device) && text.contains("restart") && !text.contains("client-"), "{text}");
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_write_or_fsync() {
    // Nothing can be written to the one, and the other cannot be made durable.
    for (device, sync) in [("/dev/full", SyncMode::Never), ("/dev/null", SyncMode::Always)] {
        let store = store_on(device, sync);
        fails(store.create(&id(3), record()), device).await;
        assert_eq!(store.look_up(&id(3), at(1)).await.unwrap(), None, "its client was refused");
        fails(store.create(&id(4), record()), device).await;
        fails(store.authenticate(&id(2), Some(joe()), at(1)), device).await;
        assert_eq!(
            store.look_up(&id(2), at(1)).await.unwrap(),
            Some(record()),
            "look-ups go on, without what failed"
        );
        fails(store.revoke(&id(1), at(1)), device).await;
        assert_eq!(
            store.look_up(&id(1), at(1)).await.unwrap(),
            None,
            "revoked for as long as the gateway runs"
        );
    }
}

#[tokio::test]
async fn authentication_that_cannot_be_written_is_dropped_with_the_one_before() {
    let store = store_on("/dev/full", SyncMode::Always);
    let eve = login("eve", at(0));
    fails(store.authenticate(&id(1), Some(eve), at(1)), "/dev/full").await;
    assert_eq!(store.look_up(&id(1), at(1)).await.unwrap().unwrap().authentication, None);
}

#[tokio::test]
async fn replacement_that_cannot_be_written_leaves_neither_id_logged_in() {
    let store = store_on("/dev/full", SyncMode::Always);
    let joe = Arc::new(due(&joe(), id(3), None));
    lock(&store.index).authenticate(&id(1), Some(&joe), at(1)).unwrap();
    let next = Replacement { id: id(3), public_id: "public-id".into(), max_age: MaxAge::DEFAULT };
    // Handed over together: the second is told of the first only if that gets into the file.
    let commits = [at(2), at(3)].map(|now| store.replace(&id(1), &next, now));
    for commit in commits {
        fails(commit, "/dev/full").await;
    }
    assert_eq!(store.look_up(&id(3), at(4)).await.unwrap(), None);
    assert_eq!(store.look_up(&id(1), at(4)).await.unwrap().unwrap().authentication, None);
}

#[tokio::test]
async fn second_revocation_waits_for_the_first() {
    let store = store_on("/dev/full", SyncMode::Always);
    let commits = [store.revoke(&id(1), at(1)), store.revoke(&id(1), at(1))];
    for commit in commits {
        fails(commit, "/dev/full").await;
    }
}
