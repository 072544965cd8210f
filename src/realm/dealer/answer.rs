//! What callees answer.

use super::{Deadline, Dealer, Party, PendingCall, invocation::Invocation};
use crate::{
    memory,
    realm::{
        deliveries::{Deliveries, RequestError, Violation},
        turn::Turn,
    },
    wamp::{
        ClientFeatures, Payload, RouterMessage, SessionId, Uri,
        message::{ErrorDetails, ResultDetails, YieldOptions, code},
        uri::error,
    },
};

/// A callee answers an invocation which it never got (section "Protocol Errors": YIELD with invalid request).
const NEVER_SENT: Violation = Violation("an answer to an invocation that was never sent");

impl Dealer {
    /// A callee's result, or one of several.
    ///
    /// One for a caller that has left, has canceled, or has got its answer already goes nowhere.
    pub(in crate::realm) fn yields(
        &mut self,
        callee: SessionId,
        request: u64,
        options: YieldOptions,
        payload: Payload,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), Violation> {
        let YieldOptions { progress, passthru } = options;
        if passthru.is_some() && !turn.supports(callee, ClientFeatures::CALLEE_PASSTHRU) {
            return Err(Violation(
                "YIELD.Options.ppt_scheme of a client that has not announced payload_passthru_mode",
            ));
        }
        if progress {
            let party = self.invoked(callee, request)?;
            let Some(invocation) = party.invocations.get_mut(&request) else { return Ok(()) };
            // A caller that takes only one result gets the final one.
            let Some(call) = invocation.caller.filter(|_| invocation.receives_progress) else {
                return Ok(());
            };
            let before = invocation.deadline.as_deref().copied();
            let after = before.and_then(|deadline| Deadline::within(turn.now, deadline.patience));
            invocation.deadline = after.map(Box::new);
            // Section "Progressive Call Results", "Timeouts": the time counts between one result and the next.
            self.deadlines.remove(before.as_ref(), call);
            if let Some(deadline) = &after {
                self.deadlines.insert(deadline, call);
            }
            let details = ResultDetails { progress, passthru };
            out.one(call.caller, RouterMessage::Result { request: call.request, details, payload });
            return Ok(());
        }
        let Some(invocation) = self.end(callee, request)? else { return Ok(()) };
        if let Some(call) = invocation.caller {
            let message = if passthru.is_some()
                && !turn.supports(call.caller, ClientFeatures::CALLER_PASSTHRU)
            {
                let reason = "the result is packed, and this client has not announced payload_passthru_mode";
                RequestError::new(error::FEATURE_NOT_SUPPORTED, reason).into_message(code::CALL, call.request)
            } else {
                let details = ResultDetails { progress, passthru };
                RouterMessage::Result { request: call.request, details, payload }
            };
            out.one(call.caller, message);
        }
        self.vacate(callee, request, &invocation, turn, out);
        Ok(())
    }

    /// A callee's ERROR.
    #[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
    pub(in crate::realm) fn fails(
        &mut self,
        callee: SessionId,
        request: u64,
        details: ErrorDetails,
        error: Uri,
        payload: Payload,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), Violation> {
        let Some(invocation) = self.end(callee, request)? else { return Ok(()) };
        if let Some(PendingCall { caller, request }) = invocation.caller {
            out.one(
                caller,
                RouterMessage::Error { request_type: code::CALL, request, details, error, payload },
            );
        }
        self.vacate(callee, request, &invocation, turn, out);
        Ok(())
    }

    /// The callee that answers an invocation, if it was sent one of this number, answered or not.
    fn invoked(&mut self, callee: SessionId, request: u64) -> Result<&mut Party, Violation> {
        let party = self.parties.get_mut(&callee);
        party.filter(|party| (1..=party.last_invocation).contains(&request)).ok_or(NEVER_SENT)
    }

    /// Ends an invocation, and the call that it belongs to.
    fn end(&mut self, callee: SessionId, request: u64) -> Result<Option<Invocation>, Violation> {
        let party = self.invoked(callee, request)?;
        let Some(invocation) = party.take_invocation(request) else { return Ok(None) };
        match invocation.caller {
            Some(call) => self.forget(call, &invocation),
            None => party.abandoned.shrink(memory::CALL),
        }
        Ok(Some(invocation))
    }

    /// Forgets a call that has its answer, or gets none.
    pub(super) fn forget(&mut self, call: PendingCall, invocation: &Invocation) {
        self.deadlines.remove(invocation.deadline.as_deref(), call);
        self.waits.end(call);
        if let Some(party) = self.parties.get_mut(&call.caller) {
            party.end_call(call.request);
        }
        if invocation.frozen.is_some() {
            self.note_completed(call);
        }
    }

    /// Gives the place of an invocation that has ended to a call that waits.
    pub(super) fn vacate(
        &mut self,
        callee: SessionId,
        number: u64,
        invocation: &Invocation,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) {
        if let Some(registration) = invocation.occupies
            && let Some(found) = self.procedures.get_mut(registration)
        {
            found.vacate(callee, number);
            self.serve(registration, turn, out);
        }
        self.serve_held(turn, out);
    }
}
