//! What callees answer.

use std::fmt;

use super::{Deadline, Dealer, Party, PendingCall, invocation::Invocation};
use crate::{
    memory,
    realm::{
        deliveries::{Deliveries, RequestError, Violation},
        turn::Turn,
    },
    wamp::{
        ClientFeatures, Payload, RouterMessage, SessionId, Uri,
        message::{CancelMode, ErrorDetails, Passthru, ResultDetails, YieldOptions, code},
        uri::error,
    },
};

/// A callee answers an invocation which it never got (section "Protocol Errors": YIELD with invalid request).
const NEVER_SENT: Violation = Violation("an answer to an invocation that was never sent");

/// What a callee answers with.
#[derive(Debug, Clone, Copy)]
enum Answer<'a> {
    Result,
    Error(&'a Uri),
}

impl Answer<'_> {
    /// What is said of a callee that packs it without having announced that it can.
    const fn packed_unannounced(self) -> Violation {
        Violation(match self {
            Self::Result => {
                "YIELD.Options.ppt_scheme of a client that has not announced payload_passthru_mode"
            }
            Self::Error(_) => {
                "ERROR.Details.ppt_scheme of a client that has not announced payload_passthru_mode"
            }
        })
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result => f.write_str("the result"),
            Self::Error(uri) => write!(f, "the error {uri}"),
        }
    }
}

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
        let unfit = self.check_packed(callee, request, Answer::Result, passthru.as_deref(), turn)?;
        if progress {
            let party = self.invoked(callee, request)?;
            let Some(invocation) = party.invocations.get_mut(&request) else { return Ok(()) };
            // A caller that takes only one result gets the final one.
            let Some(call) = invocation.caller.filter(|_| invocation.receives_progress) else {
                return Ok(());
            };
            if let Some(unfit) = unfit {
                // An ERROR is a call's last answer, so that the callee need not go on.
                self.stop(call, CancelMode::KillNoWait, || unfit, turn, out);
                return Ok(());
            }
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
            let details = ResultDetails { progress, passthru };
            let message = match unfit {
                Some(unfit) => unfit.into_message(code::CALL, call.request),
                None => RouterMessage::Result { request: call.request, details, payload },
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
        let answer = Answer::Error(&error);
        let unfit = self.check_packed(callee, request, answer, details.passthru.as_deref(), turn)?;
        let Some(invocation) = self.end(callee, request)? else { return Ok(()) };
        if let Some(PendingCall { caller, request }) = invocation.caller {
            let message = match unfit {
                Some(unfit) => unfit.into_message(code::CALL, request),
                None => RouterMessage::Error { request_type: code::CALL, request, details, error, payload },
            };
            out.one(caller, message);
        }
        self.vacate(callee, request, &invocation, turn, out);
        Ok(())
    }

    /// Whether an answer that its callee has packed may be one (section "Payload Passthru Mode"): a callee that has not announced it
    /// breaks the protocol, and a caller that has not announced it gets the error that comes back in place of the answer.
    fn check_packed(
        &self,
        callee: SessionId,
        request: u64,
        answer: Answer<'_>,
        passthru: Option<&Passthru>,
        turn: &Turn<'_>,
    ) -> Result<Option<RequestError>, Violation> {
        if passthru.is_none() {
            return Ok(None);
        }
        if !turn.supports(callee, ClientFeatures::CALLEE_PASSTHRU) {
            return Err(answer.packed_unannounced());
        }
        let invocation = self.parties.get(&callee).and_then(|party| party.invocations.get(&request));
        let call = invocation.and_then(|invocation| invocation.caller);
        if call.is_none_or(|call| turn.supports(call.caller, ClientFeatures::CALLER_PASSTHRU)) {
            return Ok(None);
        }
        let reason = format!("{answer} is packed, and this client has not announced payload_passthru_mode");
        Ok(Some(RequestError::new(error::FEATURE_NOT_SUPPORTED, reason)))
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
