//! Tracking, one handshake after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::header::COOKIE;

use super::{
    scripted::{ScriptedStore, StoreCall, tracker},
    *,
};
use crate::{
    cookie::MaxAge,
    store::{CookieStore, MemoryStore, Reach, block_on, testing::login},
    wamp::SessionId,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(1000))
}

/// The live record of an ID.
fn record(tracker: &Tracker, id: &TrackingId, now: Timestamp) -> Option<CookieRecord> {
    tracker.clients.store.look_up(id, now).wait().unwrap()
}

fn records(tracker: &Tracker) -> usize {
    let mut records = 0;
    tracker.clients.store.scan(NOW, &mut |_, _| records += 1).unwrap();
    records
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
    let tracker = tracker(&memory());
    let tracked = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    assert!(tracked.is_new);
    assert_eq!(tracked.record, CookieRecord::new(NOW, MaxAge::DEFAULT));
    assert_eq!(cookie_of(&tracked), format!("cbtid={}", tracked.id.expose()));
    assert_eq!(record(&tracker, &tracked.id, NOW).as_ref(), Some(&tracked.record));
    assert_ne!(&*tracked.public_id, tracked.id.expose());
}

#[tokio::test]
async fn a_known_client_keeps_its_record_and_gets_no_cookie() {
    let tracker = tracker(&memory());
    let first = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    let cookie = cookie_of(&first);
    for lines in [
        &[cookie.as_str()] as &[&str],
        &["foo=bar", &cookie],
        &["cbtid=AAAAAAAAAAAAAAAAAAAAAAAA", &cookie],
        &[&cookie, "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA"],
    ] {
        let again = tracker.admit(&headers(lines), true, NOW.plus_seconds(1)).await.unwrap();
        assert!(!again.is_new && again.set_cookie.is_none());
        assert_eq!((&again.id, &again.public_id), (&first.id, &first.public_id));
        assert_eq!(again.record, first.record);
    }
    assert_eq!(records(&tracker), 1);
}

#[tokio::test]
async fn an_unknown_id_is_never_adopted() {
    let tracker = tracker(&memory());
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let cookie = format!("cbtid={planted}");
    let tracked = tracker.admit(&headers(&[&cookie]), false, NOW).await.unwrap();
    assert!(tracked.is_new && tracked.id.expose() != planted);
    assert_eq!(records(&tracker), 1);
}

#[tokio::test]
async fn an_expired_record_counts_as_unknown() {
    let tracker = tracker(&ScriptedStore::careless());
    let first = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    let lines = [&*cookie_of(&first)];
    let lives_until = NOW.plus_seconds(u64::from(MaxAge::DEFAULT.as_seconds()));
    let last = Timestamp::from_millis(lives_until.as_millis() - 1);
    assert!(!tracker.admit(&headers(&lines), false, last).await.unwrap().is_new);
    let renewed = tracker.admit(&headers(&lines), false, lives_until).await.unwrap();
    assert!(renewed.is_new && renewed.id != first.id);
}

#[tokio::test]
async fn values_of_another_shape_do_not_reach_the_store_and_no_id_does_so_twice() {
    let look_ups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&look_ups);
    let tracker = tracker(&ScriptedStore::new(move |_, call| {
        counted.fetch_add(usize::from(matches!(call, StoreCall::LookUp)), Ordering::Relaxed);
        Ok(())
    }));
    let wrong = headers(&["cbtid=short; cbtid=not an id; cbtid=; cbtid={}", &format!("cbtid={:065}", 1)]);
    tracker.admit(&wrong, false, NOW).await.unwrap();
    assert_eq!(look_ups.load(Ordering::Relaxed), 0);
    tracker.admit(&headers(&["cbtid=unknown; "; 1].repeat(50)), false, NOW).await.unwrap();
    assert_eq!(look_ups.load(Ordering::Relaxed), 1, "each once");
    assert_eq!(tracker.clients.connections.ids(), 0);
}

#[tokio::test]
async fn trackers_of_one_store_count_connections_together() {
    let one = tracker(&memory());
    let other = Tracker::new(CookieOptions::default(), one.clients.clone());
    let first = one.admit(&headers(&[]), false, NOW).await.unwrap();
    let lines = headers(&[&cookie_of(&first)]);
    let second = other.admit(&lines, false, NOW).await.unwrap();
    assert_eq!((first.connections, second.connections), (1, 2));
    drop(first);
    let third = one.admit(&lines, false, NOW).await.unwrap();
    assert_eq!(third.connections, 2);
    drop((second, third));
    assert_eq!(one.clients.connections.ids(), 0);
}

/// A store in which so many IDs are taken before one is free.
fn taken(mut times: usize) -> Arc<ScriptedStore> {
    ScriptedStore::new(move |_, call| match (call, times.checked_sub(1)) {
        (StoreCall::Create | StoreCall::Replace, Some(left)) => {
            times = left;
            Err(StoreError::Exists)
        }
        _ => Ok(()),
    })
}

#[tokio::test]
async fn a_taken_id_is_drawn_again_a_few_times() {
    let tracked = tracker(&taken(MAX_DRAWS - 1)).admit(&headers(&[]), false, NOW).await;
    assert!(tracked.unwrap().is_new);
    let refused = tracker(&taken(MAX_DRAWS)).admit(&headers(&[]), false, NOW).await;
    assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_fails_refuses_the_client_and_counts_nobody() {
    let tracker = tracker(&ScriptedStore::new(|_, call| match call {
        StoreCall::LookUp => Err(StoreError::Io("the disk is gone".into())),
        _ => Err(StoreError::Full { limit: 0 }),
    }));
    let known = tracker.admit(&headers(&["cbtid=AAAAAAAAAAAAAAAAAAAAAAAA"]), false, NOW).await;
    assert!(matches!(known, Err(StoreError::Io(_))), "{known:?}");
    let new = tracker.admit(&headers(&[]), false, NOW).await;
    assert!(matches!(new, Err(StoreError::Full { .. })), "{new:?}");
    assert_eq!(tracker.clients.connections.ids(), 0);
}

#[tokio::test]
async fn debug_shows_no_id() {
    let tracked = tracker(&memory()).admit(&headers(&[]), false, NOW).await.unwrap();
    assert!(!format!("{tracked:?}").contains(tracked.id.expose()));
}

#[tokio::test]
async fn a_client_that_is_revoked_in_its_handshake_does_not_get_in() {
    let known = TrackingId::parse("known-known").unwrap();
    // Right behind the look-up, before the connection counts.
    let clients: Arc<std::sync::OnceLock<Clients>> = Arc::default();
    let (their_clients, theirs) = (Arc::clone(&clients), known.clone());
    let store = ScriptedStore::new(move |store, call| {
        let is_theirs = matches!(call, StoreCall::LookedUp(id) if *id == theirs);
        if is_theirs && store.look_up(&theirs, NOW).wait()?.is_some() {
            let revocation =
                their_clients.get().unwrap().revoke(vec![theirs.clone()], Parting::Killed, Reach::All, NOW);
            assert_eq!(block_on(revocation).unwrap(), 1, "the handshake is told of it");
        }
        Ok(())
    });
    store.store.create(&known, CookieRecord::new(NOW, MaxAge::DEFAULT)).wait().unwrap();
    let tracker = tracker(&store);
    clients.set(tracker.clients.clone()).unwrap();
    let tracked = tracker.admit(&headers(&["cbtid=known-known"]), false, NOW).await.unwrap();
    assert!(tracked.is_new && tracked.id != known);
    assert_eq!((tracker.clients.connections.count(&known), tracker.clients.connections.ids()), (0, 1));
}

/// Joins as joe, and leaves.
async fn log_in(tracker: &Tracker, now: Timestamp) -> String {
    let tracked = tracker.admit(&headers(&[]), false, now).await.unwrap();
    tracker.remember(&tracked, login("joe", now), now).await.unwrap();
    cookie_of(&tracked)
}

fn is_joe(tracked: &Tracked) -> bool {
    tracked.record.authentication.is_some()
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_login_ends_when_its_time_is_over_or_its_client_was_away_for_too_long() {
    let stands = LoginOptions { rotate: false, ..LoginOptions::default() };
    let aged = LoginOptions { max_age: Some(MINUTE), ..stands };
    let idle = LoginOptions { idle_timeout: Some(MINUTE), ..stands };
    for (logins, after, is_kept) in
        [(stands, 80_000, true), (aged, 59, true), (aged, 60, false), (idle, 59, true), (idle, 60, false)]
    {
        let tracker = tracker(&memory()).with_logins(Some(logins));
        let lines = headers(&[&log_in(&tracker, NOW).await]);
        let later = NOW.plus_seconds(after);
        let tracked = tracker.admit(&lines, false, later).await.unwrap();
        assert!(!tracked.is_new && is_joe(&tracked) == is_kept, "{logins:?} after {after} s");
        // In the store as well: the next visit finds a recent one.
        let again = tracker.admit(&lines, false, later).await.unwrap();
        assert_eq!(is_joe(&again), is_kept);
    }
}

#[tokio::test]
async fn a_client_with_an_open_connection_has_not_been_away() {
    let idle = LoginOptions { rotate: false, idle_timeout: Some(MINUTE), ..LoginOptions::default() };
    let tracker = tracker(&memory()).with_logins(Some(idle));
    let lines = headers(&[&log_in(&tracker, NOW).await]);
    let open = tracker.admit(&lines, false, NOW).await.unwrap();
    let other = tracker.admit(&lines, false, NOW.plus_seconds(10_000)).await.unwrap();
    assert!(is_joe(&other), "one stays open");
    drop(other);
    // Until here the client was there.
    tracker.depart(&open, NOW.plus_seconds(20_000));
    drop(open);
    let back = tracker.admit(&lines, false, NOW.plus_seconds(20_059)).await.unwrap();
    assert!(is_joe(&back));
    drop(back);
    assert!(!is_joe(&tracker.admit(&lines, false, NOW.plus_seconds(40_000)).await.unwrap()));
}

#[tokio::test]
async fn a_login_that_is_to_be_forgotten_is_gone_from_the_store() {
    let tracker = tracker(&memory()).with_logins(Some(LoginOptions::default()));
    let lines = headers(&[&log_in(&tracker, NOW).await]);
    let tracked = tracker.admit(&lines, false, NOW).await.unwrap();
    assert!(is_joe(&tracked));
    tracker.forget(&tracked, NOW).await.unwrap();
    assert_eq!(tracker.authentication(&tracked, NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_hello_is_a_sighting() {
    let tracker = tracker(&memory());
    let tracked = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    let later = NOW.plus_seconds(80_000);
    tracker.authentication(&tracked, later).await.unwrap();
    assert_eq!(record(&tracker, &tracked.id, later).unwrap().last_seen, later);
}

#[tokio::test]
async fn only_the_record_of_a_new_client_that_nothing_stands_on_is_withdrawn() {
    let tracker = tracker(&memory());
    let is_known = |tracked: &Tracked| record(&tracker, &tracked.id, NOW).is_some();
    let alone = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    tracker.withdraw(&alone, NOW);
    assert!(!is_known(&alone));

    let first = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    let tab = tracker.admit(&headers(&[&cookie_of(&first)]), false, NOW).await.unwrap();
    assert_eq!(tab.id, first.id);
    tracker.withdraw(&first, NOW);
    assert!(is_known(&first), "another connection has it");
    drop(first);
    tracker.withdraw(&tab, NOW);
    assert!(is_known(&tab), "the client came with it");

    let joined = tracker.admit(&headers(&[]), false, NOW).await.unwrap();
    joined.presence.has_session(SessionId(1));
    tracker.withdraw(&joined, NOW);
    assert!(is_known(&joined), "it had a session");
}

#[tokio::test]
async fn store_elsewhere_is_asked_for_the_clients_of_many_sessions_at_the_same_time() {
    let store = ScriptedStore::hanging();
    let clients = tracker(&store).clients;
    let mut open = Vec::new();
    for session in 1..=100 {
        let id = TrackingId::parse(&format!("client-{session}")).unwrap();
        if session > 1 {
            clients.store.create(&id, CookieRecord::new(NOW, MaxAge::DEFAULT)).await.unwrap();
        }
        open.push(clients.connections.enter(&id));
        open.last().unwrap().has_session(SessionId(session));
    }
    let sessions = (1..=50).map(SessionId).collect();
    let mut named = Box::pin(clients.of_sessions(&sessions, NOW));
    assert!(futures_util::poll!(&mut named).is_pending());
    assert_eq!(store.answer_waiting(), 50);
    let mut named = named.await;
    named.sort();
    let names = (2..=50).map(|session: u64| {
        let id = TrackingId::parse(&format!("client-{session}")).unwrap();
        (SessionId(session), clients.key.public_id(&id))
    });
    assert!(named.into_iter().eq(names), "the first client has no record");
}
