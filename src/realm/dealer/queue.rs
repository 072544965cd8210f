//! Calls that wait because all callees of their registration are busy.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::{
    Dealer, MAX_QUEUED_BYTES, MAX_QUEUED_CALLS, Party, PendingCall, Place,
    invocation::{LaterChunk, Order, check_callee},
};
use crate::{
    memory::Charge,
    realm::{
        deliveries::{Deliveries, RequestError},
        table::Table,
        turn::Turn,
    },
    wamp::{
        SessionId, Uri,
        message::{Disclosed, Passthru, code},
        uri::error,
    },
};

/// A queue without calls keeps no places: they are large, and a session may have thousands of registrations.
const KEPT: usize = 0;

/// The calls that wait for a callee of one registration.
#[derive(Debug, Default)]
pub(super) struct Queue {
    calls: VecDeque<QueuedCall>,
    /// What is charged for them, in all what they keep in memory.
    charge: Charge,
}

/// A call that waits for a callee with a free place.
#[derive(Debug)]
pub(super) struct QueuedCall {
    pub(super) order: Order,
    pub(super) procedure: Uri,
    /// The caller, as callees may see it.
    pub(super) caller: Disclosed,
    /// The session that the call asks about, if one waits for the answer.
    pub(super) about: Option<SessionId>,
    /// The later invocations of a call with progressive invocations, in the order in which they came.
    later: Vec<LaterChunk>,
}

/// No callee has a free place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy;

impl QueuedCall {
    pub(super) const fn new(
        order: Order,
        procedure: Uri,
        caller: Disclosed,
        about: Option<SessionId>,
    ) -> Self {
        Self { order, procedure, caller, about, later: Vec::new() }
    }

    /// What it keeps in memory: what it counts against the queue's limit, and is charged while it waits.
    fn size(&self) -> usize {
        let passthru = self.order.options.passthru.as_deref().map_or(0, Passthru::size);
        let later: usize = self.later.iter().map(LaterChunk::size).sum();
        size_of::<Self>() + self.order.payload.size() + self.procedure.as_str().len() + passthru + later
    }

    /// Whether the caller has more invocations to send for the call.
    pub(super) fn expects_more(&self) -> bool {
        self.order.options.progress && self.later.last().is_none_or(|chunk| chunk.progress)
    }
}

impl Queue {
    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedCall> {
        self.calls.iter()
    }

    /// Adds a call, if the queue and the gateway have room for it. Its payload is copied, since frames may have more than is charged for it.
    pub(super) fn push(&mut self, mut queued: QueuedCall) -> Result<(), RequestError> {
        if self.calls.len() >= MAX_QUEUED_CALLS {
            return Err(is_full());
        }
        self.charge(queued.size())?;
        queued.order.payload = queued.order.payload.detached();
        self.calls.push_back(queued);
        Ok(())
    }

    /// Charges what is to wait here.
    fn charge(&mut self, size: usize) -> Result<(), RequestError> {
        if self.charge.bytes().saturating_add(size) > MAX_QUEUED_BYTES {
            return Err(is_full());
        }
        if !self.charge.grow(size) {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                "all callees are busy, and the gateway has no memory left for calls that wait: try again later",
            ));
        }
        Ok(())
    }

    fn take(&mut self, at: usize) -> Option<QueuedCall> {
        let queued = self.calls.remove(at)?;
        self.calls.give_back_beyond(KEPT);
        self.charge.shrink(queued.size());
        Some(queued)
    }

    fn take_call(&mut self, call: PendingCall) -> Option<QueuedCall> {
        let at = self.calls.iter().position(|queued| queued.order.call == call)?;
        self.take(at)
    }

    /// All calls, in their order. Nothing is charged for them any more.
    pub(super) fn into_calls(self) -> VecDeque<QueuedCall> {
        self.calls
    }
}

impl Dealer {
    /// Puts a later invocation behind the first one, which still waits in a queue. False: no such call waits for more.
    ///
    /// A call that the queue has no room for ends.
    pub(super) fn wait_with(
        &mut self,
        registration: u64,
        call: PendingCall,
        procedure: &Uri,
        chunk: LaterChunk,
    ) -> Result<bool, RequestError> {
        let Some(found) = self.procedures.get_mut(registration) else { return Ok(false) };
        let Some(at) = found.queue.calls.iter().position(|queued| {
            queued.order.call == call && queued.expects_more() && queued.procedure == *procedure
        }) else {
            return Ok(false);
        };
        if let Err(full) = found.queue.charge(chunk.size()) {
            self.unqueue(registration, call);
            if let Some(party) = self.parties.get_mut(&call.caller) {
                party.end_call(call.request);
            }
            return Err(full);
        }
        if let Some(queued) = found.queue.calls.get_mut(at) {
            queued.later.push(chunk.detached());
        }
        Ok(true)
    }

    /// Passes on calls that wait for a callee of a registration, as far as there are free places.
    pub(super) fn serve(&mut self, id: u64, turn: &mut Turn<'_>, out: &mut Deliveries) {
        // A question about a session stays where it is while only callees are free that wait for its answer: what is behind it goes on.
        let mut at = 0;
        loop {
            let Some(mut registration) = self.procedures.get_mut(id) else { return };
            let Some(queued) = registration.queue.calls.get(at) else { return };
            let about = queued.about;
            let callee = match about {
                None => {
                    let Ok(callee) = registration.choose(turn.identifiers) else { return };
                    callee
                }
                Some(_) if !registration.has_place() => return,
                Some(about) => {
                    let Some(callee) = self.choose_for(about, id, turn.identifiers) else {
                        self.waits.hold(id);
                        at += 1;
                        continue;
                    };
                    let Some(again) = self.procedures.get_mut(id) else { return };
                    registration = again;
                    callee
                }
            };
            let Some(queued) = registration.queue.take(at) else {
                return registration.release(callee.session);
            };
            let expects_more = queued.expects_more();
            let QueuedCall { order, procedure, caller, about: _, later } = queued;
            let call = order.call;
            self.deadlines.remove(order.deadline.as_deref(), call);
            if let Err(refusal) = check_callee(&order.options, callee.session, turn) {
                registration.release(callee.session);
                self.waits.end(call);
                self.forget_queued(call, expects_more);
                out.one(call.caller, refusal.into_message(code::CALL, call.request));
                continue;
            }
            let by_pattern = registration.by_pattern;
            let number = self.invoke(id, by_pattern, callee, &procedure, order, || caller, turn, out);
            if let Some(about) = about {
                self.waits.go_to(callee.session, about, call);
            }
            for chunk in later {
                self.pass_on(callee.session, number, chunk, out);
            }
        }
    }

    /// Takes a call out of a queue. Whether its caller has more invocations to send for it.
    pub(super) fn unqueue(&mut self, registration: u64, call: PendingCall) -> bool {
        let found = self.procedures.get_mut(registration);
        let Some(queued) = found.and_then(|found| found.queue.take_call(call)) else { return false };
        self.deadlines.remove(queued.order.deadline.as_deref(), call);
        self.waits.end(call);
        queued.expects_more()
    }

    /// Takes all calls of a session out of the queues.
    pub(super) fn unqueue_all(&mut self, session: SessionId, party: &Party) {
        let queues: FxHashSet<u64> = party
            .calls
            .values()
            .filter_map(|place| match place {
                Place::Queued(registration) => Some(*registration),
                Place::Invoked(..) => None,
            })
            .collect();
        for registration in queues {
            let Some(found) = self.procedures.get_mut(registration) else { continue };
            let Queue { calls, charge } = &mut found.queue;
            calls.retain(|queued| {
                let call = queued.order.call;
                let stays = call.caller != session;
                if !stays {
                    charge.shrink(queued.size());
                    self.deadlines.remove(queued.order.deadline.as_deref(), call);
                    self.waits.end(call);
                }
                stays
            });
            calls.give_back_beyond(KEPT);
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

fn is_full() -> RequestError {
    RequestError::new(
        error::UNAVAILABLE,
        "all callees are busy, and the queue for them is full: try again later",
    )
}
