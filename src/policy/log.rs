//! The contract's `log` interface: lines of a policy in the gateway's log.
//!
//! A client decides how often its policy is asked, and so how much is logged. Lines have a bound per decision and per
//! second; the log drops and counts the others, and the gateway stops a policy that does nothing but log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{JoinRequest, PolicyError, text::clean};

/// Lines of one decision that are kept.
const LINES: u32 = 16;
/// Bytes of a line that are kept.
const LINE_BYTES: usize = 1024;
/// Calls after which a decision is ended: no honest policy comes near, and a flood need not run until its
/// deadline.
const CALLS: u32 = 256;
/// Lines per second that a policy may write in all its decisions together.
const LINES_PER_SECOND: u32 = 200;

/// The error that ends a decision which does nothing but call the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {CALLS} calls of log in one decision")]
pub(super) struct TooManyCalls;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// One policy's lines: their source's name, and how many of them this second has seen.
#[derive(Debug)]
pub(super) struct PolicyLog {
    policy: Arc<str>,
    begun: Instant,
    /// The second since `begun` in the upper half, the lines in it in the lower half.
    second_and_lines: AtomicU64,
}

/// The lines of one decision.
#[derive(Debug)]
pub(super) struct DecisionLog {
    log: Arc<PolicyLog>,
    connection: Box<str>,
    public_id: Box<str>,
    secret: HiddenId,
    calls: u32,
}

/// The tracking ID, to be blanked out.
struct HiddenId(Option<Box<str>>);

// === impl PolicyLog ===

impl PolicyLog {
    pub(super) fn new(policy: Arc<str>) -> Self {
        Self { policy, begun: Instant::now(), second_and_lines: AtomicU64::new(0) }
    }

    /// The policy's name.
    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    /// Tells the operator that a decision failed. A client can cause this as often as it likes, so the line counts
    /// against the bound per second.
    pub(super) fn failure(&self, request: &JoinRequest<'_>, error: &PolicyError) {
        if self.admit(self.second()) {
            tracing::warn!(
                target: "wampgate::policy",
                policy = &*self.policy,
                connection = request.connection.id,
                public_id = request.cookie.as_ref().map_or("", |cookie| cookie.public_id),
                failure = error.kind(),
                "no decision: {error}"
            );
        }
    }

    /// Whether one more line may be written in this second.
    fn admit(&self, second: u32) -> bool {
        let admitted = self.second_and_lines.try_update(Relaxed, Relaxed, |packed| {
            let (last, lines) = (packed >> 32, packed & u64::from(u32::MAX));
            // A thread that is late by a second counts in the newer one.
            let (current, lines) =
                if u64::from(second) > last { (u64::from(second), 0) } else { (last, lines) };
            (lines < u64::from(LINES_PER_SECOND)).then_some(current << 32 | (lines + 1))
        });
        admitted.is_ok()
    }

    fn second(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}

// === impl DecisionLog ===

impl DecisionLog {
    pub(super) fn new(log: &Arc<PolicyLog>, request: &JoinRequest<'_>) -> Self {
        let cookie = request.cookie.as_ref();
        Self {
            log: Arc::clone(log),
            connection: request.connection.id.into(),
            public_id: cookie.map_or("", |cookie| cookie.public_id).into(),
            secret: HiddenId(cookie.map(|cookie| cookie.id.into())),
            calls: 0,
        }
    }

    /// Takes a line from the guest.
    pub(super) fn line(&mut self, level: Level, message: &str) -> Result<(), TooManyCalls> {
        self.calls += 1;
        if self.calls > CALLS {
            return Err(TooManyCalls);
        }
        if self.calls <= LINES && self.log.admit(self.log.second()) {
            self.write(level, &clean(message, self.secret.0.as_deref(), LINE_BYTES));
        }
        Ok(())
    }

    fn write(&self, level: Level, message: &str) {
        // A macro's level has to be a constant.
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(
                    target: "wampgate::policy",
                    policy = &*self.log.policy,
                    connection = &*self.connection,
                    public_id = &*self.public_id,
                    "{message}"
                )
            };
        }
        match level {
            Level::Debug => write!(debug),
            Level::Info => write!(info),
            Level::Warn => write!(warn),
            Level::Error => write!(error),
        }
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        let dropped = self.calls.saturating_sub(LINES);
        if dropped > 0 {
            self.write(Level::Debug, &format!("{dropped} more lines of this decision were dropped"));
        }
    }
}

impl std::fmt::Debug for HiddenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HiddenId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_PER_SECOND, PolicyLog};

    #[test]
    fn a_second_has_room_for_so_many_lines_and_the_next_for_as_many_again() {
        let log = PolicyLog::new("test".into());
        for second in [0, 1, 7] {
            let admitted = (0..1000).filter(|_| log.admit(second)).count();
            assert_eq!(admitted, LINES_PER_SECOND as usize, "second {second}");
        }
        assert!(!log.admit(6), "a late thread opens no second of its own");
    }
}
