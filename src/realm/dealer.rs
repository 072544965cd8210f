//! The dealer: it knows which session has registered which procedure, and which calls wait for an answer.
//!
//! A call is in one of these states, and leaves the last two by exactly one final RESULT or ERROR to its caller; only a
//! caller that leaves gets none:
//!
//! ```text
//! CALL -> queued -> invoked -> answered             (YIELD, ERROR)
//!   |       |         |-----> canceled              (CANCEL skip or killnowait, time-out, the callee leaves)
//!   |       `-----------------^
//!   |                 `-----> killed -> answered    (CANCEL kill: the callee's own answer counts)
//!   `-> refused
//! ```
//!
//! A call is queued only where all callees of its procedure have as many invocations as they take at once.

mod answer;
mod call;
mod callee;
mod cancel;
mod circles;
mod completed;
mod deadlines;
mod invocation;
mod meta;
mod procedures;
mod queue;
mod registrations;
mod waits;

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use self::call::{Call, Refusal};
use self::{
    deadlines::{Deadline, Deadlines},
    invocation::Invocation,
    procedures::Procedures,
    waits::Waits,
};
use super::table::Table;
use crate::{
    memory::{self, Charge},
    wamp::SessionId,
};

/// How many procedures a session may register, so that one client cannot fill the memory that all share.
pub(super) const MAX_REGISTRATIONS: usize = 10_000;

/// How many calls may wait for a callee of one registration, and how many bytes of arguments with them. Callees that limit
/// how many invocations they take at once have queues; others have none.
pub(super) const MAX_QUEUED_CALLS: usize = 1_000;
pub(super) const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// How many calls with progressive invocations that ended early, or were refused, the dealer remembers for a session, so that
/// what their callers sent before they knew is not taken for new calls.
const MAX_COMPLETED: usize = 128;

/// The registrations and the pending calls of a realm.
#[derive(Debug, Default)]
pub(super) struct Dealer {
    procedures: Procedures,
    /// The sessions that have registered or called something.
    // The gateway draws these keys itself, so a fast hash without a secret will do.
    parties: FxHashMap<SessionId, Party>,
    deadlines: Deadlines,
    waits: Waits,
}

/// What the dealer knows of a session.
#[derive(Debug, Default)]
struct Party {
    registrations: FxHashSet<u64>,
    /// What the session has been invoked for and has not answered.
    invocations: FxHashMap<u64, Invocation>,
    /// The identifier of the session's latest invocation.
    last_invocation: u64,
    /// What the session has called, by the caller's own identifier for the request.
    calls: FxHashMap<u64, Place>,
    /// Calls with progressive invocations that ended, or were refused, before their last invocation, the latest last.
    completed: VecDeque<u64>,
    /// What is charged for its calls.
    charge: Charge,
    /// What is charged for its invocations whose calls have ended: these are charged to no caller any more.
    abandoned: Charge,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With a callee, by the invocation's identifier there.
    Invoked(SessionId, u64),
    /// In the queue of a registration.
    Queued(u64),
}

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PendingCall {
    /// The session that gets the answer.
    pub(super) caller: SessionId,
    /// The caller's own identifier for the request.
    pub(super) request: u64,
}

impl Party {
    /// Whether the gateway has memory for one more call of the session.
    fn has_room(&mut self) -> bool {
        self.charge.cover((self.calls.len() + 1) * memory::CALL)
    }

    /// Forgets a call that has its answer, or gets none.
    fn end_call(&mut self, request: u64) {
        self.calls.remove(&request);
        // Most sessions have few calls, which are free.
        if self.charge.bytes() > 0 {
            self.calls.give_back();
            self.charge.settle(self.calls.len() * memory::CALL);
        }
    }

    /// Takes an invocation out.
    fn take_invocation(&mut self, number: u64) -> Option<Invocation> {
        let taken = self.invocations.remove(&number);
        self.invocations.give_back();
        taken
    }

    /// Takes a registration out. Whether the session has had it.
    fn take_registration(&mut self, id: u64) -> bool {
        let is_taken = self.registrations.remove(&id);
        self.registrations.give_back();
        is_taken
    }
}

impl Dealer {
    /// What the gateway calls from now on asks about this session, which waits for the answer; none: about none that waits.
    pub(super) const fn asks_about(&mut self, session: Option<SessionId>) {
        self.waits.are_about(session);
    }

    /// Whether nothing is left in any of the maps.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.procedures.is_empty()
            && self.parties.is_empty()
            && self.deadlines.is_empty()
            && self.waits.is_empty()
    }
}

#[cfg(test)]
mod tests;
