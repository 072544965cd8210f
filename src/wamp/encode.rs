//! Writing the messages of a router.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Payload, RouterMessage, Serializer, Uri,
    cbor::CborWriter,
    json::JsonWriter,
    message::{
        CancelMode, Disclosed, EventDetails, InvocationDetails, Passthru, ResultDetails, WelcomeDetails, code,
    },
    msgpack::MsgPackWriter,
    read::{Kind, Token},
    write::{self, Writer},
};

/// Enough for a message's list, type, identifiers and empty details; what varies is added.
const HEAD_SIZE: usize = 64;

/// A guess at a dictionary that was made elsewhere; a longer one costs one more allocation.
const OBJECT_SIZE: usize = 256;

impl Serializer {
    /// Writes one message, transcoding its payload where that is needed.
    pub(crate) fn encode(self, message: &RouterMessage) -> Bytes {
        match self {
            Self::Json => write_message::<JsonWriter>(message, self),
            Self::MsgPack => write_message::<MsgPackWriter>(message, self),
            Self::Cbor => write_message::<CborWriter>(message, self),
        }
    }
}

fn write_message<W: Writer>(message: &RouterMessage, target: Serializer) -> Bytes {
    match message {
        RouterMessage::Welcome { session, details } => {
            let details = welcome(details, target);
            Message::<W>::new(code::WELCOME, 2, size(&details)).int(session.0).details(&details).finish()
        }
        RouterMessage::Abort { message, reason } => {
            farewell::<W>(code::ABORT, Some(message.as_str()).filter(|message| !message.is_empty()), reason)
        }
        RouterMessage::Goodbye { message, reason } => {
            farewell::<W>(code::GOODBYE, message.as_deref(), reason)
        }
        RouterMessage::Challenge { method, extra } => {
            let mut out = Message::<W>::new(code::CHALLENGE, 2, OBJECT_SIZE).text(method);
            write::object(&mut out.writer, extra);
            out.finish()
        }
        RouterMessage::Error { request_type, request, details, error, payload } => {
            let payload = Arguments::new(payload, target);
            let out =
                Message::<W>::new(code::ERROR, 4 + payload.count(), error.as_str().len() + payload.size())
                    .int(*request_type)
                    .int(*request);
            let out = match &details.passthru {
                None => out.details(&[]),
                Some(packed) => out.details(&passthru(packed)),
            };
            out.text(error.as_str()).arguments(&payload).finish()
        }
        RouterMessage::Event { subscription, publication, details, payload } => {
            let payload = Arguments::new(payload, target);
            event_details(details, |details| {
                Message::<W>::new(code::EVENT, 3 + payload.count(), size(details) + payload.size())
                    .int(*subscription)
                    .int(*publication)
                    .details(details)
                    .arguments(&payload)
                    .finish()
            })
        }
        RouterMessage::Result { request, details, payload } => {
            let payload = Arguments::new(payload, target);
            result_details(details, |details| {
                Message::<W>::new(code::RESULT, 2 + payload.count(), size(details) + payload.size())
                    .int(*request)
                    .details(details)
                    .arguments(&payload)
                    .finish()
            })
        }
        RouterMessage::Invocation { request, registration, details, payload } => {
            let payload = Arguments::new(payload, target);
            invocation_details(details, |details| {
                Message::<W>::new(code::INVOCATION, 3 + payload.count(), size(details) + payload.size())
                    .int(*request)
                    .int(*registration)
                    .details(details)
                    .arguments(&payload)
                    .finish()
            })
        }
        RouterMessage::Interrupt { request, options } => {
            let options = [
                Some(("mode", Detail::Text(options.mode.name()))),
                Some(("reason", Detail::Text(options.reason))),
            ];
            Message::<W>::new(code::INTERRUPT, 2, size(&options)).int(*request).details(&options).finish()
        }
        RouterMessage::RegistrationRevoked { registration, reason } => {
            revoked::<W>(code::UNREGISTERED, "registration", *registration, reason.as_str())
        }
        RouterMessage::SubscriptionRevoked { subscription, reason } => {
            revoked::<W>(code::UNSUBSCRIBED, "subscription", *subscription, reason.as_str())
        }
        RouterMessage::Published { request, publication } => {
            ids::<W>(code::PUBLISHED, &[*request, *publication])
        }
        RouterMessage::Subscribed { request, subscription } => {
            ids::<W>(code::SUBSCRIBED, &[*request, *subscription])
        }
        RouterMessage::Unsubscribed { request } => ids::<W>(code::UNSUBSCRIBED, &[*request]),
        RouterMessage::Registered { request, registration } => {
            ids::<W>(code::REGISTERED, &[*request, *registration])
        }
        RouterMessage::Unregistered { request } => ids::<W>(code::UNREGISTERED, &[*request]),
    }
}

/// WELCOME.Details.
fn welcome(details: &WelcomeDetails, target: Serializer) -> [Option<(&str, Detail<'_>)>; 9] {
    let WelcomeDetails {
        realm,
        authid,
        authrole,
        authmethod,
        authprovider,
        authextra,
        features,
        known,
        public_id,
    } = details;
    [
        Some(("realm", Detail::Text(realm.as_str()))),
        Some(("authid", Detail::Text(authid))),
        Some(("authrole", Detail::Text(authrole))),
        Some(("authmethod", Detail::Text(authmethod))),
        Some(("authprovider", Detail::Text(authprovider))),
        authextra.as_ref().map(|extra| ("authextra", Detail::Object(extra))),
        Some(("roles", Detail::Raw(features.roles(target)))),
        known.map(|known| ("x_wampgate_known", Detail::Bool(known))),
        public_id.as_deref().map(|id| ("x_wampgate_public_id", Detail::Text(id))),
    ]
}

/// Another session, under the keys for its identifier, its authid and its role.
fn disclosed<'a>(session: Option<&'a Disclosed>, keys: [&'a str; 3]) -> [Option<(&'a str, Detail<'a>)>; 3] {
    let [id, authid, authrole] = keys;
    [
        session.map(|it| (id, Detail::Id(it.session.0))),
        session.map(|it| (authid, Detail::Text(&it.authid))),
        session.map(|it| (authrole, Detail::Text(&it.authrole))),
    ]
}

/// EVENT.Details. Most events have none, and none of the others has all: the common forms are written without a look at
/// what is not there.
fn event_details<T>(details: &EventDetails, write: impl FnOnce(Details<'_>) -> T) -> T {
    let EventDetails { publisher, topic, retained, passthru: packed } = details;
    let keys = ["publisher", "publisher_authid", "publisher_authrole"];
    let topic = topic.as_ref().map(|topic| ("topic", Detail::Text(topic.as_str())));
    match (publisher, packed) {
        (None, None) if topic.is_none() && !retained => write(&[]),
        (None, None) => write(&[topic, flag("retained", *retained)]),
        (publisher, packed) => {
            let [id, authid, authrole] = disclosed(publisher.as_ref(), keys);
            let [scheme, serializer, cipher, keyid] = packed.as_deref().map_or([None; 4], passthru);
            let retained = flag("retained", *retained);
            write(&[id, authid, authrole, topic, retained, scheme, serializer, cipher, keyid])
        }
    }
}

/// INVOCATION.Details.
fn invocation_details<T>(details: &InvocationDetails, write: impl FnOnce(Details<'_>) -> T) -> T {
    let InvocationDetails { caller, procedure, receive_progress, progress, timeout, passthru: packed } =
        details;
    let is_plain = caller.is_none()
        && procedure.is_none()
        && !receive_progress
        && !progress
        && *timeout == 0
        && packed.is_none();
    if is_plain {
        return write(&[]);
    }
    let [id, authid, authrole] = disclosed(caller.as_ref(), ["caller", "caller_authid", "caller_authrole"]);
    let [scheme, serializer, cipher, keyid] = packed.as_deref().map_or([None; 4], passthru);
    write(&[
        id,
        authid,
        authrole,
        procedure.as_ref().map(|procedure| ("procedure", Detail::Text(procedure.as_str()))),
        flag("receive_progress", *receive_progress),
        flag("progress", *progress),
        (*timeout > 0).then_some(("timeout", Detail::Id(*timeout))),
        scheme,
        serializer,
        cipher,
        keyid,
    ])
}

/// RESULT.Details.
fn result_details<T>(details: &ResultDetails, write: impl FnOnce(Details<'_>) -> T) -> T {
    let ResultDetails { progress, passthru: packed } = details;
    match packed {
        None if !progress => write(&[]),
        None => write(&[flag("progress", true)]),
        Some(packed) => {
            let [scheme, serializer, cipher, keyid] = passthru(packed);
            write(&[flag("progress", *progress), scheme, serializer, cipher, keyid])
        }
    }
}

/// A switch, which stands in details only if it is on.
fn flag(key: &str, is_on: bool) -> Option<(&str, Detail<'_>)> {
    is_on.then_some((key, Detail::Bool(true)))
}

/// How a payload was packed by its sender.
fn passthru(packed: &Passthru) -> [Option<(&str, Detail<'_>)>; 4] {
    packed.attributes().map(|attribute| attribute.map(|(name, text)| (name, Detail::Text(text))))
}

/// UNREGISTERED or UNSUBSCRIBED that answers no request.
fn revoked<W: Writer>(code: u64, key: &str, id: u64, reason: &str) -> Bytes {
    let details = [Some((key, Detail::Id(id))), Some(("reason", Detail::Text(reason)))];
    Message::<W>::new(code, 2, size(&details)).int(0).details(&details).finish()
}

/// The CANCEL that a client would send.
pub(super) fn cancel<W: Writer>(request: u64, mode: CancelMode) -> Bytes {
    let options = [Some(("mode", Detail::Text(mode.name())))];
    Message::<W>::new(code::CANCEL, 2, size(&options)).int(request).details(&options).finish()
}

/// A message of identifiers only.
fn ids<W: Writer>(code: u64, ids: &[u64]) -> Bytes {
    ids.iter().fold(Message::<W>::new(code, ids.len(), 0), |out, id| out.int(*id)).finish()
}

/// ABORT or GOODBYE.
fn farewell<W: Writer>(code: u64, message: Option<&str>, reason: &Uri) -> Bytes {
    let details = [message.map(|message| ("message", Detail::Text(message)))];
    Message::<W>::new(code, 2, size(&details) + reason.as_str().len())
        .details(&details)
        .text(reason.as_str())
        .finish()
}

/// An entry of a message's details.
#[derive(Debug, Clone, Copy)]
enum Detail<'a> {
    Id(u64),
    Bool(bool),
    Text(&'a str),
    Raw(&'a [u8]),
    Object(&'a Map<String, Value>),
}

/// The entries of a dictionary, as far as there are any.
type Details<'a> = &'a [Option<(&'a str, Detail<'a>)>];

/// About how many bytes the details take.
fn size(details: Details<'_>) -> usize {
    let entry = |(key, value): &(&str, Detail<'_>)| match value {
        Detail::Id(_) => key.len() + 20,
        Detail::Bool(_) => key.len() + 10,
        Detail::Raw(value) => key.len() + value.len() + 6,
        Detail::Object(_) => key.len() + OBJECT_SIZE,
        Detail::Text(text) => key.len() + text.len() + 6,
    };
    details.iter().flatten().map(entry).sum()
}

/// A payload in the target's serializer.
#[derive(Debug)]
struct Arguments(Payload);

impl Arguments {
    fn new(payload: &Payload, target: Serializer) -> Self {
        Self(payload.transcoded(target))
    }

    /// How many elements of the message it takes: keyword arguments never stand without a list before them.
    const fn count(&self) -> usize {
        match (&self.0.args, &self.0.kwargs) {
            (_, Some(_)) => 2,
            (Some(_), None) => 1,
            (None, None) => 0,
        }
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// A message that is being written, element by element.
#[derive(Debug)]
struct Message<W> {
    writer: W,
}

impl<W: Writer> Message<W> {
    /// Begins a message of its type and so many `elements`, which take about `size` bytes beside numbers.
    fn new(code: u64, elements: usize, size: usize) -> Self {
        let mut writer = W::with_capacity(HEAD_SIZE + size);
        writer.list(1 + elements);
        Self { writer }.int(code)
    }

    fn int(mut self, int: u64) -> Self {
        self.writer.unsigned(int);
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.writer.text(text);
        self
    }

    fn details(mut self, details: Details<'_>) -> Self {
        self.writer.dict(details.iter().flatten().count());
        for &(key, value) in details.iter().flatten() {
            self.writer.key(Token::text(key));
            match value {
                Detail::Id(id) => self.writer.unsigned(id),
                Detail::Bool(value) => self.writer.bool(value),
                Detail::Text(text) => self.writer.text(text),
                Detail::Raw(value) => self.writer.raw(value),
                Detail::Object(object) => write::object(&mut self.writer, object),
            }
        }
        self.writer.end(Kind::Dict);
        self
    }

    fn arguments(mut self, Arguments(payload): &Arguments) -> Self {
        match &payload.args {
            Some(args) => self.writer.raw(args),
            None if payload.kwargs.is_some() => {
                self.writer.list(0);
                self.writer.end(Kind::List);
            }
            None => {}
        }
        if let Some(kwargs) = &payload.kwargs {
            self.writer.raw(kwargs);
        }
        self
    }

    fn finish(mut self) -> Bytes {
        self.writer.end(Kind::List);
        self.writer.finish().into()
    }
}
