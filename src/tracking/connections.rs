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
    cookie::{PrincipalMark, TrackingId},
    store::{OpenConnections, Parting, Revocation},
    wamp::SessionId,
};

/// The open connections of one store's clients, by ID.
///
/// Each store has one of these, which all its trackers share, so that a client's count is the same whichever path it comes
/// in by. A connection takes some 120 bytes while it is open (it shares the ID's text), so that the listeners' limit bounds
/// the whole.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<TrackingId, IdConnections>>,
}

/// The connections of one ID.
#[derive(Debug)]
struct IdConnections {
    signals: Signals,
    /// How many of them have finished their handshake.
    counted: u32,
}

/// The signals of one ID's connections. Nearly every client has one connection, which then costs no list.
#[derive(Debug)]
enum Signals {
    One(Arc<Signal>),
    // Boxed, so that the usual case takes one pointer and not three.
    #[allow(clippy::box_collection, reason = "a third of the memory in the usual case, one connection")]
    Many(Box<Vec<Arc<Signal>>>),
}

/// Between a connection and the part of the gateway that ends it. The lock is held for a few instructions, by the two of
/// them alone.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<SignalState>,
    /// The identifier of the connection's latest session; 0 before the first one.
    session: AtomicU64,
    /// The mark of the principal that has logged in to that session; 0 if none has.
    principal: AtomicU64,
}

#[derive(Debug)]
enum SignalState {
    /// The waker of the connection's task, if it waits.
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
    /// Call it before you look the ID's record up: [`Revocations`](crate::store::Revocations) says why.
    pub fn enter(self: &Arc<Self>, id: &TrackingId) -> Presence {
        let signal = Arc::new(Signal::default());
        let mut open = self.lock();
        if let Some(open) = open.get_mut(id) {
            open.signals.add(Arc::clone(&signal));
        } else {
            open.insert(id.clone(), IdConnections { signals: Signals::One(Arc::clone(&signal)), counted: 0 });
        }
        drop(open);
        Presence { connections: Arc::clone(self), id: id.clone(), signal, is_counted: false }
    }

    /// How many connections of this ID are open. One that is still in its handshake does not count.
    pub fn count(&self, id: &TrackingId) -> u32 {
        self.lock().get(id).map_or(0, |open| open.counted)
    }

    /// The IDs with open connections, and how many.
    pub fn counts(&self) -> Vec<(TrackingId, u32)> {
        let connections = self.lock();
        connections
            .iter()
            .filter(|(_, open)| open.counted > 0)
            .map(|(id, open)| (id.clone(), open.counted))
            .collect()
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

    /// The IDs with a connection to whose latest session such a principal has logged in.
    pub(super) fn logged_in_as(&self, is_wanted: impl Fn(PrincipalMark) -> bool) -> Vec<TrackingId> {
        let connections = self.lock();
        let has = |open: &IdConnections| {
            open.signals.list().iter().any(|signal| signal.principal().is_some_and(&is_wanted))
        };
        connections.iter().filter(|(_, open)| has(open)).map(|(id, _)| id.clone()).collect()
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

    fn lock(&self) -> MutexGuard<'_, HashMap<TrackingId, IdConnections>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections for Connections {
    /// Each of them gets GOODBYE with the reason if it has a session, and is closed with 1008.
    fn end(&self, revocation: &Revocation) -> usize {
        let connections = self.lock();
        let mut ended = 0;
        for open in revocation.ids.iter().filter_map(|id| connections.get(id)) {
            for signal in open.signals.list() {
                // One that was told before, and has not left yet, counts there.
                ended += usize::from(
                    revocation.reach.includes(signal.principal()) && signal.close(revocation.why),
                );
            }
        }
        ended
    }

    fn is_open(&self, id: &TrackingId) -> bool {
        self.lock().contains_key(id)
    }

    fn open(&self, is_wanted: &dyn Fn(&TrackingId) -> bool) -> Vec<TrackingId> {
        let connections = self.lock();
        let is_open = |open: &IdConnections| open.signals.list().iter().any(|signal| !signal.is_closed());
        let found = connections.iter().filter(|(id, open)| is_wanted(id) && is_open(open));
        found.map(|(id, _)| id.clone()).collect()
    }
}

impl Default for SignalState {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl Signal {
    /// The first call says why; whether this is it.
    fn close(&self, why: Parting) -> bool {
        let mut state = self.lock();
        let SignalState::Open(waker) = &mut *state else { return false };
        let waker = waker.take();
        *state = SignalState::Closed(why);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    fn is_closed(&self) -> bool {
        matches!(*self.lock(), SignalState::Closed(_))
    }

    fn principal(&self) -> Option<PrincipalMark> {
        PrincipalMark::from_number(self.principal.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, SignalState> {
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
        self.signal.is_closed()
    }

    /// Where this connection learns that it is to end.
    pub fn closed(&self) -> Closed {
        Closed(Arc::clone(&self.signal))
    }

    /// Notes the principal that has logged in on the connection, if one has. Call it before the store or a router is told.
    ///
    /// The note stays when the session ends: the realm hears of that a little later, and may have the client logged out
    /// until then.
    pub fn has_logged_in(&self, principal: Option<PrincipalMark>) {
        self.signal.principal.store(principal.map_or(0, PrincipalMark::get), Ordering::Relaxed);
    }

    /// Notes which session the connection has now. Call it before a realm knows of the session; the note stays as well.
    pub fn has_session(&self, session: SessionId) {
        self.signal.session.store(session.0, Ordering::Relaxed);
    }

    /// Whether the connection has or had a session.
    pub fn had_session(&self) -> bool {
        self.signal.session.load(Ordering::Relaxed) != 0
    }

    /// The principal that has logged in to the connection's latest session, if one has.
    pub fn principal(&self) -> Option<PrincipalMark> {
        self.signal.principal()
    }
}

impl Closed {
    /// Resolves once the ID was revoked. One task may wait at a time.
    pub async fn wait(&self) -> Parting {
        poll_fn(|cx| match &mut *self.0.lock() {
            SignalState::Closed(why) => Poll::Ready(*why),
            SignalState::Open(waker) => {
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
mod tests;
