//! Sessions that wait for what an authorizer says about them, each with the session that has to say it.
//!
//! The gateway reads nothing of a session while it waits. A session that has to answer about itself, or about one that has to answer
//! about it, would wait for an answer that the gateway does not read, until the time of the call is over.

use rustc_hash::FxHashMap;

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
}

#[derive(Debug)]
struct Asked {
    callee: SessionId,
    call: PendingCall,
}

impl Waits {
    /// What comes next asks about this session, which waits for the answer.
    pub(super) const fn are_about(&mut self, session: Option<SessionId>) {
        self.about = session;
    }

    /// Whether a callee could not answer before the session has the answer that waits for it.
    pub(super) fn would_close(&self, callee: SessionId) -> bool {
        let Some(about) = self.about else { return false };
        let mut session = callee;
        for _ in 0..=self.asked.len() {
            if session == about {
                return true;
            }
            let Some(next) = self.asked.get(&session) else { return false };
            session = next.callee;
        }
        false
    }

    /// A callee is asked.
    pub(super) fn begin(&mut self, callee: SessionId, call: PendingCall) {
        if let Some(about) = self.about {
            self.by_call.insert(call, about);
            self.asked.insert(about, Asked { callee, call });
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
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.by_call.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn call(request: u64) -> PendingCall {
        PendingCall { caller: SessionId(1), request }
    }

    #[test]
    fn a_circle_of_any_length_is_found_and_ends_with_its_calls() {
        let mut waits = Waits::default();
        for (request, about, callee) in [(1, 10, 20), (2, 20, 30), (3, 30, 40)] {
            waits.are_about(Some(SessionId(about)));
            assert!(!waits.would_close(SessionId(callee)));
            waits.begin(SessionId(callee), call(request));
        }
        waits.are_about(Some(SessionId(40)));
        for callee in [10, 20, 30, 40] {
            assert!(waits.would_close(SessionId(callee)), "{callee}");
        }
        assert!(!waits.would_close(SessionId(50)));
        waits.end(call(2));
        assert!(!waits.would_close(SessionId(10)) && waits.would_close(SessionId(30)));
        waits.end(call(2));
        waits.end(call(1));
        waits.end(call(3));
        assert!(waits.is_empty());
        waits.are_about(None);
        assert!(
            !waits.would_close(SessionId(40)),
            "nothing waits for what the gateway asks about no session"
        );
    }

    #[test]
    fn the_end_of_an_older_call_leaves_what_is_asked_now() {
        let mut waits = Waits::default();
        waits.are_about(Some(SessionId(10)));
        waits.begin(SessionId(20), call(1));
        waits.begin(SessionId(30), call(2));
        waits.end(call(1));
        waits.are_about(Some(SessionId(30)));
        assert!(waits.would_close(SessionId(10)));
        waits.end(call(2));
        assert!(waits.is_empty());
    }
}
