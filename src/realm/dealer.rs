//! The dealer: who has registered what, and which calls are waiting for an answer.
//!
//! Every call that is passed on gets exactly one answer: what its callee yields, the callee's ERROR, or
//! `wamp.error.canceled` if the callee leaves first. Only a caller that leaves gets none.

use std::collections::{HashMap, hash_map::Entry};

use rustc_hash::{FxHashMap, FxHashSet};

use super::deliveries::{RequestError, Violation};
use crate::wamp::{MAX_ID, SessionId, Uri, uri::error};

/// How many procedures a session may register; keeps one client from filling the memory of all.
pub(super) const MAX_REGISTRATIONS: usize = 10_000;

/// How many calls of a session may wait for their answers; the same reason.
pub(super) const MAX_PENDING_CALLS: usize = 10_000;

/// The registrations and the pending calls of a realm.
#[derive(Debug, Default)]
pub(super) struct Dealer {
    // Clients choose the procedures, so this map keeps the standard library's keyed hash. The others have keys that
    // the gateway draws itself, so a fast hash without a secret will do.
    procedures: HashMap<Uri, Registration>,
    by_id: FxHashMap<u64, Uri>,
    /// The sessions that have registered or called something.
    parties: FxHashMap<SessionId, Party>,
    last_registration: u64,
}

#[derive(Debug)]
struct Registration {
    registration: u64,
    callee: SessionId,
}

/// A session's part in the dealer's business.
#[derive(Debug, Default)]
struct Party {
    registrations: FxHashSet<u64>,
    /// What the session has been invoked for and has not answered.
    invocations: FxHashMap<u64, Call>,
    /// The identifier of the session's latest invocation.
    last_invocation: u64,
    /// What the session has called: the callee, and the invocation's identifier there.
    calls: FxHashSet<(SessionId, u64)>,
}

/// A call that has been passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Who waits for the answer.
    pub(super) caller: SessionId,
    /// The caller's own identifier for the request.
    pub(super) request: u64,
}

/// An invocation to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invocation {
    /// To whom.
    pub(super) callee: SessionId,
    /// Its identifier, in the callee's session scope.
    pub(super) request: u64,
    /// Under which registration.
    pub(super) registration: u64,
}

impl Dealer {
    /// Registers a procedure for a session. Who comes first has it, also against itself.
    pub(super) fn register(&mut self, callee: SessionId, procedure: Uri) -> Result<u64, RequestError> {
        let Entry::Vacant(vacant) = self.procedures.entry(procedure) else {
            return Err(RequestError::new(
                error::PROCEDURE_ALREADY_EXISTS,
                "the procedure is registered already, and this router has no shared registrations",
            ));
        };
        let party = self.parties.entry(callee).or_default();
        if party.registrations.len() >= MAX_REGISTRATIONS {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                format!("a session may have {MAX_REGISTRATIONS} registrations: unregister some first"),
            ));
        }
        self.last_registration += 1;
        let registration = self.last_registration;
        self.by_id.insert(registration, vacant.key().clone());
        vacant.insert(Registration { registration, callee });
        party.registrations.insert(registration);
        Ok(registration)
    }

    /// Ends a registration that the session has. Calls that were passed on before may still be answered.
    pub(super) fn unregister(&mut self, callee: SessionId, registration: u64) -> Result<(), RequestError> {
        let held = self.parties.get_mut(&callee).is_some_and(|p| p.registrations.remove(&registration));
        if !held {
            return Err(RequestError::new(
                error::NO_SUCH_REGISTRATION,
                format!("this session has no registration {registration}"),
            ));
        }
        self.forget(registration);
        Ok(())
    }

    /// Finds the callee of a procedure and notes that the caller waits for it.
    pub(super) fn call(&mut self, call: Call, procedure: &Uri) -> Result<Invocation, RequestError> {
        let Some(&Registration { registration, callee }) = self.procedures.get(procedure) else {
            return Err(RequestError::new(
                error::NO_SUCH_PROCEDURE,
                format!("no procedure {procedure} is registered in this realm"),
            ));
        };
        if self.parties.get(&call.caller).is_some_and(|caller| caller.calls.len() >= MAX_PENDING_CALLS) {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                format!(
                    "{MAX_PENDING_CALLS} calls of this session may wait for answers: wait for some first"
                ),
            ));
        }
        let party = self.parties.entry(callee).or_default();
        // Section "IDs": in the session scope, identifiers are incremented by 1 and wrap to 1 after 2^53.
        let request = if party.last_invocation >= MAX_ID { 1 } else { party.last_invocation + 1 };
        party.last_invocation = request;
        party.invocations.insert(request, call);
        self.parties.entry(call.caller).or_default().calls.insert((callee, request));
        Ok(Invocation { callee, request, registration })
    }

    /// Ends the call that an invocation belongs to, since the callee has answered it.
    ///
    /// `None`: nobody waits any more, for the caller has left or the callee answers twice. To have answered something
    /// that it never was asked is the callee's fault (section "Protocol Errors": YIELD with invalid request).
    pub(super) fn answer(&mut self, callee: SessionId, request: u64) -> Result<Option<Call>, Violation> {
        let party = self
            .parties
            .get_mut(&callee)
            .filter(|party| (1..=party.last_invocation).contains(&request))
            .ok_or(Violation("an answer to an invocation that was never sent"))?;
        let call = party.invocations.remove(&request);
        if let Some(caller) = call.and_then(|call| self.parties.get_mut(&call.caller)) {
            caller.calls.remove(&(callee, request));
        }
        Ok(call)
    }

    /// Ends all registrations and calls of a session; gives the calls of others that it will not answer any more.
    pub(super) fn leave(&mut self, session: SessionId) -> Vec<Call> {
        let Some(party) = self.parties.remove(&session) else { return Vec::new() };
        for registration in party.registrations {
            self.forget(registration);
        }
        // A session may have called itself; it is gone from `parties` already, on both of its sides.
        for (callee, request) in party.calls {
            if let Some(callee) = self.parties.get_mut(&callee) {
                callee.invocations.remove(&request);
            }
        }
        let mut unanswered = Vec::new();
        for (request, call) in party.invocations {
            if let Some(caller) = self.parties.get_mut(&call.caller) {
                caller.calls.remove(&(session, request));
                unanswered.push(call);
            }
        }
        unanswered
    }

    fn forget(&mut self, registration: u64) {
        if let Some(procedure) = self.by_id.remove(&registration) {
            self.procedures.remove(&procedure);
        }
    }

    /// Whether nothing is left in any of the maps.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.procedures.is_empty() && self.by_id.is_empty() && self.parties.is_empty()
    }
}

#[cfg(test)]
mod tests;
