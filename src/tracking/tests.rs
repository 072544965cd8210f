//! Tracking against a store that only remembers.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::header::COOKIE;

use super::*;
use crate::{
    cookie::{MaxAge, PublicIdKey},
    store::{Commit, CookieStore},
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Keeps records, also expired ones, counts look-ups, and refuses to create as often as told.
#[derive(Debug, Default)]
struct Remembering {
    records: Mutex<HashMap<String, CookieRecord>>,
    look_ups: AtomicUsize,
    taken: AtomicUsize,
    broken: bool,
}

impl CookieStore for Remembering {
    fn look_up(&self, id: &TrackingId, _: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        if self.broken {
            return Err(StoreError::Io("the disk is gone".into()));
        }
        Ok(self.records.lock().unwrap().get(id.expose()).cloned())
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        if self.broken {
            return Commit::done(Err(StoreError::Full { limit: 0 }));
        }
        let left = self.taken.load(Ordering::Relaxed);
        if left > 0 {
            self.taken.store(left - 1, Ordering::Relaxed);
            return Commit::done(Err(StoreError::Exists));
        }
        self.records.lock().unwrap().insert(id.expose().to_owned(), record);
        Commit::done(Ok(()))
    }

    fn authenticate(&self, _: &TrackingId, _: Option<crate::store::Authentication>, _: Timestamp) -> Commit {
        unreachable!("tracking authenticates nobody")
    }

    fn revoke(&self, _: &TrackingId, _: Timestamp) -> Commit {
        unreachable!("tracking revokes nothing")
    }

    fn purge(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        unreachable!("tracking purges nothing")
    }

    fn scan(&self, _: Timestamp, _: &mut dyn FnMut(&TrackingId, &CookieRecord)) -> Result<(), StoreError> {
        unreachable!("tracking scans nothing")
    }
}

fn tracker(store: &Arc<Remembering>) -> Tracker {
    let store = Arc::clone(store) as Arc<dyn CookieStore>;
    Tracker::new(CookieOptions::default(), Clients::new(store, Arc::new(PublicIdKey::random().unwrap())))
}

fn headers(lines: &[&str]) -> HeaderMap {
    let line = |text: &&str| (COOKIE, HeaderValue::from_str(text).unwrap());
    let mut headers = HeaderMap::new();
    lines.iter().map(line).for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

/// What a browser sends back for the cookie of a handshake.
fn cookie_of(tracked: &Tracked) -> String {
    let header = tracked.set_cookie.as_ref().unwrap().to_str().unwrap();
    header.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_newcomer_gets_a_record_and_a_cookie() {
    let store = Arc::default();
    let tracked = tracker(&store).track(&headers(&[]), false, NOW).await.unwrap();
    assert!(tracked.is_new);
    assert_eq!(tracked.record, CookieRecord::new(NOW, MaxAge::DEFAULT));
    assert_eq!(cookie_of(&tracked), format!("cbtid={}", tracked.id.expose()));
    assert_eq!(store.records.lock().unwrap().get(tracked.id.expose()), Some(&tracked.record));
    assert_ne!(&*tracked.public_id, tracked.id.expose());
}

#[tokio::test]
async fn a_known_client_keeps_its_record_and_gets_no_cookie() {
    let store = Arc::default();
    let tracker = tracker(&store);
    let first = tracker.track(&headers(&[]), false, NOW).await.unwrap();
    let cookie = cookie_of(&first);
    for lines in [
        &[cookie.as_str()] as &[&str],
        &["foo=bar", &cookie],
        &["cbtid=AAAAAAAAAAAAAAAAAAAAAAAA", &cookie],
        &[&cookie, "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA"],
    ] {
        let again = tracker.track(&headers(lines), true, NOW.plus_seconds(1)).await.unwrap();
        assert!(!again.is_new && again.set_cookie.is_none());
        assert_eq!((&again.id, &again.public_id), (&first.id, &first.public_id));
        assert_eq!(again.record, first.record);
    }
    assert_eq!(store.records.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unknown_id_is_never_adopted() {
    let store = Arc::default();
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let cookie = format!("cbtid={planted}");
    let tracked = tracker(&store).track(&headers(&[&cookie]), false, NOW).await.unwrap();
    assert!(tracked.is_new && tracked.id.expose() != planted);
    assert!(!store.records.lock().unwrap().contains_key(planted));
}

#[tokio::test]
async fn an_expired_record_counts_as_unknown() {
    let store = Arc::default();
    let tracker = tracker(&store);
    let first = tracker.track(&headers(&[]), false, NOW).await.unwrap();
    let lines = [&*cookie_of(&first)];
    let lives_until = NOW.plus_seconds(u64::from(MaxAge::DEFAULT.as_seconds()));
    let last = Timestamp::from_millis(lives_until.as_millis() - 1);
    assert!(!tracker.track(&headers(&lines), false, last).await.unwrap().is_new);
    let renewed = tracker.track(&headers(&lines), false, lives_until).await.unwrap();
    assert!(renewed.is_new && renewed.id != first.id);
}

#[tokio::test]
async fn values_of_another_shape_do_not_reach_the_store_and_look_ups_are_bounded() {
    let store = Arc::default();
    let tracker = tracker(&store);
    let wrong = headers(&["cbtid=short; cbtid=not an id; cbtid=; cbtid={}", &format!("cbtid={:065}", 1)]);
    tracker.track(&wrong, false, NOW).await.unwrap();
    assert_eq!(store.look_ups.load(Ordering::Relaxed), 0);
    tracker.track(&headers(&["cbtid=unknown; "; 1].repeat(50)), false, NOW).await.unwrap();
    assert_eq!(store.look_ups.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn trackers_of_one_store_count_connections_together() {
    let store: Arc<Remembering> = Arc::default();
    let one = tracker(&store);
    let other = Tracker::new(CookieOptions::default(), one.clients.clone());
    let first = one.track(&headers(&[]), false, NOW).await.unwrap();
    let lines = headers(&[&cookie_of(&first)]);
    let second = other.track(&lines, false, NOW).await.unwrap();
    assert_eq!((first.connections, second.connections), (1, 2));
    drop(first);
    let third = one.track(&lines, false, NOW).await.unwrap();
    assert_eq!(third.connections, 2);
    drop((second, third));
    assert_eq!(one.clients.connections.ids(), 0);
}

#[tokio::test]
async fn a_taken_id_is_drawn_again_a_few_times() {
    let store = Arc::new(Remembering { taken: AtomicUsize::new(MAX_DRAWS - 1), ..Remembering::default() });
    assert!(tracker(&store).track(&headers(&[]), false, NOW).await.unwrap().is_new);
    store.taken.store(MAX_DRAWS, Ordering::Relaxed);
    let refused = tracker(&store).track(&headers(&[]), false, NOW).await;
    assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_fails_refuses_the_client_and_counts_nobody() {
    let store = Arc::new(Remembering { broken: true, ..Remembering::default() });
    let tracker = tracker(&store);
    let known = tracker.track(&headers(&["cbtid=AAAAAAAAAAAAAAAAAAAAAAAA"]), false, NOW).await;
    assert!(matches!(known, Err(StoreError::Io(_))), "{known:?}");
    let new = tracker.track(&headers(&[]), false, NOW).await;
    assert!(matches!(new, Err(StoreError::Full { .. })), "{new:?}");
    assert_eq!(tracker.clients.connections.ids(), 0);
}

#[tokio::test]
async fn debug_shows_no_id() {
    let store = Arc::default();
    let tracked = tracker(&store).track(&headers(&[]), false, NOW).await.unwrap();
    assert!(!format!("{tracked:?}").contains(tracked.id.expose()));
}

/// Revokes whoever is looked up, once, right behind the look-up.
#[derive(Debug)]
struct Revoking {
    remembering: Remembering,
    connections: Arc<Connections>,
}

impl CookieStore for Revoking {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        let found = self.remembering.look_up(id, now);
        if self.remembering.records.lock().unwrap().remove(id.expose()).is_some() {
            assert_eq!(self.connections.close_all(id), 0, "the connection has not entered yet");
        }
        found
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        self.remembering.create(id, record)
    }

    fn authenticate(&self, _: &TrackingId, _: Option<crate::store::Authentication>, _: Timestamp) -> Commit {
        unreachable!("tracking authenticates nobody")
    }

    fn revoke(&self, _: &TrackingId, _: Timestamp) -> Commit {
        unreachable!("tracking revokes nothing")
    }

    fn purge(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        unreachable!("tracking purges nothing")
    }

    fn scan(&self, _: Timestamp, _: &mut dyn FnMut(&TrackingId, &CookieRecord)) -> Result<(), StoreError> {
        unreachable!("tracking scans nothing")
    }
}

#[tokio::test]
async fn a_client_that_is_revoked_while_it_is_looked_up_does_not_get_in() {
    let connections: Arc<Connections> = Arc::default();
    let remembering = Remembering::default();
    let known = TrackingId::parse("known-known").unwrap();
    remembering.create(&known, CookieRecord::new(NOW, MaxAge::DEFAULT)).wait().unwrap();
    let store = Arc::new(Revoking { remembering, connections: Arc::clone(&connections) });
    let key = Arc::new(PublicIdKey::random().unwrap());
    let clients = Clients { connections: Arc::clone(&connections), ..Clients::new(store, key) };
    let tracker = Tracker::new(CookieOptions::default(), clients);
    let tracked = tracker.track(&headers(&["cbtid=known-known"]), false, NOW).await.unwrap();
    assert!(tracked.is_new && tracked.id != known);
    assert_eq!(connections.count(&known), 0);
}
