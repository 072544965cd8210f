//! A store on a Redis Cluster, with three real servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wampgate::store::{
    self, CookieStore, Durability, Parting, Reach, Revocation, StoreOpenError, StoreOptions,
};

use super::support::{
    Clients, at, authentication, authid, id, knows, planned, record, redis_options, replacement, wait,
    wait_all,
};
use crate::support::{
    PATIENCE,
    redis::{RedisCluster, RedisServer, is_there},
};

const DAY: u64 = 86_400;

fn options(cluster: &RedisCluster) -> StoreOptions {
    redis_options(&cluster.url(), 0, Durability::Server)
}

fn open(cluster: &RedisCluster) -> Arc<dyn CookieStore> {
    store::open(&options(cluster), at(0)).unwrap().store
}

#[test]
fn records_are_spread_over_all_servers_and_found_wherever_they_are() {
    if !is_there() {
        return;
    }
    let mut cluster = RedisCluster::start();
    let store = open(&cluster);
    wait_all((0..60).map(|n| store.create(&id(n), record(0, DAY))));
    for number in 0..3 {
        let keys = cluster.server(number).1.cli(&["DBSIZE"]);
        assert!(keys.trim().parse::<usize>().unwrap() > 5, "server {number} has {keys}");
    }
    for n in 0..10 {
        wait(store.authenticate(&id(n), Some(planned("joe", 1, n + 100, None)), at(1))).unwrap();
        wait(store.replace(&id(n), &replacement(n + 100), at(2))).unwrap();
    }
    assert_eq!(store.find_logins("realm1", "joe", at(3)).unwrap().unwrap().len(), 20);
    let mut met = 0;
    store.scan(at(3), &mut |_, _| met += 1).unwrap();
    assert_eq!(met, 70, "a walk comes to every server");
    for n in 0..10 {
        wait(store.revoke(&id(n + 100), at(4))).unwrap();
    }
    assert!((0..10).all(|n| !knows(&*store, &id(n + 100), 5)));
    // What each server has of the scripts is gone.
    for number in 0..3 {
        cluster.server(number).1.cli(&["SCRIPT", "FLUSH"]);
    }
    for n in 20..40 {
        wait(store.authenticate(&id(n), Some(authentication("eve", 6)), at(6))).unwrap();
    }
    assert!((20..40).all(|n| authid(&*store, &id(n), 7).as_deref() == Some("eve")));
}

#[test]
fn revocation_on_one_gateway_reaches_another_through_the_cluster() {
    if !is_there() {
        return;
    }
    let cluster = RedisCluster::start();
    let [one, other] = [(); 2].map(|()| store::open(&options(&cluster), at(0)).unwrap());
    let clients = Arc::<Clients>::default();
    let subscriber: Arc<dyn store::OpenConnections> = Arc::clone(&clients) as _;
    other.revocations.subscribe(Arc::downgrade(&subscriber));
    wait(one.store.create(&id(1), record(0, DAY))).unwrap();
    clients.enter(1);
    wait(one.store.revoke(&id(1), at(2))).unwrap();
    let revocation = Revocation { ids: vec![id(1)], why: Parting::LoggedOut, reach: Reach::All };
    one.revocations.publish(&revocation);
    clients.await_end(&revocation);
}

#[test]
fn slot_that_moves_to_another_server_loses_no_record() {
    if !is_there() {
        return;
    }
    // Also to a server that has no slot yet, and stands in no list of those that have some.
    for is_new in [false, true] {
        let mut cluster = RedisCluster::start();
        let store = open(&cluster);
        if is_new {
            cluster.grow();
        }
        wait(store.create(&id(1), record(0, DAY))).unwrap();
        let keys: Vec<String> =
            (0..3).flat_map(|number| cluster.keys(number)).filter(|key| key.starts_with("test:r:")).collect();
        let [key] = &keys[..] else { panic!("{keys:?}") };
        let log_in =
            |name: &str| wait(store.authenticate(&id(1), Some(authentication(name, 1)), at(1))).unwrap();
        let name = |now| authid(&*store, &id(1), now);
        cluster.move_slot_of(key, || {
            log_in("joe");
            assert_eq!(name(2).as_deref(), Some("joe"), "while its slot is on the way");
        });
        log_in("eve");
        assert_eq!(name(3).as_deref(), Some("eve"));
        // And all at once, as a walk asks for them.
        let mut met = 0;
        store.scan(at(3), &mut |_, _| met += 1).unwrap();
        assert_eq!(met, 1);
    }
}

#[test]
fn cluster_without_one_of_its_servers_is_as_a_server_that_is_away() {
    if !is_there() {
        return;
    }
    let mut cluster = RedisCluster::start();
    let store = open(&cluster);
    wait_all((0..20).map(|n| store.create(&id(n), record(0, DAY))));
    cluster.server(1).1.kill();
    let end = Instant::now() + PATIENCE;
    while (0..20).all(|n| store.look_up(&id(n), at(1)).wait().is_ok()) {
        assert!(Instant::now() < end, "it is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.server(1).1.run();
    cluster.await_whole();
    // Its records are gone with it, since it has no disk.
    while (0..20).any(|n| store.look_up(&id(n), at(1)).wait().is_err()) {
        assert!(Instant::now() < end, "it does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    wait_all((100..120).map(|n| store.create(&id(n), record(0, DAY))));
}

#[test]
fn cluster_with_a_server_that_hangs_is_as_a_server_that_is_away() {
    if !is_there() {
        return;
    }
    let mut cluster = RedisCluster::start();
    for number in 0..3 {
        // Otherwise the others tell that one of them is gone.
        cluster.server(number).1.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let store = open(&cluster);
    wait_all((0..20).map(|n| store.create(&id(n), record(0, DAY))));
    let answers = |n: usize| store.look_up(&id(n), at(1)).wait().is_ok();
    cluster.server(0).1.stop();
    let end = Instant::now() + PATIENCE;
    // Also for the records of the other servers.
    while (0..20).any(answers) {
        assert!(Instant::now() < end, "it is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.server(0).1.go_on();
    while !(0..20).all(answers) {
        assert!(Instant::now() < end, "it does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn server_of_a_cluster_is_not_taken_for_a_single_one_nor_the_other_way_round() {
    if !is_there() {
        return;
    }
    let mut cluster = RedisCluster::start();
    let port = cluster.server(0).0.to_owned();
    let refused = |url: &str| match store::open(&redis_options(url, 0, Durability::Server), at(0)) {
        Err(error @ StoreOpenError::Redis { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let said = refused(&format!("redis://127.0.0.1:{port}"));
    assert!(said.contains("redis+cluster://"), "{said}");
    let port = RedisServer::free_port();
    let _single = RedisServer::with(&["--port", &port]);
    let said = refused(&format!("redis+cluster://127.0.0.1:{port}"));
    assert!(said.contains("in no cluster"), "{said}");
}

#[test]
fn waiting_for_disks_is_refused_in_a_cluster() {
    if !is_there() {
        return;
    }
    let cluster = RedisCluster::start();
    let always = redis_options(&cluster.url(), 0, Durability::Always { replicas: 0 });
    let said = store::open(&always, at(0)).unwrap_err().to_string();
    assert!(said.contains("for one server"), "{said}");
}
