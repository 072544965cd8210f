//! Calls that wait because all callees of their registration are busy.

use super::{Deadline, PendingCall};
use crate::wamp::{
    Payload, SessionId, Uri,
    message::{CallOptions, Disclosed, Passthru},
};

/// A call that waits for a callee with a free place.
#[derive(Debug)]
pub(super) struct QueuedCall {
    pub(super) call: PendingCall,
    pub(super) procedure: Uri,
    /// The caller, as callees may see it.
    pub(super) caller: Disclosed,
    /// Whether any callee does, or only one that asks for it.
    pub(super) is_disclosed: bool,
    pub(super) options: CallOptions,
    pub(super) payload: Payload,
    /// The session that the call asks about, if one waits for the answer.
    pub(super) about: Option<SessionId>,
    pub(super) deadline: Option<Box<Deadline>>,
    /// The later invocations of a call with progressive invocations, in the order in which they came.
    pub(super) later: Vec<LaterChunk>,
}

/// A later invocation of a call with progressive invocations whose first one still waits.
#[derive(Debug)]
pub(super) struct LaterChunk {
    /// Whether more come after it.
    pub(super) progress: bool,
    pub(super) payload: Payload,
}

impl LaterChunk {
    /// What it counts against the queue's limit.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.payload.size()
    }
}

impl QueuedCall {
    /// What it keeps in memory: what it counts against the queue's limit, and is charged while it waits.
    pub(super) fn size(&self) -> usize {
        let passthru = self.options.passthru.as_deref().map_or(0, Passthru::size);
        let later: usize = self.later.iter().map(LaterChunk::size).sum();
        size_of::<Self>() + self.payload.size() + self.procedure.as_str().len() + passthru + later
    }

    /// Whether the caller has more invocations to send for the call.
    pub(super) fn expects_more(&self) -> bool {
        self.options.progress && self.later.last().is_none_or(|chunk| chunk.progress)
    }
}

/// No callee has a free place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy;
