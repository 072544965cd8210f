//! Sessions that wait for what an authorizer says about them, each with the sessions that can say it.
//!
//! The gateway reads nothing of a session while it waits. A session that has to answer about itself, or about one that has to answer
//! about it, would wait for an answer that the gateway does not read, until the time of the call is over.

use rustc_hash::{FxHashMap, FxHashSet};

use super::PendingCall;
use crate::wamp::SessionId;

/// Who waits for whom.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Whom the call is about that the dealer is given now.
    about: Option<SessionId>,
    asked: FxHashMap<SessionId, Asked>,
    /// The sessions of `asked`, by the calls: one that ends is found at once, however many sessions wait.
    by_call: FxHashMap<PendingCall, SessionId>,
    /// The registrations in whose queue a question stays although callees are free, since these wait for its answer.
    held: FxHashSet<u64>,
    /// Whether a session goes on since then.
    goes_on: bool,
}

#[derive(Debug)]
struct Asked {
    answerer: Answerer,
    call: PendingCall,
}

/// Who is to answer a question.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answerer {
    /// The callee that has it.
    Callee(SessionId),
    /// The first callee of a registration that has a place for it: it waits in the registration's queue.
    AnyOf(u64),
}

impl Waits {
    /// What comes next asks about this session, which waits for the answer.
    pub(super) const fn are_about(&mut self, session: Option<SessionId>) {
        self.about = session;
    }

    /// Whom the call is about that the dealer is given now.
    pub(super) const fn about(&self) -> Option<SessionId> {
        self.about
    }

    /// Who is to answer what is asked about a session. None: it waits for nothing.
    pub(super) fn answerer(&self, session: SessionId) -> Option<Answerer> {
        self.asked.get(&session).map(|asked| asked.answerer)
    }

    /// A question about a session is with a callee, or waits for one.
    pub(super) fn begin(&mut self, about: SessionId, answerer: Answerer, call: PendingCall) {
        self.by_call.insert(call, about);
        self.asked.insert(about, Asked { answerer, call });
    }

    /// A question that waited in a queue is with a callee.
    pub(super) fn go_to(&mut self, callee: SessionId, about: SessionId, call: PendingCall) {
        if let Some(asked) = self.asked.get_mut(&about).filter(|asked| asked.call == call) {
            asked.answerer = Answerer::Callee(callee);
        }
    }

    /// A call has its answer, or gets none.
    pub(super) fn end(&mut self, call: PendingCall) {
        // Most realms have no procedures as authorizers.
        if self.by_call.is_empty() {
            return;
        }
        let Some(about) = self.by_call.remove(&call) else { return };
        if self.asked.get(&about).is_some_and(|asked| asked.call == call) {
            self.asked.remove(&about);
        }
        self.goes_on = !self.held.is_empty();
    }

    /// A question stays in the queue of a registration although callees are free.
    pub(super) fn hold(&mut self, registration: u64) {
        self.held.insert(registration);
    }

    /// Whether a session goes on, so that a question need not stay in its queue.
    pub(super) const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// The registrations in which questions have stayed.
    pub(super) fn take_held(&mut self) -> FxHashSet<u64> {
        self.goes_on = false;
        std::mem::take(&mut self.held)
    }

    /// Whether no session waits and no question is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.by_call.is_empty() && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Answerer::Callee, *};

    const fn call(request: u64) -> PendingCall {
        PendingCall { caller: SessionId(1), request }
    }

    /// The callee that is asked about session 10.
    fn asked(waits: &Waits) -> Option<u64> {
        waits.answerer(SessionId(10)).map(|answerer| match answerer {
            Callee(callee) => callee.0,
            Answerer::AnyOf(_) => panic!("in a queue"),
        })
    }

    #[test]
    fn the_end_of_an_older_call_leaves_what_is_asked_now() {
        let mut waits = Waits::default();
        waits.begin(SessionId(10), Answerer::AnyOf(7), call(1));
        waits.begin(SessionId(10), Callee(SessionId(30)), call(2));
        waits.go_to(SessionId(20), SessionId(10), call(1));
        assert_eq!(asked(&waits), Some(30));
        waits.end(call(1));
        assert_eq!(asked(&waits), Some(30));
        waits.end(call(2));
        assert!(waits.is_empty());
    }
}
