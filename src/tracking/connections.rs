//! Which connections are open for each tracking ID: counted, and told to end when their ID is revoked.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use crate::{cookie::TrackingId, wamp::SessionId};

/// The open connections of one store's clients, by ID.
///
/// One of these stands beside each store and is shared by all its trackers, so that a client's count is the
/// same whichever path it comes in by. A connection takes some 120 bytes (its ID's text is shared with it) and
/// only while it is open, so that the listeners' limit bounds the whole.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<TrackingId, Signals>>,
    closings: AtomicU64,
}

/// The signals of one ID's connections. Nearly every client has one connection, which then costs no list.
#[derive(Debug)]
enum Signals {
    One(Arc<Signal>),
    Many(Vec<Arc<Signal>>),
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

/// Why the gateway ends the connections of an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The ID was revoked: `wamp.close.killed`.
    Killed,
    /// The client has logged out: `wamp.close.logout`.
    LoggedOut,
}

/// A connection that counts; dropping it ends that.
#[derive(Debug)]
#[must_use = "a connection counts only while its presence is held"]
pub struct Presence {
    connections: Arc<Connections>,
    id: TrackingId,
    signal: Arc<Signal>,
}

/// Tells one connection that its ID is no longer welcome.
#[derive(Debug, Clone)]
pub struct Closed(Arc<Signal>);

impl Connections {
    /// Counts one more connection of this ID; also gives how many there are now, this one included.
    pub fn enter(self: &Arc<Self>, id: &TrackingId) -> (Presence, u32) {
        let signal = Arc::new(Signal::default());
        let mut open = self.lock();
        let count = if let Some(signals) = open.get_mut(id) {
            signals.add(Arc::clone(&signal))
        } else {
            open.insert(id.clone(), Signals::One(Arc::clone(&signal)));
            1
        };
        drop(open);
        (Presence { connections: Arc::clone(self), id: id.clone(), signal }, count)
    }

    /// How many connections of this ID are open.
    pub fn count(&self, id: &TrackingId) -> u32 {
        self.lock().get(id).map_or(0, Signals::count)
    }

    /// How many IDs have an open connection.
    pub fn ids(&self) -> usize {
        self.lock().len()
    }

    /// Ends every open connection of this ID: each gets GOODBYE `wamp.close.killed` if it has a session, and is
    /// closed with 1008. How many that are; they go on counting until they are gone.
    ///
    /// To lock an ID out, revoke its record first: [`closings`](Self::closings) tells why.
    pub fn close_all(&self, id: &TrackingId) -> u32 {
        self.part_from_all(id, Parting::Killed)
    }

    /// [`close_all`](Self::close_all) for a reason, which the GOODBYE tells.
    pub fn part_from_all(&self, id: &TrackingId, why: Parting) -> u32 {
        let open = self.lock();
        // Counted under the lock: whoever enters later sees that there was a closing.
        self.closings.fetch_add(1, Ordering::AcqRel);
        let Some(signals) = open.get(id) else { return 0 };
        signals.list().iter().for_each(|signal| signal.close(why));
        signals.count()
    }

    /// How many closings there were. A connection that looked its record up before one of them and entered
    /// after it was missed: it sees this number changed, and must look its record up once more.
    pub fn closings(&self) -> u64 {
        self.closings.load(Ordering::Acquire)
    }

    /// Calls back for every open connection that has or had a session, with its latest one. Holds up other calls
    /// meanwhile.
    pub(super) fn each_session(&self, mut each: impl FnMut(SessionId, &TrackingId)) {
        for (id, signals) in &*self.lock() {
            for signal in signals.list() {
                match signal.session.load(Ordering::Relaxed) {
                    0 => {}
                    session => each(SessionId(session), id),
                }
            }
        }
    }

    fn leave(&self, id: &TrackingId, signal: &Arc<Signal>) {
        let mut open = self.lock();
        if open.get_mut(id).is_some_and(|signals| signals.remove(signal)) {
            open.remove(id);
        }
    }

    // Held for one operation on the map and never across an await; a poisoned map is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<TrackingId, Signals>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn count(&self) -> u32 {
        u32::try_from(self.list().len()).unwrap_or(u32::MAX)
    }

    /// How many there are now.
    fn add(&mut self, signal: Arc<Signal>) -> u32 {
        match self {
            Self::One(first) => *self = Self::Many(vec![Arc::clone(first), signal]),
            Self::Many(signals) => signals.push(signal),
        }
        self.count()
    }

    /// Whether nothing is left.
    fn remove(&mut self, signal: &Arc<Signal>) -> bool {
        match self {
            Self::One(one) => return Arc::ptr_eq(one, signal),
            Self::Many(signals) => {
                signals.retain(|other| !Arc::ptr_eq(other, signal));
                let mut left = mem::take(signals);
                match (left.pop(), left.is_empty()) {
                    (None, _) => return true,
                    (Some(last), true) => *self = Self::One(last),
                    (Some(last), false) => {
                        left.push(last);
                        *self = Self::Many(left);
                    }
                }
            }
        }
        false
    }
}

impl Presence {
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
    /// Resolves once [`Connections::close_all`] was called. One task may wait at a time.
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
        self.connections.leave(&self.id, &self.signal);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("ids", &self.ids()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Context};

    use super::*;

    fn is_told(presence: &Presence) -> bool {
        let closed = presence.closed();
        pin!(closed.wait()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn ids() -> (TrackingId, TrackingId) {
        (TrackingId::parse("aaaaaa").unwrap(), TrackingId::parse("bbbbbb").unwrap())
    }

    #[test]
    fn connections_count_while_they_are_held_and_leave_nothing_behind() {
        let connections = Arc::new(Connections::default());
        let (a, b) = ids();
        let (first, one) = connections.enter(&a);
        let (second, two) = connections.enter(&a);
        let (third, three) = connections.enter(&a);
        let (other, other_one) = connections.enter(&b);
        assert_eq!((one, two, three, other_one, connections.ids()), (1, 2, 3, 1, 2));
        drop(first);
        assert_eq!((connections.count(&a), connections.count(&b)), (2, 1));
        drop(third);
        assert_eq!((connections.count(&a), connections.count(&b)), (1, 1));
        drop((second, other));
        assert_eq!((connections.count(&a), connections.ids()), (0, 0));
    }

    #[test]
    fn closing_reaches_every_connection_of_the_id_and_no_other() {
        let connections = Arc::new(Connections::default());
        let (a, b) = ids();
        let entered = [&a, &a, &a, &b].map(|id| connections.enter(id).0);
        assert_eq!(entered.each_ref().map(is_told), [false; 4]);
        assert_eq!(connections.close_all(&a), 3);
        assert_eq!(entered.each_ref().map(is_told), [true, true, true, false]);
        assert_eq!(connections.count(&a), 3, "until they are gone");
        let (later, _) = connections.enter(&a);
        assert!(!is_told(&later), "a later one is another matter");
    }

    #[tokio::test]
    async fn waiting_connection_is_woken() {
        let connections = Arc::new(Connections::default());
        let (a, _) = ids();
        let (presence, _) = connections.enter(&a);
        let closed = presence.closed();
        let waiting = tokio::spawn(async move { closed.wait().await });
        tokio::task::yield_now().await;
        connections.close_all(&a);
        waiting.await.unwrap();
    }

    #[test]
    fn closings_are_counted_also_where_nobody_is_met() {
        let connections = Connections::default();
        let before = connections.closings();
        assert_eq!(connections.close_all(&ids().0), 0);
        assert_ne!(connections.closings(), before);
    }

    #[test]
    fn sessions_lead_to_the_ids_of_their_connections() {
        let connections = Arc::new(Connections::default());
        let (a, b) = ids();
        let (first, second, other, silent) = (
            connections.enter(&a).0,
            connections.enter(&a).0,
            connections.enter(&b).0,
            connections.enter(&b).0,
        );
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
        let (presence, _) = connections.enter(&TrackingId::parse("secretsecret").unwrap());
        assert!(!format!("{connections:?} {presence:?}").contains("secret"));
    }
}
