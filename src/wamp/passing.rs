//! Messages that pass between a client and a router behind the gateway.
//!
//! A message that passes stays as its sender wrote it, or is written anew with the receiver's serializer. The gateway reads of it what it
//! needs to know that it is one message and of which type: a message with a second one behind it, or with a type that is no whole number,
//! could be one thing to the gateway and another one to its receiver.
//!
//! What the gateway itself says to a router, and what it has to understand of one, are few and small messages: they take the way over JSON.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    DecodeError, MAX_ID, Serializer, SessionId, Uri,
    cbor::CborReader,
    decode,
    envelope::invalid,
    json::JsonReader,
    message::code,
    msgpack::MsgPackReader,
    read::{Depth, Ignore, Kind, Reader, Token, walk},
    transcode,
};

/// What a joined client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromClient {
    /// A message for its router.
    Message,
    /// GOODBYE.
    Goodbye,
    /// ABORT.
    Abort,
    /// What belongs before WELCOME, by its name.
    Early(&'static str),
}

/// What a router sends to a session that has joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromRouter {
    /// A message for its client.
    Message,
    /// GOODBYE or ABORT.
    Farewell,
}

/// What a router answers to a session that joins, and how it ends one.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub enum Reply {
    /// `[CHALLENGE, AuthMethod|string, Extra|dict]`
    Challenge { method: String, extra: Map<String, Value> },
    /// `[WELCOME, Session|id, Details|dict]`
    Welcome { session: SessionId, details: Map<String, Value> },
    /// `[ABORT, Details|dict, Reason|uri]`
    Abort { reason: Uri, message: Option<String> },
    /// `[GOODBYE, Details|dict, Reason|uri]`
    Goodbye { reason: Uri, message: Option<String> },
}

/// What the gateway says to a router in the place of a client.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub enum Request<'a> {
    /// `[HELLO, Realm|uri, Details|dict]`
    Hello { realm: &'a Uri, details: Map<String, Value> },
    /// `[AUTHENTICATE, Signature|string, Extra|dict]`
    Authenticate { signature: &'a str },
    /// `[GOODBYE, Details|dict, Reason|uri]`
    Goodbye { reason: &'a str },
}

impl Serializer {
    /// Looks at a message of a joined client.
    pub(crate) fn client_message(self, message: &Bytes, max_depth: usize) -> Result<FromClient, DecodeError> {
        let code = self.inspect(message, max_depth)?;
        let name = decode::name(code)?;
        Ok(match code {
            code::HELLO | code::AUTHENTICATE => FromClient::Early(name),
            code::GOODBYE => FromClient::Goodbye,
            code::ABORT => FromClient::Abort,
            _ => FromClient::Message,
        })
    }

    /// Looks at a message of a router for a session that has joined.
    pub(crate) fn router_message(self, message: &Bytes, max_depth: usize) -> Result<FromRouter, DecodeError> {
        match self.inspect(message, max_depth)? {
            code::ERROR
            | code::PUBLISHED
            | code::SUBSCRIBED
            | code::UNSUBSCRIBED
            | code::EVENT
            | code::RESULT
            | code::REGISTERED
            | code::UNREGISTERED
            | code::INVOCATION
            | code::INTERRUPT => Ok(FromRouter::Message),
            code::GOODBYE | code::ABORT => Ok(FromRouter::Farewell),
            code => Err(invalid(format!("no router sends a message of type {code} to a session"))),
        }
    }

    /// The message for a receiver with the serializer `target`: the very same bytes if it is the sender's, too. It has been looked at.
    pub(crate) fn rewrite(self, message: Bytes, target: Self) -> Result<Bytes, DecodeError> {
        if self == target { Ok(message) } else { transcode::value(&message, self, target) }
    }

    /// Reads what a router answers to a session that joins, and how it ends one.
    pub(crate) fn read_reply(self, message: &Bytes, max_depth: usize) -> Result<Reply, DecodeError> {
        let code = self.inspect(message, max_depth)?;
        let json = transcode::value(message, self, Self::Json)?;
        let elements: Vec<Value> =
            serde_json::from_slice(&json).map_err(|error| DecodeError::Malformed(error.to_string()))?;
        let mut elements = elements.into_iter().skip(1);
        let (first, second) = (elements.next(), elements.next());
        match (code, first, second) {
            (code::CHALLENGE, Some(Value::String(method)), Some(Value::Object(extra))) => {
                Ok(Reply::Challenge { method, extra })
            }
            (code::WELCOME, Some(Value::Number(session)), Some(Value::Object(details))) => {
                let session = session.as_u64().filter(|id| (1..=MAX_ID).contains(id));
                let session = session.ok_or_else(|| invalid("WELCOME.Session: no integer from 1 to 2^53"))?;
                Ok(Reply::Welcome { session: SessionId(session), details })
            }
            (
                code @ (code::ABORT | code::GOODBYE),
                Some(Value::Object(details)),
                Some(Value::String(uri)),
            ) => {
                let reason = Uri::parse(&uri).map_err(|fault| invalid(format!("Reason: {fault}")))?;
                let message = details.get("message").and_then(Value::as_str).map(str::to_owned);
                Ok(if code == code::ABORT {
                    Reply::Abort { reason, message }
                } else {
                    Reply::Goodbye { reason, message }
                })
            }
            (code::CHALLENGE | code::WELCOME | code::ABORT | code::GOODBYE, ..) => {
                Err(invalid(format!("a message of type {code} with other elements than it has")))
            }
            (code, ..) => Err(invalid(format!("no router answers with a message of type {code}"))),
        }
    }

    /// Writes what the gateway says to a router.
    pub(crate) fn write_request(self, request: Request<'_>) -> Bytes {
        let (code, first, second): (u64, Value, Value) = match request {
            Request::Hello { realm, details } => (code::HELLO, realm.as_str().into(), details.into()),
            Request::Authenticate { signature } => (code::AUTHENTICATE, signature.into(), Map::new().into()),
            Request::Goodbye { reason } => (code::GOODBYE, Map::new().into(), reason.into()),
        };
        let json = Bytes::from(Value::from(vec![code.into(), first, second]).to_string());
        // JSON that was just written can be read, and every serializer has what JSON has.
        self.of_json(json)
    }

    fn of_json(self, json: Bytes) -> Bytes {
        Self::Json.rewrite(json, self).unwrap_or_default()
    }

    /// The type of a message, of which all was read: it is whole, nested no deeper than allowed, and nothing stands behind it.
    fn inspect(self, message: &Bytes, max_depth: usize) -> Result<u64, DecodeError> {
        match self {
            Self::Json => inspect(JsonReader::new(message)?, max_depth),
            Self::MsgPack => inspect(MsgPackReader::new(message), max_depth),
            Self::Cbor => inspect(CborReader::new(message), max_depth),
        }
    }
}

fn inspect<'a, R: Reader<'a>>(mut reader: R, max_depth: usize) -> Result<u64, DecodeError> {
    let list = reader.value()?.container().filter(|container| container.kind == Kind::List);
    let mut list = list.ok_or_else(|| invalid("a message is a list"))?;
    let depth = Depth::limited_to(max_depth).deeper()?;
    let code = if reader.more(&mut list)? { reader.value()? } else { Token::Null };
    let Token::Unsigned(code) = code else {
        return Err(invalid("a message's first element is its type, a positive integer"));
    };
    while reader.more(&mut list)? {
        walk(&mut reader, &mut Ignore, depth)?;
    }
    reader.finish()?;
    Ok(code)
}

#[cfg(test)]
mod tests;
