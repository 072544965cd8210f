//! The messages of the basic profile, as types: what a client may send, and what a router answers.
//!
//! Application payload stays as the raw bytes in which it came, see [`Payload`]. Options and details are types as far as
//! they mean something here; the whole dictionary is kept beside them, see [`Dictionary`]. The router ignores keys that it
//! does not know, as the specification asks.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Dictionary, Payload, RouterFeatures, SessionId, Uri};

/// Message type codes (section "Message Codes and Direction").
pub mod code {
    #![allow(missing_docs, reason = "the names are the specification's message names")]
    pub const HELLO: u64 = 1;
    pub const WELCOME: u64 = 2;
    pub const ABORT: u64 = 3;
    pub const CHALLENGE: u64 = 4;
    pub const AUTHENTICATE: u64 = 5;
    pub const GOODBYE: u64 = 6;
    pub const ERROR: u64 = 8;
    pub const PUBLISH: u64 = 16;
    pub const PUBLISHED: u64 = 17;
    pub const SUBSCRIBE: u64 = 32;
    pub const SUBSCRIBED: u64 = 33;
    pub const UNSUBSCRIBE: u64 = 34;
    pub const UNSUBSCRIBED: u64 = 35;
    pub const EVENT: u64 = 36;
    pub const CALL: u64 = 48;
    pub const RESULT: u64 = 50;
    pub const REGISTER: u64 = 64;
    pub const REGISTERED: u64 = 65;
    pub const UNREGISTER: u64 = 66;
    pub const UNREGISTERED: u64 = 67;
    pub const INVOCATION: u64 = 68;
    pub const YIELD: u64 = 70;
}

/// A message that a client may send to a router.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub enum ClientMessage {
    /// `[HELLO, Realm|uri, Details|dict]`
    Hello { realm: Option<Uri>, details: Box<HelloDetails> },
    /// `[ABORT, Details|dict, Reason|uri]`
    Abort { details: Dictionary, reason: Uri },
    /// `[AUTHENTICATE, Signature|string, Extra|dict]`
    Authenticate { signature: String, extra: Dictionary },
    /// `[GOODBYE, Details|dict, Reason|uri]`
    Goodbye { details: Dictionary, reason: Uri },
    /// `[ERROR, INVOCATION, INVOCATION.Request|id, Details|dict, Error|uri, Arguments|list, ArgumentsKw|dict]`
    InvocationError { request: u64, details: Dictionary, error: Uri, payload: Payload },
    /// `[PUBLISH, Request|id, Options|dict, Topic|uri, Arguments|list, ArgumentsKw|dict]`
    Publish { request: u64, options: PublishOptions, topic: Uri, payload: Payload },
    /// `[SUBSCRIBE, Request|id, Options|dict, Topic|uri]`
    Subscribe { request: u64, options: MatchOptions, topic: Uri },
    /// `[UNSUBSCRIBE, Request|id, SUBSCRIBED.Subscription|id]`
    Unsubscribe { request: u64, subscription: u64 },
    /// `[CALL, Request|id, Options|dict, Procedure|uri, Arguments|list, ArgumentsKw|dict]`
    Call { request: u64, options: CallOptions, procedure: Uri, payload: Payload },
    /// `[REGISTER, Request|id, Options|dict, Procedure|uri]`
    Register { request: u64, options: MatchOptions, procedure: Uri },
    /// `[UNREGISTER, Request|id, REGISTERED.Registration|id]`
    Unregister { request: u64, registration: u64 },
    /// `[YIELD, INVOCATION.Request|id, Options|dict, Arguments|list, ArgumentsKw|dict]`
    Yield { request: u64, options: Dictionary, payload: Payload },
}

impl ClientMessage {
    /// How many bytes the message keeps: its payload, its options or details as they came, and the lists that were read from them.
    pub fn serialized_size(&self) -> usize {
        match self {
            Self::Hello { details, .. } => details.written.size(),
            Self::Authenticate { extra: details, .. }
            | Self::Abort { details, .. }
            | Self::Goodbye { details, .. } => details.size(),
            Self::InvocationError { details, payload, .. }
            | Self::Yield { options: details, payload, .. } => details.size() + payload.size(),
            Self::Publish { options, payload, .. } => {
                let lists = options.lists.as_ref().map_or(0, |lists| lists.size());
                options.written.size() + lists + payload.size()
            }
            Self::Call { options, payload, .. } => options.written.size() + payload.size(),
            Self::Subscribe { options, .. } | Self::Register { options, .. } => options.written.size(),
            Self::Unsubscribe { .. } | Self::Unregister { .. } => 0,
        }
    }
}

/// A message that a router sends to a client.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub enum RouterMessage {
    /// `[WELCOME, Session|id, Details|dict]`
    Welcome { session: SessionId, details: Box<WelcomeDetails> },
    /// `[ABORT, Details|dict, Reason|uri]`
    Abort { message: String, reason: Uri },
    /// `[CHALLENGE, AuthMethod|string, Extra|dict]`
    Challenge { method: &'static str, extra: Map<String, Value> },
    /// `[GOODBYE, Details|dict, Reason|uri]`
    Goodbye { message: Option<String>, reason: Uri },
    /// `[ERROR, REQUEST.Type|int, REQUEST.Request|id, Details|dict, Error|uri, Arguments|list, ArgumentsKw|dict]`
    Error { request_type: u64, request: u64, error: Uri, payload: Payload },
    /// `[PUBLISHED, PUBLISH.Request|id, Publication|id]`
    Published { request: u64, publication: u64 },
    /// `[SUBSCRIBED, SUBSCRIBE.Request|id, Subscription|id]`
    Subscribed { request: u64, subscription: u64 },
    /// `[UNSUBSCRIBED, UNSUBSCRIBE.Request|id]`
    Unsubscribed { request: u64 },
    /// `[EVENT, SUBSCRIBED.Subscription|id, PUBLISHED.Publication|id, Details|dict, PUBLISH.Arguments|list, PUBLISH.ArgumentsKw|dict]`
    Event { subscription: u64, publication: u64, details: EventDetails, payload: Payload },
    /// `[RESULT, CALL.Request|id, Details|dict, YIELD.Arguments|list, YIELD.ArgumentsKw|dict]`
    Result { request: u64, payload: Payload },
    /// `[REGISTERED, REGISTER.Request|id, Registration|id]`
    Registered { request: u64, registration: u64 },
    /// `[UNREGISTERED, UNREGISTER.Request|id]`
    Unregistered { request: u64 },
    /// `[INVOCATION, Request|id, REGISTERED.Registration|id, Details|dict, CALL.Arguments|list, CALL.ArgumentsKw|dict]`
    Invocation { request: u64, registration: u64, details: InvocationDetails, payload: Payload },
}

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

/// PUBLISH.Options.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishOptions {
    /// Whether the client wants PUBLISHED or ERROR as an answer.
    pub acknowledge: bool,
    /// Whether the publisher itself gets no event, even if it is subscribed. Default true.
    pub exclude_me: bool,
    /// Whether subscribers may see who published.
    pub disclose_me: bool,
    /// Who gets an event and who does not. Few publishers say; the others pay no more than a pointer for it.
    pub lists: Option<Box<PublishLists>>,
    /// All of the options.
    pub written: Dictionary,
}

/// How a publisher limits the receivers of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishLists {
    /// Sessions that get no event, sorted.
    pub exclude: Vec<u64>,
    /// The only sessions that get an event, sorted, each once; none: all of them.
    pub eligible: Option<Vec<u64>>,
}

impl PublishLists {
    /// How much memory the lists take, in bytes.
    pub fn size(&self) -> usize {
        let eligible = self.eligible.as_ref().map_or(0, Vec::len);
        self.exclude.len().saturating_add(eligible).saturating_mul(size_of::<u64>())
    }
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            acknowledge: false,
            exclude_me: true,
            disclose_me: false,
            lists: None,
            written: Dictionary::default(),
        }
    }
}

/// CALL.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallOptions {
    /// Whether the callee may see who called.
    pub disclose_me: bool,
    /// All of the options.
    pub written: Dictionary,
}

/// SUBSCRIBE.Options and REGISTER.Options: the basic profile knows `exact` only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatchOptions {
    /// The matching policy that the client asks for; none means `exact`.
    pub r#match: Option<String>,
    /// The sharing policy of a registration; none means `single`.
    pub invoke: Option<String>,
    /// All of the options.
    pub written: Dictionary,
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
}

/// INVOCATION.Details.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationDetails {
    /// `caller`, `caller_authid`, `caller_authrole`: where that is disclosed.
    pub caller: Option<Disclosed>,
}

/// A session as another one gets to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Disclosed {
    pub session: SessionId,
    pub authid: Arc<str>,
    pub authrole: Arc<str>,
}
