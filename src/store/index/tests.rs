use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    cookie::MaxAge,
    store::testing::{at, due, id, logged_in, login, record},
};

fn new_index(records: usize, clock: SettledClock) -> Index {
    Index::new(Limits { records, ..Limits::default() }, clock)
}

fn joe() -> Arc<Authentication> {
    Arc::new(login("joe", at(0)))
}

/// Joe on an ID that is to be replaced by another one.
fn joe_before(next: usize) -> Arc<Authentication> {
    Arc::new(due(&joe(), id(next), None))
}

fn replacement(next: usize) -> Replacement {
    Replacement { id: id(next), public_id: "public-id".into(), max_age: MaxAge::from_seconds(600).unwrap() }
}

fn ids(index: &Index) -> Vec<String> {
    let (records, _) = index.chunk(0, usize::MAX).unwrap_or_default();
    records.iter().map(|(id, _)| id.expose().to_owned()).collect()
}

#[test]
fn full_index_drops_expired_records_first_then_the_longest_unseen() {
    let mut index = new_index(3, SettledClock::default());
    index.create(&id(1), record(0, 600)).unwrap();
    index.create(&id(2), record(1, 600)).unwrap();
    index.create(&id(3), record(2, 1)).unwrap();
    index.create(&id(4), record(5_000, 600)).unwrap();
    assert_eq!(ids(&index), ["client-0001", "client-0002", "client-0004"], "the expired one went");

    assert!(index.see(&id(1), at(70_000)).is_some());
    index.create(&id(5), record(70_001, 600)).unwrap();
    assert_eq!(ids(&index), ["client-0001", "client-0005", "client-0004"], "the longest unseen went");
}

#[test]
fn authenticated_records_are_never_evicted() {
    let mut index = new_index(2, SettledClock::default());
    for number in [1, 2] {
        index.create(&id(number), record(0, 600)).unwrap();
        index.authenticate(&id(number), Some(&joe()), at(1)).unwrap();
    }
    assert!(matches!(index.create(&id(3), record(2, 600)), Err(StoreError::Full { limit: 2 })));
    index.authenticate(&id(2), None, at(3)).unwrap();
    index.create(&id(3), record(4, 600)).unwrap();
    assert_eq!(ids(&index), ["client-0001", "client-0003"]);
}

#[test]
fn restoring_evicts_over_the_limit_but_no_authenticated_record() {
    let mut index = new_index(1, SettledClock::default());
    let authenticated = logged_in(record(0, 600), login("joe", at(0)));
    index.restore(&id(1), record(0, 600));
    index.restore(&id(2), authenticated.clone());
    index.restore(&id(3), authenticated);
    assert_eq!(ids(&index), ["client-0002", "client-0003"]);
}

#[test]
fn replacement_takes_the_place_of_the_record_before_only_if_there_is_no_other() {
    let mut index = new_index(2, SettledClock::default());
    index.create(&id(1), record(0, 600)).unwrap();
    index.authenticate(&id(1), Some(&joe_before(3)), at(1)).unwrap();
    index.create(&id(2), record(2, 600)).unwrap();
    index.replace(&id(1), &replacement(3), at(3)).unwrap();
    assert_eq!(ids(&index), ["client-0001", "client-0003"], "the one without an authentication went");
    index.authenticate(&id(3), Some(&joe_before(4)), at(4)).unwrap();
    index.replace(&id(3), &replacement(4), at(5)).unwrap();
    assert_eq!(ids(&index), ["client-0001", "client-0004"]);
}

#[test]
fn replacement_that_is_done_again_ends_in_the_same_state() {
    let mut index = new_index(3, SettledClock::default());
    index.create(&id(1), record(0, 600)).unwrap();
    index.authenticate(&id(1), Some(&joe_before(2)), at(1)).unwrap();
    let Ok(Replaced::Both(next)) = index.replace(&id(1), &replacement(2), at(2)) else { panic!() };
    let state = |index: &Index| index.chunk(0, usize::MAX).unwrap().0;
    let expected = state(&index);
    index.restore_replacing(&id(2), next.clone(), at(2));
    assert_eq!(state(&index), expected);
    // The record before has another successor by now: a later line will say so once more.
    index.authenticate(&id(1), Some(&joe_before(9)), at(3)).unwrap();
    let expected = state(&index);
    index.restore_replacing(&id(2), next, at(2));
    assert_eq!(state(&index), expected);
}

#[test]
fn leap_of_the_clock_drops_nothing() {
    const YEAR: u64 = 365 * 86_400_000;
    let mut index = new_index(2, SettledClock::starting(at(0)));
    index.create(&id(1), record(0, 600)).unwrap();
    index.authenticate(&id(1), Some(&joe()), at(1)).unwrap();
    assert!(index.look_up(&id(1), at(YEAR)).is_none(), "its time is over by that clock");
    assert_eq!(index.purge(at(YEAR), 10), 0);
    index.create(&id(2), record(YEAR, 600)).unwrap();
    index.create(&id(3), record(YEAR, 600)).unwrap();
    assert!(index.look_up(&id(1), at(1_000)).is_some(), "the clock came back");
    assert!(index.see(&id(3), at(2_000)).is_some(), "a record from the future");
}

proptest! {
    /// After any history the heap and the list hold what they should, in the order in which they should give
    /// it.
    #[test]
    fn any_history_leaves_heap_and_list_in_order(steps in proptest::collection::vec((0..7_u8, 0..24_usize, 1..900_u64), 1..300)) {
        let limits = Limits { records: 16, per_principal: 2, ..Limits::default() };
        let mut index = Index::new(limits, SettledClock::default());
        let mut now = 0;
        for (step, number, span) in steps {
            now += span * 100;
            match step {
                0 | 1 => { let _ = index.create(&id(number), record(now, span)); }
                2 => { let _ = index.see(&id(number), at(now)); }
                3 => { let _ = index.authenticate(&id(number), (span % 2 == 0).then(joe).as_ref(), at(now)); }
                4 => { let _ = index.authenticate(&id(number), Some(&joe_before(number / 2)), at(now)); }
                5 => { let _ = index.replace(&id(number), &replacement(number / 2), at(now)); }
                _ => { let _ = index.remove(&id(number)); }
            }
        }
        let (records, _) = index.chunk(0, usize::MAX).unwrap_or_default();
        prop_assert!(records.len() <= 16 && records.len() == index.len() && records.len() == index.table.len());
        let mut plain: BTreeMap<Timestamp, String> = records
            .iter()
            .filter(|(_, record)| record.authentication.is_none())
            .map(|(id, record)| (record.last_seen, id.expose().to_owned()))
            .collect();
        // The principal has at most two records.
        let joes = records.iter().filter(|(_, record)| record.authentication.is_some()).count();
        prop_assert!(joes <= 2, "{} records of joe", joes);
        prop_assert_eq!(index.principals.count(index.principal(&joe())), joes);
        while let Some(place) = index.recency.longest_unseen() {
            let (_, expected) = plain.pop_first().unwrap();
            prop_assert_eq!(index.slots.id(place), Some(expected.as_str()));
            index.recency.remove(&mut index.slots, place);
        }
        prop_assert!(plain.is_empty());
        let mut previous = at(0);
        while let Some(place) = index.expiry.first() {
            prop_assert!(index.slots.expires(place) >= previous);
            previous = index.slots.expires(place);
            index.remove_at(place);
        }
        prop_assert_eq!(index.table.len(), 0);
    }
}
