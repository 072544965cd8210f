//! What the host keeps for one instance.

use super::{
    limits::Limits,
    lines::Lines,
    log::{DecisionLog, Level},
};

/// The host's side of an instance.
pub(crate) struct Instance {
    pub(super) limits: Limits,
    pub(super) log: Option<DecisionLog>,
    pub(super) streams: Streams,
}

/// What WASI needs of an instance: its open handles, and the lines that it has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) handles: u32,
    pub(super) stdout: Lines,
    pub(super) stderr: Lines,
}

impl Instance {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, log: None, streams: Streams::default() }
    }

    /// Ends a decision: the log gets the lines that the guest has not ended.
    pub(super) fn finish(&mut self) {
        let Self { log, streams, .. } = self;
        // The decision is over, so that a line too many stops nothing any more.
        let _ = streams.stdout.end(Level::Info, log.as_mut());
        let _ = streams.stderr.end(Level::Warn, log.as_mut());
        *log = None;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.finish();
    }
}
