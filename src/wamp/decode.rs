//! Reading the messages of a client: the envelope into types, the payload only checked.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    ClientMessage, DecodeError, InvalidUri, Serializer, Uri,
    cbor::CborReader,
    envelope::{Envelope, invalid},
    json::JsonReader,
    message::{CallOptions, PublishOptions, RefusedRequest, RegisterOptions, SubscribeOptions, code},
    msgpack::MsgPackReader,
    options::Refused,
    pattern::{Pattern, UriMatch},
    read::{Reader, Token},
    uri::error,
};

impl Serializer {
    /// Reads one message.
    ///
    /// Its payload, and options and details, are slices of `message`. `max_depth` is how deeply lists and dictionaries may
    /// be nested, the message's own list included.
    pub(crate) fn decode(self, message: &Bytes, max_depth: usize) -> Result<ClientMessage, DecodeError> {
        match self {
            Self::Json => read(Envelope::open(JsonReader::new(message)?, message, self, max_depth)?),
            Self::MsgPack => read(Envelope::open(MsgPackReader::new(message), message, self, max_depth)?),
            Self::Cbor => read(Envelope::open(CborReader::new(message), message, self, max_depth)?),
        }
    }
}

fn read<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let Token::Unsigned(code) = message.next("type")? else {
        return Err(invalid("a message's first element is its type, a positive integer"));
    };
    message.set_name(name(code)?);
    match code {
        code::HELLO => hello(message),
        code::ABORT => abort(message),
        code::AUTHENTICATE => authenticate(message),
        code::GOODBYE => goodbye(message),
        code::ERROR => invocation_error(message),
        code::PUBLISH => publish(message),
        code::SUBSCRIBE => subscribe(message),
        code::UNSUBSCRIBE => {
            let [request, subscription] = ids(message, "Subscription")?;
            Ok(ClientMessage::Unsubscribe { request, subscription })
        }
        code::CALL => call(message),
        code::CANCEL => cancel(message),
        code::REGISTER => register(message),
        code::UNREGISTER => {
            let [request, registration] = ids(message, "Registration")?;
            Ok(ClientMessage::Unregister { request, registration })
        }
        // `name` has refused everything but YIELD.
        _ => yield_(message),
    }
}

// Options and URI are judged last: only a message that is sound otherwise can be answered with ERROR.

fn hello<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let realm = match message.next("Realm")? {
        // The specification's advanced profile lets the router choose.
        Token::Null => None,
        Token::Text(realm) => Some(realm.into_str()),
        _ => return Err(message.complaint("Realm", "expected a string")),
    };
    let details = message.options("Details")?;
    message.end()?;
    let realm = realm.map(|realm| message.uri("Realm", &realm)).transpose()?;
    Ok(ClientMessage::Hello { realm, details: Box::new(details) })
}

fn abort<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let details = message.dictionary("Details")?;
    let reason = message.text("Reason")?;
    // The session ends: the arguments mean nothing any more.
    message.payload()?;
    Ok(ClientMessage::Abort { details, reason: message.uri("Reason", &reason)? })
}

fn authenticate<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let signature = message.text("Signature")?.into_owned();
    let extra = message.dictionary("Extra")?;
    message.end()?;
    Ok(ClientMessage::Authenticate { signature, extra })
}

fn goodbye<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let details = message.dictionary("Details")?;
    let reason = message.text("Reason")?;
    message.end()?;
    Ok(ClientMessage::Goodbye { details, reason: message.uri("Reason", &reason)? })
}

fn invocation_error<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    if !matches!(message.next("REQUEST.Type")?, Token::Unsigned(code::INVOCATION)) {
        return Err(message.complaint("REQUEST.Type", "a client can only answer an INVOCATION, which is 68"));
    }
    let request = message.id("REQUEST.Request")?;
    let details = message.options("Details")?;
    let error = message.text("Error")?;
    let payload = message.payload()?;
    Ok(ClientMessage::InvocationError { request, details, error: message.uri("Error", &error)?, payload })
}

fn publish<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let (options, refused): (PublishOptions, _) = message.request_options("Options")?;
    let topic = message.text("Topic")?;
    let payload = message.payload()?;
    Ok(match allowed(refused).and_then(|()| Ok(Uri::parse(&topic)?)) {
        Ok(topic) => ClientMessage::Publish { request, options, topic, payload },
        Err(reason) => {
            let has_answer = options.acknowledge;
            refusal(RefusedRequest { has_answer, ..RefusedRequest::new(code::PUBLISH, request, reason) })
        }
    })
}

fn subscribe<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let (options, refused): (SubscribeOptions, _) = message.request_options("Options")?;
    let topic = message.text("Topic")?;
    message.end()?;
    Ok(match pattern(refused, options.matching, &topic) {
        Ok(topic) => ClientMessage::Subscribe { request, options, topic },
        Err(reason) => refusal(RefusedRequest::new(code::SUBSCRIBE, request, reason)),
    })
}

fn call<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let (options, refused): (CallOptions, _) = message.request_options("Options")?;
    let procedure = message.text("Procedure")?;
    let payload = message.payload()?;
    Ok(match Uri::parse(&procedure) {
        // Only the dealer knows whether this is a later invocation, of whose options none but `progress` counts.
        Ok(procedure) => {
            let options = CallOptions { refused, ..options };
            ClientMessage::Call { request, options, procedure, payload }
        }
        Err(fault) => {
            let has_more = options.progress;
            refusal(RefusedRequest { has_more, ..RefusedRequest::new(code::CALL, request, fault.into()) })
        }
    })
}

fn register<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let (options, refused): (RegisterOptions, _) = message.request_options("Options")?;
    let procedure = message.text("Procedure")?;
    message.end()?;
    Ok(match pattern(refused, options.matching, &procedure) {
        Ok(procedure) => ClientMessage::Register { request, options, procedure },
        Err(reason) => refusal(RefusedRequest::new(code::REGISTER, request, reason)),
    })
}

fn yield_<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let options = message.options("Options")?;
    let payload = message.payload()?;
    Ok(ClientMessage::Yield { request, options, payload })
}

/// Why a request is answered with ERROR: its URI, and what is said.
type Reason = (&'static str, Cow<'static, str>);

impl From<InvalidUri> for Reason {
    fn from(fault: InvalidUri) -> Self {
        (error::INVALID_URI, fault.to_string().into())
    }
}

fn allowed(refused: Refused) -> Result<(), Reason> {
    refused.map_or(Ok(()), |complaint| Err((error::OPTION_NOT_ALLOWED, complaint.into())))
}

/// What a request subscribes to or registers. How it is compared comes first: it decides which texts are sound.
fn pattern(refused: Refused, matching: UriMatch, text: &str) -> Result<Pattern, Reason> {
    allowed(refused)?;
    Ok(Pattern::parse(text, matching)?)
}

fn refusal(refused: RefusedRequest) -> ClientMessage {
    ClientMessage::Refused(Box::new(refused))
}

fn cancel<'a, R: Reader<'a>>(mut message: Envelope<'a, R>) -> Result<ClientMessage, DecodeError> {
    let request = message.id("Request")?;
    let options = message.options("Options")?;
    message.end()?;
    Ok(ClientMessage::Cancel { request, options })
}

/// A message of a request's identifier and another one.
fn ids<'a, R: Reader<'a>>(mut message: Envelope<'a, R>, second: &str) -> Result<[u64; 2], DecodeError> {
    let ids = [message.id("Request")?, message.id(second)?];
    message.end()?;
    Ok(ids)
}

/// The name of a message that a client may send.
pub(super) fn name(code: u64) -> Result<&'static str, DecodeError> {
    Ok(match code {
        code::HELLO => "HELLO",
        code::ABORT => "ABORT",
        code::AUTHENTICATE => "AUTHENTICATE",
        code::GOODBYE => "GOODBYE",
        code::ERROR => "ERROR",
        code::PUBLISH => "PUBLISH",
        code::SUBSCRIBE => "SUBSCRIBE",
        code::UNSUBSCRIBE => "UNSUBSCRIBE",
        code::CALL => "CALL",
        code::CANCEL => "CANCEL",
        code::REGISTER => "REGISTER",
        code::UNREGISTER => "UNREGISTER",
        code::YIELD => "YIELD",
        code::WELCOME
        | code::CHALLENGE
        | code::PUBLISHED
        | code::SUBSCRIBED
        | code::UNSUBSCRIBED
        | code::EVENT
        | code::RESULT
        | code::REGISTERED
        | code::UNREGISTERED
        | code::INVOCATION
        | code::INTERRUPT => {
            return Err(invalid(format!("message type {code} is sent by routers, not by clients")));
        }
        code::EVENT_RECEIVED => {
            let what = "EVENT_RECEIVED (337): this router announces no acknowledgement of events, and has no use for one";
            return Err(invalid(what));
        }
        _ => return Err(invalid("the message's type is none of those that this router knows")),
    })
}
