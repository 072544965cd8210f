//! The dealer: it knows which session has registered which procedure, and which calls wait for an answer.
//!
//! Every call that the dealer passes on gets exactly one answer: what its callee yields, the callee's ERROR, or
//! `wamp.error.canceled` if the callee leaves first. Only a caller that leaves gets none.

use std::collections::{HashMap, hash_map::Entry};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    deliveries::{Deliveries, RequestError, Violation},
    identifiers::Identifiers,
    member::Actor,
};
use crate::wamp::{
    MAX_ID, Payload, RouterMessage, SessionId, Uri,
    message::{InvocationDetails, code},
    uri::error,
};

/// How many procedures a session may register, so that one client cannot fill the memory that all share.
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
}

#[derive(Debug)]
struct Registration {
    registration: u64,
    callee: SessionId,
}

/// What the dealer knows of a session.
#[derive(Debug, Default)]
struct Party {
    registrations: FxHashSet<u64>,
    /// What the session has been invoked for and has not answered.
    invocations: FxHashMap<u64, PendingCall>,
    /// The identifier of the session's latest invocation.
    last_invocation: u64,
    /// What the session has called: the callee, and the invocation's identifier there.
    calls: FxHashSet<(SessionId, u64)>,
}

/// A call on its way to the callee of a procedure: everything that there is to know of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) pending: PendingCall,
    pub(super) procedure: &'a Uri,
    /// The caller, if it is disclosed.
    pub(super) caller: Option<Actor<'a>>,
    pub(super) payload: Payload,
}

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingCall {
    /// The session that gets the answer.
    pub(super) caller: SessionId,
    /// The caller's own identifier for the request.
    pub(super) request: u64,
}

impl Dealer {
    /// Registers a procedure for a session. The first session that registers it has it; it cannot register it twice.
    pub(super) fn register(
        &mut self,
        callee: SessionId,
        procedure: Uri,
        identifiers: &mut Identifiers,
    ) -> Result<u64, RequestError> {
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
        let registration = identifiers.registration();
        self.by_id.insert(registration, vacant.key().clone());
        vacant.insert(Registration { registration, callee });
        party.registrations.insert(registration);
        Ok(registration)
    }

    /// Ends a registration that the session has. The callee may still answer calls that came before.
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

    /// How many calls of a session wait for their answers.
    pub(super) fn waiting(&self, caller: SessionId) -> usize {
        self.parties.get(&caller).map_or(0, |caller| caller.calls.len())
    }

    /// Invokes the callee of a procedure, and notes that the caller waits for its answer.
    pub(super) fn call(&mut self, call: Call<'_>, out: &mut Deliveries) -> Result<(), RequestError> {
        let Call { pending, procedure, caller, payload } = call;
        let Some(&Registration { registration, callee }) = self.procedures.get(procedure) else {
            return Err(RequestError::new(
                error::NO_SUCH_PROCEDURE,
                format!("no procedure {procedure} is registered in this realm"),
            ));
        };
        let waiting = self.parties.get(&pending.caller).map_or(0, |caller| caller.calls.len());
        if waiting >= MAX_PENDING_CALLS {
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
        party.invocations.insert(request, pending);
        self.parties.entry(pending.caller).or_default().calls.insert((callee, request));
        let caller = caller.map(|caller| caller.disclosed());
        let details = InvocationDetails { caller, ..InvocationDetails::default() };
        out.one(callee, RouterMessage::Invocation { request, registration, details, payload });
        Ok(())
    }

    /// Ends the call that an invocation belongs to, since the callee has answered it.
    ///
    /// `None`: the caller has left, or the callee answers for the second time. A callee that answers an invocation which it
    /// never got breaks the protocol (section "Protocol Errors": YIELD with invalid request).
    pub(super) fn answer(
        &mut self,
        callee: SessionId,
        request: u64,
    ) -> Result<Option<PendingCall>, Violation> {
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

    /// Ends all registrations and calls of a session. The calls of others that it has not answered fail.
    pub(super) fn leave(&mut self, session: SessionId, out: &mut Deliveries) {
        let Some(party) = self.parties.remove(&session) else { return };
        for registration in party.registrations {
            self.forget(registration);
        }
        // A session may have called itself; it is gone from `parties` already, on both of its sides.
        for (callee, request) in party.calls {
            if let Some(callee) = self.parties.get_mut(&callee) {
                callee.invocations.remove(&request);
            }
        }
        for (invocation, PendingCall { caller, request }) in party.invocations {
            if let Some(party) = self.parties.get_mut(&caller) {
                party.calls.remove(&(session, invocation));
                // Section "Callee Leaving During an RPC Invocation"; "Basic Profile URIs" spells it with one l.
                let canceled = RequestError::new(error::CANCELED, "the callee left before it answered");
                out.one(caller, canceled.into_message(code::CALL, request));
            }
        }
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
