//! The messages of the basic profile, as types: what a client may send, and what a router answers.
//!
//! Application payload stays as the raw bytes in which it came, see [`Payload`]. Options and details are types as far as
//! they mean something here; the whole dictionary is kept beside them, see [`Dictionary`]. The router ignores keys that it
//! does not know, as the specification asks.

pub mod code;
mod details;
mod options;

pub(super) use self::options::{PPT_CIPHER, PPT_KEYID, PPT_SCHEME, PPT_SERIALIZER};

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use self::{
    details::{
        Disclosed, ErrorDetails, EventDetails, HelloDetails, InvocationDetails, ResultDetails, WelcomeDetails,
    },
    options::{
        CallOptions, CancelMode, CancelOptions, InterruptOptions, Invoke, Passthru, PublishLists,
        PublishOptions, RegisterOptions, SubscribeOptions, YieldOptions,
    },
};
use super::{Dictionary, Payload, SessionId, Uri, pattern::Pattern};

/// How much of a frame a message may keep in memory beside what is its own, in bytes: less than a message counts at least while it
/// waits for its realm.
const KEPT_FRAME: usize = 2048;

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
    /// A request that the router refuses for its URI or its options, and that is sound otherwise.
    Refused(Box<RefusedRequest>),
}

/// A request that gets ERROR instead of what it asks for. It goes the way of all requests, so that answers come in order, and
/// so that a call that was refused is still known as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequest {
    /// The message type's code.
    pub request_type: u64,
    /// The request's identifier.
    pub request: u64,
    /// Whether the client gets an answer: a PUBLISH without `acknowledge` has none.
    pub has_answer: bool,
    /// Whether more calls of this request follow.
    pub has_more: bool,
    /// The ERROR's URI.
    pub error: &'static str,
    /// What is wrong, for the people who write the client.
    pub message: Cow<'static, str>,
}

impl RefusedRequest {
    /// A request that has an answer, with the URI of its ERROR and what that says.
    pub fn new(request_type: u64, request: u64, (error, message): (&'static str, Cow<'static, str>)) -> Self {
        Self { request_type, request, has_answer: true, has_more: false, error, message }
    }
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
            Self::Refused(refused) => size_of::<RefusedRequest>() + refused.message.len(),
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
            *payload = payload.detached();
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
    /// `[UNREGISTERED, 0, Details|dict]`: the router takes a registration back. The specification has a sentence for the reason; clients
    /// such as autobahn for Python end the connection where it is no URI.
    RegistrationRevoked { registration: u64, reason: Uri },
    /// `[UNSUBSCRIBED, 0, Details|dict]`: the router takes a subscription back.
    SubscriptionRevoked { subscription: u64, reason: Uri },
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

#[cfg(test)]
mod tests;
