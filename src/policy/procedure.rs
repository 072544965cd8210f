//! The way to a procedure that decides in place of a component: a client of an embedded realm has registered it, and the gateway calls it.
//!
//! Calls are bounded as decisions are: so many at once, of which one address has a share, the others wait in a queue that is fair between
//! peers, and a peer about whose clients too many calls came too late has to wait. Whatever goes wrong is no answer, and no answer
//! refuses.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderName;
use serde_json::Value;
use tokio::time;

/// What a call holds while the realm has it.
pub(crate) use super::queue::Place;
use super::{
    ContractError, PolicyError, Tally, log::PolicyLog, penalty::PenaltyBox, queue::FairQueue,
    subject::Subject,
};
use crate::{
    identity::Name,
    wamp::{SessionId, Uri},
};

/// A procedure that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcedureOptions {
    /// Its URI.
    pub procedure: Uri,
    /// The realm where it is registered; none: the realm of the client that it decides about.
    pub realm: Option<Uri>,
    /// The role under which the gateway calls it, which needs the permission; none: the gateway needs no permission.
    pub role: Option<Name>,
    /// What the operator lets it know besides, a JSON object as text.
    pub config: Option<String>,
    /// The request headers that it may see.
    pub headers: Vec<HeaderName>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many calls may wait for their answers at once.
    pub max_concurrent: usize,
}

impl ProcedureOptions {
    /// How long an answer may take if the operator does not say.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
    /// How many calls at once if the operator does not say.
    pub const DEFAULT_CONCURRENT: usize = 64;

    /// A procedure with the defaults for everything else.
    pub const fn new(procedure: Uri) -> Self {
        Self {
            procedure,
            realm: None,
            role: None,
            config: None,
            headers: Vec::new(),
            timeout: Self::DEFAULT_TIMEOUT,
            max_concurrent: Self::DEFAULT_CONCURRENT,
        }
    }
}

/// How long the gateway may be set to wait for an answer, in milliseconds.
pub(crate) const TIMEOUTS: std::ops::RangeInclusive<u64> = 100..=60_000;

/// One address may have this part of the calls that wait for their answers.
const SHARE: usize = 4;

/// What calls procedures in a realm.
pub(crate) trait Callee: Send + Sync + fmt::Debug {
    /// Calls a procedure.
    fn call<'a>(&'a self, call: Call<'a>) -> Calling<'a>;
}

/// A call that waits for its answer.
pub(crate) type Calling<'a> = Pin<Box<dyn Future<Output = Result<Said, CallFailure>> + Send + 'a>>;

/// A call of the gateway's own.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) procedure: &'a Uri,
    /// The role that must have the permission.
    pub(crate) role: Option<&'a Name>,
    pub(crate) arguments: Vec<Value>,
    pub(crate) timeout: Duration,
    /// The session that waits for the answer, of which nothing is read meanwhile.
    pub(crate) about: Option<SessionId>,
    /// Held until the realm has done with the call, even if nothing waits for the answer any more.
    pub(crate) place: Place,
}

/// What a procedure has said.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    /// Its result: the first argument.
    Result(Value),
    /// An error of its own.
    Error {
        /// What kind.
        uri: Uri,
        /// The first argument, if that is a text.
        message: String,
    },
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFailure {
    /// No session has registered the procedure.
    Absent,
    /// The session that was called has left.
    Left,
    /// The session that was called has no room for one more call.
    Busy,
    /// The role that calls may not.
    NotAllowed,
    /// The session that would be called waits for this very answer, or for one that waits for it.
    Circle,
    /// There is no such realm, or it has been closed.
    NoRealm,
    /// The answer took too long.
    TooLate,
    /// The answer is too large, or cannot be read.
    Unreadable,
}

/// A procedure with a bounded number of calls at once.
#[derive(Debug)]
pub(crate) struct ProcedureGate {
    options: ProcedureOptions,
    log: PolicyLog,
    tally: Tally,
    penalties: PenaltyBox,
    places: Arc<FairQueue>,
    callees: HashMap<Box<str>, Arc<dyn Callee>>,
}

impl ProcedureGate {
    /// A gate to a procedure that is called in these realms, by their names.
    pub(crate) fn new(
        options: ProcedureOptions,
        tally: Tally,
        callees: HashMap<Box<str>, Arc<dyn Callee>>,
    ) -> Self {
        let most = options.max_concurrent.max(1);
        Self {
            log: PolicyLog::new(options.procedure.as_str().into()),
            tally,
            penalties: PenaltyBox::default(),
            places: FairQueue::sharing(most, most.div_ceil(SHARE)),
            callees,
            options,
        }
    }

    /// The procedure's URI, which stands for it in logs and metrics.
    pub(crate) fn name(&self) -> &str {
        self.options.procedure.as_str()
    }

    /// What the operator has said about it.
    pub(crate) const fn options(&self) -> &ProcedureOptions {
        &self.options
    }

    /// Asks about a client of a realm, which has this session already if it is one `about` a session. `judge` makes an answer of what the procedure says, and `kind` names it for the metrics.
    pub(crate) async fn decide<A>(
        &self,
        subject: &(impl Subject + Sync),
        realm: &str,
        (about, arguments): (Option<SessionId>, Vec<Value>),
        judge: impl FnOnce(Said) -> Result<A, PolicyError> + Send,
        kind: impl FnOnce(&A) -> &'static str + Send,
    ) -> Result<A, PolicyError> {
        let answer = self.ask(subject, realm, about, arguments).await.and_then(judge);
        match &answer {
            Ok(answer) => self.tally.count(kind(answer)),
            Err(error) => {
                self.tally.count(error.kind());
                if !matches!(error, PolicyError::Overloaded | PolicyError::Penalty) {
                    self.log.failure_of_procedure(subject.whom(), error);
                }
            }
        }
        answer
    }

    async fn ask(
        &self,
        subject: &(impl Subject + Sync),
        realm: &str,
        about: Option<SessionId>,
        arguments: Vec<Value>,
    ) -> Result<Said, PolicyError> {
        let ProcedureOptions { procedure, role, timeout, .. } = &self.options;
        let peer = subject.whom().peer;
        if self.penalties.holds(peer, Instant::now()) {
            return Err(PolicyError::Penalty);
        }
        let realm = self.options.realm.as_ref().map_or(realm, Uri::as_str);
        let callee = self.callees.get(realm).ok_or_else(|| unreachable(CallFailure::NoRealm))?;
        // With a procedure that is slow for all, the queue could take minutes.
        let entered = time::timeout(*timeout, self.places.enter(peer, self.tally.waiting())).await;
        let place = entered.ok().and_then(Result::ok).ok_or(PolicyError::Overloaded)?;
        let begun = Instant::now();
        let call = Call { procedure, role: role.as_ref(), arguments, timeout: *timeout, about, place };
        let said = callee.call(call).await;
        self.tally.time(begun.elapsed());
        said.map_err(|failure| match failure {
            CallFailure::TooLate => {
                self.penalties.count(peer, Instant::now());
                PolicyError::Deadline(*timeout)
            }
            CallFailure::Unreadable => {
                ContractError::Unfit("the answer of the procedure is too large, or no JSON").into()
            }
            failure => unreachable(failure),
        })
    }
}

const fn unreachable(failure: CallFailure) -> PolicyError {
    PolicyError::Unreachable(match failure {
        CallFailure::Absent => "no session has registered it",
        CallFailure::Left => "the session that has registered it left before it answered",
        CallFailure::Busy => "the session that has registered it has too many calls to answer",
        CallFailure::NotAllowed => {
            "its `authenticator-role` is no role of the realm, or has no permission to call it"
        }
        CallFailure::Circle => {
            "the session that has registered it would decide about itself, or about one that decides about it, and each would wait for the \
             other: give servers of authorizers a role with `permissions` of its own"
        }
        CallFailure::NoRealm => "its realm is not there",
        CallFailure::TooLate => "it did not answer in time",
        CallFailure::Unreadable => "its answer cannot be read",
    })
}

#[cfg(test)]
mod tests;
