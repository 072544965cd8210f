//! A clock that jumps a year either way and comes back does no harm.

use super::support::{
    Kind, StoreFolder, at, authentication, authid, for_every_store, id, knows, record, wait,
};

for_every_store!(
    leap_forward_and_back_loses_nothing,
    leap_back_and_forward_loses_nothing,
    start_with_a_clock_a_year_ahead_loses_nothing,
    extremes_do_not_overflow
);

const YEAR: u64 = 365 * 86_400_000;
const START: u64 = 10 * YEAR;
const DAY: u64 = 86_400;

fn leap_forward_and_back_loses_nothing(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(START);
    wait(store.create(&id(1), record(START, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(authentication("joe", START)), at(START))).unwrap();
    let ahead = START + YEAR;
    assert!(!knows(store, &id(1), ahead), "its time is over by that clock");
    assert_eq!(store.purge(at(ahead), 10).unwrap(), 0, "but who knows");
    wait(store.create(&id(2), record(ahead, DAY))).unwrap();
    assert_eq!(authid(store, &id(1), START + 60_000).as_deref(), Some("joe"));
    assert!(knows(store, &id(2), START + 60_000));
    let expired = usize::from(kind.purges());
    assert_eq!(
        store.purge(at(START + DAY * 1000 + 60_000), 10).unwrap(),
        expired,
        "and later all is as ever"
    );
}

fn leap_back_and_forward_loses_nothing(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(START);
    wait(store.create(&id(1), record(START, DAY))).unwrap();
    wait(store.authenticate(&id(1), Some(authentication("joe", START)), at(START))).unwrap();
    let behind = START - YEAR;
    assert_eq!(authid(store, &id(1), behind).as_deref(), Some("joe"));
    wait(store.create(&id(2), record(behind, DAY))).unwrap();
    assert!(knows(store, &id(2), behind + 1));
    assert_eq!(store.purge(at(behind), 10).unwrap(), 0);
    assert_eq!(authid(store, &id(1), START + 60_000).as_deref(), Some("joe"));
    assert!(!knows(store, &id(2), START + 60_000), "its time is over by the right clock");
}

fn start_with_a_clock_a_year_ahead_loses_nothing(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = place.open(START);
    wait(store.create(&id(1), record(START, DAY))).unwrap();
    drop(store);
    // Again and again, as under a supervisor, and with new clients meanwhile.
    for round in 0..3 {
        let ahead = START + YEAR + round * 60_000;
        let store = place.open(ahead);
        assert_eq!(store.purge(at(ahead), 10).unwrap(), 0);
        wait(store.create(&id(10), record(ahead, 1)))
            .or_else(|error| match error {
                wampgate::store::StoreError::Exists => Ok(()),
                other => Err(other),
            })
            .unwrap();
    }
    let store = place.open(START + 60_000);
    assert_eq!(knows(&*store, &id(1), START + 60_000), kind.is_durable());
    // A pause that was one ends as usual, an hour later.
    drop(store);
    let later = START + 2 * YEAR;
    let store = place.open(later);
    store.purge(at(later), 10).unwrap();
    let dropped = store.purge(at(later + 3_600_000), 10).unwrap();
    assert_eq!(dropped, if kind.is_durable() && kind.purges() { 2 } else { 0 });
}

fn extremes_do_not_overflow(kind: Kind) {
    let place = StoreFolder::new(kind);
    let store = &*place.open(0);
    for (number, now) in [0, 1, u64::MAX - 1, u64::MAX].into_iter().enumerate() {
        wait(store.create(&id(number), record(now, 315_360_000))).unwrap();
        store.look_up(&id(number), at(u64::MAX - now)).wait().unwrap();
        wait(store.authenticate(&id(number), Some(authentication("joe", now)), at(now))).unwrap();
        store.purge(at(now), 10).unwrap();
    }
}
