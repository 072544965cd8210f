//! The authid policy: who a client is, decided by a WebAssembly component or whatever else implements
//! [`Policy`].
//!
//! ```text
//! load         read, pin, compile, check imports and exports, check-config      -> WasmPolicy
//! gate         at most so many decisions at once, the others wait
//!   component    an instance with a deadline and a memory limit: fresh, or a warm one
//!     host         what it is given: log, and what has been granted (wasi: one that opens nothing)
//!     contract     the versions of the contract that are served side by side
//!     request      the question, lowered from where it is
//!     answer       the host's check of what came back                         -> Decision
//! ```
//!
//! Nothing that a policy does lets a client in by accident, and the contract's own types (`wit/`) stay
//! inside.

mod load;

mod gate;

mod answer;
mod aside;
mod component;
mod contract;
mod deadline;
mod host;
mod inspect;
mod options;
mod pace;
mod penalty;
mod record;
mod reload;
mod request;
mod tally;
mod warm;

mod bindings;
mod cache;
mod engine;
mod limits;
mod log;
mod text;
mod ticker;
mod wasi;

use std::fmt;

pub(crate) use self::options::{DEADLINES, MEMORIES};
pub use self::{
    component::WasmPolicy,
    contract::CONTRACT_VERSIONS,
    engine::{EngineError, EngineOptions, MAX_MEMORY_LIMIT, PolicyEngine},
    gate::{MAX_WAITING, PolicyGate},
    inspect::Inspection,
    load::{LoadError, LoadFault, MAX_COMPONENT_BYTES},
    options::{Grants, Instances, PolicyFile, PolicyOptions},
    record::Recorder,
    reload::{Reload, Reloader},
    tally::Tally,
};
use crate::wamp::Uri;

/// The default policy's component, built from `plugins/default`. CI rebuilds it and compares the bytes.
const DEFAULT_POLICY: &[u8] = include_bytes!("../embedded/default-policy.wasm");

/// The policy of a service that names none.
pub fn default_policy(engine: &PolicyEngine) -> Result<WasmPolicy, LoadError> {
    WasmPolicy::from_bytes(engine, "default", DEFAULT_POLICY, PolicyOptions::default())
}

/// Decides who a client is when it says HELLO.
///
/// Runs on the calling thread and must come back within its own deadline. Whatever goes wrong is a
/// [`PolicyError`], and every error refuses the session: there is no answer that lets a client in by
/// accident.
///
/// A component that turns out to be slow lets the other tasks of the thread go on with tokio's `block_in_place`, which
/// panics inside of a `LocalSet` on a runtime with several threads: ask it on a thread that may block there.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Decides about one HELLO.
    fn decide(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError>;

    /// The same on a thread that does nothing else, after a decision of this policy took long: it may let others have the core
    /// now and then.
    fn decide_slowly(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        self.decide(request)
    }
}

/// What a policy may answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Join without credentials, under this identity.
    Anonymous(AnonymousIdentity),
    /// The policy assigns nothing: join without credentials, under an authid that the gateway draws.
    None,
    /// This authentication method decides.
    Defer(String),
    /// Refuse.
    Deny(Denial),
}

/// The identity of [`Decision::Anonymous`], checked by the host: an authid has 1 to 255 printable characters.
///
/// `Debug` does not show the authid: it may be the tracking ID.
#[derive(Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct AnonymousIdentity {
    /// Absent: drawn at random.
    pub authid: Option<String>,
    /// Absent: the role that the configuration gives to anonymous clients.
    pub authrole: Option<String>,
    pub authextra: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Why a policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The ABORT's reason.
    pub reason: Uri,
    /// Shown to the client.
    pub message: String,
}

/// What went wrong with a policy. Each refuses the session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The policy returned an error of its own, or the request is larger than the contract allows.
    #[error("the policy failed: {0}")]
    Refused(String),
    /// The policy panicked, ran out of stack, or trapped otherwise.
    #[error("the policy trapped: {0}")]
    Trap(String),
    /// The policy did not come back in time.
    #[error("the policy did not decide within {0:?}")]
    Deadline(std::time::Duration),
    /// The policy wanted more memory than it may have: the limit in bytes. Its tables count apart from its
    /// memory.
    #[error("the policy wanted more than {0} bytes of memory")]
    Memory(usize),
    /// The policy passed too much data to the host.
    #[error("the policy passed too much data to the gateway")]
    HostCalls,
    /// The policy's answer breaks the contract.
    #[error("the policy broke the contract: {0}")]
    Contract(String),
    /// Too many decisions are waiting already.
    #[error("too many decisions are waiting")]
    Overloaded,
    /// Too many decisions about this peer ran into their deadline lately; the policy was not asked.
    #[error("too many decisions about this peer's clients ran into their deadline")]
    Penalty,
}

/// What a policy is asked. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct JoinRequest<'a> {
    /// The connection.
    pub connection: ConnectionView<'a>,
    /// The tracked client, if cookie tracking is on.
    pub cookie: Option<CookieView<'a>>,
    /// The HELLO.
    pub hello: Option<HelloView<'a>>,
    /// The names of the configured authentication methods; empty if no authentication is configured.
    pub methods: &'a [&'a str],
    /// The names of the realm's roles; empty if any name will do.
    pub roles: &'a [&'a str],
    /// The time of the question.
    pub now: u64,
}

/// The connection, as a policy sees it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct ConnectionView<'a> {
    pub id: &'a str,
    pub peer: &'a str,
    pub tls: bool,
    pub host: &'a str,
    pub path: &'a str,
    pub origin: Option<&'a str>,
    pub subprotocol: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
}

/// The cookie record, as a policy sees it.
#[derive(Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct CookieView<'a> {
    pub id: &'a str,
    pub public_id: &'a str,
    pub is_new: bool,
    pub created: u64,
    pub last_seen: u64,
    pub max_age: u32,
    pub connections: u32,
    pub authentication: Option<&'a crate::store::Authentication>,
}

/// The HELLO, as a policy sees it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct HelloView<'a> {
    pub realm: Option<&'a str>,
    pub authmethods: &'a [&'a str],
    pub authid: Option<&'a str>,
    pub authrole: Option<&'a str>,
    /// A JSON object, as text.
    pub authextra: &'a str,
}

impl fmt::Debug for AnonymousIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnonymousIdentity")
            .field("authid", &self.authid.as_ref().map(|_| format_args!("..")))
            .field("authrole", &self.authrole)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CookieView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieView")
            .field("public_id", &self.public_id)
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}
