//! `kill -9` at a random moment under load: whatever was acknowledged is there afterwards, and every start
//! succeeds.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rand::RngExt as _;
use wampgate::{
    config::{StoreConfig, SyncMode},
    store::CookieStore,
};

use crate::support::{Kind, Place, at, authentication, authid, id, knows, record, wait};

/// Told to the process that is killed: where the store is, and the first client that it may make.
const PATH: &str = "WAMPGATE_TEST_KILL_PATH";
const FIRST: &str = "WAMPGATE_TEST_KILL_FIRST";

/// Set for the long mode: how many rounds instead of [`ROUNDS`].
const LONG: &str = "WAMPGATE_KILL_ROUNDS";

const ROUNDS: usize = 10;
const THREADS: usize = 8;
const AGE: u64 = 86_400;

#[test]
fn file_store_loses_nothing_that_was_acknowledged() {
    survive(&Place::new(Kind::File), "kill::file_store_loses_nothing_that_was_acknowledged");
}

/// Without fsync there are so many more changes that compactions follow each other; `kill -9` takes nothing
/// from the operating system.
#[test]
fn compacting_file_store_loses_nothing_that_was_acknowledged() {
    let place = Place { sync: SyncMode::Never, ..Place::new(Kind::File) };
    let changes = survive(&place, "kill::compacting_file_store_loses_nothing_that_was_acknowledged");
    let lines = std::fs::read_to_string(place.path()).unwrap().lines().count();
    assert!(lines < changes, "{changes} changes were never compacted");
}

#[test]
fn lmdb_store_loses_nothing_that_was_acknowledged() {
    survive(&Place::new(Kind::Lmdb), "kill::lmdb_store_loses_nothing_that_was_acknowledged");
}

/// What a record may be in: the states from the last acknowledged one on.
#[derive(Debug, Clone, Default)]
struct Story {
    acknowledged: usize,
    begun: usize,
}

/// The steps that each client goes through, in order.
const STEPS: [&str; 5] = ["unknown", "created", "joe", "eve", "revoked"];

/// Rounds of work and kill; how many changes were made in all of them.
fn survive(place: &Place, test: &str) -> usize {
    if let Some(path) = std::env::var_os(PATH) {
        work(&place.config_at(path.into()));
    }
    let rounds = std::env::var(LONG).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut stories: HashMap<usize, Story> = HashMap::new();
    let mut first = 0;
    for round in 0..rounds {
        // A random moment from the first change on, within what some thousand changes take.
        let delay = rand::rng().random_range(0..150);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PATH, place.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        for (number, story) in kill_after(child, Duration::from_millis(delay)) {
            first = first.max(number + 1);
            stories.insert(number, story);
        }
        let store = place.open(1);
        let mut acknowledged = 0;
        for (number, story) in &mut stories {
            let found = state(&*store, *number, story);
            assert!(
                (story.acknowledged..=story.begun).contains(&found),
                "round {round}: client {number} is {} though {story:?}",
                STEPS[found]
            );
            acknowledged += story.acknowledged;
            // What is there now has been seen by us, so it must stay.
            *story = Story { acknowledged: found, begun: found };
        }
        assert!(acknowledged > 0, "round {round}: nothing was acknowledged before the kill");
    }
    stories.values().map(|story| story.acknowledged).sum()
}

/// The step that a client's record shows. One without a record is revoked, or if that has not begun yet,
/// unknown.
fn state(store: &dyn CookieStore, number: usize, story: &Story) -> usize {
    match (knows(store, &id(number), 1), authid(store, &id(number), 1).as_deref()) {
        (true, None) => 1,
        (true, Some("joe")) => 2,
        (true, Some("eve")) => 3,
        _ if story.begun == 4 => 4,
        _ => 0,
    }
}

/// Reads what the child begins and completes; kills it a while after the first completed change.
fn kill_after(mut child: Child, delay: Duration) -> HashMap<usize, Story> {
    let mut stories: HashMap<usize, Story> = HashMap::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut killer = None;
    let mut child = Some(child);
    // A line that was cut by the kill does not parse, or says less than happened, which is no harm.
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.split(' ');
        let (word, number, step) = (words.next(), words.next(), words.next());
        let numbers = number.and_then(|n| n.parse().ok()).zip(step.and_then(|s| s.parse::<usize>().ok()));
        let (Some(word), Some((number, step)), Some(".")) = (word, numbers, words.next()) else { continue };
        let story = stories.entry(number).or_default();
        match word {
            "begin" => story.begun = story.begun.max(step),
            "done" => {
                story.acknowledged = story.acknowledged.max(step);
                if let Some(mut child) = child.take() {
                    killer = Some(std::thread::spawn(move || {
                        std::thread::sleep(delay);
                        child.kill().unwrap();
                        child.wait().unwrap();
                    }));
                }
            }
            _ => {}
        }
    }
    killer.expect("the child has completed something").join().unwrap();
    stories
}

/// The child: works until it is killed.
fn work(config: &StoreConfig) {
    let store = wampgate::store::open(config, at(1)).unwrap();
    let next = AtomicU64::new(std::env::var(FIRST).unwrap().parse().unwrap());
    let say = |word: &str, number: usize, step: usize| {
        // One write a line, past the buffer of `println!`.
        let line = format!("\n{word} {number} {step} .\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    for step in 1..STEPS.len() {
                        say("begin", number, step);
                        let commit = match step {
                            1 => store.create(&id(number), record(1, AGE)),
                            2 => store.authenticate(&id(number), Some(authentication("joe", 1)), at(1)),
                            3 => store.authenticate(&id(number), Some(authentication("eve", 1)), at(1)),
                            // Every other client stays, so that the file has live records as well as dead
                            // lines.
                            _ if number % 2 == 0 => break,
                            _ => store.revoke(&id(number), at(1)),
                        };
                        wait(commit).unwrap();
                        say("done", number, step);
                    }
                }
            });
        }
    });
}
