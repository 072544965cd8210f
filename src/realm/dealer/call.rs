//! Calls on their way to a callee.

use std::time::Duration;

use super::{
    Deadline, Dealer, Invocation, MAX_QUEUED_BYTES, MAX_QUEUED_CALLS, PendingCall, Place,
    completed::{ANOTHER_CALL, drops},
    queued::{LaterChunk, QueuedCall},
    registrations::{Callee, Registration},
    waits::Answerer,
};
use crate::{
    memory::{self, Charge},
    realm::{
        deliveries::{Deliveries, RequestError, Violation},
        member::Actor,
        permissions::Action,
        turn::Turn,
    },
    wamp::{
        ClientFeatures, MAX_ID, Payload, RouterMessage, SessionId, Uri,
        message::{CallOptions, Disclosed, InvocationDetails, code},
        pattern::UriMatch,
        uri::error,
    },
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

/// What a callee is invoked for.
#[derive(Debug)]
struct Order<'a> {
    call: PendingCall,
    procedure: &'a Uri,
    is_disclosed: bool,
    options: CallOptions,
    payload: Payload,
    deadline: Option<Deadline>,
}

/// Why a call is not passed on.
#[derive(Debug)]
pub(in crate::realm) enum Refusal {
    /// The caller gets an ERROR.
    Request(RequestError),
    /// The caller broke the protocol.
    Violation(Violation),
}

impl Frozen {
    /// What it keeps in memory.
    fn size(procedure: &Uri) -> usize {
        size_of::<Self>().saturating_add(procedure.as_str().len())
    }
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
        if has_no_time || (call.options.progress && !memory::has_room(Frozen::size(call.procedure))) {
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
        let (mut registration, by_pattern) = match self.procedures.exact_mut(procedure) {
            Some(registration) => (registration, false),
            None => (self.by_pattern(procedure, turn)?, true),
        };
        let call = PendingCall { caller: caller.session, request };
        let patience = (options.timeout > 0).then(|| Duration::from_millis(options.timeout));
        let deadline = patience.and_then(|patience| Deadline::within(turn.now, patience));
        let chosen = match about {
            None => registration.choose(turn.identifiers).ok(),
            Some(about) => {
                let id = registration.id;
                let chosen = self.choose_or_refuse(about, id, turn.identifiers)?;
                registration = self.registration_mut(id).ok_or_else(|| no_such_procedure(procedure))?;
                chosen
            }
        };
        if let Some(callee) = chosen {
            if let Err(refusal) = check_callee(&options, callee.session, turn) {
                registration.release(callee.session);
                return Err(refusal);
            }
            let id = registration.id;
            let order = Order { call, procedure, is_disclosed, options, payload, deadline };
            self.invoke(id, by_pattern, callee, order, || caller.disclosed(), turn, out);
            if let Some(about) = about {
                self.waits.begin(about, Answerer::Callee(callee.session), call);
            }
            return Ok(());
        }
        let (caller, procedure) = (caller.disclosed(), procedure.clone());
        let boxed = deadline.map(Box::new);
        let queued = QueuedCall {
            call,
            procedure,
            caller,
            is_disclosed,
            options,
            payload,
            about,
            deadline: boxed,
            later: Vec::new(),
        };
        if registration.queue.len() >= MAX_QUEUED_CALLS {
            return Err(queue_is_full());
        }
        charge(&mut registration.queued, queued.size())?;
        registration.queue.push_back(queued);
        let (id, is_held) = (registration.id, about.is_some() && registration.has_place());
        if let Some(about) = about {
            self.waits.begin(about, Answerer::AnyOf(id), call);
            if is_held {
                self.waits.hold(id);
            }
        }
        let place = Place::Queued(id);
        if let Some(deadline) = &deadline {
            self.deadlines.insert(deadline, call);
        }
        self.parties.entry(call.caller).or_default().calls.insert(request, place);
        Ok(())
    }

    /// Sends an invocation to a callee that has been chosen, and gives the invocation's identifier.
    #[allow(clippy::too_many_arguments, reason = "where it goes, what goes there, and what they meet")]
    fn invoke(
        &mut self,
        id: u64,
        by_pattern: bool,
        callee: Callee,
        order: Order<'_>,
        disclosed: impl FnOnce() -> Disclosed,
        turn: &Turn<'_>,
        out: &mut Deliveries,
    ) -> u64 {
        let Order { call, procedure, is_disclosed, options, payload, deadline } = order;
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
        let deadline = deadline.filter(|_| !keeps_time).map(Box::new);
        if let Some(deadline) = &deadline {
            self.deadlines.insert(deadline, call);
        }
        let frozen = options.progress.then(|| {
            let (procedure, details) = (procedure.clone(), details.clone());
            let charge = Charge::of(Frozen::size(&procedure));
            Box::new(Frozen { registration: id, procedure, details, _charge: charge })
        });
        let invocation = Invocation {
            caller: Some(call),
            // A callee that has announced none may send it all the same: wampy.js does.
            receives_progress: options.receive_progress,
            is_killed: false,
            occupies: callee.places.map(|_| id),
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
        out.one(callee.session, RouterMessage::Invocation { request, registration: id, details, payload });
        request
    }

    /// The registration of the pattern that says most about a procedure.
    ///
    /// A role that may register a pattern need not be allowed to register all that the pattern covers, least of all the
    /// protocol's own procedures: only patterns whose callees may have the procedure count.
    fn by_pattern(&mut self, procedure: &Uri, turn: &Turn<'_>) -> Result<&mut Registration, RequestError> {
        let found = if procedure.is_reserved() || !self.procedures.has_patterns() {
            None
        } else {
            let best = self.procedures.best_pattern(procedure.as_str(), |registration| {
                registration
                    .callees
                    .iter()
                    .all(|callee| turn.may(callee.session, Action::Register, procedure.as_str()))
            });
            best.and_then(|registration| self.by_id.get(&registration.id))
        };
        found.and_then(|pattern| self.procedures.get_mut(pattern)).ok_or_else(|| no_such_procedure(procedure))
    }

    /// A registration, if there is one with this identifier.
    pub(super) fn registration_mut(&mut self, id: u64) -> Option<&mut Registration> {
        self.by_id.get(&id).and_then(|pattern| self.procedures.get_mut(pattern))
    }

    /// A call whose request is known: the next invocation of a call with progressive invocations.
    fn go_on(&mut self, place: Place, call: Call<'_>, out: &mut Deliveries) -> Result<(), Refusal> {
        let chunk = LaterChunk { progress: call.options.progress, payload: call.payload };
        let goes_on = match place {
            Place::Invoked(callee, number) => {
                let party = self.parties.get(&callee);
                let invocation = party.and_then(|party| party.invocations.get(&number));
                let frozen = invocation.and_then(|invocation| invocation.frozen.as_ref());
                if frozen.is_some_and(|frozen| frozen.procedure == *call.procedure) {
                    self.pass_on(callee, number, chunk, out);
                    true
                } else {
                    false
                }
            }
            Place::Queued(registration) => {
                let pending = PendingCall { caller: call.caller.session, request: call.request };
                self.wait_with(registration, pending, call.procedure, chunk)?
            }
        };
        if goes_on {
            return Ok(());
        }
        Err(ANOTHER_CALL.into())
    }

    /// Puts a later invocation behind the first one, which still waits in a queue. False: no such call waits for more.
    ///
    /// A call that the queue has no room for ends.
    fn wait_with(
        &mut self,
        registration: u64,
        call: PendingCall,
        procedure: &Uri,
        chunk: LaterChunk,
    ) -> Result<bool, RequestError> {
        let Some(pattern) = self.by_id.get(&registration) else { return Ok(false) };
        let Some(found) = self.procedures.get_mut(pattern) else { return Ok(false) };
        let Some(queued) = found
            .queue
            .iter_mut()
            .find(|queued| queued.call == call)
            .filter(|queued| queued.expects_more() && queued.procedure == *procedure)
        else {
            return Ok(false);
        };
        if let Err(full) = charge(&mut found.queued, chunk.size()) {
            self.unqueue(registration, call);
            if let Some(party) = self.parties.get_mut(&call.caller) {
                party.end_call(call.request);
            }
            return Err(full);
        }
        queued.later.push(chunk);
        Ok(true)
    }

    /// Sends the next invocation of a call to the callee that has the ones before.
    fn pass_on(&mut self, callee: SessionId, number: u64, chunk: LaterChunk, out: &mut Deliveries) {
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

    /// Passes on calls that wait for a callee of a registration, as far as there are free places.
    pub(super) fn serve(&mut self, id: u64, turn: &mut Turn<'_>, out: &mut Deliveries) {
        // A question about a session stays where it is while only callees are free that wait for its answer: what is behind it goes on.
        let mut at = 0;
        loop {
            let Some(pattern) = self.by_id.get(&id) else { return };
            let by_pattern = pattern.matching() != UriMatch::Exact;
            let Some(mut found) = self.procedures.get_mut(pattern) else { return };
            let Some(queued) = found.queue.get(at) else { return };
            let about = queued.about;
            let callee = match about {
                None => {
                    let Ok(callee) = found.choose(turn.identifiers) else { return };
                    callee
                }
                Some(_) if !found.has_place() => return,
                Some(about) => {
                    let Some(callee) = self.choose_for(about, id, turn.identifiers) else {
                        self.waits.hold(id);
                        at += 1;
                        continue;
                    };
                    // Not by a method, which would borrow more.
                    let again = self.by_id.get(&id).and_then(|pattern| self.procedures.get_mut(pattern));
                    let Some(again) = again else { return };
                    found = again;
                    callee
                }
            };
            let Some(queued) = found.queue.remove(at) else { return found.release(callee.session) };
            found.queued.shrink(queued.size());
            let expects_more = queued.expects_more();
            let QueuedCall {
                call,
                procedure,
                caller,
                is_disclosed,
                options,
                payload,
                deadline,
                later,
                about: _,
            } = queued;
            self.deadlines.remove(deadline.as_deref(), call);
            if let Err(refusal) = check_callee(&options, callee.session, turn) {
                found.release(callee.session);
                self.waits.end(call);
                self.forget_queued(call, expects_more);
                out.one(call.caller, refusal.into_message(code::CALL, call.request));
                continue;
            }
            let deadline = deadline.map(|deadline| *deadline);
            let order = Order { call, procedure: &procedure, is_disclosed, options, payload, deadline };
            let number = self.invoke(id, by_pattern, callee, order, || caller, turn, out);
            if let Some(about) = about {
                self.waits.go_to(callee.session, about, call);
            }
            for chunk in later {
                self.pass_on(callee.session, number, chunk, out);
            }
        }
    }

    /// Forgets a call that was taken out of a queue and reaches no callee.
    pub(super) fn forget_queued(&mut self, call: PendingCall, expects_more: bool) {
        if let Some(party) = self.parties.get_mut(&call.caller) {
            party.end_call(call.request);
        }
        if expects_more {
            self.note_completed(call);
        }
    }
}

/// Charges what is to wait in a queue, if the queue and the gateway have room for it.
fn charge(queued: &mut Charge, size: usize) -> Result<(), RequestError> {
    if queued.bytes().saturating_add(size) > MAX_QUEUED_BYTES {
        return Err(queue_is_full());
    }
    if !queued.grow(size) {
        return Err(RequestError::new(
            error::UNAVAILABLE,
            "all callees are busy, and the gateway has no memory left for calls that wait: try again later",
        ));
    }
    Ok(())
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

fn queue_is_full() -> RequestError {
    RequestError::new(
        error::UNAVAILABLE,
        "all callees are busy, and the queue for them is full: try again later",
    )
}

/// Whether a callee understands what a call asks of it.
fn check_callee(options: &CallOptions, callee: SessionId, turn: &Turn<'_>) -> Result<(), RequestError> {
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
