//! When calls run out of time. The dealer has no timer: its owner asks for the next deadline and comes back then.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::PendingCall;
use crate::memory::Charge;

/// What a call is charged that ends at a time: its place here, and the time itself beside the invocation.
const TIMED: usize = 128;

/// The calls that end at a time, in the order of their ends.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    ends: BTreeSet<(Instant, PendingCall)>,
    /// What is charged for them.
    charge: Charge,
}

/// How long a call may go on without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    /// When it ends, unless a result comes first.
    pub(super) at: Instant,
    /// How long the caller waits for each result.
    pub(super) patience: Duration,
}

impl Deadline {
    /// The end of a time that begins now; nothing if the clock does not count that far.
    pub(super) fn within(now: Instant, patience: Duration) -> Option<Self> {
        Some(Self { at: now.checked_add(patience)?, patience })
    }
}

impl Deadlines {
    /// Whether no call ends at a time.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// When the next call ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// A call whose time is up.
    pub(super) fn pop(&mut self, now: Instant) -> Option<PendingCall> {
        let (at, _) = self.ends.first()?;
        if *at > now {
            return None;
        }
        let popped = self.ends.pop_first().map(|(_, call)| call);
        self.settle();
        popped
    }

    /// Adds a call.
    pub(super) fn insert(&mut self, deadline: &Deadline, call: PendingCall) {
        self.ends.insert((deadline.at, call));
    }

    /// Takes a call out that has ended otherwise.
    pub(super) fn remove(&mut self, deadline: Option<&Deadline>, call: PendingCall) {
        if let Some(deadline) = deadline {
            self.ends.remove(&(deadline.at, call));
            self.settle();
        }
    }

    /// Whether the gateway has memory for one more call.
    pub(super) fn has_room(&mut self) -> bool {
        self.charge.cover((self.ends.len() + 1) * TIMED)
    }

    /// How many bytes are charged.
    #[cfg(test)]
    pub(super) fn charged(&self) -> usize {
        self.charge.bytes()
    }

    fn settle(&mut self) {
        if self.charge.bytes() > 0 {
            self.charge.settle(self.ends.len() * TIMED);
        }
    }
}
