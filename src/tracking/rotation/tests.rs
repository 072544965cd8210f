use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::*;
use crate::{
    cookie::{CookieOptions, PublicIdKey},
    store::{Commit, CookieStore, MemoryStore},
    tracking::Clients,
};

/// A moment in seconds.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus_seconds(seconds)
}

fn tracker() -> Tracker {
    let store = Arc::new(MemoryStore::new(1000));
    let clients = Clients::new(store, Arc::new(PublicIdKey::random().unwrap()));
    Tracker::new(CookieOptions::default(), clients).rotating(true)
}

/// Comes with an ID, or with none.
async fn visit(tracker: &Tracker, id: Option<&TrackingId>, now: Timestamp) -> Tracked {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(COOKIE, HeaderValue::try_from(format!("cbtid={}", id.expose())).unwrap());
    }
    let tracked = tracker.track(&headers, false, now).await.unwrap();
    let is_told = tracked.set_cookie.is_some();
    assert_eq!(is_told, id != Some(&tracked.id), "a client is told its ID exactly if it has another one");
    tracked
}

async fn log_in(tracker: &Tracker, tracked: &Tracked, authid: &str, now: Timestamp) {
    let authentication = Authentication {
        authid: authid.into(),
        authrole: "frontend".into(),
        authmethod: "ticket".into(),
        authrealm: "realm1".into(),
        authextra: "{}".into(),
        at: now,
        succession: None,
    };
    tracker.remember(tracked, authentication, now).await.unwrap();
}

/// Who a record says that a client is.
fn name(tracked: &Tracked) -> Option<&str> {
    tracked.record.authentication.as_ref().map(|authentication| authentication.authid.as_str())
}

fn is_known(tracker: &Tracker, id: &TrackingId, now: Timestamp) -> bool {
    tracker.clients.store.look_up(id, now).unwrap().is_some()
}

fn is_told_to_end(tracked: &Tracked) -> Option<Parting> {
    tracked.presence.closed().wait().now_or_never()
}

#[tokio::test]
async fn after_a_login_the_next_handshake_gets_another_id() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    assert_ne!(second.id, first.id);
    assert_eq!((name(&second), second.is_new), (Some("joe"), false));
    assert_eq!(second.record.authentication.as_ref().unwrap().at, at(1), "rotating renews no authentication");
    assert_eq!(second.record.last_seen, at(1), "nor makes it anybody seen who was away");
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
async fn replaced_id_works_for_parallel_tabs_and_no_longer() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(0)).await;
    let tab = visit(&tracker, Some(&first.id), at(10)).await;
    let other = visit(&tracker, Some(&first.id), at(39)).await;
    assert_eq!((&other.id, name(&other)), (&tab.id, Some("joe")), "the same one");
    assert!(visit(&tracker, Some(&first.id), at(40)).await.is_new);
}

#[tokio::test]
async fn replay_of_a_replaced_id_revokes_its_whole_line() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(0)).await;
    let second = visit(&tracker, Some(&first.id), at(1)).await;
    log_in(&tracker, &second, "joe", at(2)).await;
    let third = visit(&tracker, Some(&second.id), at(3)).await;
    let bystander = visit(&tracker, None, at(3)).await;

    let thief = visit(&tracker, Some(&first.id), at(60)).await;
    assert_eq!((thief.is_new, name(&thief)), (true, None));
    for id in [&first.id, &second.id, &third.id] {
        assert!(!is_known(&tracker, id, at(60)));
    }
    for tracked in [&first, &second, &third] {
        assert_eq!(is_told_to_end(tracked), Some(Parting::Killed));
    }
    assert_eq!((is_told_to_end(&thief), is_told_to_end(&bystander)), (None, None));
    assert!(is_known(&tracker, &bystander.id, at(60)));
    assert!(visit(&tracker, Some(&third.id), at(61)).await.is_new);
}

#[tokio::test]
async fn planted_id_is_never_logged_in_whoever_comes_first() {
    let tracker = tracker();
    let planted = visit(&tracker, None, at(0)).await;
    let victim = visit(&tracker, Some(&planted.id), at(1)).await;
    assert_ne!(victim.id, planted.id);
    let early = visit(&tracker, Some(&planted.id), at(2)).await;
    log_in(&tracker, &victim, "joe", at(3)).await;
    let late = visit(&tracker, Some(&planted.id), at(4)).await;
    for attacker in [&early, &late] {
        assert_eq!(name(attacker), None);
        assert_eq!(name(&visit(&tracker, Some(&attacker.id), at(5)).await), None);
    }
    // Also the attacker's own connection, open since before.
    log_in(&tracker, &planted, "mallory", at(6)).await;
    assert_eq!(name(&visit(&tracker, Some(&victim.id), at(7)).await), Some("joe"));
}

#[tokio::test]
async fn planted_id_of_somebody_who_is_logged_in_is_not_taken_over_either() {
    let tracker = tracker();
    let mallory = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &mallory, "mallory", at(0)).await;
    let planted = visit(&tracker, Some(&mallory.id), at(1)).await;
    let victim = visit(&tracker, Some(&planted.id), at(100)).await;
    assert_eq!((&victim.id, victim.is_exclusive), (&planted.id, false));
    log_in(&tracker, &victim, "joe", at(101)).await;
    let next = visit(&tracker, Some(&planted.id), at(102)).await;
    assert_eq!((name(&next), next.is_exclusive), (None, true), "joe's next connection has an ID of its own");
    log_in(&tracker, &next, "joe", at(103)).await;
    assert_eq!(name(&visit(&tracker, Some(&next.id), at(104)).await), Some("joe"));
    assert_eq!(name(&visit(&tracker, Some(&planted.id), at(105)).await), None);
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
async fn handshakes_at_the_same_moment_are_given_the_same_id() {
    let tracker = tracker();
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(0)).await;
    let due = tracker.clients.store.look_up(&first.id, at(1)).unwrap().unwrap();
    // Both have seen the ID before either has replaced it.
    let one = tracker.admit(first.id.clone(), due.clone(), at(1)).await.unwrap().unwrap();
    let other = tracker.admit(first.id.clone(), due, at(1)).await.unwrap().unwrap();
    assert_eq!((&one.id, one.is_replaced), (&other.id, true));
    assert!(other.record.authentication.is_some());
}

#[tokio::test]
async fn logout_with_any_id_of_a_line_ends_all_of_it() {
    for from in 0..3 {
        let tracker = tracker();
        let first = visit(&tracker, None, at(0)).await;
        log_in(&tracker, &first, "joe", at(0)).await;
        let second = visit(&tracker, Some(&first.id), at(1)).await;
        log_in(&tracker, &second, "joe", at(2)).await;
        let third = visit(&tracker, Some(&second.id), at(3)).await;
        let line = [&first, &second, &third];
        tracker.log_out(line[from], at(4)).await.unwrap();
        for tracked in line {
            assert_eq!(is_told_to_end(tracked), Some(Parting::LoggedOut));
            let again = visit(&tracker, Some(&tracked.id), at(5)).await;
            assert_eq!((again.is_new, name(&again)), (true, None));
        }
        log_in(&tracker, &third, "joe", at(6)).await;
        assert!(!is_known(&tracker, &third.id, at(6)), "no later login brings a revoked record back");
    }
}

/// In the moment before it makes a record, somebody logs out who has met all IDs that were there.
#[derive(Debug)]
struct LoggedOutBefore {
    store: MemoryStore,
    /// The IDs, oldest first.
    line: Mutex<Vec<TrackingId>>,
}

impl CookieStore for LoggedOutBefore {
    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        for id in self.line.lock().unwrap().drain(..) {
            self.store.revoke(&id, at(2)).wait().unwrap();
        }
        self.store.create(id, record)
    }

    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        self.store.look_up(id, now)
    }

    fn authenticate(&self, id: &TrackingId, who: Option<Authentication>, now: Timestamp) -> Commit {
        self.store.authenticate(id, who, now)
    }

    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit {
        self.store.revoke(id, now)
    }

    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.purge(now, limit)
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        self.store.scan(now, each)
    }
}

#[tokio::test]
async fn logout_during_the_next_handshake_leaves_nobody_logged_in() {
    let store = Arc::new(LoggedOutBefore { store: MemoryStore::new(1000), line: Mutex::default() });
    let key = Arc::new(PublicIdKey::random().unwrap());
    let clients = Clients::new(Arc::clone(&store) as Arc<dyn CookieStore>, key);
    let tracker = Tracker::new(CookieOptions::default(), clients).rotating(true);
    let first = visit(&tracker, None, at(0)).await;
    log_in(&tracker, &first, "joe", at(1)).await;
    let line = tracker.clients.line(&first.id, at(2));
    assert_eq!((line.len(), &line[0]), (2, &first.id), "the next ID is drawn and has no record");
    *store.line.lock().unwrap() = line.clone();

    let second = visit(&tracker, Some(&first.id), at(2)).await;
    assert_eq!((second.is_new, name(&second)), (true, None));
    assert!(line.iter().all(|id| !is_known(&tracker, id, at(2))));
}

#[tokio::test]
async fn logout_reaches_what_tabs_beside_it_have_logged_in() {
    // Two tabs that came with the same cookie, or the one with the other's.
    for together in [true, false] {
        for leaving in 0..2 {
            let tracker = tracker();
            let first = visit(&tracker, None, at(0)).await;
            let one = visit(&tracker, Some(&first.id), at(1)).await;
            let other = visit(&tracker, Some(if together { &first.id } else { &one.id }), at(1)).await;
            drop(first);
            let stranger = visit(&tracker, None, at(1)).await;
            for tab in [&one, &other, &stranger] {
                log_in(&tracker, tab, "joe", at(2)).await;
            }
            let tabs = [&one, &other];
            tracker.log_out(tabs[leaving], at(3)).await.unwrap();
            for tab in tabs {
                assert_eq!(is_told_to_end(tab), Some(Parting::LoggedOut));
                assert_eq!(name(&visit(&tracker, Some(&tab.id), at(4)).await), None);
            }
            assert_eq!(
                name(&visit(&tracker, Some(&stranger.id), at(4)).await),
                Some("joe"),
                "another device"
            );
        }
    }
}

#[tokio::test]
async fn logout_reaches_what_a_tab_has_logged_in_that_is_closed_by_now() {
    let tracker = tracker();
    let stays = visit(&tracker, None, at(0)).await;
    let closes = visit(&tracker, Some(&stays.id), at(1)).await;
    let browsers = closes.id.clone();
    log_in(&tracker, &closes, "joe", at(2)).await;
    drop(closes);
    log_in(&tracker, &stays, "joe", at(3)).await;
    tracker.log_out(&stays, at(4)).await.unwrap();
    assert_eq!(name(&visit(&tracker, Some(&browsers), at(5)).await), None);
}

#[tokio::test]
async fn without_rotation_an_id_stays_whatever_happens() {
    let tracker = tracker().rotating(false);
    let first = visit(&tracker, None, at(0)).await;
    assert_eq!(visit(&tracker, Some(&first.id), at(1)).await.id, first.id);
    log_in(&tracker, &first, "joe", at(2)).await;
    let again = visit(&tracker, Some(&first.id), at(100)).await;
    assert_eq!((&again.id, name(&again)), (&first.id, Some("joe")));
}
