//! `kill -9` at a random moment under load: whatever was acknowledged is there afterwards, and every start
//! succeeds.

use std::{
    collections::HashMap,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt as _;
use wampgate::store::{
    CookieStore, Durability, MaxAge, RedisOptions, Replacement, StoreError, StoreOptions, SyncMode,
};

use super::support::{
    Kind, StoreFolder, THIS_BINARY, at, authentication, id, look_up, planned, record, redis_options,
    replacement, wait,
};
use crate::support::{
    PATIENCE,
    redis::{RedisServer, is_there},
};

/// Told to the process that is killed: where the store is, and the first client that it may make.
const PATH: &str = "WAMPGATE_TEST_KILL_PATH";
const FIRST: &str = "WAMPGATE_TEST_KILL_FIRST";

/// Set for the long mode: how many rounds instead of [`ROUNDS`].
const LONG: &str = "WAMPGATE_KILL_ROUNDS";

const ROUNDS: usize = 10;
const REDIS_ROUNDS: usize = 3;
/// The most changes that a round makes before the kill: enough that each round falls into another part of the work.
const CHANGES: usize = 1000;
/// The same without fsync: a file with fewer than a thousand lines is not compacted.
const CHANGES_WITHOUT_SYNC: usize = 8000;
const THREADS: usize = 8;
const AGE: u64 = 86_400;

#[test]
fn file_store_loses_nothing_that_was_acknowledged() {
    let place = StoreFolder { sync: SyncMode::Always, ..StoreFolder::new(Kind::File) };
    survive(&place, CHANGES, "store::kill::file_store_loses_nothing_that_was_acknowledged", |_| true);
}

/// Without fsync there are so many more changes that compactions follow each other; `kill -9` takes nothing
/// from the operating system.
#[test]
fn compacting_file_store_loses_nothing_that_was_acknowledged() {
    let place = StoreFolder::new(Kind::File);
    let was_compacted = |changes| std::fs::read_to_string(place.path()).unwrap().lines().count() < changes;
    let test = "store::kill::compacting_file_store_loses_nothing_that_was_acknowledged";
    survive(&place, CHANGES_WITHOUT_SYNC, test, was_compacted);
}

#[test]
fn lmdb_store_loses_nothing_that_was_acknowledged() {
    let place = StoreFolder { sync: SyncMode::Always, ..StoreFolder::new(Kind::Lmdb) };
    survive(&place, CHANGES, "store::kill::lmdb_store_loses_nothing_that_was_acknowledged", |_| true);
}

/// The record and the mark of a replacement are two steps in Redis: what a gateway leaves half done, the next one completes.
#[test]
fn redis_store_loses_nothing_that_was_acknowledged() {
    if let Ok(url) = std::env::var(PATH) {
        work(&redis_options(&url, 0, Durability::Server));
    }
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    survive(&place, CHANGES, "store::kill::redis_store_loses_nothing_that_was_acknowledged", |_| true);
}

/// In the long mode: `WAMPGATE_KILL_ROUNDS=50 cargo test --test integration -- redis_that_is_killed`.
#[test]
fn redis_that_is_killed_or_stops_loses_nothing_that_was_acknowledged() {
    if !is_there() {
        return;
    }
    let rounds = rounds(REDIS_ROUNDS);
    let mut server = RedisServer::keeping_all();
    let patient = redis_options(&server.url(), 0, Durability::Server);
    let StoreOptions::Redis(options) = patient.clone() else { panic!() };
    let hasty = StoreOptions::Redis(Box::new(RedisOptions { timeout: Duration::from_secs(1), ..*options }));
    // The server may be busy with its start, or with what it still takes of its stopped time.
    let open = |options| {
        let end = Instant::now() + PATIENCE;
        loop {
            match wampgate::store::open(options, at(1)) {
                Ok(opened) => break opened.store,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
        }
    };
    let store = open(&hasty);
    let (stories, next) = (Mutex::new(HashMap::<usize, Story>::new()), AtomicUsize::new(0));
    let (began, mut faults) = (Instant::now(), [0, 0]);
    for round in 0..rounds {
        let is_over = AtomicBool::new(false);
        let before = next.load(Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        for step in 1..=last_step(number) {
                            stories.lock().unwrap().entry(number).or_default().begun = step;
                            // What was refused may be done all the same, and this client does not go on.
                            if perform(&*store, number, step).is_err() {
                                break;
                            }
                            stories.lock().unwrap().entry(number).or_default().acknowledged = step;
                        }
                        std::thread::sleep(Duration::from_micros(500));
                    }
                });
            }
            let pause = |most| std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..most)));
            pause(300);
            let is_killed = rand::rng().random_bool(0.5);
            faults[usize::from(!is_killed)] += 1;
            if is_killed {
                server.kill();
                pause(1000);
                server.run();
            } else {
                server.stop();
                pause(3000);
                server.go_on();
            }
            pause(300);
            is_over.store(true, Ordering::Relaxed);
        });
        let again = open(&patient);
        let mut stories = stories.lock().unwrap();
        for (number, story) in &mut *stories {
            if *number >= before || round + 1 == rounds {
                let found = state(Kind::Redis, &*again, *number, story);
                assert!(
                    (story.acknowledged..=story.begun).contains(&found),
                    "round {round}: client {number} is {} though {story:?}",
                    STEPS[found]
                );
            }
        }
    }
    let acknowledged: usize = stories.lock().unwrap().values().map(|story| story.acknowledged).sum();
    assert!(acknowledged > 0);
    println!(
        "{rounds} rounds in {:?} ({} kills, {} stops): {acknowledged} changes acknowledged, none lost",
        began.elapsed(),
        faults[0],
        faults[1]
    );
}

fn rounds(usual: usize) -> usize {
    std::env::var(LONG).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// What a record may be in: the states from the last acknowledged one on.
#[derive(Debug, Clone, Default)]
struct Story {
    acknowledged: usize,
    begun: usize,
}

/// The steps that each client goes through, in order.
const STEPS: [&str; 6] = ["unknown", "created", "joe", "eve", "replaced", "revoked"];

/// The number of the ID that replaces a client's.
fn next_of(number: usize) -> usize {
    number + 50_000_000
}

/// Rounds of work and kill, until all of them together have done what the test wants: it is told how many changes there were.
fn survive(place: &StoreFolder, most_changes: usize, test: &str, is_enough: impl Fn(usize) -> bool) {
    if let Some(path) = std::env::var_os(PATH) {
        work(&place.config_at(path.into()));
    }
    let rounds = rounds(ROUNDS);
    let mut stories: HashMap<usize, Story> = HashMap::new();
    let mut first = 0;
    for round in 0.. {
        let child = Command::new(THIS_BINARY)
            .args(["--exact", test, "--nocapture"])
            .env(
                PATH,
                place
                    .redis
                    .as_ref()
                    .map_or_else(|| place.path().into(), |server| OsString::from(server.url())),
            )
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        for (number, story) in kill_after(child, rand::rng().random_range(1..=most_changes)) {
            first = first.max(number + 1);
            stories.insert(number, story);
        }
        let store = place.open(1);
        let mut acknowledged = 0;
        for (number, story) in &mut stories {
            let found = state(place.kind, &*store, *number, story);
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
        drop(store);
        if round + 1 >= rounds && is_enough(stories.values().map(|story| story.acknowledged).sum()) {
            break;
        }
        assert!(round < 10 * rounds, "{round} rounds were not enough");
    }
}

/// The step that a client's records show. One without a record is revoked, or if that has not begun yet,
/// unknown.
fn state(kind: Kind, store: &dyn CookieStore, number: usize, story: &Story) -> usize {
    let Some(record) = look_up(store, &id(number), 1) else {
        return if story.begun == 5 { 5 } else { 0 };
    };
    let next = look_up(store, &id(next_of(number)), 1);
    let is_marked = record.succession().is_some_and(|succession| succession.since.is_some());
    let is_replaced = if kind == Kind::Redis { is_marked } else { next.is_some() };
    assert!(is_marked == is_replaced && (!is_marked || next.is_some()), "client {number} is half replaced");
    match record.authentication.as_ref().map(|authentication| authentication.authid.as_str()) {
        None => 1,
        Some("joe") => 2,
        Some(_) if !is_replaced => 3,
        Some(_) => 4,
    }
}

/// Reads what the child begins and completes, and kills it after so many changes. It has gone on meanwhile, so that the kill
/// comes at any moment of its work.
fn kill_after(mut child: Child, changes: usize) -> HashMap<usize, Story> {
    let mut stories: HashMap<usize, Story> = HashMap::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut completed = 0;
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
                completed += 1;
                if completed == changes {
                    child.kill().unwrap();
                }
            }
            _ => {}
        }
    }
    child.wait().unwrap();
    assert!(completed >= changes, "the child ended after {completed} changes");
    stories
}

/// The child: works until it is killed.
fn work(config: &StoreOptions) {
    let store = wampgate::store::open(config, at(1)).unwrap().store;
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
                    for step in 1..=last_step(number) {
                        say("begin", number, step);
                        // What a disk that is busy with what others do has refused may be done all the same.
                        if perform(&*store, number, step).is_err() {
                            break;
                        }
                        say("done", number, step);
                    }
                }
            });
        }
    });
}

/// Every other client stays, so that a file has live records as well as dead lines.
fn last_step(number: usize) -> usize {
    if number.is_multiple_of(2) { 4 } else { 5 }
}

/// Takes a client to its next step.
fn perform(store: &dyn CookieStore, number: usize, step: usize) -> Result<(), StoreError> {
    let commit = match step {
        1 => store.create(&id(number), record(1, AGE)),
        2 => store.authenticate(&id(number), Some(authentication("joe", 1)), at(1)),
        3 => store.authenticate(&id(number), Some(planned("eve", 1, next_of(number), None)), at(1)),
        4 => {
            // Redis counts its own time, and the long mode takes longer than other replacements live.
            let max_age = MaxAge::from_seconds(AGE).unwrap();
            store.replace(&id(number), &Replacement { max_age, ..replacement(next_of(number)) }, at(1))
        }
        _ => {
            wait(store.revoke(&id(number), at(1)))?;
            store.revoke(&id(next_of(number)), at(1))
        }
    };
    wait(commit)
}
