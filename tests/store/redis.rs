//! What only a store on Redis does, with the real server.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use wampgate::store::{
    self, Durability, OpenedStore, Parting, Reach, RedisUrl, Revocation, StoreError, StoreOpenError,
    StoreOptions,
};

use super::support::{
    Kind, StoreFolder, at, authentication, authid, id, knows, look_up, planned, record, replacement, wait,
};
use crate::support::{
    PATIENCE,
    redis::{RedisServer, is_there},
};

const DAY: u64 = 86_400;

#[test]
fn records_of_a_principal_are_found_by_what_stands_for_them() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let store = place.open(0);
    for n in 0..5 {
        wait(store.create(&id(n), record(0, DAY))).unwrap();
        let name = if n < 3 { "joe" } else { "eve" };
        wait(store.authenticate(&id(n), Some(planned(name, 1, n + 10, None)), at(1))).unwrap();
    }
    wait(store.replace(&id(0), &replacement(10), at(2))).unwrap();
    let found = store.find_logins("realm1", "joe", at(3)).unwrap().unwrap();
    assert_eq!(found.len(), 4, "three, and the one that has replaced one of them");
    assert!(store.find_logins("realm2", "joe", at(3)).unwrap().unwrap().is_empty());
    for stand_in in &found {
        assert!(store::TrackingId::parse(stand_in.expose()).is_err(), "no client can come with it");
        assert!(knows(&*store, stand_in, 3));
        assert!(matches!(wait(store.create(stand_in, record(0, DAY))), Err(StoreError::Unfit(_))));
        wait(store.revoke(stand_in, at(4))).unwrap();
    }
    assert!([0, 1, 2, 10].iter().all(|n| !knows(&*store, &id(*n), 5)));
    assert!([3, 4].iter().all(|n| knows(&*store, &id(*n), 5)));
    assert!(store.find_logins("realm1", "joe", at(5)).unwrap().unwrap().is_empty());
}

#[test]
fn principal_with_too_many_records_loses_the_login_that_expires_first() {
    if !is_there() {
        return;
    }
    let place = StoreFolder { per_principal: 3, ..StoreFolder::new(Kind::Redis) };
    let store = place.open(0);
    for n in 0..6 {
        wait(store.create(&id(n), record(n as u64 * 10, DAY))).unwrap();
        wait(store.authenticate(&id(n), Some(authentication("joe", 100)), at(100))).unwrap();
    }
    let joes = (0..6).filter(|n| authid(&*store, &id(*n), 101).is_some()).collect::<Vec<_>>();
    assert_eq!(joes, [3, 4, 5]);
    assert!((0..6).all(|n| knows(&*store, &id(n), 101)), "the records stay");
}

#[test]
fn revocation_ends_what_another_gateway_has_open() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let (one, _ones) = place.open_shared(0);
    let (other, others) = place.open_shared(0);
    wait(one.store.create(&id(1), record(0, DAY))).unwrap();
    others.enter(1);
    assert!(knows(&*other.store, &id(1), 1), "and the other one remembers it for a moment");
    wait(one.store.revoke(&id(1), at(2))).unwrap();
    let revocation = Revocation { ids: vec![id(1)], why: Parting::LoggedOut, reach: Reach::All };
    one.revocations.publish(&revocation);
    others.await_end(&revocation);
    assert!(!knows(&*other.store, &id(1), 3));
}

#[test]
fn store_that_is_gone_or_of_another_layout_is_not_opened() {
    if !is_there() {
        return;
    }
    let mut place = StoreFolder::new(Kind::Redis);
    place.redis.as_ref().unwrap().cli(&["SET", "test:v", "2"]);
    let refused = |place: &StoreFolder| match place.try_open(0) {
        Err(error @ StoreOpenError::Redis { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(&place).contains("another version"));
    place.redis.as_mut().unwrap().kill();
    assert!(refused(&place).contains("check that it runs"), "{}", refused(&place));
}

#[test]
fn server_that_was_flushed_has_neither_records_nor_scripts_and_goes_on() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(authentication("joe", 1)), at(1))).unwrap();
    let server = place.redis.as_ref().unwrap();
    server.cli(&["SCRIPT", "FLUSH"]);
    wait(store.authenticate(&id(1), Some(authentication("eve", 2)), at(2))).unwrap();
    assert_eq!(authid(&*store, &id(1), 3).as_deref(), Some("eve"));
    server.cli(&["FLUSHALL"]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(!knows(&*store, &id(1), 4));
    wait(store.create(&id(1), record(4, DAY))).unwrap();
}

/// Waits until something holds.
#[track_caller]
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn revocation_that_redis_does_not_take_counts_at_once_and_is_made_good_without_a_break() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(authentication("joe", 1)), at(1))).unwrap();
    let found = store.find_logins("realm1", "joe", at(2)).unwrap().unwrap();
    let server = place.redis.as_ref().unwrap();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = wait(store.revoke(&found[0], at(2))).unwrap_err().to_string();
    assert!(refused.contains("name the primary"), "{refused}");
    assert!(!knows(&*store, &id(1), 3), "the client that comes with the ID itself");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    await_that("the record is gone", || server.cli(&["KEYS", "test:r:*"]).trim().is_empty());
    assert!(!knows(&*store, &id(1), 4));
}

#[test]
fn address_that_leads_to_another_primary_is_asked_again() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let _store = place.open(0);
    let server = place.redis.as_ref().unwrap();
    let listening =
        || server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).split_once(' ').map(|(id, _)| id.to_owned());
    let before = listening().unwrap();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    await_that("another connection", || listening().is_some_and(|now| now != before));
}

#[test]
fn key_and_version_are_put_back_into_a_server_that_has_lost_them() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let _store = place.open(0);
    let server = place.redis.as_ref().unwrap();
    let said = || ["test:v", "test:key"].map(|key| server.cli(&["GET", key]));
    let before = said();
    assert!(before[1].len() > 40, "{before:?}");
    server.cli(&["FLUSHALL"]);
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    await_that("the same key as before", || said() == before);
}

#[test]
fn smaller_bound_of_logins_is_reached_step_by_step() {
    if !is_there() {
        return;
    }
    let mut place = StoreFolder::new(Kind::Redis);
    let store = place.open(0);
    for n in 0..40 {
        wait(store.create(&id(n), record(n as u64 * 10, DAY))).unwrap();
        wait(store.authenticate(&id(n), Some(authentication("joe", 500)), at(500))).unwrap();
    }
    drop(store);
    place.per_principal = 3;
    let store = place.open(501);
    let joes = || (0..44).filter(|n| authid(&*store, &id(*n), 600).is_some()).count();
    for (n, left) in [(40, 25), (41, 10), (42, 3), (43, 3)] {
        wait(store.create(&id(n), record(550, DAY))).unwrap();
        wait(store.authenticate(&id(n), Some(authentication("joe", 550)), at(550))).unwrap();
        assert_eq!(joes(), left);
    }
}

/// Opens a store whose changes count when the disk and so many replicas have them.
fn open_durable(place: &StoreFolder, replicas: u16) -> Result<OpenedStore, StoreOpenError> {
    let StoreOptions::Redis(mut options) = place.config() else { panic!("not on Redis") };
    options.durability = Durability::Always { replicas };
    store::open(&StoreOptions::Redis(options), at(0))
}

#[test]
fn change_that_counts_when_it_is_on_the_disk_survives_the_end_of_redis() {
    if !is_there() {
        return;
    }
    let mut place = StoreFolder::new(Kind::Redis);
    let refused = open_durable(&place, 0).unwrap_err().to_string();
    assert!(refused.contains("set `appendonly yes`"), "{refused}");
    place.redis = Some(RedisServer::keeping_all());
    let store = open_durable(&place, 0).unwrap().store;
    let commits: Vec<_> = (0..64).map(|n| store.create(&id(n), record(0, DAY))).collect();
    for commit in commits {
        wait(commit).unwrap();
    }
    wait(store.authenticate(&id(1), Some(authentication("joe", 1)), at(1))).unwrap();
    wait(store.revoke(&id(2), at(1))).unwrap();
    drop(store);
    let server = place.redis.as_mut().unwrap();
    server.kill();
    server.run();
    let store = place.open(2);
    assert_eq!((0..64).filter(|n| knows(&*store, &id(*n), 3)).count(), 63);
    assert_eq!((authid(&*store, &id(1), 3).as_deref(), knows(&*store, &id(2), 3)), (Some("joe"), false));
}

#[test]
fn change_counts_when_the_replicas_have_it() {
    if !is_there() {
        return;
    }
    let port = RedisServer::free_port();
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut place = StoreFolder::new(Kind::Redis);
    place.redis = Some(RedisServer::with(&[&["--port", &port], &durable[..]].concat()));
    let refused = open_durable(&place, 1).unwrap_err().to_string();
    assert!(refused.contains("0 instead of 1 replicas"), "{refused}");
    let replica = RedisServer::with(&[&["--replicaof", "127.0.0.1", &port], &durable[..]].concat());
    await_that("the replica follows", || {
        replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let mut opened = None;
    await_that("the store opens", || {
        opened = open_durable(&place, 1).ok();
        opened.is_some()
    });
    let store = opened.unwrap().store;
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    assert!(!replica.cli(&["KEYS", "test:r:*"]).trim().is_empty(), "it is there at once");
    replica.stop();
    let (refused, began) = (wait(store.create(&id(2), record(0, DAY))).unwrap_err(), Instant::now());
    assert!(began.elapsed() < PATIENCE);
    assert!(refused.to_string().contains("replicas"), "{refused}");
    assert!(knows(&*store, &id(1), 1), "what is there can be read");
    replica.go_on();
    await_that("changes count again", || {
        wait(store.create(&id(3), record(0, DAY))).is_ok() || knows(&*store, &id(3), 1)
    });
}

/// The way to a server on which answers can be held up.
struct Way {
    port: u16,
    /// Whether the answer to the next change of a record is held up, with all that come behind it.
    is_armed: Arc<AtomicBool>,
    is_held: Arc<AtomicBool>,
}

impl Way {
    fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (is_armed, is_held) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let way = Self {
            port: listener.local_addr().unwrap().port(),
            is_armed: Arc::clone(&is_armed),
            is_held: Arc::clone(&is_held),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, mut server) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
                let (mut answers, mut asked) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (is_armed, is_held) = (Arc::clone(&is_armed), Arc::clone(&is_held));
                let is_held_up = Arc::clone(&is_held);
                thread::spawn(move || {
                    let mut bytes = [0; 8192];
                    while let Some(count) = client.read(&mut bytes).ok().filter(|count| *count > 0) {
                        let text = String::from_utf8_lossy(&bytes[..count]);
                        if text.contains("EVALSHA")
                            && text.contains("test:r:")
                            && is_armed.swap(false, SeqCst)
                        {
                            is_held.store(true, SeqCst);
                        }
                        if server.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                });
                thread::spawn(move || {
                    let mut bytes = [0; 8192];
                    while let Some(count) = answers.read(&mut bytes).ok().filter(|count| *count > 0) {
                        while is_held_up.load(SeqCst) {
                            thread::sleep(Duration::from_millis(5));
                        }
                        if asked.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        way
    }
}

#[test]
fn replacement_whose_answer_is_late_leaves_no_mark_without_the_next_record() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let way = Way::to(place.redis.as_ref().unwrap().url().strip_prefix("unix:").unwrap().into());
    let StoreOptions::Redis(mut options) = place.config() else { panic!("not on Redis") };
    options.url = RedisUrl::parse(&format!("redis://127.0.0.1:{}", way.port)).unwrap();
    // Enough for what comes before, on a busy machine.
    options.timeout = Duration::from_secs(5);
    let store = store::open(&StoreOptions::Redis(options), at(0)).unwrap().store;
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(planned("joe", 1, 2, None)), at(1))).unwrap();
    way.is_armed.store(true, SeqCst);
    let refused = wait(store.replace(&id(1), &replacement(2), at(2))).unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable(_)), "{refused}");
    assert!(way.is_held.swap(false, SeqCst), "the mark was held up");
    let direct = place.open(3);
    let before = look_up(&*direct, &id(1), 3).unwrap();
    assert!(before.succession().unwrap().since.is_some(), "Redis has made the mark all the same");
    assert_eq!(authid(&*direct, &id(2), 3).as_deref(), Some("joe"));
}

#[test]
fn revoked_record_that_comes_back_with_the_server_is_removed_again() {
    if !is_there() {
        return;
    }
    let place = StoreFolder::new(Kind::Redis);
    let (one, other) = (place.open(0), place.open(0));
    for n in [1, 2] {
        wait(one.create(&id(n), record(0, DAY))).unwrap();
    }
    let server = place.redis.as_ref().unwrap();
    let records: Vec<(String, String)> = server
        .cli(&["KEYS", "test:r:*"])
        .lines()
        .map(|key| (key.to_owned(), server.cli(&["GET", key]).trim().to_owned()))
        .collect();
    assert_eq!(records.len(), 2);
    wait(one.revoke(&id(1), at(1))).unwrap();
    // What a replica that has not got that yet would have.
    for (key, value) in &records {
        server.cli(&["SET", key, value, "PX", "86400000"]);
    }
    for kind in ["pubsub", "normal"] {
        server.cli(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]);
    }
    let end = Instant::now() + PATIENCE;
    while server.cli(&["KEYS", "test:r:*"]).lines().count() != 1 {
        assert!(Instant::now() < end, "it stays");
        thread::sleep(Duration::from_millis(20));
    }
    let knows_now = |n: usize| loop {
        if let Ok(found) = other.look_up(&id(n), at(2)).wait() {
            return found.is_some();
        }
        assert!(Instant::now() < end, "the store does not come back");
    };
    assert!(!knows_now(1) && knows_now(2), "and only that one");
}
