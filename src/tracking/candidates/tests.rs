use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::*;
use crate::{
    store::{MemoryStore, testing::login},
    tracking::{LoginOptions, Tracked, scripted},
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A tracker for each way in which logins may stand on cookies.
fn trackers() -> Vec<Tracker> {
    let kept = LoginOptions { rotate: false, ..LoginOptions::default() };
    [None, Some(kept), Some(LoginOptions::default())]
        .map(|logins| scripted::tracker(&Arc::new(MemoryStore::new(10_000))).with_logins(logins))
        .into()
}

async fn visit<'i>(tracker: &Tracker, ids: impl IntoIterator<Item = &'i TrackingId>) -> Tracked {
    let line: Vec<_> = ids.into_iter().map(|id| format!("cbtid={}", id.expose())).collect();
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::try_from(line.join("; ")).unwrap());
    tracker.admit(&headers, false, NOW).await.unwrap()
}

/// An anonymous client that was here.
async fn newcomer(tracker: &Tracker) -> (TrackingId, Arc<str>) {
    let tracked = visit(tracker, []).await;
    (tracked.id.clone(), Arc::clone(&tracked.public_id))
}

/// A client that has logged in.
async fn logged_in(tracker: &Tracker, authid: &str) -> (TrackingId, Arc<str>) {
    let tracked = visit(tracker, []).await;
    tracker.remember(&tracked, login(authid, NOW), NOW).await.unwrap();
    (tracked.id.clone(), Arc::clone(&tracked.public_id))
}

fn unknown(count: usize) -> Vec<TrackingId> {
    (0..count).map(|number| TrackingId::parse(&format!("unknown-unknown-{number:08}")).unwrap()).collect()
}

fn name(tracked: &Tracked) -> Option<&str> {
    tracked.record.authentication.as_ref().map(|login| login.authid.as_str())
}

#[tokio::test]
async fn unknown_ids_hide_no_login_however_many_there_are() {
    for tracker in trackers() {
        for count in [1, 8, 9, 100, 400] {
            let (joe, public_id) = logged_in(&tracker, "joe").await;
            let planted = unknown(count);
            let before = visit(&tracker, planted.iter().chain([&joe])).await;
            assert_eq!((name(&before), &before.public_id), (Some("joe"), &public_id), "behind {count}");
        }
    }
}

#[tokio::test]
async fn a_login_wins_over_anonymous_cookies_wherever_they_stand() {
    for tracker in trackers() {
        let (joe, public_id) = logged_in(&tracker, "joe").await;
        let mut planted = Vec::new();
        for _ in 0..20 {
            planted.push(newcomer(&tracker).await.0);
        }
        for ids in [vec![&planted[0], &joe], vec![&joe, &planted[0]], planted.iter().chain([&joe]).collect()]
        {
            let tracked = visit(&tracker, ids).await;
            assert_eq!((name(&tracked), &tracked.public_id), (Some("joe"), &public_id));
        }
    }
}

#[tokio::test]
async fn logins_of_different_principals_make_the_client_neither_of_them() {
    for tracker in trackers() {
        let (mallory, _) = logged_in(&tracker, "mallory").await;
        let (joe, _) = logged_in(&tracker, "joe").await;
        for ids in [[&mallory, &joe], [&joe, &mallory]] {
            let tracked = visit(&tracker, ids).await;
            assert_eq!((name(&tracked), tracked.is_new), (None, true));
        }
        // Both logins still stand.
        assert_eq!(name(&visit(&tracker, [&joe]).await), Some("joe"));
    }
}

#[tokio::test]
async fn of_two_ids_of_one_line_the_later_one_counts() {
    let tracker = trackers().pop().unwrap();
    let (first, _) = logged_in(&tracker, "joe").await;
    let second = visit(&tracker, [&first]).await;
    assert_ne!(second.id, first);
    let later = NOW.plus_seconds(3600);
    let mut headers = HeaderMap::new();
    let line = format!("cbtid={}; cbtid={}", first.expose(), second.id.expose());
    headers.insert(COOKIE, HeaderValue::try_from(line).unwrap());
    let tracked = tracker.admit(&headers, false, later).await.unwrap();
    assert_eq!((name(&tracked), &tracked.id), (Some("joe"), &second.id));
}

#[tokio::test]
async fn of_several_anonymous_clients_the_first_one_counts() {
    for tracker in trackers() {
        let (first, public_id) = newcomer(&tracker).await;
        let (other, _) = newcomer(&tracker).await;
        let tracked = visit(&tracker, [&first, &other]).await;
        assert_eq!((tracked.is_new, &tracked.public_id), (false, &public_id));
    }
}
