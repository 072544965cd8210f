//! Rotation: what becomes of an ID around a login, with and without disturbances.

mod attacks;
mod interleavings;
mod logout;

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::*;
use crate::{
    cookie::MaxAge,
    store::{CookieStore, MemoryStore, testing::login},
    tracking::{
        LoginOptions,
        scripted::{self, ScriptedStore},
    },
    wamp::SessionId,
};

/// A moment in seconds.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus_seconds(seconds)
}

fn tracker() -> Tracker {
    rotating(&Arc::new(MemoryStore::new(1000)))
}

/// A tracker of a store, by which a login gets another ID.
fn rotating(store: &Arc<impl CookieStore + 'static>) -> Tracker {
    scripted::tracker(store).with_logins(Some(LoginOptions::default()))
}

/// Comes with an ID, or with none.
async fn visit(tracker: &Tracker, id: Option<&TrackingId>, now: Timestamp) -> Tracked {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(COOKIE, HeaderValue::try_from(format!("cbtid={}", id.expose())).unwrap());
    }
    let tracked = tracker.admit(&headers, false, now).await.unwrap();
    let is_told = tracked.set_cookie.is_some();
    assert_eq!(is_told, id != Some(&tracked.id), "a client is told its ID exactly if it has another one");
    tracked
}

/// A session on a connection, of a principal that has logged in to it, or of none.
fn joins(tracker: &Tracker, tracked: &Tracked, authid: Option<&str>) {
    tracked.presence.has_logged_in(authid.map(|authid| tracker.mark("realm1", authid)));
    tracked.presence.has_session(SessionId(1));
}

async fn log_in(tracker: &Tracker, tracked: &Tracked, authid: &str, now: Timestamp) {
    joins(tracker, tracked, Some(authid));
    tracker.remember(tracked, login(authid, now), now).await.unwrap();
}

/// A client that has come without a cookie and has logged in.
async fn logged_in(tracker: &Tracker, authid: &str, now: Timestamp) -> Tracked {
    let tracked = visit(tracker, None, now).await;
    log_in(tracker, &tracked, authid, now).await;
    tracked
}

/// The authid that stands on a client's record.
fn name(tracked: &Tracked) -> Option<&str> {
    tracked.record.authentication.as_ref().map(|authentication| authentication.authid.as_str())
}

fn is_known(tracker: &Tracker, id: &TrackingId, now: Timestamp) -> bool {
    tracker.clients.store.look_up(id, now).wait().unwrap().is_some()
}

fn is_told_to_end(tracked: &Tracked) -> Option<Parting> {
    tracked.presence.closed().wait().now_or_never()
}

#[tokio::test]
async fn after_a_login_the_next_handshake_gets_another_id() {
    let tracker = tracker();
    let first = logged_in(&tracker, "joe", at(0)).await;
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    assert_ne!(second.id, first.id);
    assert_eq!((name(&second), second.is_new), (Some("joe"), false));
    assert_eq!(second.record.authentication.as_ref().unwrap().at, at(0), "rotating renews no authentication");
    assert_eq!(second.connections, 2, "the one of the old ID is the client's as well");
    assert_eq!(second.public_id, first.public_id, "others know it by the same name");
    let third = visit(&tracker, Some(&second.id), at(100)).await;
    assert_eq!((&third.id, name(&third)), (&second.id, Some("joe")), "once for each login");
    log_in(&tracker, &third, "joe", at(101)).await;
    let fourth = visit(&tracker, Some(&second.id), at(102)).await;
    assert_eq!((fourth.id != second.id, name(&fourth)), (true, Some("joe")));
    assert_eq!(fourth.public_id, first.public_id);
}

#[tokio::test]
async fn store_that_answers_later_serves_the_same() {
    let tracker = rotating(&ScriptedStore::remote());
    let first = logged_in(&tracker, "joe", at(0)).await;
    assert!(tracker.authentication(&first, at(1)).await.unwrap().is_some());
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    let tab = visit(&tracker, Some(&first.id), at(3)).await;
    assert_eq!((&tab.id, name(&second), name(&tab)), (&second.id, Some("joe"), Some("joe")));
    tracker.log_out(&second, at(4)).await.unwrap();
    for tracked in [&first, &second, &tab] {
        assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
        assert!(visit(&tracker, Some(&tracked.id), at(5)).await.is_new);
    }
}

#[tokio::test]
async fn a_new_id_makes_no_client_seen_that_was_away() {
    let tracker = tracker();
    let first = logged_in(&tracker, "joe", at(0)).await;
    let presented = first.id.clone();
    drop(first);
    let second = visit(&tracker, Some(&presented), at(200)).await;
    assert_eq!((second.record.last_seen, second.connections), (at(0), 1));
}

#[tokio::test]
async fn replaced_id_works_for_parallel_tabs_and_no_longer() {
    let tracker = tracker();
    let first = logged_in(&tracker, "joe", at(0)).await;
    let tab = visit(&tracker, Some(&first.id), at(10)).await;
    tracker.confirm(&tab, at(10)).await.unwrap();
    let other = visit(&tracker, Some(&first.id), at(39)).await;
    assert_eq!((&other.id, name(&other)), (&tab.id, Some("joe")), "the same one");
    tracker.confirm(&other, at(39)).await.unwrap();
    assert!(visit(&tracker, Some(&first.id), at(40)).await.is_new, "the first use counts");
}

#[tokio::test]
async fn a_lost_answer_logs_no_client_out_however_late_its_client_comes_back() {
    for tracker in [tracker(), rotating(&ScriptedStore::remote())] {
        let first = logged_in(&tracker, "joe", at(0)).await;
        // The client resets each connection before it has read the 101.
        let mut next = None;
        for seconds in [1, 32, 3600, 80_000] {
            let lost = visit(&tracker, Some(&first.id), at(seconds)).await;
            assert_eq!((name(&lost), lost.is_new), (Some("joe"), false), "after {seconds} s");
            assert_eq!(&lost.id, next.get_or_insert_with(|| lost.id.clone()), "always the same one");
        }
        // At last one arrives: the client comes with the new ID, and the time of the old one begins to run out.
        let next = next.unwrap();
        assert_eq!(name(&visit(&tracker, Some(&next), at(80_100)).await), Some("joe"));
        assert_eq!(name(&visit(&tracker, Some(&first.id), at(80_129)).await), Some("joe"));
        assert_eq!(
            name(&visit(&tracker, Some(&next), at(80_129)).await),
            Some("joe"),
            "another use changes nothing"
        );
        let thief = visit(&tracker, Some(&first.id), at(80_130)).await;
        assert_eq!((name(&thief), thief.is_new), (None, true));
        assert!(visit(&tracker, Some(&next), at(80_131)).await.is_new);
    }
}

#[tokio::test]
async fn anonymous_client_keeps_its_public_name_and_leaves_no_records_behind() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    let mut last = first.id.clone();
    for seconds in 1..20 {
        let again = visit(&tracker, Some(&last), at(seconds)).await;
        assert_eq!((again.is_new, &again.public_id), (false, &first.public_id));
        last = again.id.clone();
    }
    let mut records = 0;
    tracker.clients.store.scan(at(20), &mut |_, _| records += 1).unwrap();
    assert_eq!(records, 2, "the last one, and the one before it in case its answer was lost");
}

#[tokio::test]
async fn next_id_that_another_client_has_by_now_is_not_handed_out() {
    let tracker = tracker();
    let first = logged_in(&tracker, "joe", at(0)).await;
    let line = tracker.clients.line(&first.id, at(2)).await;
    tracker.clients.store.create(&line[1], CookieRecord::new(at(2), MaxAge::DEFAULT)).wait().unwrap();
    let second = visit(&tracker, Some(&first.id), at(3)).await;
    assert!(second.id != line[1] && name(&second).is_none());
    assert_eq!((second.is_new, &second.public_id), (false, &first.public_id), "only the login is lost");
}

#[tokio::test]
async fn without_rotation_an_id_stays_whatever_happens() {
    let tracker = tracker().with_logins(None);
    let first = visit(&tracker, None, at(0)).await;
    assert_eq!(visit(&tracker, Some(&first.id), at(1)).await.id, first.id);
    log_in(&tracker, &first, "joe", at(2)).await;
    let again = visit(&tracker, Some(&first.id), at(100)).await;
    assert_eq!((&again.id, name(&again)), (&first.id, Some("joe")));
}
