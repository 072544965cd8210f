//! Registrations: who has registered what, alone or together with others, and who is invoked.

use super::{
    Dealer, MAX_REGISTRATIONS,
    callee::Callee,
    queue::{Busy, Queue},
};
use crate::{
    realm::{
        deliveries::{Deliveries, RequestError},
        identifiers::Identifiers,
        table::{KEPT_OF_MANY, Table},
        turn::{Change, Kind, Turn},
    },
    time::Timestamp,
    wamp::{
        ClientFeatures, RouterMessage, SessionId, Uri,
        message::{Invoke, RegisterOptions, code},
        pattern::{Pattern, UriMatch},
        uri::error,
    },
};

/// Why a registration was taken back, for callees that understand it: another callee has registered the procedure with
/// `force_reregister`, or a client removed the callee and gave no reason. Crossbar.io says the same.
pub(super) const UNREGISTERED: &str = "wamp.error.unregistered";

/// A procedure, or a pattern of procedures, and its callees.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) id: u64,
    /// Whether it covers more than one procedure: its callees have to be told which one is called.
    pub(super) by_pattern: bool,
    pub(super) invoke: Invoke,
    pub(super) created: Timestamp,
    /// In the order in which they came; never empty.
    pub(super) callees: Vec<Callee>,
    /// Whose turn it is, for `roundrobin`.
    pub(super) turn: usize,
    /// Calls that wait for a callee with a free place.
    pub(super) queue: Queue,
}

impl Registration {
    fn new(id: u64, by_pattern: bool, invoke: Invoke, created: Timestamp, first: Callee) -> Self {
        Self { id, by_pattern, invoke, created, callees: vec![first], turn: 0, queue: Queue::default() }
    }

    /// Chooses the callee of a call: the one whose turn it is, among those that have a free place.
    pub(super) fn choose(&mut self, identifiers: &mut Identifiers) -> Result<Callee, Busy> {
        let place = self.next(identifiers, |_| true).ok_or(Busy)?;
        self.take(place).ok_or(Busy)
    }

    /// Where the callee is whose turn it is, among those that have a free place and fit. The first that fits is the one.
    pub(super) fn next(
        &self,
        identifiers: &mut Identifiers,
        mut fits: impl FnMut(SessionId) -> bool,
    ) -> Option<usize> {
        let count = self.callees.len();
        let first = match self.invoke {
            Invoke::Single | Invoke::First => 0,
            Invoke::Last => count.saturating_sub(1),
            Invoke::RoundRobin => self.turn.checked_rem(count).unwrap_or_default(),
            Invoke::Random => identifiers.choice(count),
        };
        for step in 0..count {
            let place = match self.invoke {
                Invoke::Last => first.saturating_sub(step),
                _ => (first + step) % count,
            };
            if self.callees.get(place).is_some_and(|callee| callee.is_free() && fits(callee.session)) {
                return Some(place);
            }
        }
        None
    }

    /// Takes a place of a callee, whose turn is over.
    pub(super) fn take(&mut self, place: usize) -> Option<Callee> {
        let count = self.callees.len();
        let callee = self.callees.get_mut(place)?;
        if callee.places.is_some() {
            callee.taken += 1;
        }
        if self.invoke == Invoke::RoundRobin {
            self.turn = (place + 1) % count;
        }
        Some(*callee)
    }

    /// Whether a callee has a free place.
    pub(super) fn has_place(&self) -> bool {
        self.callees.iter().any(Callee::is_free)
    }

    /// Gives back a place that was chosen.
    pub(super) fn release(&mut self, session: SessionId) {
        if let Some(callee) = self.callees.iter_mut().find(|callee| callee.session == session) {
            callee.taken = callee.taken.saturating_sub(1);
        }
    }

    /// Gives back the place of an invocation. A session that has left the registration and come back has other places now.
    pub(super) fn vacate(&mut self, session: SessionId, invocation: u64) {
        let came_before = |callee: &&mut Callee| callee.session == session && callee.came_after < invocation;
        if let Some(callee) = self.callees.iter_mut().find(came_before) {
            callee.taken = callee.taken.saturating_sub(1);
        }
    }

    /// Takes a session out, keeping the turn of the others.
    fn remove(&mut self, session: SessionId) -> bool {
        let Some(place) = self.callees.iter().position(|callee| callee.session == session) else {
            return false;
        };
        self.callees.remove(place);
        self.callees.give_back_beyond(KEPT_OF_MANY);
        if place < self.turn {
            self.turn -= 1;
        }
        true
    }
}

impl Dealer {
    /// Registers a procedure for a session: alone, together with others that have registered it in the same way, or in their
    /// place.
    pub(in crate::realm) fn register(
        &mut self,
        callee: SessionId,
        request: u64,
        options: &RegisterOptions,
        pattern: Pattern,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let held = self.parties.get(&callee).map_or(0, |party| party.registrations.len());
        if held >= MAX_REGISTRATIONS {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                format!("a session may have {MAX_REGISTRATIONS} registrations: unregister some first"),
            ));
        }
        let came_after = self.parties.get(&callee).map_or(0, |party| party.last_invocation);
        let joining = Callee::new(callee, came_after, options);
        if let Some(existing) = self.procedures.of_mut(&pattern) {
            if options.force_reregister {
                self.revoke_all(&pattern, turn, out);
                self.serve_held(turn, out);
            } else {
                let id = share(existing, joining, options)?;
                self.parties.entry(callee).or_default().registrations.insert(id);
                turn.changes.push((Kind::Registration, Change::Added(callee, id)));
                out.one(callee, RouterMessage::Registered { request, registration: id });
                self.serve(id, turn, out);
                self.serve_held(turn, out);
                return Ok(());
            }
        }
        let id = turn.identifiers.registration();
        let by_pattern = pattern.matching() != UriMatch::Exact;
        let registration = Registration::new(id, by_pattern, options.invoke, turn.clock, joining);
        self.procedures.add(pattern, registration);
        self.parties.entry(callee).or_default().registrations.insert(id);
        let changes = [Change::Created(callee, id), Change::Added(callee, id)];
        turn.changes.extend(changes.map(|change| (Kind::Registration, change)));
        out.one(callee, RouterMessage::Registered { request, registration: id });
        Ok(())
    }

    /// Ends a registration that the session has. The callee may still answer calls that came before.
    pub(in crate::realm) fn unregister(
        &mut self,
        callee: SessionId,
        registration: u64,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let held = self.parties.get_mut(&callee).is_some_and(|party| party.take_registration(registration));
        if !held {
            return Err(RequestError::new(
                error::NO_SUCH_REGISTRATION,
                format!("this session has no registration {registration}"),
            ));
        }
        self.drop_callee(registration, callee, turn, out);
        self.refuse_hopeless([registration], out);
        self.serve_held(turn, out);
        Ok(())
    }

    /// Takes a registration back from all of its callees. The calls that wait for them are canceled, since the new callee may
    /// do something else under the same name.
    fn revoke_all(&mut self, pattern: &Pattern, turn: &mut Turn<'_>, out: &mut Deliveries) {
        let Some(registration) = self.procedures.of(pattern) else { return };
        let id = registration.id;
        for session in registration.callees.iter().map(|callee| callee.session).collect::<Vec<_>>() {
            if let Some(party) = self.parties.get_mut(&session) {
                party.take_registration(id);
            }
            tell_revoked(session, id, Uri::known(UNREGISTERED), turn, out);
            self.drop_callee(id, session, turn, out);
        }
    }

    /// Removes a callee from a registration, and the registration with its last callee.
    pub(super) fn drop_callee(
        &mut self,
        registration: u64,
        callee: SessionId,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) {
        let Some(found) = self.procedures.get_mut(registration) else { return };
        if !found.remove(callee) {
            return;
        }
        turn.changes.push((Kind::Registration, Change::Removed(callee, registration)));
        if !found.callees.is_empty() {
            return;
        }
        let queue = std::mem::take(&mut found.queue);
        self.procedures.remove(registration);
        turn.changes.push((Kind::Registration, Change::Deleted(callee, registration)));
        for queued in queue.into_calls() {
            let call = queued.order.call;
            self.deadlines.remove(queued.order.deadline.as_deref(), call);
            self.waits.end(call);
            if self.parties.contains_key(&call.caller) {
                self.forget_queued(call, queued.expects_more());
                let gone = RequestError::new(
                    error::CANCELED,
                    "the registration has ended before the call had its turn",
                );
                out.one(call.caller, gone.into_message(code::CALL, call.request));
            }
        }
    }
}

/// Adds a callee to a registration that there is, if both want to share it.
fn share(
    existing: &mut Registration,
    callee: Callee,
    options: &RegisterOptions,
) -> Result<u64, RequestError> {
    if existing.callees.iter().any(|other| other.session == callee.session) {
        return Err(RequestError::new(
            error::PROCEDURE_ALREADY_EXISTS,
            "this session has registered the procedure already",
        ));
    }
    if existing.invoke != options.invoke || existing.invoke == Invoke::Single {
        let how = existing.invoke.name();
        return Err(RequestError::new(
            error::PROCEDURE_ALREADY_EXISTS,
            format!(
                "the procedure is registered already, with invoke {how:?}, and this request asks for {:?}",
                options.invoke.name()
            ),
        ));
    }
    existing.callees.push(callee);
    Ok(existing.id)
}

/// Tells a callee that it has lost a registration, if it understands that.
pub(super) fn tell_revoked(
    callee: SessionId,
    registration: u64,
    reason: Uri,
    turn: &Turn<'_>,
    out: &mut Deliveries,
) {
    // Section "Registration Revocation": a callee that does not understand it is not told.
    if turn.supports(callee, ClientFeatures::REGISTRATION_REVOCATION) {
        out.one(callee, RouterMessage::RegistrationRevoked { registration, reason });
    }
}
