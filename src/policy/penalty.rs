//! Peers whose decisions ran into their deadline: a slow path in a policy must not let one client occupy the cores.
//!
//! A decision that is stopped at its deadline has held a thread for all that time. A peer that keeps running into the
//! deadline is refused without asking the policy, until its time is over. Failures count for the peer's address and not for
//! the policy, so that no hostile client can shut out the others.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::address::network;

/// Deadline failures within [`WINDOW`] after which a peer is no longer asked about: at the default deadline it
/// takes a hundredth of a core.
const MAX_FAILURES: u32 = 5;
/// How long a failure counts, from a peer's first one on. A peer that goes on gets as many again in the next.
const WINDOW: Duration = Duration::from_secs(10);
/// Addresses that are remembered, some 100 KiB. With more of them failing in one window the oldest is
/// forgotten: the number of decisions at once is bounded all the same.
const MAX_PEERS: usize = 1024;

/// The peers whose decisions failed, and how often.
#[derive(Debug, Default)]
pub(super) struct PenaltyBox {
    failures: Mutex<HashMap<IpAddr, Failures>>,
    /// How many addresses there are: joins look no further while there is none.
    peers: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl PenaltyBox {
    /// Whether decisions about this peer are refused.
    pub(super) fn holds(&self, peer: &str, now: Instant) -> bool {
        if self.peers.load(Relaxed) == 0 {
            return false;
        }
        let Some(address) = address(peer) else { return false };
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&address).is_some_and(|was| was.count >= MAX_FAILURES && !was.is_over(now))
    }

    /// Counts a decision that ran into its deadline.
    pub(super) fn count(&self, peer: &str, now: Instant) {
        let Some(address) = address(peer) else { return };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.contains_key(&address) && failures.len() >= MAX_PEERS {
            failures.retain(|_, was| !was.is_over(now));
            if failures.len() >= MAX_PEERS {
                let oldest = failures.iter().min_by_key(|(_, was)| was.since).map(|(&address, _)| address);
                oldest.and_then(|oldest| failures.remove(&oldest));
            }
        }
        let was = failures.entry(address).or_insert(Failures { since: now, count: 0 });
        if was.is_over(now) {
            *was = Failures { since: now, count: 0 };
        }
        was.count = was.count.saturating_add(1);
        self.peers.store(failures.len(), Relaxed);
    }
}

impl Failures {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// The peer as limits count it.
fn address(peer: &str) -> Option<IpAddr> {
    let peer: SocketAddr = peer.parse().ok()?;
    network(peer.ip())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{MAX_FAILURES, MAX_PEERS, PenaltyBox, WINDOW};

    const PEER: &str = "203.0.113.9:52100";

    fn fail(penalties: &PenaltyBox, peer: &str, times: u32, now: Instant) {
        for _ in 0..times {
            penalties.count(peer, now);
        }
    }

    #[test]
    fn a_peer_that_fails_often_is_held_until_the_window_is_over() {
        let (penalties, now) = (PenaltyBox::default(), Instant::now());
        fail(&penalties, PEER, MAX_FAILURES - 1, now);
        assert!(!penalties.holds(PEER, now));
        fail(&penalties, "203.0.113.9:1", 1, now);
        assert!(penalties.holds(PEER, now), "another port is the same peer");
        assert!(!penalties.holds("203.0.113.10:52100", now), "another address is another peer");
        assert!(!penalties.holds(PEER, now + WINDOW));
        fail(&penalties, PEER, 1, now + WINDOW);
        assert!(!penalties.holds(PEER, now + WINDOW), "a new window begins at one");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_unix_sockets_are_none() {
        let (penalties, now) = (PenaltyBox::default(), Instant::now());
        fail(&penalties, "[2001:db8::9]:1", MAX_FAILURES, now);
        assert!(penalties.holds("[2001:db8::1:9]:2", now));
        assert!(!penalties.holds("[2001:db8:0:1::9]:1", now));
        fail(&penalties, "[::ffff:203.0.113.9]:1", MAX_FAILURES, now);
        assert!(penalties.holds(PEER, now));
        for proxy in ["unix", "127.0.0.1:40000", "[::1]:40000", "[::ffff:127.0.0.1]:40000"] {
            fail(&penalties, proxy, MAX_FAILURES, now);
            assert!(!penalties.holds(proxy, now), "{proxy} may speak for many clients");
        }
    }

    #[test]
    fn no_more_addresses_than_that_are_remembered() {
        let (penalties, now) = (PenaltyBox::default(), Instant::now());
        for peer in 0..2 * MAX_PEERS {
            penalties.count(&format!("10.0.{}.{}:1", peer / 256, peer % 256), now);
        }
        assert_eq!(penalties.failures.lock().unwrap().len(), MAX_PEERS);
        fail(&penalties, PEER, MAX_FAILURES, now);
        assert!(penalties.holds(PEER, now));
    }
}
