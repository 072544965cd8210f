//! Pages that have not shown yet that they may come. They take no place of those that have.
//!
//! *Bound*: so many of one address, and so many in all. Where there is no room for one more, the oldest goes, so that connections that say
//! nothing keep no operator out. Each wrong message makes its address wait longer before the gateway looks at the next one.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// How many pages may wait at once.
const MAX_WAITING: usize = 64;

/// How many of them may be of one address.
const MAX_OF_ADDRESS: usize = 8;

/// How much longer an address waits after each wrong message, and how long it waits at most.
const SLOWER: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// How many addresses are remembered for wrong messages: each of them for as long as it waits.
const MAX_WRONG: usize = 1024;

/// The network of a peer; none: this machine, or a Unix socket.
type Address = Option<IpAddr>;

/// The pages that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    pages: VecDeque<(u64, Address, CancellationToken)>,
    next: u64,
    /// When the gateway looks at the next message of an address.
    due: HashMap<Address, Instant>,
}

/// One page that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    all: Arc<Waiting>,
    number: u64,
    address: Address,
    /// Cancelled once a newer page has taken its room.
    pub(super) ousted: CancellationToken,
}

impl Waiting {
    /// Room for one more page of the address.
    pub(super) fn enter(self: &Arc<Self>, address: Address) -> Waiter {
        let mut state = self.state();
        let of_address = state.pages.iter().filter(|(_, other, _)| *other == address).count();
        let oldest = if of_address >= MAX_OF_ADDRESS {
            state.pages.iter().position(|(_, other, _)| *other == address)
        } else {
            (state.pages.len() >= MAX_WAITING).then_some(0)
        };
        if let Some((_, _, ousted)) = oldest.and_then(|oldest| state.pages.remove(oldest)) {
            ousted.cancel();
        }
        let (number, ousted) = (state.next, CancellationToken::new());
        state.next += 1;
        state.pages.push_back((number, address, ousted.clone()));
        Waiter { all: Arc::clone(self), number, address, ousted }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// How long the gateway waits before it looks at what the page has said.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        let due = self.all.state().due.get(&self.address).copied();
        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Its message was wrong: its address has to wait longer.
    pub(super) fn was_wrong(&self, now: Instant) {
        let mut state = self.all.state();
        let (step, most) = SLOWER;
        let due = state.due.get(&self.address).map_or(now, |due| (*due).max(now));
        state.due.retain(|_, due| *due > now);
        if state.due.len() >= MAX_WRONG {
            let soonest = state.due.iter().min_by_key(|(_, due)| **due).map(|(address, _)| *address);
            soonest.map(|address| state.due.remove(&address));
        }
        state.due.insert(self.address, (due + step).min(now + most));
    }

    /// It waits no longer: it has come in.
    pub(super) fn leave(&self) {
        self.all.state().pages.retain(|(number, ..)| *number != self.number);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Address {
        IpAddr::V4(number.into()).into()
    }

    #[test]
    fn the_oldest_of_an_address_and_of_all_goes_and_no_newcomer_is_refused() {
        let waiting = Arc::new(Waiting::default());
        let mine = waiting.enter(address(1));
        let others: Vec<_> = (0..=MAX_OF_ADDRESS).map(|_| waiting.enter(address(2))).collect();
        let ousted: Vec<_> = others.iter().filter(|other| other.ousted.is_cancelled()).collect();
        assert_eq!((ousted.len(), ousted[0].number), (1, others[0].number));
        assert!(!mine.ousted.is_cancelled(), "another address has taken its room");
        let _more: Vec<_> =
            (100..).take(MAX_WAITING - MAX_OF_ADDRESS).map(|n| waiting.enter(address(n))).collect();
        assert!(mine.ousted.is_cancelled(), "the oldest of all stays");
        assert_eq!(waiting.state().pages.len(), MAX_WAITING);
        drop(others);
        assert_eq!(waiting.state().pages.len(), MAX_WAITING - MAX_OF_ADDRESS);
    }

    #[test]
    fn wrong_messages_slow_their_own_address_and_no_more_than_so_much() {
        let waiting = Arc::new(Waiting::default());
        let (guess, mine, now) = (waiting.enter(address(1)), waiting.enter(address(2)), Instant::now());
        guess.was_wrong(now);
        assert_eq!((guess.delay(now), mine.delay(now)), (SLOWER.0, Duration::ZERO));
        (0..100).for_each(|_| guess.was_wrong(now));
        assert_eq!((guess.delay(now), guess.delay(now + SLOWER.1)), (SLOWER.1, Duration::ZERO));
        for number in (0..).take(2 * MAX_WRONG) {
            waiting.enter(address(number)).was_wrong(now);
        }
        assert_eq!(waiting.state().due.len(), MAX_WRONG);
    }
}
