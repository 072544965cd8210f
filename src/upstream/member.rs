//! An address of an upstream while the gateway runs: how it does, and how many use it.
//!
//! What is known of an address outlives a configuration, for as long as a configuration names the address or a connection goes to it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{UpstreamAddress, rendezvous::Seed};

/// So many failures within [`WINDOW`] put an address out.
const FAILURES: u8 = 3;
const WINDOW: Duration = Duration::from_secs(10);

/// For how long, give or take a fifth: several gateways must not come back to it in the same moment.
const OUT: Duration = Duration::from_secs(10);

/// An address of the upstream at a path.
#[derive(Debug)]
pub(super) struct Member {
    seed: Seed,
    /// The clients and requests that it serves now, and those that are about to.
    under_way: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// The first failure of those that count.
    since: Option<Instant>,
    failures: u8,
    out_until: Option<Instant>,
}

/// A WebSocket or a request at an address, as long as it is held.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Member>);

/// The addresses of all upstreams. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(Arc<Mutex<HashMap<Key, Weak<Member>>>>);

/// A transport, a path, and an address.
type Key = (String, String, String);

impl Member {
    pub(super) fn new(address: &UpstreamAddress) -> Self {
        Self { seed: Seed::of(address), under_way: AtomicUsize::new(0), health: Mutex::default() }
    }

    /// What it brings to the choice of those clients that belong to an address.
    pub(super) const fn seed(&self) -> Seed {
        self.seed
    }

    /// How many clients and requests it serves.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(super) fn enter(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// It has answered.
    pub(super) fn succeeded(&self) {
        *self.health() = Health::default();
    }

    /// It has failed. Whether it is left out from now on. `jitter` is between 0 and 1.
    pub(super) fn failed(&self, now: Instant, jitter: f64) -> bool {
        let mut health = self.health();
        if health.since.is_none_or(|since| now.duration_since(since) > WINDOW) {
            *health = Health { since: Some(now), failures: 0, out_until: health.out_until };
        }
        health.failures = health.failures.saturating_add(1);
        let was_out = health.out_until.is_some_and(|until| now < until);
        if health.failures < FAILURES || was_out {
            return false;
        }
        health.out_until = Some(now + OUT.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)));
        true
    }

    /// Whether it is left out.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        self.health().out_until.is_some_and(|until| now < until)
    }

    // Held for a few instructions.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Members {
    /// The addresses of the upstream at a path.
    pub(super) fn of(
        &self,
        transport: &str,
        path: &str,
        addresses: &[UpstreamAddress],
    ) -> Box<[Arc<Member>]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, member| member.strong_count() > 0);
        let mut member = |address: &UpstreamAddress| {
            let member = known.entry((transport.to_owned(), path.to_owned(), address.key())).or_default();
            member.upgrade().unwrap_or_else(|| {
                let new = Arc::new(Member::new(address));
                *member = Arc::downgrade(&new);
                new
            })
        };
        addresses.iter().map(&mut member).collect()
    }
}
