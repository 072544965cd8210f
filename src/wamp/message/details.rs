//! The details of messages: what they say of sessions, publications and calls.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::options::Passthru;
use crate::wamp::{Dictionary, RouterFeatures, SessionId, Uri};

/// HELLO.Details, as far as the gateway reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HelloDetails {
    /// The methods that the client offers, in its order of preference; none means `anonymous`.
    pub authmethods: Vec<String>,
    /// The name that the client would like to have; only a method may confirm it.
    pub authid: Option<String>,
    /// The role that the client would like to have.
    pub authrole: Option<String>,
    /// Further details for the method; at most 16 KiB.
    pub authextra: Dictionary,
    /// The roles that the client plays; at least one is required (section "HELLO").
    pub roles: Dictionary,
    /// All of it.
    pub written: Dictionary,
}

/// ERROR.Details.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorDetails {
    /// How the sender has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// WELCOME.Details: who the client is now, and what the router can do.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct WelcomeDetails {
    pub realm: Uri,
    pub authid: Box<str>,
    pub authrole: Arc<str>,
    pub authmethod: &'static str,
    pub authprovider: &'static str,
    pub authextra: Option<Map<String, Value>>,
    /// `roles`
    pub features: RouterFeatures,
    /// `x_wampgate_known`: whether the client came with a cookie that the gateway knows; nothing without cookie
    /// tracking.
    pub known: Option<bool>,
    /// `x_wampgate_public_id`: how other clients see this one where its authid is its cookie; nothing without
    /// cookie tracking.
    pub public_id: Option<Arc<str>>,
}

/// EVENT.Details.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventDetails {
    /// `publisher`, `publisher_authid`, `publisher_authrole`: where that is disclosed.
    pub publisher: Option<Disclosed>,
    /// `topic`: what was published to, for a subscription to a pattern.
    pub topic: Option<Uri>,
    /// `retained`: the event was published before the subscriber came.
    pub retained: bool,
    /// `ppt_scheme` and the others.
    pub passthru: Option<Box<Passthru>>,
}

/// INVOCATION.Details.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationDetails {
    /// `caller`, `caller_authid`, `caller_authrole`: where that is disclosed.
    pub caller: Option<Disclosed>,
    /// `procedure`: what was called, for a registration of a pattern.
    pub procedure: Option<Uri>,
    /// `receive_progress`: the caller takes progressive results.
    pub receive_progress: bool,
    /// `progress`: more invocations of this request follow.
    pub progress: bool,
    /// `timeout`: how long the caller waits, in milliseconds; 0 where that is not the callee's business.
    pub timeout: u64,
    /// `ppt_scheme` and the others.
    pub passthru: Option<Box<Passthru>>,
}

/// RESULT.Details.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultDetails {
    /// `progress`: more results follow.
    pub progress: bool,
    /// `ppt_scheme` and the others.
    pub passthru: Option<Box<Passthru>>,
}

/// A session as another one gets to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Disclosed {
    pub session: SessionId,
    pub authid: Arc<str>,
    pub authrole: Arc<str>,
}
