//! Something happens at each moment of a handshake that replaces an ID, one moment after the other.

use std::sync::{OnceLock, Weak};

use super::*;
use crate::store::block_on;

/// A client that has logged in, and its next handshake.
struct Interrupted {
    tracker: Arc<Tracker>,
    first: Tracked,
    /// The first ID and the next one, which is drawn and has no record.
    line: Vec<TrackingId>,
    second: Tracked,
}

/// What a test does in the middle of a handshake of the client that has this line of IDs.
type Interruption = Box<dyn FnMut(&Tracker, &[TrackingId]) + Send>;

/// Something happens at the `n`th call of the store in the client's next handshake; nothing if the handshake makes fewer calls.
async fn interrupted(n: usize, mut what: Interruption) -> Option<Interrupted> {
    let armed: Arc<OnceLock<(Weak<Tracker>, Vec<TrackingId>)>> = Arc::default();
    let happened: Arc<OnceLock<()>> = Arc::default();
    let (its_target, it_happened) = (Arc::clone(&armed), Arc::clone(&happened));
    let mut calls = 0;
    let store = ScriptedStore::new(move |_, _| {
        if let Some((tracker, line)) = its_target.get() {
            if calls == n {
                what(&tracker.upgrade().unwrap(), line);
                it_happened.set(()).unwrap();
            }
            calls += 1;
        }
        Ok(())
    });
    let tracker = Arc::new(rotating(&store));
    let first = logged_in(&tracker, "joe", at(1)).await;
    let line = tracker.clients.line(&first.id, at(2)).await;
    assert_eq!((line.len(), &line[0]), (2, &first.id), "the next ID is drawn and has no record");
    armed.set((Arc::downgrade(&tracker), line.clone())).unwrap();
    let second = visit(&tracker, Some(&first.id), at(2)).await;
    let has_happened = happened.get().is_some();
    assert!(has_happened || n > 3, "a handshake that replaces an ID makes more than {n} calls");
    has_happened.then_some(Interrupted { tracker, first, line, second })
}

#[tokio::test]
async fn logout_at_any_moment_of_the_next_handshake_leaves_no_client_logged_in() {
    // The logout has looked its IDs up before the handshake, or at that very moment.
    for is_met_before in [true, false] {
        for n in 0.. {
            let log_out = Box::new(move |tracker: &Tracker, line: &[TrackingId]| {
                let ids = if is_met_before {
                    line.to_vec()
                } else {
                    block_on(tracker.clients.lines(&line[..1], at(2)))
                };
                block_on(tracker.clients.revoke(ids, Parting::LoggedOut, Reach::All, at(2))).unwrap();
            });
            let Some(Interrupted { tracker, line, second, .. }) = interrupted(n, log_out).await else {
                break;
            };
            let is_out = name(&second).is_none() || is_told_to_end(&second).is_some();
            assert!(is_out, "logged out at call {n}");
            assert!(line.iter().all(|id| !is_known(&tracker, id, at(2))), "call {n}");
        }
    }
}

#[tokio::test]
async fn handshake_at_any_moment_of_another_one_is_given_the_same_id() {
    for n in 0.. {
        let other: Arc<OnceLock<Tracked>> = Arc::default();
        let met = Arc::clone(&other);
        let come = Box::new(move |tracker: &Tracker, line: &[TrackingId]| {
            met.set(block_on(visit(tracker, line.first(), at(2)))).unwrap();
        });
        let Some(Interrupted { second: one, .. }) = interrupted(n, come).await else { break };
        let other = other.get().unwrap();
        assert_eq!((&other.id, name(other)), (&one.id, Some("joe")), "call {n}");
        assert_eq!(name(&one), Some("joe"), "call {n}");
    }
}

#[tokio::test]
async fn login_that_ends_at_any_moment_of_a_handshake_does_not_go_on_with_the_next_id() {
    for n in 0.. {
        // As where the principal's role is gone.
        let end = Box::new(|tracker: &Tracker, line: &[TrackingId]| {
            tracker.clients.store.authenticate(&line[0], None, at(2)).wait().unwrap();
        });
        let Some(Interrupted { tracker, first, second, .. }) = interrupted(n, end).await else { break };
        // Once the ID is replaced, the login is the next one's.
        let is_replaced = second.record.authentication.is_some();
        let found = tracker.authentication(&second, at(2)).await.unwrap();
        assert_eq!(found.is_some(), is_replaced, "call {n}");
        let again = visit(&tracker, Some(&first.id), at(3)).await;
        assert!(is_replaced || name(&again).is_none(), "a login that has ended came back, call {n}");
    }
}
