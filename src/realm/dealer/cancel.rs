//! Calls that end before their answer: canceled, out of time, or left by one of the two sides.

use std::time::Instant;

use super::{Dealer, PendingCall, Place};
use crate::{
    memory,
    realm::{
        deliveries::{Deliveries, RequestError},
        turn::Turn,
    },
    wamp::{
        ClientFeatures, RouterMessage, SessionId,
        message::{CancelMode, InterruptOptions, code},
        uri::error,
    },
};

impl Dealer {
    /// Cancels a call for its caller. One that has ended already is not an error: the two messages have crossed.
    pub(in crate::realm) fn cancel(
        &mut self,
        call: PendingCall,
        mode: CancelMode,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) {
        let canceled = || {
            // The gateway cancels a call in the caller's name where a result is longer than the caller takes over RawSocket.
            RequestError::new(
                error::CANCELED,
                "the call was canceled: its caller asked for that, or does not take a result as long as the last one",
            )
        };
        self.stop(call, mode, canceled, turn, out);
    }

    /// When the next call runs out of time.
    pub(in crate::realm) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends the calls whose time is up (section "Call Timeouts").
    pub(in crate::realm) fn expire(&mut self, turn: &mut Turn<'_>, out: &mut Deliveries) {
        while let Some(call) = self.deadlines.pop(turn.now) {
            let late = || {
                RequestError::new(error::TIMEOUT, "the call has not been answered in the time that it had")
            };
            self.stop(call, CancelMode::KillNoWait, late, turn, out);
        }
    }

    /// Ends all registrations and calls of a session. The calls of others that it has not answered fail.
    pub(in crate::realm) fn leave(&mut self, session: SessionId, turn: &mut Turn<'_>, out: &mut Deliveries) {
        let Some(party) = self.parties.remove(&session) else { return };
        // First what waits: places that become free below are not for a caller that is gone.
        self.unqueue_all(session, &party);
        for &registration in &party.registrations {
            self.drop_callee(registration, session, turn, out);
        }
        // In the order of the calls: where places become free, the queues are served in an order that clients can follow.
        let mut calls: Vec<(u64, Place)> = party.calls.into_iter().collect();
        calls.sort_unstable_by_key(|(request, _)| *request);
        for (_, place) in calls {
            match place {
                Place::Queued(_) => {}
                // A session may have called itself; it is gone from `parties` already, on both of its sides.
                Place::Invoked(callee, _) if callee == session => {}
                Place::Invoked(callee, number) => {
                    // Section "Caller Leaving During an RPC Invocation".
                    self.abandon(callee, number, CancelMode::KillNoWait, error::CANCELED, turn, out);
                }
            }
        }
        for invocation in party.invocations.into_values() {
            let Some(call) = invocation.caller else { continue };
            self.forget(call, &invocation);
            if call.caller != session {
                // Section "Callee Leaving During an RPC Invocation"; "Basic Profile URIs" spells it with one l.
                let canceled = RequestError::new(error::CANCELED, "the callee left before it answered");
                out.one(call.caller, canceled.into_message(code::CALL, call.request));
            }
        }
        // Last: a callee that waited for the answer of this session waits no more.
        self.refuse_hopeless(party.registrations, out);
        self.serve_held(turn, out);
    }

    /// Ends a call in one of the three ways.
    pub(super) fn stop(
        &mut self,
        call: PendingCall,
        mode: CancelMode,
        reason: impl FnOnce() -> RequestError,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) {
        let Some(party) = self.parties.get_mut(&call.caller) else { return };
        let Some(place) = party.calls.get(&call.request).copied() else { return };
        let reason = reason();
        match place {
            Place::Queued(registration) => {
                let expects_more = self.unqueue(registration, call);
                self.forget_queued(call, expects_more);
                out.one(call.caller, reason.into_message(code::CALL, call.request));
                self.serve_held(turn, out);
            }
            Place::Invoked(callee, number) => {
                // Section "Call Canceling": "If the callee does not support call canceling, then behavior is skip."
                let understands = turn.supports(callee, ClientFeatures::CALL_CANCELING);
                if mode == CancelMode::Kill && understands {
                    return self.kill(callee, number, reason.error, out);
                }
                let uri = reason.error;
                out.one(call.caller, reason.into_message(code::CALL, call.request));
                self.abandon(callee, number, mode, uri, turn, out);
            }
        }
    }

    /// Tells a callee to stop; its answer goes to the caller.
    fn kill(&mut self, callee: SessionId, number: u64, reason: &'static str, out: &mut Deliveries) {
        let party = self.parties.get_mut(&callee);
        let invocation = party.and_then(|party| party.invocations.get_mut(&number));
        if let Some(invocation) = invocation.filter(|invocation| !invocation.is_killed) {
            invocation.is_killed = true;
            let options = InterruptOptions { mode: CancelMode::Kill, reason };
            out.one(callee, RouterMessage::Interrupt { request: number, options });
        }
    }

    /// Takes an invocation's caller away. The callee is told if it is to know and understands it.
    fn abandon(
        &mut self,
        callee: SessionId,
        number: u64,
        mode: CancelMode,
        reason: &'static str,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) {
        let Some(party) = self.parties.get_mut(&callee) else { return };
        let Some(mut invocation) = party.take_invocation(number) else { return };
        let Some(call) = invocation.caller.take() else { return };
        let interrupts = mode != CancelMode::Skip && turn.supports(callee, ClientFeatures::CALL_CANCELING);
        // It is charged to its callee from now on. Without memory for it, the callee gets its place back early.
        let still_works = invocation.occupies.is_some() && !interrupts && party.abandoned.grow(memory::CALL);
        if interrupts && !invocation.is_killed {
            let options = InterruptOptions { mode: CancelMode::KillNoWait, reason };
            out.one(callee, RouterMessage::Interrupt { request: number, options });
        }
        self.forget(call, &invocation);
        if still_works {
            // The callee goes on without knowing, and its place stays taken until it answers.
            invocation.deadline = None;
            invocation.frozen = None;
            if let Some(party) = self.parties.get_mut(&callee) {
                party.invocations.insert(number, invocation);
            }
            self.serve_held(turn, out);
        } else {
            self.vacate(callee, number, &invocation, turn, out);
        }
    }
}
