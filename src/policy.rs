//! The authid policy: a WebAssembly component, or another [`Policy`], decides who a client is.
//!
//! ```text
//! world        the kinds of components; `authid` is the one that decides about a HELLO
//! load         read, pin, compile, check imports and exports, check-config, needs      -> WasmPolicy
//! gate         at most so many decisions at once, the others wait
//!   component    an instance with a deadline and a memory limit: fresh, or a warm one
//!     host         what it is given: log, and what has been granted (wasi: one that opens nothing)
//!     contract     the versions of the contract that are served side by side
//!     lower        the question, from where it is to the contract's types
//!   answer       the one check of what came back                             -> Decision
//!   routing      the same for the choice of an upstream
//! ```
//!
//! No failure of a policy lets a client in. The types that are generated from the contract (`wit/`) stay inside.

pub(crate) mod question;

mod answer;
mod checks;
mod decision;
mod error;
mod options;
mod request;

mod load;
mod needs;

mod gate;

mod apart;
mod aside;
pub mod authentication;
pub(crate) mod authid;
pub mod authorization;
mod component;
mod contract;
mod deadline;
mod host;
mod inspect;
mod instance;
mod kind;
mod lower;
mod pace;
mod penalty;
#[cfg(feature = "gateway")]
pub(crate) mod procedure;
mod queue;
mod random;
mod record;
mod reload;
mod routing;
mod streak;
mod subject;
mod tally;
mod warm;
mod world;

mod bindings;
#[cfg(feature = "cache")]
mod cache;
mod engine;
mod limits;
mod lines;
mod log;
mod text;
mod ticker;
mod trap;
pub(crate) mod upstream_names;
mod wasi;

use std::fmt;

#[cfg(feature = "testkit")]
pub(crate) use self::answer::identity_json;
#[cfg(feature = "testkit")]
pub(crate) use self::component::Wasm;
pub(crate) use self::options::{DEADLINES, MEMORIES};
#[cfg(feature = "gateway")]
pub use self::procedure::ProcedureOptions;
#[cfg(feature = "gateway")]
pub(crate) use self::reload::AnyGate;
pub use self::{
    answer::{RawDecision, answer_json, choice_json},
    apart::{COMPILE_COMMAND, compile_apart, compile_for_parent},
    authid::{PolicyGate, WasmPolicy},
    contract::CONTRACT_VERSIONS,
    decision::{AnonymousIdentity, Decision, Denial},
    engine::{MAX_MEMORY_LIMIT, PolicyEngine, PolicyEngineError, PolicyEngineOptions},
    error::{ContractError, PolicyError},
    inspect::Inspection,
    kind::ComponentKind,
    load::{MAX_COMPONENT_BYTES, PolicyLoadError, PolicyLoadFault},
    needs::Needs,
    options::{Grants, Instances, PolicyFile, PolicyOptions},
    queue::MAX_WAITING,
    record::Recorder,
    reload::{Deciding, Reload, Reloader},
    request::{CertificateView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView},
    routing::{ClientView, RawChoice, RoutingRequest},
    tally::{PolicyMetrics, Tally},
};
pub use crate::{
    identity::{Name, NameError},
    wamp::{InvalidUri, Uri},
};

/// The default policy's component, built from `plugins/default`. CI rebuilds it and compares the bytes.
pub(crate) const DEFAULT_POLICY: &[u8] = include_bytes!("../embedded/default-policy.wasm");

/// The policy of a service that names none.
pub fn default_policy(engine: &PolicyEngine) -> Result<WasmPolicy, PolicyLoadError> {
    WasmPolicy::from_bytes(engine, "default", DEFAULT_POLICY, PolicyOptions::default())
}

/// Answers who a client is when it says HELLO.
///
/// It runs on the calling thread and must come back within its own deadline. Every error refuses the session: there is
/// no answer that lets a client in by accident. [`decide`] checks the answer.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Answers about one HELLO.
    fn answer(&self, request: &JoinRequest<'_>) -> Result<RawDecision, PolicyError>;

    /// Chooses the upstream of a client, if it can. [`choose_upstream`] checks the answer.
    fn route(&self, _request: &RoutingRequest<'_>) -> Result<RawChoice, PolicyError> {
        Err(PolicyError::Refused("it chooses no upstreams".to_owned()))
    }
}

/// Asks a policy and checks its answer: the only way to a [`Decision`], for the gateway and for tests.
pub fn decide(policy: &(impl Policy + ?Sized), request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
    policy.answer(request)?.check(request)
}

/// Asks a policy for the upstream of a client, and checks its answer: the only way to a choice, for the gateway and for tests.
pub fn choose_upstream(
    policy: &(impl Policy + ?Sized),
    request: &RoutingRequest<'_>,
) -> Result<String, PolicyError> {
    policy.route(request)?.check(request)
}
