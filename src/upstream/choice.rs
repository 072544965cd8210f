//! In which order addresses are dialed: by turns, the least busy one first, or the one that the client belongs to; and those that have
//! failed lately last.
//!
//! An address that fails three times within ten seconds is left out for about ten seconds. Requests without a sound answer count only if
//! the address answers none, and once for each client, so that no client puts an address out that serves others. If all of them are left out they are dialed
//! nevertheless, so that an upstream that comes back is found at once.

use std::{
    cmp::Reverse,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{
    Choosing,
    member::{Failure, Member, UnderWay},
    rendezvous::Affinity,
};

/// The addresses of an upstream, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Choice {
    choosing: Choosing,
    next: AtomicUsize,
    members: Box<[Arc<Member>]>,
}

impl Choice {
    pub(super) const fn new(choosing: Choosing, members: Box<[Arc<Member>]>) -> Self {
        Self { choosing, next: AtomicUsize::new(0), members }
    }

    /// The addresses in the order in which they are to be dialed for one client.
    pub(super) fn order(&self, affinity: Affinity, now: Instant) -> Vec<usize> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let is_out = |place: &usize| self.member(*place).is_some_and(|member| member.is_out(now));
        let (mut out, mut fit): (Vec<_>, Vec<_>) = (0..count).partition(is_out);
        // Those that are fit take turns among themselves, so that each of them gets its share of what goes past one that is out.
        for places in [&mut fit, &mut out] {
            if let Some(turn) = first.checked_rem(places.len()) {
                places.rotate_left(turn);
            }
            self.arrange(places, affinity);
        }
        fit.extend(out);
        fit
    }

    /// Those that have their turns come in the order in which they are to be dialed.
    fn arrange(&self, turn: &mut [usize], affinity: Affinity) {
        // What a sort goes by must not change meanwhile, so it is read once.
        match self.choosing {
            Choosing::LeastConnections => {
                turn.sort_by_cached_key(|place| self.member(*place).map(Member::under_way));
            }
            Choosing::Sticky if affinity.has_home() => {
                let score = |place| self.member(place).map(|member| affinity.score(member.seed()));
                turn.sort_by_cached_key(|place| Reverse(score(*place)));
            }
            Choosing::RoundRobin | Choosing::Sticky => {}
        }
    }

    /// Counts a client at an address.
    pub(super) fn enter(&self, place: usize) -> Option<UnderWay> {
        self.members.get(place).map(Member::enter)
    }

    /// The address has answered. Whether it was left out before, and not for its probes.
    pub(super) fn succeeded(&self, place: usize, now: Instant) -> bool {
        self.member(place).is_some_and(|member| member.succeeded(now))
    }

    /// The address has failed. Whether it is left out from now on. `jitter` is between 0 and 1.
    pub(super) fn failed(
        &self,
        place: usize,
        failure: Failure,
        now: Instant,
        jitter: f64,
        why: impl FnOnce() -> String,
    ) -> bool {
        self.member(place).is_some_and(|member| member.failed(failure, now, jitter, why))
    }

    /// How many addresses are left out.
    pub(super) fn out(&self) -> usize {
        let now = Instant::now();
        self.members.iter().filter(|member| member.is_out(now)).count()
    }

    /// The addresses.
    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    fn member(&self, place: usize) -> Option<&Member> {
        self.members.get(place).map(|member| &**member)
    }
}

#[cfg(test)]
mod tests;
