//! The file does not grow with history, and nothing is lost while it shrinks.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use wampgate::store::CookieStore;

use super::support::{Kind, StoreFolder, at, authentication, authid, id, knows, record, wait, wait_all};
use crate::support::PATIENCE;

/// A file of no more lines than this is not compacted.
const SMALL: usize = 1000;

/// Half of that: a file with more than [`SMALL`] lines has more dead lines than live ones.
const LIVE: usize = SMALL / 2;

const DAY: u64 = 86_400;

fn place() -> StoreFolder {
    // What is tested here is not the disk.
    StoreFolder::new(Kind::File)
}

fn lines(place: &StoreFolder) -> usize {
    fs::read_to_string(place.path()).unwrap().lines().count()
}

fn fill(store: &dyn CookieStore) {
    let commits: Vec<_> = (0..LIVE).map(|n| store.create(&id(n), record(0, DAY))).collect();
    wait_all(commits);
}

/// A compaction runs beside the changes: waits for its effect, not for a time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "{what} did not happen");
        std::thread::yield_now();
    }
}

#[test]
fn file_stays_within_twice_its_live_lines_however_much_is_changed() {
    let place = place();
    let store = place.open(0);
    fill(&*store);
    let rounds = 40;
    for round in 0..rounds {
        let commits: Vec<_> = (0..LIVE)
            .map(|n| {
                let joe = authentication(&format!("joe-{round}"), round);
                store.authenticate(&id(n), Some(joe), at(round))
            })
            .collect();
        wait_all(commits);
    }
    eventually("compaction", || lines(&place) <= SMALL);
    let last = format!("joe-{}", rounds - 1);
    assert!((0..LIVE).all(|n| authid(&*store, &id(n), rounds) == Some(last.clone())));
    drop(store);
    let store = place.open(rounds);
    assert!((0..LIVE).all(|n| authid(&*store, &id(n), rounds) == Some(last.clone())));
    assert!(!fs::exists(place.path().with_extension("dat.compact")).unwrap(), "nothing is left beside it");
}

#[test]
fn revoked_and_purged_records_leave_the_file() {
    let place = place();
    let store = place.open(0);
    for n in 0..3_000 {
        drop(store.create(&id(n), record(0, if n < 1_500 { 10 } else { DAY })));
    }
    for n in 1_500..2_990 {
        drop(store.revoke(&id(n), at(1)));
    }
    wait(store.revoke(&id(2_990), at(1))).unwrap();
    assert_eq!(store.purge(at(20_000), 10_000).unwrap(), 1_500);
    eventually("compaction", || lines(&place) <= SMALL);
    drop(store);
    let store = place.open(20_000);
    assert!((0..3_000).all(|n| knows(&*store, &id(n), 20_000) == (n > 2_990)));
}

#[test]
fn changes_during_compactions_are_kept() {
    const THREADS: usize = 4;
    let place = place();
    let store = place.open(0);
    fill(&*store);
    let done = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (store, done) = (&*store, &done);
                scope.spawn(move || {
                    let mut round = 0;
                    while !done.load(Ordering::Relaxed) {
                        round += 1;
                        for n in (thread..LIVE).step_by(THREADS) {
                            let joe = authentication(&format!("joe-{round}"), round);
                            drop(store.authenticate(&id(n), Some(joe), at(round)));
                        }
                        // One record comes, and the one before it goes.
                        let number = LIVE + thread + THREADS * usize::try_from(round).unwrap();
                        drop(store.revoke(&id(number - THREADS), at(round)));
                        wait(store.create(&id(number), record(round, DAY))).unwrap();
                    }
                    round
                })
            })
            .collect();
        // The file shrinks with every compaction.
        let (mut last, mut shrunk) = (0, 0);
        eventually("three compactions", || {
            let size = fs::metadata(place.path()).unwrap().len();
            shrunk += u32::from(size < last);
            last = size;
            shrunk == 3
        });
        done.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    drop(store);
    let store = place.open(0);
    for (thread, round) in rounds.into_iter().enumerate() {
        for n in (thread..LIVE).step_by(THREADS) {
            assert_eq!(authid(&*store, &id(n), round), Some(format!("joe-{round}")));
        }
        let number = LIVE + thread + THREADS * usize::try_from(round).unwrap();
        assert!(knows(&*store, &id(number), round) && !knows(&*store, &id(number - THREADS), round));
    }
}

#[test]
fn compaction_that_cannot_be_written_leaves_the_store_working() {
    let place = place();
    // A folder of that name cannot be removed as a file, nor made anew.
    let in_the_way = place.path().with_extension("dat.compact");
    fs::create_dir(&in_the_way).unwrap();
    fs::write(in_the_way.join("x"), "").unwrap();
    let store = place.open(0);
    for round in 0..5_000 {
        drop(store.create(&id(round), record(0, DAY)));
        drop(store.revoke(&id(round), at(0)));
    }
    wait(store.create(&id(0), record(0, DAY))).unwrap();
    assert!(knows(&*store, &id(0), 0));
    drop(store);
    assert!(knows(&*place.open(0), &id(0), 0));
}
