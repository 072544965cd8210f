//! The messages of the basic profile, as types: what a client may send, and what a router answers.
//!
//! Application payload stays as the raw bytes in which it came, see [`Payload`]. Options and details are types as far as
//! they mean something here; the whole dictionary is kept beside them, see [`Dictionary`]. The router ignores keys that it
//! does not know, as the specification asks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Dictionary, Payload, RouterFeatures, SessionId, Uri,
    pattern::{Pattern, UriMatch},
};

/// How much of a frame a message may keep in memory beside what is its own, in bytes: less than a message counts at least while it
/// waits for its realm.
const KEPT_FRAME: usize = 2048;

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
    pub const CANCEL: u64 = 49;
    pub const RESULT: u64 = 50;
    pub const REGISTER: u64 = 64;
    pub const REGISTERED: u64 = 65;
    pub const UNREGISTER: u64 = 66;
    pub const UNREGISTERED: u64 = 67;
    pub const INVOCATION: u64 = 68;
    pub const INTERRUPT: u64 = 69;
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
    InvocationError { request: u64, details: ErrorDetails, error: Uri, payload: Payload },
    /// `[PUBLISH, Request|id, Options|dict, Topic|uri, Arguments|list, ArgumentsKw|dict]`
    Publish { request: u64, options: PublishOptions, topic: Uri, payload: Payload },
    /// `[SUBSCRIBE, Request|id, Options|dict, Topic|uri]`
    Subscribe { request: u64, options: SubscribeOptions, topic: Pattern },
    /// `[UNSUBSCRIBE, Request|id, SUBSCRIBED.Subscription|id]`
    Unsubscribe { request: u64, subscription: u64 },
    /// `[CALL, Request|id, Options|dict, Procedure|uri, Arguments|list, ArgumentsKw|dict]`
    Call { request: u64, options: CallOptions, procedure: Uri, payload: Payload },
    /// `[CANCEL, CALL.Request|id, Options|dict]`
    Cancel { request: u64, options: CancelOptions },
    /// `[REGISTER, Request|id, Options|dict, Procedure|uri]`
    Register { request: u64, options: RegisterOptions, procedure: Pattern },
    /// `[UNREGISTER, Request|id, REGISTERED.Registration|id]`
    Unregister { request: u64, registration: u64 },
    /// `[YIELD, INVOCATION.Request|id, Options|dict, Arguments|list, ArgumentsKw|dict]`
    Yield { request: u64, options: YieldOptions, payload: Payload },
}

impl ClientMessage {
    /// How many bytes of the message are kept besides its fixed parts: its payload, its URI, and what its options or details say.
    pub fn serialized_size(&self) -> usize {
        match self {
            Self::Hello { realm, details } => {
                realm.as_ref().map_or(0, |realm| realm.as_str().len()) + details.written.size()
            }
            Self::Authenticate { signature, extra } => signature.len() + extra.size(),
            Self::Abort { details, reason } | Self::Goodbye { details, reason } => {
                details.size() + reason.as_str().len()
            }
            Self::InvocationError { details, error, payload, .. } => {
                packed(details.passthru.as_deref()) + error.as_str().len() + payload.size()
            }
            Self::Yield { options, payload, .. } => packed(options.passthru.as_deref()) + payload.size(),
            Self::Publish { options, topic, payload, .. } => {
                let lists = options.lists.as_ref().map_or(0, |lists| lists.size());
                lists + packed(options.passthru.as_deref()) + topic.as_str().len() + payload.size()
            }
            Self::Call { options, procedure, payload, .. } => {
                packed(options.passthru.as_deref()) + procedure.as_str().len() + payload.size()
            }
            Self::Subscribe { topic: uri, .. } | Self::Register { procedure: uri, .. } => uri.as_str().len(),
            Self::Cancel { .. } | Self::Unsubscribe { .. } | Self::Unregister { .. } => 0,
        }
    }

    /// The message without the frame that it came in, where that is much larger: its payload is a slice of the frame, and would keep
    /// all of it in memory for as long as the message waits. `frame` is the frame's length.
    #[must_use]
    pub fn detached(mut self, frame: usize) -> Self {
        if frame <= KEPT_FRAME || self.serialized_size().saturating_add(KEPT_FRAME) >= frame {
            return self;
        }
        if let Self::InvocationError { payload, .. }
        | Self::Publish { payload, .. }
        | Self::Call { payload, .. }
        | Self::Yield { payload, .. } = &mut self
        {
            for part in [&mut payload.args, &mut payload.kwargs].into_iter().flatten() {
                *part = Bytes::copy_from_slice(part);
            }
        }
        self
    }
}

fn packed(passthru: Option<&Passthru>) -> usize {
    passthru.map_or(0, Passthru::size)
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
    Error { request_type: u64, request: u64, details: ErrorDetails, error: Uri, payload: Payload },
    /// `[PUBLISHED, PUBLISH.Request|id, Publication|id]`
    Published { request: u64, publication: u64 },
    /// `[SUBSCRIBED, SUBSCRIBE.Request|id, Subscription|id]`
    Subscribed { request: u64, subscription: u64 },
    /// `[UNSUBSCRIBED, UNSUBSCRIBE.Request|id]`
    Unsubscribed { request: u64 },
    /// `[EVENT, SUBSCRIBED.Subscription|id, PUBLISHED.Publication|id, Details|dict, PUBLISH.Arguments|list, PUBLISH.ArgumentsKw|dict]`
    Event { subscription: u64, publication: u64, details: EventDetails, payload: Payload },
    /// `[RESULT, CALL.Request|id, Details|dict, YIELD.Arguments|list, YIELD.ArgumentsKw|dict]`
    Result { request: u64, details: ResultDetails, payload: Payload },
    /// `[REGISTERED, REGISTER.Request|id, Registration|id]`
    Registered { request: u64, registration: u64 },
    /// `[UNREGISTERED, UNREGISTER.Request|id]`
    Unregistered { request: u64 },
    /// `[UNREGISTERED, 0, Details|dict]`: the router takes a registration back.
    RegistrationRevoked { registration: u64, reason: &'static str },
    /// `[UNSUBSCRIBED, 0, Details|dict]`: the router takes a subscription back.
    SubscriptionRevoked { subscription: u64, reason: &'static str },
    /// `[INTERRUPT, INVOCATION.Request|id, Options|dict]`
    Interrupt { request: u64, options: InterruptOptions },
    /// `[INVOCATION, Request|id, REGISTERED.Registration|id, Details|dict, CALL.Arguments|list, CALL.ArgumentsKw|dict]`
    Invocation { request: u64, registration: u64, details: InvocationDetails, payload: Payload },
}

impl RouterMessage {
    /// Whether this is an EVENT from before the subscription.
    pub const fn is_retained_event(&self) -> bool {
        matches!(self, Self::Event { details: EventDetails { retained: true, .. }, .. })
    }

    /// The ERROR for a request that the router refuses. The message, for the people who write the client, is its only
    /// argument.
    pub fn refusal(request_type: u64, request: u64, error: &'static str, message: String) -> Self {
        Self::Error {
            request_type,
            request,
            details: ErrorDetails::default(),
            error: Uri::known(error),
            payload: Payload::json(&[message.into()]),
        }
    }
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
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own in the message")]
pub struct PublishOptions {
    /// Whether the client wants PUBLISHED or ERROR as an answer.
    pub acknowledge: bool,
    /// Whether the publisher itself gets no event, even if it is subscribed. Default true.
    pub exclude_me: bool,
    /// Whether subscribers may see who published.
    pub disclose_me: bool,
    /// Whether the event becomes the one that later subscribers may ask for.
    pub retain: bool,
    /// Who gets an event and who does not. Few publishers say; the others pay no more than a pointer for it.
    pub lists: Option<Box<PublishLists>>,
    /// How the publisher has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// How a publisher limits the receivers of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishLists {
    /// Sessions that get no event, sorted.
    pub exclude: Vec<u64>,
    /// The same, by the authid that other clients know. Sorted as well, as the other lists are.
    pub exclude_authid: Vec<String>,
    /// The same, by the role.
    pub exclude_authrole: Vec<String>,
    /// The only sessions that get an event, sorted, each once; none: all of them.
    pub eligible: Option<Vec<u64>>,
    /// The same, by the authid that other clients know.
    pub eligible_authid: Option<Vec<String>>,
    /// The same, by the role.
    pub eligible_authrole: Option<Vec<String>>,
}

/// How a client has packed its payload by itself, so that the router leaves it alone (section "Payload Passthru Mode").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passthru {
    /// `ppt_scheme`; the mode is in use where it is not empty.
    pub scheme: Box<str>,
    /// `ppt_serializer`
    pub serializer: Option<Box<str>>,
    /// `ppt_cipher`
    pub cipher: Option<Box<str>>,
    /// `ppt_keyid`
    pub keyid: Option<Box<str>>,
}

impl PublishLists {
    /// How many bytes the lists take.
    pub fn size(&self) -> usize {
        let Self { exclude, exclude_authid, exclude_authrole, eligible, eligible_authid, eligible_authrole } =
            self;
        let ids = |ids: &Vec<u64>| ids.len() * size_of::<u64>();
        let texts =
            |texts: &Vec<String>| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        ids(exclude)
            + texts(exclude_authid)
            + texts(exclude_authrole)
            + eligible.as_ref().map_or(0, ids)
            + eligible_authid.as_ref().map_or(0, texts)
            + eligible_authrole.as_ref().map_or(0, texts)
    }
}

impl Passthru {
    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        let Self { scheme, serializer, cipher, keyid } = self;
        let others = [serializer, cipher, keyid].into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + scheme.len() + others.sum::<usize>()
    }
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            acknowledge: false,
            exclude_me: true,
            disclose_me: false,
            retain: false,
            lists: None,
            passthru: None,
        }
    }
}

/// CALL.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallOptions {
    /// Whether the callee may see who called.
    pub disclose_me: bool,
    /// Whether the caller takes progressive results.
    pub receive_progress: bool,
    /// Whether more calls of this request follow (section "Progressive Call Invocations").
    pub progress: bool,
    /// After how many milliseconds without a result the call ends; 0 for never.
    pub timeout: u64,
    /// How the caller has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// CANCEL.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CancelOptions {
    /// How the call ends.
    pub mode: CancelMode,
}

/// How a call is canceled (section "Call Canceling").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CancelMode {
    /// The caller gets its ERROR at once, and the callee is not told. What a CANCEL without a mode means.
    #[default]
    Skip,
    /// The callee is interrupted, and its answer goes to the caller.
    Kill,
    /// The caller gets its ERROR at once, and the callee is interrupted.
    KillNoWait,
}

/// INTERRUPT.Options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptOptions {
    /// Whether the caller still waits for an answer.
    pub mode: CancelMode,
    /// Why, as the URI that the caller gets.
    pub reason: &'static str,
}

/// YIELD.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct YieldOptions {
    /// Whether more results follow.
    pub progress: bool,
    /// How the callee has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// ERROR.Details.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorDetails {
    /// How the sender has packed the payload, if it did so itself.
    pub passthru: Option<Box<Passthru>>,
}

/// SUBSCRIBE.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscribeOptions {
    /// How the topic is compared.
    pub matching: UriMatch,
    /// The option whose value is none of those that there are: a reason to refuse the request.
    pub unknown: Option<&'static str>,
    /// Whether the subscriber wants the retained event of the topic.
    pub get_retained: bool,
}

/// REGISTER.Options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegisterOptions {
    /// How the procedure is compared.
    pub matching: UriMatch,
    /// The option whose value is none of those that there are: a reason to refuse the request.
    pub unknown: Option<&'static str>,
    /// Which of several callees is invoked.
    pub invoke: Invoke,
    /// How many invocations the callee takes at once; `None` for any number.
    pub concurrency: Option<u64>,
    /// Whether the registration takes the place of another one.
    pub force_reregister: bool,
    /// Whether the callee asks to see who calls.
    pub disclose_caller: bool,
    /// Whether the callee itself ends calls whose time is up.
    pub forward_timeout: bool,
}

/// Which of the callees that share a registration is invoked (section "Shared Registration").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants carry the specification's own names")]
pub enum Invoke {
    /// There is only one.
    #[default]
    Single,
    First,
    Last,
    RoundRobin,
    Random,
}

impl Invoke {
    /// Reads the value of the option `invoke`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "single" => Self::Single,
            "first" => Self::First,
            "last" => Self::Last,
            "roundrobin" => Self::RoundRobin,
            "random" => Self::Random,
            _ => return None,
        })
    }

    /// The value of the option `invoke`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::First => "first",
            Self::Last => "last",
            Self::RoundRobin => "roundrobin",
            Self::Random => "random",
        }
    }
}

impl CancelMode {
    /// Reads the value of the option `mode`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "skip" => Self::Skip,
            "kill" => Self::Kill,
            "killnowait" => Self::KillNoWait,
            _ => return None,
        })
    }

    /// The value of the option `mode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Kill => "kill",
            Self::KillNoWait => "killnowait",
        }
    }
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

#[cfg(test)]
mod tests;
