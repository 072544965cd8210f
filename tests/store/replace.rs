//! One ID in place of another: both records change or neither, also if others do the same at that moment.

use std::sync::Arc;

use wampgate::store::{CookieRecord, CookieStore, StoreError};

use super::support::{
    Kind, StoreFolder, at, authentication, for_every_store, id, in_place_of, knows, look_up, planned, record,
    replacement, wait,
};

for_every_store!(
    authentication_goes_on_with_the_next_id_and_the_one_before_is_marked,
    record_without_an_authentication_stays_as_it_is,
    replacement_survives_a_restart,
    replacement_that_came_second_is_told_of_the_first,
    record_that_is_gone_or_has_changed_is_not_replaced,
    id_of_another_client_is_not_given,
    expired_record_gives_its_id_free_for_a_replacement,
    what_an_earlier_gateway_left_half_done_is_completed,
    of_many_replacements_at_once_one_succeeds,
);

const DAY: u64 = 86_400;

/// A store with client 1, which is authenticated as joe and is to be replaced by 2.
fn with_joe(place: &StoreFolder) -> Arc<dyn CookieStore> {
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(planned("joe", 10, 2, None)), at(10))).unwrap();
    store
}

/// What becomes of joe's two IDs at 20.
fn joes() -> [Option<CookieRecord>; 2] {
    let before = planned("joe", 10, 2, Some(20));
    let before = CookieRecord { last_seen: at(20), authentication: Some(before.into()), ..record(0, DAY) };
    let next = CookieRecord {
        authentication: Some(authentication("joe", 10).into()),
        ..in_place_of(1, record(20, 600))
    };
    [Some(before), Some(next)]
}

fn both(store: &dyn CookieStore) -> [Option<CookieRecord>; 2] {
    [1, 2].map(|n| look_up(store, &id(n), 30))
}

fn authentication_goes_on_with_the_next_id_and_the_one_before_is_marked(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    wait(store.replace(&id(1), &replacement(2), at(20))).unwrap();
    assert_eq!(both(&*store), joes());
}

fn record_without_an_authentication_stays_as_it_is(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(0);
    wait(store.create(&id(1), record(0, DAY))).unwrap();
    for next in [2, 3] {
        wait(store.replace(&id(1), &replacement(next), at(20))).unwrap();
        assert_eq!(look_up(&*store, &id(next), 21), Some(in_place_of(1, record(20, 600))));
    }
    assert_eq!(look_up(&*store, &id(1), 21), Some(record(0, DAY)));
}

fn replacement_survives_a_restart(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    wait(store.replace(&id(1), &replacement(2), at(20))).unwrap();
    drop(store);
    assert_eq!(both(&*place.open(30)), if kind.is_durable() { joes() } else { [None, None] });
}

fn replacement_that_came_second_is_told_of_the_first(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    wait(store.replace(&id(1), &replacement(2), at(20))).unwrap();
    for next in [2, 3] {
        let second = wait(store.replace(&id(1), &replacement(next), at(25)));
        assert!(matches!(&second, Err(StoreError::Replaced { by }) if *by == id(2)), "{second:?}");
    }
    assert_eq!(both(&*store), joes());
    assert!(!knows(&*store, &id(3), 30));
}

fn record_that_is_gone_or_has_changed_is_not_replaced(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    let is_outdated = |number: usize, next: usize, now: u64| {
        let outcome = wait(store.replace(&id(number), &replacement(next), at(now)));
        assert!(matches!(outcome, Err(StoreError::Outdated)), "{outcome:?}");
        assert!(!knows(&*store, &id(next), now));
    };
    is_outdated(9, 2, 20);
    // It names another successor.
    is_outdated(1, 3, 20);
    // It names none.
    wait(store.create(&id(4), record(0, 10))).unwrap();
    wait(store.authenticate(&id(4), Some(authentication("eve", 0)), at(0))).unwrap();
    is_outdated(4, 5, 20);
    // Its time is over.
    is_outdated(4, 5, 10_000);
    wait(store.revoke(&id(1), at(20))).unwrap();
    is_outdated(1, 2, 21);
}

fn id_of_another_client_is_not_given(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    wait(store.create(&id(2), record(5, DAY))).unwrap();
    wait(store.create(&id(3), record(5, DAY))).unwrap();
    let before = both(&*store);
    for number in [1, 3] {
        let outcome = wait(store.replace(&id(number), &replacement(2), at(20)));
        assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    }
    assert_eq!(both(&*store), before);
}

fn expired_record_gives_its_id_free_for_a_replacement(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    wait(store.create(&id(2), record(5, 1))).unwrap();
    wait(store.replace(&id(1), &replacement(2), at(2_000))).unwrap();
    assert_eq!(look_up(&*store, &id(2), 2_001).unwrap().created, at(2_000));
    assert_eq!(store.purge(at(3_000), 10).unwrap(), 0, "nothing of the old one is left");
}

fn what_an_earlier_gateway_left_half_done_is_completed(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    // It made the next record first, and was killed before it marked the one before.
    let [before, next] = joes();
    wait(store.create(&id(2), next.clone().unwrap())).unwrap();
    wait(store.replace(&id(1), &replacement(2), at(20))).unwrap();
    assert_eq!(both(&*store), [before, next]);
    let again = wait(store.replace(&id(1), &replacement(2), at(21)));
    assert!(matches!(again, Err(StoreError::Replaced { .. })), "{again:?}");
    drop(store);
    if kind.is_durable() {
        assert_eq!(both(&*place.open(30)), joes());
    }
}

fn of_many_replacements_at_once_one_succeeds(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = with_joe(&place);
    let made = std::thread::scope(|scope| {
        let store = &*store;
        let replace = || wait(store.replace(&id(1), &replacement(2), at(20)));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(replace)).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        let made = |outcome: Result<(), StoreError>| match outcome {
            Ok(()) => 1,
            Err(StoreError::Replaced { by }) if by == id(2) => 0,
            Err(other) => panic!("{other}"),
        };
        outcomes.map(made).sum::<usize>()
    });
    assert_eq!((made, both(&*store)), (1, joes()));
}

#[test]
fn full_store_gives_the_place_of_the_record_before_if_it_has_no_other() {
    for kind in [Kind::Memory, Kind::File] {
        let place = StoreFolder { limit: 2, ..StoreFolder::new(kind) };
        let store = with_joe(&place);
        wait(store.create(&id(7), record(0, DAY))).unwrap();
        wait(store.replace(&id(1), &replacement(2), at(20))).unwrap();
        assert_eq!(both(&*store), joes(), "one that is not authenticated makes room");
        assert!(!knows(&*store, &id(7), 20));

        wait(store.authenticate(&id(2), Some(planned("joe", 30, 3, None)), at(30))).unwrap();
        wait(store.replace(&id(2), &replacement(3), at(40))).unwrap();
        let left = |store: &dyn CookieStore| [1, 2, 3].map(|n| knows(store, &id(n), 41));
        assert_eq!(left(&*store), [true, false, true], "nothing else may go");
        drop(store);
        if kind.is_durable() {
            assert_eq!(left(&*place.open(41)), [true, false, true]);
        }
    }
}
