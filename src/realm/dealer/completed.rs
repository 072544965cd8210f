//! Calls with progressive invocations that have ended before their last one (section "Continuations on Completed Calls"): their callers do
//! not know yet, and what they still send is no new call.

use std::collections::VecDeque;

use super::{Dealer, MAX_COMPLETED, PendingCall};
use crate::{realm::deliveries::Violation, wamp::SessionId};

/// The answer to one of them would be taken for the other's.
pub(super) const ANOTHER_CALL: Violation =
    Violation("a CALL with the request of another call that waits for its answer");

impl Dealer {
    /// Whether a session's request belongs to a call that waits, or to one with progressive invocations that has ended before
    /// its last one.
    pub(in crate::realm) fn knows(&self, session: SessionId, request: u64) -> bool {
        self.parties
            .get(&session)
            .is_some_and(|party| party.calls.contains_key(&request) || party.completed.contains(&request))
    }

    /// Notes that a call was refused with the first of its progressive invocations: what its caller has sent after that, before
    /// it knew, is no new call.
    pub(in crate::realm) fn note_refused(&mut self, session: SessionId, request: u64) {
        let completed = &mut self.parties.entry(session).or_default().completed;
        if !completed.contains(&request) {
            note(completed, request);
        }
    }

    /// Takes a CALL that was refused before its procedure was known: whether it belongs to a call that has ended or was refused,
    /// and gets no answer of its own.
    pub(in crate::realm) fn drops_refused(
        &mut self,
        session: SessionId,
        request: u64,
        has_more: bool,
    ) -> Result<bool, Violation> {
        if let Some(party) = self.parties.get_mut(&session) {
            if party.calls.contains_key(&request) {
                return Err(ANOTHER_CALL);
            }
            if drops(&mut party.completed, request, has_more) {
                return Ok(true);
            }
        }
        if has_more {
            self.note_refused(session, request);
        }
        Ok(false)
    }

    /// Notes that a call with progressive invocations has ended before its last one.
    pub(super) fn note_completed(&mut self, call: PendingCall) {
        let Some(party) = self.parties.get_mut(&call.caller) else { return };
        note(&mut party.completed, call.request);
    }
}

/// Whether an invocation belongs to a call that has ended (section "Continuations on Completed Calls"): its caller did not know yet.
/// The last one of them is remembered no longer.
pub(super) fn drops(completed: &mut VecDeque<u64>, request: u64, has_more: bool) -> bool {
    let Some(at) = completed.iter().position(|other| *other == request) else { return false };
    if !has_more {
        completed.remove(at);
    }
    true
}

fn note(completed: &mut VecDeque<u64>, request: u64) {
    if completed.len() >= MAX_COMPLETED {
        completed.pop_front();
    }
    completed.push_back(request);
}
