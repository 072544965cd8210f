//! Places for decisions, and the queue for them: fair between peers, whatever one of them sends.
//!
//! Peers take turns. One that has a thousand decisions waiting gets a place as often as one that has a single decision. The
//! queue is bounded: where it is full, a peer that has fewer waiting than another one takes the latest place of that other.
//! A peer may have half of the queue, and of the places a share where the queue is made so.
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
    /// What each peer holds, where it may hold a share only.
    held: Option<Held>,
    /// The peers with waiting decisions, in the order of their turns.
    turns: VecDeque<Peer>,
    /// What each of them has waiting; never an empty list.
    waiting: HashMap<Peer, VecDeque<Waiter>>,
    /// All of it.
    count: usize,
    next_ticket: u64,
}

/// How many places each peer holds. Those that are not told apart hold as many as they get.
#[derive(Debug)]
struct Held {
    most: usize,
    by_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    granted: oneshot::Sender<Place>,
}

/// A place, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<FairQueue>, Peer)>);

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
        Self::with(places, None)
    }

    /// A queue for so many places, `most` of which one peer may hold.
    #[cfg(feature = "gateway")]
    pub(super) fn sharing(places: usize, most: usize) -> Arc<Self> {
        Self::with(places, Some(Held { most, by_peer: HashMap::new() }))
    }

    fn with(places: usize, held: Option<Held>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: places,
            held,
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
            let count_as = || peer.parse::<SocketAddr>().ok().and_then(|peer| network(peer.ip()));
            if state.free > 0 {
                let holder = state.held.is_some().then(count_as).flatten();
                if state.hold(holder) {
                    state.free -= 1;
                    return Ok(Place(Some((Arc::clone(self), holder))));
                }
            }
            let peer = count_as();
            let (ticket, place) = state.wait(peer)?;
            count.inc();
            (place, Waiting { queue: self, peer, ticket, count })
        };
        place.await.map_err(|_| Full)
    }

    /// Gives a peer's place to the next in turn.
    fn give_on(self: &Arc<Self>, mut holder: Peer) {
        loop {
            let next = {
                let mut state = self.lock();
                state.release(holder);
                state.next()
            };
            let Some((next, peer)) = next else { return };
            // One that gives up at this moment leaves the place to the next.
            match next.granted.send(Place(Some((Arc::clone(self), peer)))) {
                Ok(()) => return,
                Err(mut place) => drop(place.0.take()),
            }
            holder = peer;
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

    /// Counts one more place for a peer. False: it holds as many as it may.
    fn hold(&mut self, peer: Peer) -> bool {
        let (Some(held), Some(peer)) = (&mut self.held, peer) else { return true };
        let count = held.by_peer.entry(peer).or_default();
        let may = *count < held.most;
        *count += usize::from(may);
        may
    }

    fn release(&mut self, peer: Peer) {
        let (Some(held), Some(peer)) = (&mut self.held, peer) else { return };
        if let Some(count) = held.by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                held.by_peer.remove(&peer);
            }
        }
    }

    /// The next in turn that may hold one more place, with what it holds it as; if none waits, the place is free.
    fn next(&mut self) -> Option<(Waiter, Peer)> {
        let mut skipped = 0;
        while let Some(&peer) = self.turns.get(skipped) {
            if self.hold(peer) {
                self.turns.remove(skipped);
                return self.first_of(peer).map(|waiter| (waiter, peer));
            }
            skipped += 1;
        }
        self.free += 1;
        None
    }

    fn first_of(&mut self, peer: Peer) -> Option<Waiter> {
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
        if let Some((queue, holder)) = self.0.take() {
            queue.give_on(holder);
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
impl Place {
    /// A place that no queue gets back.
    pub(crate) const fn of_no_queue() -> Self {
        Self(None)
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
        Some(Place(Some((Arc::clone(self), None))))
    }
}

#[cfg(test)]
mod tests;
