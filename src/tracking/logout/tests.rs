use std::time::Duration;

use super::*;
use crate::{
    cookie::MaxAge,
    store::{CookieRecord, MemoryStore},
    tracking::{
        Presence,
        scripted::{self, ScriptedStore, StoreCall},
    },
};

/// A tracker with a store of its own.
fn tracker() -> Arc<Tracker> {
    Arc::new(scripted::tracker(&Arc::new(MemoryStore::new(100))))
}

fn id(text: &str) -> TrackingId {
    TrackingId::parse(text).unwrap()
}

/// A client with a record and an open connection that has a session.
async fn connect(tracker: &Tracker, text: &str, session: u64) -> Presence {
    let record = CookieRecord::new(Timestamp::now(), MaxAge::DEFAULT);
    tracker.clients.store.create(&id(text), record).await.unwrap();
    let presence = tracker.clients.connections.enter(&id(text));
    presence.has_session(SessionId(session));
    presence
}

/// Waits until the connection is told to end.
async fn parting(presence: &Presence) -> Parting {
    let closed = presence.closed();
    tokio::time::timeout(Duration::from_mins(1), closed.wait()).await.expect("the connection goes on")
}

fn is_known(tracker: &Tracker, text: &str) -> bool {
    tracker.clients.store.look_up(&id(text), Timestamp::now()).wait().unwrap().is_some()
}

#[tokio::test]
async fn sessions_are_logged_out_in_whichever_store_their_cookies_are() {
    let (one, two) = (tracker(), tracker());
    let first = connect(&one, "first-of-one", 1).await;
    let other = connect(&one, "other-of-one", 2).await;
    let second = connect(&two, "first-of-two", 3).await;
    let queue = LogoutQueue::default();
    assert_eq!(queue.order(&[SessionId(1)], None, None), Ok(()), "nothing runs yet");
    queue.start(vec![Arc::clone(&one), Arc::clone(&two)]);
    queue.order(&[SessionId(1), SessionId(3), SessionId(9)], None, None).unwrap();
    assert_eq!((parting(&first).await, parting(&second).await), (Parting::LoggedOut, Parting::LoggedOut));
    assert_eq!([is_known(&one, "first-of-one"), is_known(&two, "first-of-two")], [false; 2]);
    assert!(is_known(&one, "other-of-one"));
    drop(other);
}

#[tokio::test]
async fn a_session_that_ends_right_after_the_order_is_logged_out() {
    let tracker = tracker();
    let leaving = connect(&tracker, "leaving", 1).await;
    let witness = connect(&tracker, "witness", 2).await;
    let queue = LogoutQueue::default();
    queue.start(vec![Arc::clone(&tracker)]);
    queue.order(&[SessionId(1)], None, None).unwrap();
    drop(leaving);
    queue.order(&[SessionId(2)], None, None).unwrap();
    parting(&witness).await;
    assert!(!is_known(&tracker, "leaving"));
}

#[tokio::test]
async fn the_client_that_is_spared_keeps_its_cookie() {
    let tracker = tracker();
    let kept = connect(&tracker, "kept-kept", 1).await;
    let beside = tracker.clients.connections.enter(&id("kept-kept"));
    beside.has_session(SessionId(2));
    let gone = connect(&tracker, "gone-gone", 3).await;
    let queue = LogoutQueue::default();
    queue.start(vec![Arc::clone(&tracker)]);
    queue.order(&[SessionId(2), SessionId(3)], None, Some(SessionId(1))).unwrap();
    parting(&gone).await;
    assert!(is_known(&tracker, "kept-kept") && !is_known(&tracker, "gone-gone"));
    drop((kept, beside));
}

#[tokio::test]
async fn orders_beyond_the_bound_are_refused() {
    let queue = LogoutQueue::default();
    queue.start(vec![tracker()]);
    // The runtime has one thread, so none of them is carried out meanwhile.
    for _ in 0..MAX_ORDERS {
        queue.order(&[], None, None).unwrap();
    }
    assert_eq!(queue.order(&[], None, None), Err(TooManyOrders));
}

#[tokio::test]
async fn store_that_does_not_answer_is_asked_once_and_connections_end_all_the_same() {
    let mut asked = 0;
    let store = ScriptedStore::new(move |_, call| {
        if matches!(call, StoreCall::LookUp) {
            asked += 1;
            assert_eq!(asked, 1, "each further call may take as long as the first");
            return Err(StoreError::Overrun);
        }
        Ok(())
    });
    let tracker = scripted::tracker(&store);
    let open = [connect(&tracker, "one-tab", 1).await, connect(&tracker, "other-tab", 2).await];
    let ids = [id("one-tab"), id("other-tab"), id("third-tab")];
    let ended = tracker.clients.revoke_lines(&ids, Parting::LoggedOut, Reach::All, Timestamp::now()).await;
    assert_eq!(ended.unwrap(), 2, "each counts once");
    for presence in &open {
        assert_eq!(parting(presence).await, Parting::LoggedOut);
    }
}

#[tokio::test]
async fn store_elsewhere_is_asked_for_many_lines_at_the_same_time() {
    let store = ScriptedStore::hanging();
    let clients = scripted::tracker(&store).clients;
    let ids: Vec<TrackingId> = (0..100).map(|number| id(&format!("client-{number}"))).collect();
    let mut lines = Box::pin(clients.lines(&ids, Timestamp::now()));
    assert!(futures_util::poll!(&mut lines).is_pending());
    assert_eq!(store.waiting(), ids.len());
}
