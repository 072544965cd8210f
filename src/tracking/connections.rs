//! Which connections are open for each tracking ID: counted, and told to end when their ID is revoked.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use crate::{
    cookie::TrackingId,
    store::{OpenConnections, Parting, Revocation},
    wamp::SessionId,
};

/// The open connections of one store's clients, by ID.
///
/// One of these stands beside each store and is shared by all its trackers, so that a client's count is the
/// same whichever path it comes in by. A connection takes some 120 bytes (its ID's text is shared with it) and
/// only while it is open, so that the listeners' limit bounds the whole.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<TrackingId, Open>>,
}

/// The connections of one ID.
#[derive(Debug)]
struct Open {
    signals: Signals,
    /// How many of them are through with their handshake.
    counted: u32,
}

/// The signals of one ID's connections. Nearly every client has one connection, which then costs no list.
#[derive(Debug)]
enum Signals {
    One(Arc<Signal>),
    // Boxed, so that the usual case takes one pointer and not three.
    #[allow(clippy::box_collection, reason = "a third of the memory, for all who have one connection")]
    Many(Box<Vec<Arc<Signal>>>),
}

/// Between a connection and the part of the gateway that ends it. The lock is held for a few instructions, by the two of
/// them alone.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    /// The identifier of the connection's latest session; 0 before the first one.
    session: AtomicU64,
}

#[derive(Debug)]
enum State {
    /// With whom to wake.
    Open(Option<Waker>),
    Closed(Parting),
}

/// A connection that is told when its ID is revoked; dropping it ends that.
#[derive(Debug)]
#[must_use = "a connection is told of revocations only while its presence is held"]
pub struct Presence {
    connections: Arc<Connections>,
    id: TrackingId,
    signal: Arc<Signal>,
    /// Whether it counts among the ID's open connections.
    is_counted: bool,
}

/// Tells one connection that its ID is no longer welcome.
#[derive(Debug, Clone)]
pub struct Closed(Arc<Signal>);

impl Connections {
    /// One more connection of this ID, which from now on is told if the ID is revoked. It does not
    /// [count](Presence::count) yet.
    ///
    /// To be called before the ID's record is looked up, as [`Revocations`](crate::store::Revocations) says.
    pub fn enter(self: &Arc<Self>, id: &TrackingId) -> Presence {
        let signal = Arc::new(Signal::default());
        let mut open = self.lock();
        if let Some(open) = open.get_mut(id) {
            open.signals.add(Arc::clone(&signal));
        } else {
            open.insert(id.clone(), Open { signals: Signals::One(Arc::clone(&signal)), counted: 0 });
        }
        drop(open);
        Presence { connections: Arc::clone(self), id: id.clone(), signal, is_counted: false }
    }

    /// How many connections of this ID are open. One that is still in its handshake does not count.
    pub fn count(&self, id: &TrackingId) -> u32 {
        self.lock().get(id).map_or(0, |open| open.counted)
    }

    /// How many IDs have a connection.
    pub fn ids(&self) -> usize {
        self.lock().len()
    }

    /// Calls back for every connection that has or had a session, with its latest one. Holds up other calls meanwhile.
    pub(super) fn each_session(&self, mut each: impl FnMut(SessionId, &TrackingId)) {
        for (id, open) in &*self.lock() {
            for signal in open.signals.list() {
                match signal.session.load(Ordering::Relaxed) {
                    0 => {}
                    session => each(SessionId(session), id),
                }
            }
        }
    }

    fn count_in(&self, id: &TrackingId) -> u32 {
        let mut open = self.lock();
        open.get_mut(id).map_or(0, |open| {
            open.counted = open.counted.saturating_add(1);
            open.counted
        })
    }

    fn leave(&self, id: &TrackingId, signal: &Arc<Signal>, was_counted: bool) {
        let mut connections = self.lock();
        let Some(open) = connections.get_mut(id) else { return };
        open.counted = open.counted.saturating_sub(u32::from(was_counted));
        if open.signals.remove(signal) {
            connections.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TrackingId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections for Connections {
    /// Each connection gets GOODBYE with the reason if it has a session, and is closed with 1008.
    fn end(&self, revocation: &Revocation) -> usize {
        let connections = self.lock();
        let mut ended = 0;
        for open in revocation.ids.iter().filter_map(|id| connections.get(id)) {
            let signals = open.signals.list();
            for signal in signals {
                signal.close(revocation.why);
            }
            ended += signals.len();
        }
        ended
    }

    fn open(&self, is_wanted: &dyn Fn(&TrackingId) -> bool) -> Vec<TrackingId> {
        self.lock().keys().filter(|id| is_wanted(id)).cloned().collect()
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl Signal {
    /// Whoever comes first says why.
    fn close(&self, why: Parting) {
        let mut state = self.lock();
        if let State::Open(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Closed(why);
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signals {
    fn list(&self) -> &[Arc<Signal>] {
        match self {
            Self::One(signal) => std::slice::from_ref(signal),
            Self::Many(signals) => signals,
        }
    }

    fn add(&mut self, signal: Arc<Signal>) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![Arc::clone(first), signal])),
            Self::Many(signals) => signals.push(signal),
        }
    }

    /// Whether nothing is left.
    fn remove(&mut self, signal: &Arc<Signal>) -> bool {
        match self {
            Self::One(one) => return Arc::ptr_eq(one, signal),
            Self::Many(signals) => {
                signals.retain(|other| !Arc::ptr_eq(other, signal));
                if signals.len() < 2 {
                    return match signals.pop() {
                        Some(last) => {
                            *self = Self::One(last);
                            false
                        }
                        None => true,
                    };
                }
            }
        }
        false
    }
}

impl Presence {
    /// Counts this connection from now on; how many of its ID count now, this one included.
    pub fn count(&mut self) -> u32 {
        if self.is_counted {
            return self.connections.count(&self.id);
        }
        self.is_counted = true;
        self.connections.count_in(&self.id)
    }

    /// Whether the ID was revoked since the connection entered.
    pub fn is_revoked(&self) -> bool {
        matches!(*self.signal.lock(), State::Closed(_))
    }

    /// Where this connection learns that it is to end.
    pub fn closed(&self) -> Closed {
        Closed(Arc::clone(&self.signal))
    }

    /// Notes which session the connection has now. To be called before a realm knows of the session.
    ///
    /// The note stays when the session ends: the realm hears of that a little later, and may have the client logged out
    /// until then.
    pub fn has_session(&self, session: SessionId) {
        self.signal.session.store(session.0, Ordering::Relaxed);
    }
}

impl Closed {
    /// Resolves once the ID was revoked. One task may wait at a time.
    pub async fn wait(&self) -> Parting {
        poll_fn(|cx| match &mut *self.0.lock() {
            State::Closed(why) => Poll::Ready(*why),
            State::Open(waker) => {
                // A connection polls with every message, and always from the same task.
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.connections.leave(&self.id, &self.signal, self.is_counted);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("ids", &self.ids()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

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
        connections.end(&Revocation { ids: vec![id.clone()], why: Parting::LoggedOut })
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
        assert_eq!(size_of::<(TrackingId, Open)>(), 40);
    }
}
