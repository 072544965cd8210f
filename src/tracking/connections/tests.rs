use futures_util::FutureExt as _;

use super::*;
use crate::store::Reach;

fn told(presence: &Presence) -> Option<Parting> {
    presence.closed().wait().now_or_never()
}

fn ids() -> (TrackingId, TrackingId) {
    (TrackingId::parse("aaaaaa").unwrap(), TrackingId::parse("bbbbbb").unwrap())
}

/// A connection whose handshake is done, and how many there are then.
fn connect(connections: &Arc<Connections>, id: &TrackingId) -> (Presence, u32) {
    let mut presence = connections.enter(id);
    let count = presence.count();
    (presence, count)
}

fn revoke(connections: &Connections, id: &TrackingId) -> usize {
    connections.end(&Revocation { ids: vec![id.clone()], why: Parting::LoggedOut, reach: Reach::All })
}

#[test]
fn connections_count_while_they_are_held_and_leave_nothing_behind() {
    let connections = Arc::new(Connections::default());
    let (a, b) = ids();
    let (first, one) = connect(&connections, &a);
    let (second, two) = connect(&connections, &a);
    let (third, three) = connect(&connections, &a);
    let (other, other_one) = connect(&connections, &b);
    assert_eq!((one, two, three, other_one, connections.ids()), (1, 2, 3, 1, 2));
    drop(first);
    assert_eq!((connections.count(&a), connections.count(&b)), (2, 1));
    drop(third);
    assert_eq!((connections.count(&a), connections.count(&b)), (1, 1));
    drop((second, other));
    assert_eq!((connections.count(&a), connections.ids()), (0, 0));
}

#[test]
fn handshake_under_way_is_told_but_does_not_count() {
    let connections = Arc::new(Connections::default());
    let (a, _) = ids();
    let (there, _) = connect(&connections, &a);
    let mut coming = connections.enter(&a);
    let given_up = connections.enter(&a);
    assert_eq!(connections.count(&a), 1);
    drop(given_up);
    assert_eq!((connections.count(&a), coming.count(), coming.count()), (1, 2, 2));
    drop(there);
    assert_eq!((connections.count(&a), coming.is_revoked()), (1, false));
    revoke(&connections, &a);
    assert!(coming.is_revoked());
}

#[test]
fn revocation_reaches_every_connection_of_the_id_and_no_other() {
    let connections = Arc::new(Connections::default());
    let (a, b) = ids();
    let entered = [&a, &a, &a, &b].map(|id| connect(&connections, id).0);
    assert_eq!(entered.each_ref().map(told), [None; 4]);
    assert_eq!(revoke(&connections, &a), 3);
    let why = Some(Parting::LoggedOut);
    assert_eq!(entered.each_ref().map(told), [why, why, why, None]);
    assert_eq!(connections.count(&a), 3, "until they are gone");
    let (later, _) = connect(&connections, &a);
    assert_eq!(told(&later), None, "a later one is another matter");
}

#[test]
fn connection_that_was_told_already_neither_counts_again_nor_is_open() {
    let connections = Arc::new(Connections::default());
    let (a, b) = ids();
    let (first, _) = connect(&connections, &a);
    assert_eq!((revoke(&connections, &a), revoke(&connections, &a)), (1, 0));
    let (second, _) = connect(&connections, &a);
    assert_eq!(connections.open(&|_| true), std::slice::from_ref(&a), "the second one goes on");
    assert_eq!((revoke(&connections, &a), revoke(&connections, &b)), (1, 0));
    assert!(connections.open(&|_| true).is_empty());
    assert!(connections.is_open(&a), "it is there still");
    drop((first, second));
}

#[test]
fn open_ids_are_given_each_once() {
    let connections = Arc::new(Connections::default());
    let (a, b) = ids();
    let _entered = [&a, &a, &b].map(|id| connections.enter(id));
    assert_eq!(connections.open(&|_| true).len(), 2);
    assert_eq!(connections.open(&|id| *id == a), [a]);
}

#[tokio::test]
async fn waiting_connection_is_woken() {
    let connections = Arc::new(Connections::default());
    let (a, _) = ids();
    let presence = connections.enter(&a);
    let closed = presence.closed();
    let waiting = tokio::spawn(async move { closed.wait().await });
    tokio::task::yield_now().await;
    revoke(&connections, &a);
    waiting.await.unwrap();
}

#[test]
fn sessions_lead_to_the_ids_of_their_connections() {
    let connections = Arc::new(Connections::default());
    let (a, b) = ids();
    let [first, second, other, silent] = [&a, &a, &b, &b].map(|id| connections.enter(id));
    first.has_session(SessionId(1));
    second.has_session(SessionId(2));
    other.has_session(SessionId(3));
    other.has_session(SessionId(4));
    let sessions = || {
        let mut sessions = Vec::new();
        connections.each_session(|session, id| sessions.push((session.0, id.clone())));
        sessions.sort_by_key(|(session, _)| *session);
        sessions
    };
    assert_eq!(sessions(), [(1, a.clone()), (2, a), (4, b.clone())]);
    drop((first, second, silent));
    assert_eq!(sessions(), [(4, b)]);
}

#[test]
fn debug_shows_no_id() {
    let connections = Arc::new(Connections::default());
    let presence = connections.enter(&TrackingId::parse("secretsecret").unwrap());
    assert!(!format!("{connections:?} {presence:?}").contains("secret"));
}

#[test]
fn open_connection_takes_little() {
    assert_eq!(size_of::<(TrackingId, IdConnections)>(), 40);
}
