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

use super::{
    UpstreamAddress,
    rendezvous::{Origin, Seed},
};
use crate::{metrics::Readings, time::Timestamp};

/// So many failures within [`WINDOW`] put an address out.
const FAILURES: usize = 3;
const WINDOW: Duration = Duration::from_secs(10);

/// For how long, give or take a fifth: several gateways must not come back to it in the same moment.
const OUT: Duration = Duration::from_secs(10);

/// An address of the upstream at a path.
#[derive(Debug)]
pub(super) struct Member {
    seed: Seed,
    /// What the operator sees of it.
    name: String,
    /// The clients and requests that it serves now, and those that are about to.
    under_way: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// The first failure of those that count.
    since: Option<Instant>,
    failures: usize,
    /// Where the clients come from whose requests are among them. At most [`FAILURES`].
    origins: Vec<Origin>,
    /// When it has answered a client last.
    answered: Option<Instant>,
    out_until: Option<Instant>,
    /// How many configurations have it probed: the one that counts, and for a moment the one before.
    askers: usize,
    /// How many probes in a row have failed.
    missed: u8,
    /// Whether so many have failed that it is left out until it answers one.
    is_silent: bool,
    /// Since when it is out, and why.
    out: Option<Out>,
}

/// What has failed at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no connection, or no TLS: no client can bring that about.
    Connection,
    /// What came from there was sent, and no sound answer came. That may be due to what was asked, so an address that answers others stays,
    /// and one client alone puts none out.
    Request(Origin),
}

/// An address that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Out {
    /// Since when.
    pub since: Timestamp,
    /// What has failed last.
    pub why: String,
}

/// An address, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressState {
    /// The address.
    pub name: String,
    /// How many WebSocket connections, sessions and requests it serves now.
    pub under_way: usize,
    /// Whether it is left out.
    pub out: Option<Out>,
}

/// A WebSocket or a request at an address, as long as it is held.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Member>);

/// An address that probes ask. Once nothing holds one, what they have found does not count.
#[derive(Debug)]
pub(super) struct Probed(Arc<Member>);

/// The addresses of all upstreams. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    known: Arc<Mutex<HashMap<Key, Weak<Member>>>>,
    pub(super) under_way: Readings<3>,
    pub(super) out: Readings<3>,
}

/// A transport and a path, and an address.
type Key = ((String, String), String);

impl Member {
    fn new(address: &UpstreamAddress, name: String) -> Self {
        Self { seed: Seed::of(address), name, under_way: AtomicUsize::new(0), health: Mutex::default() }
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

    /// It has answered. Whether it was left out before, and not for its probes.
    pub(super) fn succeeded(&self, now: Instant) -> bool {
        let mut health = self.health();
        (health.since, health.failures, health.out_until) = (None, 0, None);
        health.answered = Some(now);
        !health.is_silent && health.out.take().is_some()
    }

    /// It has failed. Whether it is left out from now on. `jitter` is between 0 and 1.
    pub(super) fn failed(
        &self,
        failure: Failure,
        now: Instant,
        jitter: f64,
        why: impl FnOnce() -> String,
    ) -> bool {
        let mut health = self.health();
        if health.since.is_none_or(|since| now.duration_since(since) > WINDOW) {
            (health.since, health.failures) = (Some(now), 0);
        }
        if let Failure::Request(origin) = failure
            && !health.counts(origin, now)
        {
            return false;
        }
        health.failures = health.failures.saturating_add(1);
        let was_out = health.out_until.is_some_and(|until| now < until);
        if health.failures < FAILURES || was_out {
            return false;
        }
        health.out_until = Some(now + OUT.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)));
        if !health.is_silent {
            health.out = Some(Out { since: Timestamp::now(), why: why() });
        }
        true
    }

    /// It has answered a probe. Whether it was left out because it had not.
    pub(super) fn answers(&self, now: Instant) -> bool {
        let mut health = self.health();
        health.missed = 0;
        let was_silent = std::mem::take(&mut health.is_silent);
        if was_silent && health.out_until.is_none_or(|until| now >= until) {
            health.out = None;
        }
        was_silent
    }

    /// It has failed a probe; so many in a row put it out. Whether it is left out from now on.
    pub(super) fn misses(&self, limit: u8, now: Instant, why: &str) -> bool {
        let mut health = self.health();
        health.missed = health.missed.saturating_add(1);
        if health.is_silent || health.missed < limit {
            return false;
        }
        health.is_silent = true;
        if health.out_until.is_none_or(|until| now >= until) {
            health.out = Some(Out { since: Timestamp::now(), why: why.to_owned() });
        }
        true
    }

    /// Has probes ask it, as long as what this gives is held.
    pub(super) fn probed(self: &Arc<Self>) -> Probed {
        self.health().askers += 1;
        Probed(Arc::clone(self))
    }

    /// Whether it is left out.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        self.health().is_out(now)
    }

    /// What the operator sees of it.
    pub(super) fn state(&self, now: Instant) -> AddressState {
        let health = self.health();
        let out = if health.is_out(now) { health.out.clone() } else { None };
        drop(health);
        AddressState { name: self.name.clone(), under_way: self.under_way(), out }
    }

    // Held for a few instructions.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Whether a request of a client that comes from there counts as a failure of the address.
    fn counts(&mut self, origin: Origin, now: Instant) -> bool {
        if self.failures == 0 {
            self.origins.clear();
        }
        let answers = self.answered.is_some_and(|at| now.saturating_duration_since(at) < WINDOW);
        if answers || self.origins.contains(&origin) {
            return false;
        }
        if self.origins.len() < FAILURES {
            self.origins.push(origin);
        }
        true
    }

    fn is_out(&self, now: Instant) -> bool {
        self.is_silent || self.out_until.is_some_and(|until| now < until)
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        let mut health = self.0.health();
        health.askers = health.askers.saturating_sub(1);
        if health.askers == 0 {
            (health.missed, health.is_silent) = (0, false);
        }
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
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, member| member.strong_count() > 0);
        let place = || (transport.to_owned(), path.to_owned());
        let member = |address: &UpstreamAddress| {
            let key = (place(), address.key());
            if let Some(member) = known.get(&key).and_then(Weak::upgrade) {
                return member;
            }
            let short = address.to_string();
            let others = known.iter().filter(|((other, _), _)| *other == key.0);
            let taken: Vec<_> =
                others.filter_map(|(_, other)| other.upgrade()).map(|other| other.name.clone()).collect();
            // Two addresses of one host differ in what is more than needs to be seen elsewhere, or not even there.
            let long = format!("{short}{}", address.path);
            let numbered = (2..).map(|number| format!("{long} ({number})"));
            let mut names = [short, long.clone()].into_iter().chain(numbered);
            let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
            let member = Arc::new(Member::new(address, name));
            self.watch(transport, path, &member);
            known.insert(key, Arc::downgrade(&member));
            member
        };
        addresses.iter().map(member).collect()
    }

    /// Those that connections or requests use now, each with its transport and its path, whether a configuration has them or not.
    pub(super) fn in_use(&self) -> Vec<(String, String, AddressState)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let busy = known.iter().filter_map(|(((transport, path), _), member)| {
            let member = member.upgrade().filter(|member| member.under_way() > 0)?;
            Some((transport.clone(), path.clone(), member.state(now)))
        });
        let mut states: Vec<_> = busy.collect();
        states.sort_by(|one, other| (&one.0, &one.1, &one.2.name).cmp(&(&other.0, &other.1, &other.2.name)));
        states
    }

    /// Has monitoring see an address for as long as it is there.
    fn watch(&self, transport: &str, path: &str, member: &Arc<Member>) {
        let labels = || {
            let place = [("transport", transport.to_owned()), ("path", path.to_owned())];
            let [transport, path] = place;
            [transport, path, ("address", member.name.clone())]
        };
        let under_way = |member: &Member| i64::try_from(member.under_way()).unwrap_or(i64::MAX);
        self.under_way.watch(labels(), member, under_way);
        self.out.watch(labels(), member, |member| i64::from(member.is_out(Instant::now())));
    }
}

#[cfg(test)]
mod tests;
