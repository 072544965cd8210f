//! Which records may go before their time, and which may not.

use std::sync::Arc;

use wampgate::store::{CookieStore, StoreError};

use super::support::{
    Kind, StoreFolder, at, authentication, authid, for_every_store, for_local_stores, id, knows, planned,
    record, replacement, wait,
};

for_local_stores!(
    principal_keeps_its_latest_records,
    principal_is_a_realm_and_an_authid,
    record_with_an_open_connection_does_not_go_for_another_of_its_principal,
    principal_whose_records_are_all_open_loses_its_oldest_login,
    rotation_of_a_principal_at_its_bound_goes_on,
    bound_of_zero_is_none,
    full_store_drops_the_longest_unseen_without_a_connection,
    full_store_whose_records_are_all_in_use_refuses,
    records_over_the_bound_go_at_the_next_start,
);

const DAY: u64 = 86_400;

fn bounded(kind: Kind, per_principal: usize) -> StoreFolder {
    StoreFolder { per_principal, ..StoreFolder::new(kind) }
}

/// Creates a record and logs a client in on it.
fn log_in(store: &dyn CookieStore, number: usize, name: &str, now: u64) {
    wait(store.create(&id(number), record(now, DAY))).unwrap();
    wait(store.authenticate(&id(number), Some(authentication(name, now)), at(now))).unwrap();
}

fn known(store: &dyn CookieStore, numbers: std::ops::Range<usize>, now: u64) -> Vec<usize> {
    numbers.filter(|number| knows(store, &id(*number), now)).collect()
}

/// The same after a restart, where the store survives one.
fn reopened(place: &StoreFolder, store: Arc<dyn CookieStore>, now: u64) -> Arc<dyn CookieStore> {
    if !place.kind.is_durable() {
        return store;
    }
    drop(store);
    place.open(now)
}

fn principal_keeps_its_latest_records(kind: Kind) {
    let place = bounded(kind, 3);
    let store = place.open(0);
    log_in(&*store, 0, "joe", 0);
    for number in 1..6 {
        log_in(&*store, number, "eve", number as u64);
    }
    assert_eq!(known(&*store, 0..6, 10), [0, 3, 4, 5]);
    // Seen again, a record is not the oldest any more.
    store.seen(&id(3), at(DAY * 500));
    log_in(&*store, 6, "eve", DAY * 500 + 1);
    let store = reopened(&place, store, DAY * 500 + 2);
    assert_eq!(known(&*store, 0..7, DAY * 500 + 2), [0, 3, 5, 6]);
    // A logout makes room.
    wait(store.authenticate(&id(5), None, at(DAY * 500 + 3))).unwrap();
    log_in(&*store, 7, "eve", DAY * 500 + 4);
    assert_eq!(known(&*store, 0..8, DAY * 500 + 5), [0, 3, 5, 6, 7]);
}

fn principal_is_a_realm_and_an_authid(kind: Kind) {
    let place = bounded(kind, 1);
    let store = place.open(0);
    log_in(&*store, 1, "joe", 1);
    wait(store.create(&id(2), record(2, DAY))).unwrap();
    let elsewhere =
        wampgate::store::Authentication { authrealm: "realm2".into(), ..authentication("joe", 2) };
    wait(store.authenticate(&id(2), Some(elsewhere), at(2))).unwrap();
    // With a login that it brings along, as an import does.
    let eve = wampgate::store::CookieRecord {
        authentication: Some(authentication("eve", 3).into()),
        ..record(3, DAY)
    };
    wait(store.create(&id(3), eve.clone())).unwrap();
    assert_eq!(known(&*store, 1..4, 4), [1, 2, 3]);
    wait(store.create(&id(4), eve)).unwrap();
    assert_eq!(known(&*store, 1..5, 4), [1, 2, 4]);
    // On another one's record.
    wait(store.authenticate(&id(4), Some(authentication("joe", 5)), at(5))).unwrap();
    assert_eq!(known(&*store, 1..5, 6), [2, 4]);
}

fn record_with_an_open_connection_does_not_go_for_another_of_its_principal(kind: Kind) {
    let place = bounded(kind, 3);
    let (store, clients) = place.open_with_clients(0);
    clients.enter(1);
    for number in 1..6 {
        log_in(&*store, number, "joe", number as u64);
    }
    assert_eq!(known(&*store, 1..6, 10), [1, 4, 5]);
    let store = reopened(&place, store, 10);
    assert_eq!(known(&*store, 1..6, 10), [1, 4, 5], "and the others do not come back");
}

fn principal_whose_records_are_all_open_loses_its_oldest_login(kind: Kind) {
    let place = bounded(kind, 2);
    let (store, clients) = place.open_with_clients(0);
    for number in 1..4 {
        clients.enter(number);
        log_in(&*store, number, "joe", number as u64);
    }
    let store = reopened(&place, store, 10);
    assert_eq!(known(&*store, 1..4, 10), [1, 2, 3], "no record goes");
    let logins = [1, 2, 3].map(|number| authid(&*store, &id(number), 10).is_some());
    assert_eq!(logins, [false, true, true]);
}

fn rotation_of_a_principal_at_its_bound_goes_on(kind: Kind) {
    for per_principal in [1, 2] {
        let place = bounded(kind, per_principal);
        let (store, clients) = place.open_with_clients(0);
        wait(store.create(&id(0), record(0, DAY))).unwrap();
        for round in 0..5 {
            let now = 10 * (round as u64 + 1);
            // The handshake that replaces it has an open connection.
            clients.enter(round);
            wait(store.authenticate(&id(round), Some(planned("joe", now, round + 1, None)), at(now)))
                .unwrap();
            wait(store.replace(&id(round), &replacement(round + 1), at(now + 1))).unwrap();
            clients.leave(round);
            assert_eq!(authid(&*store, &id(round + 1), now + 2).as_deref(), Some("joe"));
        }
        let store = reopened(&place, store, 100);
        let logins: Vec<_> = (0..6).filter(|number| authid(&*store, &id(*number), 100).is_some()).collect();
        assert_eq!(logins, (6 - per_principal..6).collect::<Vec<_>>());
    }
}

fn bound_of_zero_is_none(kind: Kind) {
    let place = bounded(kind, 0);
    let store = place.open(0);
    for number in 0..150 {
        log_in(&*store, number, "joe", number as u64);
    }
    let store = reopened(&place, store, 200);
    assert_eq!(known(&*store, 0..150, 200).len(), 150);
}

/// A store that is full of records without logins, of which the first ones have an open connection; how many it took.
fn full(place: &StoreFolder) -> (Arc<dyn CookieStore>, Arc<super::support::Clients>, usize) {
    let (store, clients) = place.open_with_clients(0);
    let mut count = 0;
    while knows(&*store, &id(5), 1_000_000) || count < 6 {
        if count < 5 {
            clients.enter(count);
        }
        let outcome = wait(store.create(&id(count), record(1_000 + count as u64, DAY)));
        outcome.unwrap();
        count += 1;
    }
    (store, clients, count)
}

fn full_store_drops_the_longest_unseen_without_a_connection(kind: Kind) {
    let place = StoreFolder { limit: 100, max_size: 1 << 20, ..bounded(kind, 100) };
    let (store, clients, count) = full(&place);
    assert_eq!(known(&*store, 0..6, 1_000_000), [0, 1, 2, 3, 4], "in the order in which they were seen");
    for number in count..count + 50 {
        wait(store.create(&id(number), record(1_000 + number as u64, DAY))).unwrap();
    }
    assert_eq!(known(&*store, 0..6, 1_000_000), [0, 1, 2, 3, 4]);
    let most = count + 50 - known(&*store, 0..count + 50, 1_000_000).len();
    assert!((50..=150).contains(&most), "{most} made room for fifty-one");
    let before = known(&*store, 0..count + 50, 1_000_000);
    // What a log says of it afterwards does not depend on who is there.
    drop(clients);
    let store = reopened(&place, store, 1_000_000);
    assert_eq!(known(&*store, 0..count + 50, 1_000_000), before);
}

fn full_store_whose_records_are_all_in_use_refuses(kind: Kind) {
    let place = StoreFolder { limit: 40, max_size: 1 << 20, ..bounded(kind, 100) };
    let (store, clients) = place.open_with_clients(0);
    let mut last = 0;
    for number in 0.. {
        last = number;
        if number % 2 == 0 {
            clients.enter(number);
        }
        let made = wait(store.create(&id(number), record(1_000 + number as u64, DAY)));
        let login = authentication(&format!("joe-{number}"), 2_000 + number as u64);
        match made {
            Ok(()) if number % 2 == 1 => {
                wait(store.authenticate(&id(number), Some(login), at(2_000 + number as u64))).unwrap();
            }
            Ok(()) => {}
            Err(StoreError::Full { .. } | StoreError::MapFull { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(known(&*store, 0..last + 1, 1_000_000).len(), last, "all are there");
    // One of them leaves.
    clients.leave(0);
    wait(store.create(&id(last), record(1_000_000, DAY))).unwrap();
    assert!(!knows(&*store, &id(0), 1_000_001) && knows(&*store, &id(last), 1_000_001));
}

fn records_over_the_bound_go_at_the_next_start(kind: Kind) {
    let mut place = bounded(kind, 0);
    let store = place.open(0);
    for number in 1..6 {
        log_in(&*store, number, "joe", number as u64);
    }
    place.per_principal = 2;
    let store = reopened(&place, store, 10);
    if kind.is_durable() {
        log_in(&*store, 6, "joe", 10);
        let logins: Vec<_> = (1..7).filter(|number| authid(&*store, &id(*number), 11).is_some()).collect();
        assert_eq!(logins, [5, 6]);
    }
}
