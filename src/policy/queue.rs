//! Places for decisions, and the queue for them: fair between peers, whatever one of them sends.
//!
//! Peers take turns. One that has a thousand decisions waiting gets a place as often as one that has a single decision. The
//! queue is bounded: where it is full, a peer that has fewer waiting than another one takes the latest place of that other.
//! A peer may have half of the queue.
//!
//! Peers count as everywhere ([`network`]). Those that are not told apart, since a proxy may speak for them, are one.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{address::network, metrics::Gauge};

/// Decisions that may wait for a free place. At the default deadline two cores work off so many in ten
/// seconds, which is how long a client has to say HELLO: one that came later would wait in vain.
pub const MAX_WAITING: usize = 1024;

/// How many of them one peer may have.
const SHARE: usize = MAX_WAITING / 2;

/// A peer as the queue counts it.
type Peer = Option<IpAddr>;

/// So many places, and a queue for them.
#[derive(Debug)]
pub(super) struct FairQueue(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The peers with waiting decisions, in the order of their turns.
    turns: VecDeque<Peer>,
    /// What each of them has waiting; never an empty list.
    waiting: HashMap<Peer, VecDeque<Waiter>>,
    /// All of it.
    count: usize,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    granted: oneshot::Sender<Place>,
}

/// A place, for as long as it is held.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<FairQueue>>);

/// The queue is full, or the peer's part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A decision that waits; when it gives up, it leaves the queue.
struct Waiting<'a> {
    queue: &'a FairQueue,
    peer: Peer,
    ticket: u64,
    count: &'a Gauge,
}

impl FairQueue {
    /// A queue for so many places.
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: places,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            count: 0,
            next_ticket: 0,
        })))
    }

    /// A place for a decision about a peer, now or when its turn comes. `count` is one more while it waits.
    pub(super) async fn enter(self: &Arc<Self>, peer: &str, count: &Gauge) -> Result<Place, Full> {
        let (place, _waiting) = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Place(Some(Arc::clone(self))));
            }
            let peer = peer.parse::<SocketAddr>().ok().and_then(|peer| network(peer.ip()));
            let (ticket, place) = state.wait(peer)?;
            count.inc();
            (place, Waiting { queue: self, peer, ticket, count })
        };
        place.await.map_err(|_| Full)
    }

    /// Gives a place to the next in turn.
    fn give_on(self: &Arc<Self>) {
        loop {
            let Some(next) = self.lock().next() else { return };
            // One that gives up at this moment leaves the place to the next.
            match next.granted.send(Place(Some(Arc::clone(self)))) {
                Ok(()) => return,
                Err(mut place) => drop(place.0.take()),
            }
        }
    }

    // Held for a few steps and never across an await; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, peer: Peer) -> Result<(u64, oneshot::Receiver<Place>), Full> {
        let own = self.waiting.get(&peer).map_or(0, VecDeque::len);
        // Behind an address that is not limited there may be many clients.
        if peer.is_some() && own >= SHARE {
            return Err(Full);
        }
        if self.count >= MAX_WAITING {
            self.displace_for(own)?;
        }
        let (granted, place) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.count += 1;
        if own == 0 {
            self.turns.push_back(peer);
        }
        self.waiting.entry(peer).or_default().push_back(Waiter { ticket, granted });
        Ok((ticket, place))
    }

    /// Makes room for a peer that has `own` decisions waiting, at the cost of the one that has most.
    fn displace_for(&mut self, own: usize) -> Result<(), Full> {
        let most = self.waiting.iter().max_by_key(|(_, waiting)| waiting.len());
        let (&most, waiting) = most.filter(|(_, waiting)| waiting.len() > own + 1).ok_or(Full)?;
        let ticket = waiting.back().map(|waiter| waiter.ticket).ok_or(Full)?;
        self.forget(most, ticket);
        Ok(())
    }

    /// The next in turn; if none waits, the place is free.
    fn next(&mut self) -> Option<Waiter> {
        let Some(peer) = self.turns.pop_front() else {
            self.free += 1;
            return None;
        };
        let waiting = self.waiting.get_mut(&peer)?;
        let next = waiting.pop_front()?;
        self.count -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        Some(next)
    }

    fn forget(&mut self, peer: Peer, ticket: u64) {
        let Some(waiting) = self.waiting.get_mut(&peer) else { return };
        let Ok(place) = waiting.binary_search_by_key(&ticket, |waiter| waiter.ticket) else { return };
        waiting.remove(place);
        self.count -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&peer);
            self.turns.retain(|other| *other != peer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.give_on();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.dec();
        self.queue.lock().forget(self.peer, self.ticket);
    }
}

#[cfg(test)]
impl FairQueue {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().count
    }

    /// A free place, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Place(Some(Arc::clone(self))))
    }
}

#[cfg(test)]
mod tests;
