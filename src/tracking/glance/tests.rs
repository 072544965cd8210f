use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::*;
use crate::{
    cookie::TrackingId,
    store::{MemoryStore, testing::login},
    tracking::{LoginOptions, scripted},
};

/// A moment in seconds.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus_seconds(seconds)
}

fn tracker(logins: LoginOptions) -> Tracker {
    scripted::tracker(&Arc::new(MemoryStore::new(1000))).with_logins(Some(logins))
}

fn cookie(id: &TrackingId) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(format!("cbtid={}", id.expose())).unwrap())])
}

async fn look(tracker: &Tracker, id: &TrackingId, now: Timestamp) -> Option<Tracked> {
    let tracked = tracker.glance(&cookie(id), now).await.unwrap();
    if let Some(tracked) = &tracked {
        assert!(tracked.set_cookie.is_none() && !tracked.is_new);
    }
    tracked
}

/// A client that has logged in as joe on its first connection, which it has left.
async fn joe(tracker: &Tracker) -> TrackingId {
    let first = tracker.admit(&HeaderMap::new(), false, at(0)).await.unwrap();
    tracker.remember(&first, login("joe", at(1)), at(1)).await.unwrap();
    first.id.clone()
}

fn name(tracked: Option<&Tracked>) -> Option<&str> {
    tracked?.record.authentication.as_ref().map(|login| login.authid.as_str())
}

fn records(tracker: &Tracker, now: Timestamp) -> usize {
    let mut records = 0;
    tracker.clients.store.scan(now, &mut |_, _| records += 1).unwrap();
    records
}

#[tokio::test]
async fn a_client_without_a_login_is_known_and_keeps_its_id() {
    let tracker = tracker(LoginOptions::default());
    let first = tracker.admit(&HeaderMap::new(), false, at(0)).await.unwrap();
    for _ in 0..2 {
        let seen = look(&tracker, &first.id, at(1)).await.unwrap();
        assert_eq!((&seen.id, &seen.public_id, seen.connections), (&first.id, &first.public_id, 1));
        assert_eq!(name(Some(&seen)), None);
    }
    assert_eq!(records(&tracker, at(1)), 1, "no ID was drawn in place of it");
    drop(first);
    assert_eq!(tracker.clients.connections.ids(), 0);
}

#[tokio::test]
async fn a_client_that_the_store_does_not_know_gets_no_record() {
    let tracker = tracker(LoginOptions::default());
    let planted = TrackingId::parse("AAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(look(&tracker, &planted, at(0)).await.is_none());
    assert!(tracker.glance(&HeaderMap::new(), at(0)).await.unwrap().is_none());
    assert_eq!((records(&tracker, at(0)), tracker.clients.connections.ids()), (0, 0));
}

#[tokio::test]
async fn a_login_counts_and_its_next_id_is_not_handed_out() {
    let tracker = tracker(LoginOptions::default());
    let id = joe(&tracker).await;
    for _ in 0..2 {
        let seen = look(&tracker, &id, at(2)).await;
        assert_eq!(name(seen.as_ref()), Some("joe"));
        assert_eq!(seen.unwrap().id, id);
    }
}

#[tokio::test]
async fn a_replaced_id_counts_until_the_next_one_has_been_in_use_for_a_moment() {
    let tracker = tracker(LoginOptions::default());
    let id = joe(&tracker).await;
    let next = tracker.admit(&cookie(&id), false, at(2)).await.unwrap().id.clone();
    assert_ne!(next, id);
    // The 101 may be on its way still.
    assert_eq!(name(look(&tracker, &id, at(1000)).await.as_ref()), Some("joe"));
    assert_eq!(name(look(&tracker, &next, at(1001)).await.as_ref()), Some("joe"));
    assert_eq!(name(look(&tracker, &id, at(1002)).await.as_ref()), Some("joe"), "a tab that was open before");
    assert!(look(&tracker, &id, at(1040)).await.is_none(), "a copy");
    assert!(look(&tracker, &next, at(1041)).await.is_none(), "the line is ended, as in a handshake");
}

#[tokio::test]
async fn a_replaced_id_has_no_login_that_its_successor_has_lost() {
    let tracker = tracker(LoginOptions::default());
    let id = joe(&tracker).await;
    let next = tracker.admit(&cookie(&id), false, at(2)).await.unwrap();
    tracker.forget(&next, at(3)).await.unwrap();
    assert_eq!(name(look(&tracker, &id, at(4)).await.as_ref()), None);
    tracker.log_out(&next, at(5)).await.unwrap();
    assert!(look(&tracker, &id, at(6)).await.is_none());
}

#[tokio::test]
async fn a_login_that_is_over_ends_unless_its_client_is_connected() {
    let minute = Some(Duration::from_mins(1));
    let options = LoginOptions { idle_timeout: minute, rotate: false, ..LoginOptions::default() };
    let tracker = tracker(options);
    let id = joe(&tracker).await;
    let open = tracker.admit(&cookie(&id), false, at(30)).await.unwrap();
    assert_eq!(name(look(&tracker, &id, at(10_000)).await.as_ref()), Some("joe"));
    drop(open);
    assert_eq!(name(look(&tracker, &id, at(20_000)).await.as_ref()), None);
    assert_eq!(name(look(&tracker, &id, at(20_001)).await.as_ref()), None, "in the store as well");
}
