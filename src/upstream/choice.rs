//! Which address is dialed: one after the other, and those that have failed lately last.
//!
//! An address that fails three times within ten seconds is left out for about ten seconds. If all of them are left out they are dialed
//! nevertheless, so that an upstream that comes back is found at once.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// So many failures within [`WINDOW`] put an address out.
const FAILURES: u8 = 3;
const WINDOW: Duration = Duration::from_secs(10);

/// For how long, give or take a fifth: several gateways must not come back to it in the same moment.
const OUT: Duration = Duration::from_secs(10);

/// Addresses, by their places in the configuration.
#[derive(Debug)]
pub(super) struct Choice {
    next: AtomicUsize,
    healths: Box<[Mutex<Health>]>,
}

#[derive(Debug, Default)]
struct Health {
    /// The first failure of those that count.
    since: Option<Instant>,
    failures: u8,
    out_until: Option<Instant>,
}

impl Choice {
    pub(super) fn new(count: usize) -> Self {
        Self { next: AtomicUsize::new(0), healths: (0..count).map(|_| Mutex::default()).collect() }
    }

    /// The addresses in the order in which they are to be dialed for one client.
    pub(super) fn order(&self, now: Instant) -> Vec<usize> {
        let count = self.healths.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = (0..count).map(|place| first.wrapping_add(place) % count.max(1));
        let (mut fit, out): (Vec<_>, Vec<_>) = turn.partition(|place| !self.is_out(*place, now));
        fit.extend(out);
        fit
    }

    /// The address has answered.
    pub(super) fn succeeded(&self, place: usize) {
        if let Some(mut health) = self.health(place) {
            *health = Health::default();
        }
    }

    /// The address has failed. Whether it is left out from now on. `jitter` is between 0 and 1.
    pub(super) fn failed(&self, place: usize, now: Instant, jitter: f64) -> bool {
        let Some(mut health) = self.health(place) else { return false };
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

    /// How many addresses are left out.
    pub(super) fn out(&self) -> usize {
        let now = Instant::now();
        (0..self.healths.len()).filter(|place| self.is_out(*place, now)).count()
    }

    fn is_out(&self, place: usize, now: Instant) -> bool {
        self.health(place).is_some_and(|health| health.out_until.is_some_and(|until| now < until))
    }

    // Held for a few instructions.
    fn health(&self, place: usize) -> Option<MutexGuard<'_, Health>> {
        Some(self.healths.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_turn() {
        let (choice, now) = (Choice::new(3), Instant::now());
        let firsts: Vec<_> = (0..6).map(|_| choice.order(now)[0]).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
        assert_eq!(choice.order(now), [0, 1, 2], "the others are dialed if the first one fails");
    }

    #[test]
    fn an_address_that_fails_again_and_again_comes_last_for_a_while() {
        let (choice, now) = (Choice::new(2), Instant::now());
        let second = Duration::from_secs(1);
        assert!(!choice.failed(0, now, 0.5));
        assert!(!choice.failed(0, now + 11 * second, 0.5), "the first failure is long ago");
        assert!(!choice.failed(0, now + 12 * second, 0.5));
        assert!(choice.failed(0, now + 13 * second, 0.5));
        assert!(!choice.failed(0, now + 14 * second, 0.5), "it is told once");
        for _ in 0..4 {
            assert_eq!(choice.order(now + 15 * second), [1, 0]);
        }
        let firsts: Vec<_> = (0..2).map(|_| choice.order(now + 24 * second)[0]).collect();
        assert_eq!(firsts.iter().sum::<usize>(), 1, "both again: {firsts:?}");
    }

    #[test]
    fn an_answer_makes_up_for_failures() {
        let (choice, now) = (Choice::new(1), Instant::now());
        for _ in 0..2 {
            assert!(!choice.failed(0, now, 0.0));
        }
        choice.succeeded(0);
        for _ in 0..2 {
            assert!(!choice.failed(0, now, 0.0));
        }
        assert!(choice.failed(0, now, 0.0));
        assert_eq!(choice.order(now), [0], "an upstream with one address is dialed all the same");
    }
}
