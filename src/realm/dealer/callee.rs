//! A session that has registered a procedure.

use crate::wamp::{SessionId, message::RegisterOptions};

/// A session that has registered a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Callee {
    pub(super) session: SessionId,
    /// How many invocations it takes at once, if that is limited.
    pub(super) places: Option<u64>,
    /// How many of the places are taken.
    pub(super) taken: u64,
    /// The session's latest invocation from before it came, of which none takes a place.
    pub(super) came_after: u64,
    /// Whether it asks to see who calls.
    pub(super) sees_callers: bool,
    /// Whether it ends calls whose time is up by itself.
    pub(super) keeps_time: bool,
}

impl Callee {
    pub(super) fn new(session: SessionId, came_after: u64, options: &RegisterOptions) -> Self {
        Self {
            session,
            places: options.concurrency,
            taken: 0,
            came_after,
            sees_callers: options.disclose_caller,
            keeps_time: options.forward_timeout,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.places.is_none_or(|places| self.taken < places)
    }
}
