//! Calls on their way to a callee.

use std::time::Duration;

use super::{
    Deadline, Dealer, PendingCall, Place,
    completed::{ANOTHER_CALL, drops},
    invocation::{Frozen, LaterChunk, Order, check_callee},
    queue::QueuedCall,
    registrations::Registration,
    waits::Answerer,
};
use crate::{
    realm::{
        deliveries::{Deliveries, RequestError, Violation},
        member::Actor,
        permissions::Action,
        turn::Turn,
    },
    wamp::{ClientFeatures, Payload, Uri, message::CallOptions, uri::error},
};

/// A call on its way to the callee of a procedure: everything that there is to know of it.
#[derive(Debug)]
pub(in crate::realm) struct Call<'a> {
    pub(in crate::realm) caller: Actor<'a>,
    /// The caller's own identifier for the request.
    pub(in crate::realm) request: u64,
    pub(in crate::realm) procedure: &'a Uri,
    /// Whether the callee sees who calls, even if it does not ask.
    pub(in crate::realm) is_disclosed: bool,
    pub(in crate::realm) options: CallOptions,
    pub(in crate::realm) payload: Payload,
}

/// Why a call is not passed on.
#[derive(Debug)]
pub(in crate::realm) enum Refusal {
    /// The caller gets an ERROR.
    Request(RequestError),
    /// The caller broke the protocol.
    Violation(Violation),
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Dealer {
    /// Invokes a callee of a procedure, and notes that the caller waits for its answer.
    pub(in crate::realm) fn call(
        &mut self,
        call: Call<'_>,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), Refusal> {
        let session = call.caller.session;
        if call.options.progress && !turn.supports(session, ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS) {
            return Err(Violation(
                "CALL.Options.progress of a client that has not announced progressive_call_invocations",
            )
            .into());
        }
        if call.options.passthru.is_some() && !turn.supports(session, ClientFeatures::CALLER_PASSTHRU) {
            return Err(Violation(
                "CALL.Options.ppt_scheme of a client that has not announced payload_passthru_mode",
            )
            .into());
        }
        if let Some(party) = self.parties.get_mut(&session) {
            if let Some(place) = party.calls.get(&call.request) {
                let place = *place;
                return self.go_on(place, call, out);
            }
            if drops(&mut party.completed, call.request, call.options.progress) {
                return Ok(());
            }
            if party.calls.len() >= turn.max_pending_calls && !turn.is_gateway(session) {
                return Err(RequestError::new(
                    error::UNAVAILABLE,
                    format!(
                        "{} calls of this session may wait for answers: wait for some first",
                        turn.max_pending_calls
                    ),
                )
                .into());
            }
            if !party.has_room() {
                return Err(no_memory().into());
            }
        }
        let has_no_time = call.options.timeout > 0 && !self.deadlines.has_room();
        if has_no_time || (call.options.progress && !Frozen::has_room(call.procedure, &call.options)) {
            return Err(no_memory().into());
        }
        Ok(self.begin(call, turn, out)?)
    }

    /// A call that nothing is known of yet.
    fn begin(
        &mut self,
        call: Call<'_>,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let Call { caller, request, procedure, is_disclosed, options, payload } = call;
        let about = self.waits.about();
        let mut registration = match self.procedures.exact_mut(procedure) {
            Some(registration) => registration,
            None => self.by_pattern(procedure, turn)?,
        };
        let id = registration.id;
        let call = PendingCall { caller: caller.session, request };
        let patience = (options.timeout > 0).then(|| Duration::from_millis(options.timeout));
        let deadline = patience.and_then(|patience| Deadline::within(turn.now, patience));
        let chosen = match about {
            None => registration.choose(turn.identifiers).ok(),
            Some(about) => {
                let chosen = self.choose_or_refuse(about, id, turn.identifiers)?;
                registration = self.procedures.get_mut(id).ok_or_else(|| no_such_procedure(procedure))?;
                chosen
            }
        };
        let order = Order { call, is_disclosed, options, payload, deadline: deadline.map(Box::new) };
        if let Some(callee) = chosen {
            if let Err(refusal) = check_callee(&order.options, callee.session, turn) {
                registration.release(callee.session);
                return Err(refusal);
            }
            let by_pattern = registration.by_pattern;
            self.invoke(id, by_pattern, callee, procedure, order, || caller.disclosed(), turn, out);
            if let Some(about) = about {
                self.waits.begin(about, Answerer::Callee(callee.session), call);
            }
            return Ok(());
        }
        registration.queue.push(QueuedCall::new(order, procedure.clone(), caller.disclosed(), about))?;
        let is_held = about.is_some() && registration.has_place();
        if let Some(about) = about {
            self.waits.begin(about, Answerer::AnyOf(id), call);
            if is_held {
                self.waits.hold(id);
            }
        }
        if let Some(deadline) = &deadline {
            self.deadlines.insert(deadline, call);
        }
        self.parties.entry(call.caller).or_default().calls.insert(request, Place::Queued(id));
        Ok(())
    }

    /// The registration of the pattern that says most about a procedure.
    ///
    /// A role that may register a pattern need not be allowed to register all that the pattern covers, least of all the
    /// protocol's own procedures: only patterns whose callees may have the procedure count.
    fn by_pattern(&mut self, procedure: &Uri, turn: &Turn<'_>) -> Result<&mut Registration, RequestError> {
        let may_all_have_it = |registration: &Registration| {
            let mut callees = registration.callees.iter();
            callees.all(|callee| turn.may(callee.session, Action::Register, procedure.as_str()))
        };
        let best = self.procedures.best_pattern(procedure, may_all_have_it).map(|best| best.id);
        best.and_then(|id| self.procedures.get_mut(id)).ok_or_else(|| no_such_procedure(procedure))
    }

    /// A call whose request is known: the next invocation of a call with progressive invocations.
    fn go_on(&mut self, place: Place, call: Call<'_>, out: &mut Deliveries) -> Result<(), Refusal> {
        let chunk = LaterChunk { progress: call.options.progress, payload: call.payload };
        let goes_on = match place {
            Place::Invoked(callee, number) => {
                let party = self.parties.get(&callee);
                let invocation = party.and_then(|party| party.invocations.get(&number));
                let goes_on = invocation.is_some_and(|invocation| invocation.goes_on_with(call.procedure));
                if goes_on {
                    self.pass_on(callee, number, chunk, out);
                }
                goes_on
            }
            Place::Queued(registration) => {
                let pending = PendingCall { caller: call.caller.session, request: call.request };
                self.wait_with(registration, pending, call.procedure, chunk)?
            }
        };
        if goes_on { Ok(()) } else { Err(ANOTHER_CALL.into()) }
    }
}

fn no_memory() -> RequestError {
    RequestError::new(
        error::UNAVAILABLE,
        "the gateway has no memory left for calls that wait for their answers: try again later",
    )
}

fn no_such_procedure(procedure: &Uri) -> RequestError {
    RequestError::new(
        error::NO_SUCH_PROCEDURE,
        format!("no procedure {procedure} is registered in this realm"),
    )
}
