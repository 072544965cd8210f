//! What only a store on Redis does, with the real server.

use wampgate::store::{self, Parting, Reach, Revocation, StoreError, StoreOpenError};

use super::support::{
    Kind, StoreFolder, at, authentication, authid, id, knows, planned, record, replacement, wait,
};
use crate::support::redis::is_there;

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
