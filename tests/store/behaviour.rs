//! What every store promises, one promise a test.

use std::{collections::HashMap, sync::Arc};

use wampgate::store::{Authentication, CookieRecord, Lineage, StoreError, Succession};

use super::support::{
    Kind, StoreFolder, at, authentication, authid, for_every_store, for_local_stores, id, knows, record,
    wait, wait_all,
};

for_every_store!(
    created_record_is_found,
    unknown_id_has_no_record,
    live_id_is_not_given_twice,
    expired_record_is_not_answered_and_gives_its_id_free,
    sighting_is_noted_coarsely,
    authentication_is_kept_replaced_and_dropped,
    same_identity_again_changes_nothing_within_the_coarseness,
    authentication_brings_no_record_back,
    revoked_record_is_gone_for_good,
    scan_may_call_the_store,
    unfit_authentication_is_refused,
    ids_differ_in_every_character_and_case,
    records_survive_a_restart,
    many_changes_at_once_are_all_made,
    nothing_shows_an_id,
    line_of_ids_is_kept,
);
mod local {
    use super::{
        for_every_store, for_local_stores, purge_drops_expired_records_up_to_its_limit,
        scan_meets_every_live_record_once,
    };

    for_local_stores!(purge_drops_expired_records_up_to_its_limit, scan_meets_every_live_record_once);
}

const DAY: u64 = 86_400;

fn created_record_is_found(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(5, DAY))).unwrap();
    assert_eq!(store.look_up(&id(1), at(6)).wait().unwrap(), Some(record(5, DAY)));
}

fn unknown_id_has_no_record(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    assert_eq!(store.look_up(&id(1), at(0)).wait().unwrap(), None);
}

fn live_id_is_not_given_twice(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    assert!(matches!(wait(store.create(&id(1), record(1, 5))), Err(StoreError::Exists)));
    assert_eq!(store.look_up(&id(1), at(2)).wait().unwrap(), Some(record(0, DAY)), "the first one stays");
}

fn expired_record_is_not_answered_and_gives_its_id_free(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, 10))).unwrap();
    assert!(knows(store, &id(1), 9_999));
    assert!(!knows(store, &id(1), 10_000));
    wait(store.create(&id(1), record(10_000, 10))).unwrap();
    assert_eq!(store.look_up(&id(1), at(10_001)).wait().unwrap(), Some(record(10_000, 10)));
    assert_eq!(store.purge(at(10_002), 10).unwrap(), 0, "nothing of the old one is left");
}

fn sighting_is_noted_coarsely(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    let look_up = |now| store.look_up(&id(1), at(now)).wait().unwrap().unwrap();
    let hour = 3_600_000;
    // A change that is made after a note comes after it.
    let seen = |now| {
        store.seen(&id(1), at(now));
        wait(store.revoke(&id(2), at(now))).unwrap();
    };
    assert!(!look_up(hour - 1).is_sighting_due(at(hour - 1)));
    seen(hour - 1);
    assert_eq!(look_up(hour - 1).last_seen, at(0), "too soon to be noted");
    assert!(look_up(hour).is_sighting_due(at(hour)));
    wait(store.revoke(&id(2), at(hour))).unwrap();
    assert_eq!(look_up(hour).last_seen, at(0), "a look-up is no sighting");
    seen(hour);
    assert_eq!(look_up(hour + 1).last_seen, at(hour));
    store.seen(&id(3), at(hour));
    assert!(!knows(&*store, &id(3), hour), "a sighting does not bring in an unknown client");
    if kind.is_durable() {
        drop(store);
        let store = place.open(hour + 2);
        assert_eq!(store.look_up(&id(1), at(hour + 2)).wait().unwrap().unwrap().last_seen, at(hour));
    }
}

fn authentication_is_kept_replaced_and_dropped(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    let joe = authentication("joe", 10);
    wait(store.authenticate(&id(1), Some(joe.clone()), at(10))).unwrap();
    let found = store.look_up(&id(1), at(11)).wait().unwrap().unwrap();
    assert_eq!(found.authentication.as_deref(), Some(&joe));
    assert_eq!((found.created, found.last_seen), (at(0), at(10)), "logging in is being seen");
    wait(store.authenticate(&id(1), Some(authentication("eve", 20)), at(20))).unwrap();
    assert_eq!(authid(store, &id(1), 21).as_deref(), Some("eve"));
    wait(store.authenticate(&id(1), None, at(30))).unwrap();
    assert_eq!(store.look_up(&id(1), at(31)).wait().unwrap().unwrap().authentication, None);
}

fn same_identity_again_changes_nothing_within_the_coarseness(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    let when =
        |now| store.look_up(&id(1), at(now)).wait().unwrap().unwrap().authentication.clone().unwrap().at;
    for (now, expected) in [(10, 10), (3_600_000, 10), (3_600_010, 3_600_010)] {
        wait(store.authenticate(&id(1), Some(authentication("joe", now)), at(now))).unwrap();
        assert_eq!(when(now), at(expected));
    }
}

fn authentication_brings_no_record_back(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.authenticate(&id(1), Some(authentication("joe", 0)), at(0))).unwrap();
    assert!(!knows(store, &id(1), 1));
    wait(store.create(&id(2), record(0, 10))).unwrap();
    wait(store.authenticate(&id(2), Some(authentication("joe", 10_000)), at(10_000))).unwrap();
    assert!(!knows(store, &id(2), 10_001));
}

fn revoked_record_is_gone_for_good(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(authentication("joe", 1)), at(1))).unwrap();
    wait(store.revoke(&id(1), at(2))).unwrap();
    wait(store.revoke(&id(1), at(2))).unwrap();
    assert!(!knows(&*store, &id(1), 3));
    wait(store.authenticate(&id(1), Some(authentication("joe", 4)), at(4))).unwrap();
    drop(store);
    let store = place.open(5);
    assert!(!knows(&*store, &id(1), 5), "also after a restart");
}

fn purge_drops_expired_records_up_to_its_limit(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    let commits: Vec<_> = (0..1_000)
        .map(|n| store.create(&id(n), record(n as u64, if n % 2 == 0 { 10 } else { DAY })))
        .collect();
    wait_all(commits);
    assert_eq!(store.purge(at(9_999), 2_000).unwrap(), 0);
    assert_eq!(store.purge(at(20_000), 50).unwrap(), 50);
    assert_eq!(store.purge(at(20_000), 2_000).unwrap(), 450);
    assert_eq!(store.purge(at(20_000), 2_000).unwrap(), 0);
    assert!((0..1_000).all(|n| knows(store, &id(n), 20_000) == (n % 2 == 1)));
}

fn scan_meets_every_live_record_once(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    let commits: Vec<_> =
        (0..3_000).map(|n| store.create(&id(n), record(0, if n < 100 { 10 } else { DAY }))).collect();
    wait_all(commits);
    wait(store.revoke(&id(100), at(0))).unwrap();
    wait(store.authenticate(&id(101), Some(authentication("joe", 0)), at(0))).unwrap();
    let mut met = HashMap::new();
    let mut each = |id: &wampgate::store::TrackingId, record: &wampgate::store::CookieRecord| {
        assert!(met.insert(id.clone(), record.clone()).is_none(), "met twice");
    };
    store.scan(at(10_000), &mut each).unwrap();
    assert_eq!(met.len(), 2_899);
    assert!((101..3_000).all(|n| met.contains_key(&id(n))));
    assert!(met[&id(101)].authentication.is_some());
}

fn scan_may_call_the_store(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    for n in 0..10 {
        wait(store.create(&id(n), record(0, DAY))).unwrap();
    }
    let mut count = 0;
    let mut each = |id: &wampgate::store::TrackingId, _: &wampgate::store::CookieRecord| {
        count += 1;
        assert!(knows(store, id, 1));
        wait(store.revoke(id, at(1))).unwrap();
    };
    store.scan(at(1), &mut each).unwrap();
    assert_eq!(count, 10);
    assert!((0..10).all(|n| !knows(store, &id(n), 2)));
}

fn unfit_authentication_is_refused(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    for authextra in ["", "[]", "{\n}", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))] {
        let unfit = Authentication { authextra: authextra.to_owned(), ..authentication("joe", 1) };
        assert!(matches!(wait(store.authenticate(&id(1), Some(unfit), at(1))), Err(StoreError::Unfit(_))));
    }
    assert_eq!(store.look_up(&id(1), at(2)).wait().unwrap(), Some(record(0, DAY)), "unchanged");
}

fn ids_differ_in_every_character_and_case(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    let parse = |text: &str| wampgate::store::TrackingId::parse(text).unwrap();
    let longest = "x".repeat(64);
    let texts = ["aaaaaa", "AAAAAA", "aaaaaaa", "aaaaa-", "aaaaa_", "aaaaa+", "aaaaa/", &longest];
    for (n, text) in texts.iter().enumerate() {
        wait(store.create(&parse(text), record(n as u64, DAY))).unwrap();
    }
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(store.look_up(&parse(text), at(100)).wait().unwrap(), Some(record(n as u64, DAY)));
    }
    assert!(!knows(store, &parse("aaaaaaaa"), 100));
}

fn records_survive_a_restart(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    wait(store.create(&id(1), record(1, DAY))).unwrap();
    wait(store.create(&id(2), record(2, DAY))).unwrap();
    wait(store.authenticate(&id(2), Some(authentication("joe", 3)), at(3))).unwrap();
    let before = [1, 2].map(|n| store.look_up(&id(n), at(4)).wait().unwrap());
    drop(store);
    let store = place.open(5);
    let after = [1, 2].map(|n| store.look_up(&id(n), at(5)).wait().unwrap());
    if kind.is_durable() {
        assert_eq!(after, before);
    } else {
        assert_eq!(after, [None, None], "a store in memory forgets");
    }
}

fn many_changes_at_once_are_all_made(kind: Kind) {
    const THREADS: usize = 8;
    const EACH: usize = 100;
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &*store;
            scope.spawn(move || {
                for n in thread * EACH..(thread + 1) * EACH {
                    wait(store.create(&id(n), record(0, DAY))).unwrap();
                    // The outcome counts however many changes are on their way.
                    let joe = authentication(&format!("joe-{n}"), 1);
                    let changes = [
                        store.authenticate(&id(n), Some(joe), at(1)),
                        store.revoke(&id(n + 1_000_000), at(1)),
                    ];
                    wait_all(changes);
                }
            });
        }
    });
    let store = if kind.is_durable() {
        drop(store);
        place.open(2)
    } else {
        store
    };
    for n in 0..THREADS * EACH {
        assert_eq!(authid(&*store, &id(n), 2), Some(format!("joe-{n}")));
    }
}

fn nothing_shows_an_id(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    let error = wait(store.create(&id(1), record(0, DAY))).unwrap_err();
    let shown = format!("{store:?} {error} {error:?} {:?}", store.look_up(&id(1), at(1)).wait());
    assert!(!shown.contains(id(1).expose()), "{shown}");
}

fn line_of_ids_is_kept(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    let lineage = Lineage { public_id: "Public-Id-1".into(), predecessor: id(1) };
    let replaced = |since| Authentication {
        succession: Some(Succession { id: id(3), since }),
        ..authentication("joe", 5)
    };
    let authenticated = |authentication| CookieRecord {
        authentication: Some(Arc::new(authentication)),
        lineage: Some(Arc::new(lineage.clone())),
        ..record(10, DAY)
    };
    // Made with an authentication, which keeps the time at which it happened.
    wait(store.create(&id(2), authenticated(replaced(None)))).unwrap();
    assert_eq!(store.look_up(&id(2), at(11)).wait().unwrap(), Some(authenticated(replaced(None))));
    // That the ID was replaced is a change, although the identity is the same.
    wait(store.authenticate(&id(2), Some(replaced(Some(at(20)))), at(10))).unwrap();
    let store = if kind.is_durable() {
        drop(store);
        place.open(21)
    } else {
        store
    };
    assert_eq!(store.look_up(&id(2), at(21)).wait().unwrap(), Some(authenticated(replaced(Some(at(20))))));
    // A lineage outlives the authentication.
    wait(store.authenticate(&id(2), None, at(10))).unwrap();
    let anonymous = CookieRecord { authentication: None, ..authenticated(replaced(None)) };
    assert_eq!(store.look_up(&id(2), at(22)).wait().unwrap(), Some(anonymous));
}
