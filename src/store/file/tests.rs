//! What happens when the disk fails, and when it works again.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;

use super::*;
use crate::store::{
    disk::{Call, faults},
    testing::{at, due, id, logged_in, login, record as made},
};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A store whose disk fails when told so, with a record of client 1 that is authenticated, and one of client 2.
struct Scene {
    folder: TempDir,
    path: PathBuf,
    store: FileStore,
    _mend: Mend,
}

/// Mends the disk of a path in the end.
struct Mend(PathBuf);

impl Drop for Mend {
    fn drop(&mut self) {
        faults::mend(&self.0);
    }
}

fn record() -> CookieRecord {
    made(0, 86_400)
}

fn joe() -> Authentication {
    login("joe", at(0))
}

impl Scene {
    async fn new(sync: SyncMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("cookies.dat");
        let store = FileStore::open(&path, 10, sync, at(0)).unwrap();
        store.create(&id(1), logged_in(record(), joe())).await.unwrap();
        store.create(&id(2), record()).await.unwrap();
        Self { folder, store, _mend: Mend(path.clone()), path }
    }

    /// From now on these calls fail.
    fn fail(&self, calls: &'static [Call], code: i32) {
        faults::set(&self.path, move |call| {
            if calls.contains(&call) { Err(std::io::Error::from_raw_os_error(code)) } else { Ok(()) }
        });
    }

    async fn fails(&self, commit: Commit) {
        let error = commit.await.unwrap_err();
        assert!(matches!(error, StoreError::Io(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(self.path.to_str().unwrap()) && !text.contains("client-"), "{text}");
    }

    fn look_up(&self, number: usize) -> Option<CookieRecord> {
        self.store.look_up(&id(number), at(1)).wait().unwrap()
    }

    /// Waits until the store takes changes again.
    fn recovers(&self) {
        let begin = Instant::now();
        while self.store.group.admit().is_err() {
            assert!(begin.elapsed() < PATIENCE, "it did not recover");
            std::thread::yield_now();
        }
    }

    /// What a gateway finds that is started now: the clients 1 to 4.
    fn after_a_restart(self) -> [Option<CookieRecord>; 4] {
        let Self { folder, path, store, .. } = self;
        drop(store);
        let store = FileStore::open(&path, 10, SyncMode::Never, at(2)).unwrap();
        let found = [1, 2, 3, 4].map(|number| store.look_up(&id(number), at(2)).wait().unwrap());
        drop(folder);
        found
    }
}

/// Makes all lines of the file blank, and leaves it as long as before.
fn write_over(path: &Path) {
    let length = fs::read(path).unwrap().len();
    fs::write(path, "\n".repeat(length)).unwrap();
    // Some systems give all writes within some milliseconds the same time.
    let later = SystemTime::now() + Duration::from_secs(1);
    fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
}

const WRITE: &[Call] = &[Call::Write];
const SYNC: &[Call] = &[Call::Sync];
const NO_SPACE: i32 = 28;
const IO: i32 = 5;

#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_write_or_fsync() {
    for (calls, code) in [(WRITE, NO_SPACE), (SYNC, IO)] {
        let scene = Scene::new(SyncMode::Always).await;
        let store = &scene.store;
        scene.fail(calls, code);
        scene.fails(store.create(&id(3), record())).await;
        assert_eq!(scene.look_up(3), None, "its client was refused");
        scene.fails(store.create(&id(4), record())).await;
        scene.fails(store.authenticate(&id(2), Some(joe()), at(1))).await;
        assert_eq!(scene.look_up(2), Some(record()), "look-ups go on, without what failed");
        scene.fails(store.revoke(&id(1), at(1))).await;
        assert_eq!(scene.look_up(1), None, "revoked all the same");
    }
}

#[tokio::test]
async fn store_works_again_when_its_disk_does_and_has_what_it_acknowledged() {
    for (calls, code) in [(WRITE, NO_SPACE), (SYNC, IO)] {
        let scene = Scene::new(SyncMode::Always).await;
        let store = &scene.store;
        scene.fail(calls, code);
        scene.fails(store.create(&id(3), record())).await;
        scene.fails(store.revoke(&id(1), at(1))).await;
        faults::mend(&scene.path);
        scene.recovers();
        store.create(&id(4), record()).await.unwrap();
        assert_eq!(scene.look_up(3), None);
        let found = scene.after_a_restart();
        assert_eq!(found, [None, Some(record()), None, Some(record())], "the revocation counts as well");
    }
}

#[tokio::test]
async fn what_a_full_disk_took_only_in_part_is_cut_off() {
    let scene = Scene::new(SyncMode::Always).await;
    // The line gets into the file and not onto the disk.
    scene.fail(SYNC, IO);
    scene.fails(scene.store.create(&id(3), record())).await;
    faults::mend(&scene.path);
    scene.recovers();
    let text = fs::read_to_string(&scene.path).unwrap();
    let mut lines = text.lines().filter(|line| line.contains(id(3).expose()));
    assert!(lines.next_back().is_none_or(|line| line.contains("\"deleted\": \"")), "{text}");
}

#[tokio::test]
async fn fsync_that_fails_later_makes_the_store_write_everything_anew() {
    let scene = Scene::new(SyncMode::Interval).await;
    let inode = fs::metadata(&scene.path).unwrap().ino();
    scene.fail(SYNC, IO);
    let begin = Instant::now();
    // On a busy machine that second may be over by now.
    let is_acknowledged = scene.store.create(&id(3), record()).await.is_ok();
    while scene.store.group.admit().is_ok() {
        assert!(begin.elapsed() < PATIENCE, "no fsync failed");
        std::thread::yield_now();
    }
    faults::mend(&scene.path);
    scene.recovers();
    assert_ne!(fs::metadata(&scene.path).unwrap().ino(), inode);
    assert_eq!(scene.after_a_restart()[2], is_acknowledged.then(record));
}

#[tokio::test]
async fn authentication_that_cannot_be_written_is_dropped_with_the_one_before() {
    let scene = Scene::new(SyncMode::Always).await;
    scene.fail(WRITE, NO_SPACE);
    scene.fails(scene.store.authenticate(&id(1), Some(login("eve", at(0))), at(1))).await;
    assert_eq!(scene.look_up(1).unwrap().authentication, None);
    faults::mend(&scene.path);
    scene.recovers();
    let [first, ..] = scene.after_a_restart();
    assert_eq!(first.unwrap().authentication, None, "also in the file");
}

#[tokio::test]
async fn replacement_that_cannot_be_written_leaves_neither_id_logged_in() {
    let scene = Scene::new(SyncMode::Always).await;
    let store = &scene.store;
    store.authenticate(&id(1), Some(due(&joe(), id(3), None)), at(1)).await.unwrap();
    let next = Replacement { id: id(3), public_id: "public-id".into(), max_age: record().max_age };
    scene.fail(WRITE, NO_SPACE);
    // Handed over together: the second is told of the first only if that gets into the file.
    let commits = [at(2), at(3)].map(|now| store.replace(&id(1), &next, now));
    for commit in commits {
        scene.fails(commit).await;
    }
    assert_eq!(scene.look_up(3), None);
    assert_eq!(scene.look_up(1).unwrap().authentication, None);
}

#[tokio::test]
async fn second_revocation_waits_for_the_first() {
    let scene = Scene::new(SyncMode::Always).await;
    scene.fail(WRITE, NO_SPACE);
    let commits = [scene.store.revoke(&id(1), at(1)), scene.store.revoke(&id(1), at(1))];
    for commit in commits {
        scene.fails(commit).await;
    }
}

#[tokio::test]
async fn disk_that_hangs_is_told_to_those_that_wait() {
    let scene = Scene::new(SyncMode::Always).await;
    let hangs = Arc::new(AtomicBool::new(true));
    let is_hanging = Arc::clone(&hangs);
    let begin = Instant::now();
    faults::set(&scene.path, move |call| {
        while call == Call::Sync && is_hanging.load(Ordering::Relaxed) && begin.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        Ok(())
    });
    let outcome = scene.store.create(&id(3), record()).await;
    assert!(matches!(outcome, Err(StoreError::Stalled)), "{outcome:?}");
    assert!(matches!(scene.store.create(&id(4), record()).await, Err(StoreError::Stalled)), "at once");
    assert_eq!(scene.look_up(2), Some(record()), "look-ups go on");
    hangs.store(false, Ordering::Relaxed);
    scene.recovers();
    scene.store.create(&id(5), record()).await.unwrap();
}

#[tokio::test]
async fn file_that_is_removed_or_changed_is_written_anew() {
    for spoil in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| fs::write(path, "something longer than what was there before ".repeat(100)).unwrap(),
        write_over,
    ] {
        let scene = Scene::new(SyncMode::Always).await;
        spoil(&scene.path);
        // Without any change: the store notices it by itself.
        let begin = Instant::now();
        while fs::read_to_string(&scene.path).is_ok_and(|text| text.lines().count() != 2)
            || !scene.path.exists()
        {
            assert!(begin.elapsed() < PATIENCE, "it was not noticed");
            std::thread::yield_now();
        }
        scene.recovers();
        scene.store.create(&id(3), record()).await.unwrap();
        let found = scene.after_a_restart();
        assert_eq!(found, [Some(logged_in(record(), joe())), Some(record()), Some(record()), None]);
    }
}

#[tokio::test]
async fn change_behind_what_another_program_has_written_over_is_not_acknowledged() {
    let scene = Scene::new(SyncMode::Always).await;
    write_over(&scene.path);
    scene.fails(scene.store.create(&id(3), record())).await;
    scene.recovers();
    let found = scene.after_a_restart();
    assert_eq!(found, [Some(logged_in(record(), joe())), Some(record()), None, None]);
}

#[tokio::test]
async fn file_that_is_written_over_while_its_disk_is_full_is_written_anew() {
    let scene = Scene::new(SyncMode::Always).await;
    scene.fail(WRITE, NO_SPACE);
    scene.fails(scene.store.create(&id(3), record())).await;
    write_over(&scene.path);
    faults::mend(&scene.path);
    scene.recovers();
    let found = scene.after_a_restart();
    assert_eq!(found, [Some(logged_in(record(), joe())), Some(record()), None, None]);
}

#[tokio::test]
async fn new_file_whose_name_may_not_be_durable_is_not_taken_for_another_programs() {
    let scene = Scene::new(SyncMode::Always).await;
    scene.fail(&[Call::SyncFolder], IO);
    assert!(scene.store.compact().is_err());
    // Nor one that is written anew.
    let error = scene.store.create(&id(3), record()).await.unwrap_err().to_string();
    assert!(error.contains("replaced durably"), "{error}");
    let begin = Instant::now();
    let is_written_anew = |inode: &u64| fs::metadata(&scene.path).is_ok_and(|now| now.ino() != *inode);
    let inode = fs::metadata(&scene.path).unwrap().ino();
    while !is_written_anew(&inode) {
        assert!(begin.elapsed() < PATIENCE, "it is not tried again");
        std::thread::yield_now();
    }
    faults::mend(&scene.path);
    scene.recovers();
    scene.store.create(&id(4), record()).await.unwrap();
    let found = scene.after_a_restart();
    assert_eq!(found, [Some(logged_in(record(), joe())), Some(record()), None, Some(record())]);
}

#[test]
fn file_that_is_removed_before_the_first_change_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cookies.dat");
    let store = FileStore::open(&path, 10, SyncMode::Always, at(0)).unwrap();
    fs::remove_file(&path).unwrap();
    let begin = Instant::now();
    while !path.exists() {
        assert!(begin.elapsed() < PATIENCE, "no look at the file");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(store);
}

#[tokio::test]
async fn change_that_went_into_a_removed_file_is_not_acknowledged() {
    let scene = Scene::new(SyncMode::Always).await;
    fs::remove_file(&scene.path).unwrap();
    scene.fails(scene.store.create(&id(3), record())).await;
}

#[tokio::test]
async fn file_in_the_place_of_the_stores_is_left_alone_and_nothing_is_acknowledged() {
    let scene = Scene::new(SyncMode::Always).await;
    let aside = scene.folder.path().join("aside");
    // In one step: the store makes a file anew as soon as it notices that there is none.
    let other = scene.folder.path().join("other");
    fs::write(&other, "the operator's").unwrap();
    fs::hard_link(&scene.path, &aside).unwrap();
    fs::rename(&other, &scene.path).unwrap();
    scene.fails(scene.store.create(&id(3), record())).await;
    let error = scene.store.create(&id(3), record()).await.unwrap_err().to_string();
    assert!(error.contains("was replaced") && error.contains("restart"), "{error}");
    assert_eq!(fs::read_to_string(&scene.path).unwrap(), "the operator's");
    // The store's own file comes back.
    fs::rename(&aside, &scene.path).unwrap();
    scene.recovers();
    scene.store.create(&id(3), record()).await.unwrap();
    assert_eq!(scene.after_a_restart()[2], Some(record()));
}

#[tokio::test]
async fn name_of_a_new_file_is_durable_before_anything_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("cookies.dat");
    let synced = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&synced);
    faults::set(&path, move |call| {
        note.fetch_or(call == Call::SyncFolder, Ordering::Relaxed);
        Ok(())
    });
    let store = FileStore::open(&path, 10, SyncMode::Always, at(0)).unwrap();
    assert!(synced.load(Ordering::Relaxed));
    drop(store);
    faults::set(&path, |_| Err(std::io::Error::from_raw_os_error(IO)));
    assert!(FileStore::open(&path, 10, SyncMode::Always, at(0)).is_err(), "fails closed");
    faults::mend(&path);
}

#[tokio::test]
async fn file_that_is_mounted_alone_cannot_be_compacted_and_the_message_says_why() {
    let scene = Scene::new(SyncMode::Always).await;
    // EBUSY, as from a rename over a mount point.
    scene.fail(&[Call::Rename], 16);
    let error = scene.store.compact().unwrap_err().to_string();
    assert!(error.contains("mount the folder"), "{error}");
    scene.store.create(&id(3), record()).await.unwrap();
}
