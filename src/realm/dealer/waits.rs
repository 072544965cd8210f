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
            self.asked.insert(about, Asked { callee, call });
        }
    }

    /// A call has its answer, or gets none.
    pub(super) fn end(&mut self, call: PendingCall) {
        if !self.asked.is_empty() {
            self.asked.retain(|_, asked| asked.call != call);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }
}
