//! What callees are invoked for: the first invocation of a call, and the later ones of a call with progressive invocations.

use super::{Deadline, Dealer, PendingCall, Place, callee::Callee};
use crate::{
    memory::{self, Charge},
    realm::{
        deliveries::{Deliveries, RequestError},
        turn::Turn,
    },
    wamp::{
        ClientFeatures, MAX_ID, Payload, RouterMessage, SessionId, Uri,
        message::{CallOptions, Disclosed, InvocationDetails, Passthru},
        uri::error,
    },
};

/// What a callee is invoked for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) call: PendingCall,
    /// Whether the callee sees who calls, even if it does not ask.
    pub(super) is_disclosed: bool,
    pub(super) options: CallOptions,
    pub(super) payload: Payload,
    pub(super) deadline: Option<Box<Deadline>>,
}

/// A later invocation of a call with progressive invocations.
#[derive(Debug)]
pub(super) struct LaterChunk {
    /// Whether more come after it.
    pub(super) progress: bool,
    pub(super) payload: Payload,
}

/// An invocation that its callee has not answered.
#[derive(Debug)]
pub(super) struct Invocation {
    /// Who gets the answer; nothing if the call has ended and only the callee's place is still taken.
    pub(super) caller: Option<PendingCall>,
    /// Whether the caller takes progressive results.
    pub(super) receives_progress: bool,
    /// Whether the callee has been told to stop.
    pub(super) is_killed: bool,
    /// The registration in which it takes one of the callee's places, if places are limited.
    pub(super) occupies: Option<u64>,
    /// What is left of time.
    pub(super) deadline: Option<Box<Deadline>>,
    /// What all invocations of a call with progressive invocations have in common, until the last one.
    pub(super) frozen: Option<Box<Frozen>>,
}

/// What all invocations of a call with progressive invocations have in common (section "Freezing of Options in Progressive
/// Call Invocations").
#[derive(Debug)]
pub(super) struct Frozen {
    registration: u64,
    procedure: Uri,
    details: InvocationDetails,
    /// What is charged for it.
    _charge: Charge,
}

impl LaterChunk {
    /// What it counts against the limit of a queue, and is charged while it waits there.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.payload.size()
    }

    /// The same, to wait: without the frame that its payload is a slice of.
    pub(super) fn detached(self) -> Self {
        Self { payload: self.payload.detached(), ..self }
    }
}

impl Invocation {
    /// Whether a procedure's next invocation may be of the same call.
    pub(super) fn goes_on_with(&self, procedure: &Uri) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.procedure == *procedure)
    }
}

impl Frozen {
    /// Whether the gateway has memory for what a call with progressive invocations needs.
    pub(super) fn has_room(procedure: &Uri, options: &CallOptions) -> bool {
        memory::has_room(Self::size(procedure, options.passthru.as_deref()))
    }

    /// What it keeps in memory.
    fn size(procedure: &Uri, passthru: Option<&Passthru>) -> usize {
        size_of::<Self>() + procedure.as_str().len() + passthru.map_or(0, Passthru::size)
    }
}

impl Dealer {
    /// Sends an invocation to a callee that has been chosen, and gives the invocation's identifier.
    #[allow(clippy::too_many_arguments, reason = "where it goes, what goes there, and what they meet")]
    pub(super) fn invoke(
        &mut self,
        registration: u64,
        by_pattern: bool,
        callee: Callee,
        procedure: &Uri,
        order: Order,
        disclosed: impl FnOnce() -> Disclosed,
        turn: &Turn<'_>,
        out: &mut Deliveries,
    ) -> u64 {
        let Order { call, is_disclosed, options, payload, deadline } = order;
        let keeps_time = options.timeout > 0
            && callee.keeps_time
            && turn.supports(callee.session, ClientFeatures::CALL_TIMEOUT);
        let details = InvocationDetails {
            caller: (is_disclosed || callee.sees_callers).then(disclosed),
            procedure: by_pattern.then(|| procedure.clone()),
            receive_progress: options.receive_progress
                && turn.supports(callee.session, ClientFeatures::CALLEE_PROGRESSIVE_RESULTS),
            progress: options.progress,
            timeout: if keeps_time { options.timeout } else { 0 },
            passthru: options.passthru,
        };
        let deadline = deadline.filter(|_| !keeps_time);
        if let Some(deadline) = &deadline {
            self.deadlines.insert(deadline, call);
        }
        let frozen = options.progress.then(|| {
            let (procedure, details) = (procedure.clone(), details.clone());
            let charge = Charge::of(Frozen::size(&procedure, details.passthru.as_deref()));
            Box::new(Frozen { registration, procedure, details, _charge: charge })
        });
        let invocation = Invocation {
            caller: Some(call),
            // A callee that has announced none may send it all the same: wampy.js does.
            receives_progress: options.receive_progress,
            is_killed: false,
            occupies: callee.places.map(|_| registration),
            deadline,
            frozen,
        };
        let party = self.parties.entry(callee.session).or_default();
        // Section "IDs": in the session scope, identifiers are incremented by 1 and wrap to 1 after 2^53.
        let request = if party.last_invocation >= MAX_ID { 1 } else { party.last_invocation + 1 };
        party.last_invocation = request;
        party.invocations.insert(request, invocation);
        let place = Place::Invoked(callee.session, request);
        self.parties.entry(call.caller).or_default().calls.insert(call.request, place);
        out.one(callee.session, RouterMessage::Invocation { request, registration, details, payload });
        request
    }

    /// Sends the next invocation of a call to the callee that has the ones before.
    pub(super) fn pass_on(
        &mut self,
        callee: SessionId,
        number: u64,
        chunk: LaterChunk,
        out: &mut Deliveries,
    ) {
        let LaterChunk { progress, payload } = chunk;
        let party = self.parties.get_mut(&callee);
        let Some(invocation) = party.and_then(|party| party.invocations.get_mut(&number)) else { return };
        let Some(frozen) = &invocation.frozen else { return };
        // A callee that was told to stop needs no more.
        if !invocation.is_killed {
            let details = InvocationDetails { progress, ..frozen.details.clone() };
            let registration = frozen.registration;
            out.one(callee, RouterMessage::Invocation { request: number, registration, details, payload });
        }
        if !progress {
            invocation.frozen = None;
        }
    }
}

/// Whether a callee understands what a call asks of it.
pub(super) fn check_callee(
    options: &CallOptions,
    callee: SessionId,
    turn: &Turn<'_>,
) -> Result<(), RequestError> {
    let refuse = |feature: &str| {
        let message = format!("the procedure's callee has not announced {feature}");
        Err(RequestError::new(error::FEATURE_NOT_SUPPORTED, message))
    };
    if options.progress && !turn.supports(callee, ClientFeatures::CALLEE_PROGRESSIVE_INVOCATIONS) {
        return refuse("progressive_call_invocations and call_canceling");
    }
    if options.passthru.is_some() && !turn.supports(callee, ClientFeatures::CALLEE_PASSTHRU) {
        return refuse("payload_passthru_mode");
    }
    Ok(())
}
