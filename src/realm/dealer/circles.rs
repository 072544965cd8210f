//! Questions about a session: they go to callees that do not wait for the answer themselves.
//!
//! Each session that waits can go on in the end: one that would close a circle is refused at once, and so is one that is left in a
//! circle when a callee leaves. How many sessions wait is bounded by what the gateway asks at once.

use rustc_hash::FxHashSet;

use super::{Dealer, callee::Callee, waits::Answerer};
use crate::{
    realm::{
        deliveries::{Deliveries, RequestError},
        identifiers::Identifiers,
        turn::Turn,
    },
    wamp::{SessionId, message::code, uri::error},
};

/// Looks for callees that cannot answer before others have.
struct Search<'a> {
    dealer: &'a Dealer,
    /// The session that a question is about, and that does not go on before the answer.
    about: Option<SessionId>,
    /// What cannot go on, of sessions and of registrations with what waits in their queues.
    sessions: FxHashSet<SessionId>,
    queues: FxHashSet<u64>,
}

impl<'a> Search<'a> {
    fn new(dealer: &'a Dealer, about: Option<SessionId>) -> Self {
        Self { dealer, about, sessions: FxHashSet::default(), queues: FxHashSet::default() }
    }

    /// Whether a callee cannot answer, as it waits for the session that the question is about, or in a circle. After the first
    /// callee that can, the search is over.
    fn closes(&mut self, callee: SessionId) -> bool {
        let waits = &self.dealer.waits;
        if Some(callee) != self.about && waits.answerer(callee).is_none() {
            return false;
        }
        let mut open = vec![callee];
        // One that waits for nothing can answer, and then each that waits for it.
        while let Some(session) = open.pop() {
            if !self.sessions.insert(session) || Some(session) == self.about {
                continue;
            }
            match waits.answerer(session) {
                None => return false,
                Some(Answerer::Callee(next)) => open.push(next),
                Some(Answerer::AnyOf(registration)) if self.queues.insert(registration) => {
                    open.extend(self.dealer.callees_of(registration));
                }
                Some(Answerer::AnyOf(_)) => {}
            }
        }
        true
    }
}

impl Dealer {
    /// Chooses the callee for a question about a session. None: those that could answer are busy.
    pub(super) fn choose_or_refuse(
        &mut self,
        about: SessionId,
        registration: u64,
        identifiers: &mut Identifiers,
    ) -> Result<Option<Callee>, RequestError> {
        let chosen = self.choose_for(about, registration, identifiers);
        if chosen.is_none() {
            let mut search = Search::new(self, Some(about));
            if self.callees_of(registration).all(|callee| search.closes(callee)) {
                return Err(circle());
            }
        }
        Ok(chosen)
    }

    /// Chooses the callee for a question about a session: one with a free place that does not wait for the answer.
    pub(super) fn choose_for(
        &mut self,
        about: SessionId,
        registration: u64,
        identifiers: &mut Identifiers,
    ) -> Option<Callee> {
        let mut search = Search::new(self, Some(about));
        let place = self.procedures.get(registration)?.next(identifiers, |callee| !search.closes(callee))?;
        self.procedures.get_mut(registration)?.take(place)
    }

    /// Registrations have lost a callee. Where all others wait in a circle, one question of the circle is refused: the session that
    /// waited for the answer goes on, and with it the others.
    pub(super) fn refuse_hopeless(
        &mut self,
        registrations: impl IntoIterator<Item = u64>,
        out: &mut Deliveries,
    ) {
        // Most realms have no procedures as authorizers.
        if self.waits.is_empty() {
            return;
        }
        for registration in registrations {
            let mut search = Search::new(self, None);
            if !self.callees_of(registration).all(|callee| search.closes(callee)) {
                continue;
            }
            let Some(found) = self.procedures.get(registration) else { continue };
            let is_in_circle = |about: &SessionId| search.sessions.contains(about);
            let refused = found.queue.iter().find(|queued| queued.about.as_ref().is_some_and(is_in_circle));
            let Some(call) = refused.map(|queued| queued.order.call) else { continue };
            let expects_more = self.unqueue(registration, call);
            self.forget_queued(call, expects_more);
            out.one(call.caller, circle().into_message(code::CALL, call.request));
        }
    }

    /// Serves the queues again in which a question stays although callees are free, if a session goes on: these may be able to
    /// answer now.
    pub(super) fn serve_held(&mut self, turn: &mut Turn<'_>, out: &mut Deliveries) {
        while self.waits.goes_on() {
            for registration in self.waits.take_held() {
                self.serve(registration, turn, out);
            }
        }
    }

    fn callees_of(&self, registration: u64) -> impl Iterator<Item = SessionId> {
        let found = self.procedures.get(registration).into_iter();
        found.flat_map(|found| &found.callees).map(|callee| callee.session)
    }
}

fn circle() -> RequestError {
    RequestError::new(error::CIRCLE, "the callee waits for the answer itself")
}
