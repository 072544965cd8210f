//! The contract's `log` interface: lines of a policy in the gateway's log.
//!
//! A client decides how often its policy is asked, and so how much is logged. Lines have a bound per decision and per
//! second; the log drops and counts the others, and the gateway stops a policy that does nothing but log.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use super::{
    PolicyError,
    subject::Whom,
    text::{blank_out, clean},
};
use crate::{ration::Ration, shown};

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

/// One policy's lines: their source's name, and how many of them the log takes.
#[derive(Debug)]
pub(super) struct PolicyLog {
    policy: Arc<str>,
    lines: Ration,
    failures: Ration,
}

/// The lines of one decision.
#[derive(Debug)]
pub(super) struct DecisionLog {
    log: Arc<PolicyLog>,
    connection: Box<str>,
    public_id: Box<str>,
    secrets: Hidden,
    calls: u32,
}

/// What is to be blanked out.
struct Hidden {
    tracking_id: Option<Box<str>>,
    credential: Option<Box<str>>,
}

// === impl PolicyLog ===

impl PolicyLog {
    pub(super) fn new(policy: Arc<str>) -> Self {
        let lines = Ration::new(LINES_PER_SECOND, Duration::from_secs(1));
        Self { policy, lines, failures: Ration::SPARING }
    }

    /// The policy's name.
    pub(super) fn policy(&self) -> &str {
        &self.policy
    }

    /// Tells the operator that a decision failed. A client can cause this as often as it likes.
    pub(super) fn failure(&self, whom: Whom<'_>, error: &PolicyError) {
        self.tell_of_failure(whom, error, error);
    }

    /// The same of a procedure.
    pub(super) fn failure_of_procedure(&self, whom: Whom<'_>, error: &PolicyError) {
        match error {
            PolicyError::Deadline(timeout) => {
                let why = format_args!("the procedure did not answer within {timeout:?}");
                self.tell_of_failure(whom, error, &why);
            }
            PolicyError::Contract(fault) => {
                self.tell_of_failure(
                    whom,
                    error,
                    &format_args!("the procedure's answer is not as it must be: {fault}"),
                );
            }
            error => self.failure(whom, error),
        }
    }

    fn tell_of_failure(&self, whom: Whom<'_>, error: &PolicyError, why: &dyn fmt::Display) {
        if let Some(line) = self.failures.line() {
            tracing::warn!(
                target: "wampgate::policy",
                policy = &*self.policy,
                connection = whom.connection,
                peer = whom.peer,
                public_id = whom.public_id,
                path = whom.path.map(shown::path).as_deref(),
                failure = error.kind(),
                left_out = line.left_out,
                "no decision: {why}"
            );
        }
    }
}

// === impl DecisionLog ===

impl DecisionLog {
    pub(super) fn new(log: &Arc<PolicyLog>, whom: Whom<'_>) -> Self {
        Self {
            log: Arc::clone(log),
            connection: whom.connection.into(),
            public_id: whom.public_id.unwrap_or_default().into(),
            secrets: Hidden {
                tracking_id: whom.tracking_id.map(Into::into),
                credential: whom.credential.map(Into::into),
            },
            calls: 0,
        }
    }

    /// Takes a line from the guest.
    pub(super) fn line(&mut self, level: Level, message: &str) -> Result<(), TooManyCalls> {
        self.calls += 1;
        if self.calls > CALLS {
            return Err(TooManyCalls);
        }
        if self.calls <= LINES
            && let Some(line) = self.log.lines.line()
        {
            let Hidden { tracking_id, credential } = &self.secrets;
            let message = blank_out(message, credential.as_deref());
            self.write(level, line.left_out, &clean(&message, tracking_id.as_deref(), LINE_BYTES));
        }
        Ok(())
    }

    fn write(&self, level: Level, left_out: Option<NonZeroU64>, message: &str) {
        // A macro's level has to be a constant.
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(
                    target: "wampgate::policy",
                    policy = &*self.log.policy,
                    connection = &*self.connection,
                    public_id = &*self.public_id,
                    left_out,
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
            self.write(Level::Debug, None, &format!("{dropped} more lines of this decision were dropped"));
        }
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}
