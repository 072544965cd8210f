//! What the gateway does in the place of a message that a client, or a router behind the gateway, cannot be sent, since it is longer than that
//! takes.
//!
//! The specification leaves that to the router (section "RawSocket Transport"). An event is left out. Where a session waits for an answer
//! it gets one: `wamp.error.payload_size_exceeded`, for a call whose arguments or result do not fit. A progressive result that does not fit
//! cancels its call: an error would end the call for the client alone, and the next result would belong to none.

use bytes::Bytes;

use super::{
    DecodeError, RouterMessage, Serializer,
    cbor::{CborReader, CborWriter},
    encode,
    envelope::{Envelope, invalid},
    json::{JsonReader, JsonWriter},
    message::{CancelMode, code},
    msgpack::{MsgPackReader, MsgPackWriter},
    read::{Reader, Token},
    uri::error::PAYLOAD_SIZE_EXCEEDED,
};

/// How deeply a message may be nested: what the gateway writes itself it can read.
const MAX_DEPTH: usize = 4096;

/// What takes the place of a message that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Nothing: the message is an event.
    Nothing,
    /// The client is sent this message.
    Send(Bytes),
    /// The router is told this, as if the client had.
    Answer(Bytes),
    /// The session cannot go on without the message.
    End,
}

/// What a message of a client is, as far as it matters here.
enum Asked {
    /// Its sender waits for an answer.
    Request {
        request_type: u64,
        request: u64,
    },
    /// Its sender waits for none.
    Publication,
    /// An answer that another session waits for.
    Answer {
        request: u64,
    },
    Other,
}

/// What a message is, as far as it matters here.
enum Sent {
    Event,
    Result { request: u64, is_last: bool },
    Error { request_type: u64, request: u64 },
    Invocation { request: u64 },
    Other,
}

impl Instead {
    /// What takes the place of a message that the gateway has written, for a client that takes so many bytes at once.
    pub(crate) fn of(serializer: Serializer, message: &Bytes, limit: usize) -> Self {
        let error = |request_type, request| {
            let why =
                format!("the message has {} bytes, and the client takes {limit} at once", message.len());
            serializer.encode(&RouterMessage::refusal(request_type, request, PAYLOAD_SIZE_EXCEEDED, why))
        };
        let written = match serializer {
            Serializer::Json => JsonReader::new(message).and_then(|reader| read(reader, message, serializer)),
            Serializer::MsgPack => read(MsgPackReader::new(message), message, serializer),
            Serializer::Cbor => read(CborReader::new(message), message, serializer),
        };
        match written {
            Ok(Sent::Event) => Self::Nothing,
            Ok(Sent::Result { request, is_last: true }) => Self::send(error(code::CALL, request), limit),
            Ok(Sent::Error { request_type, request }) => Self::send(error(request_type, request), limit),
            Ok(Sent::Invocation { request }) => Self::Answer(error(code::INVOCATION, request)),
            Ok(Sent::Result { request, is_last: false }) => Self::Answer(match serializer {
                Serializer::Json => cancel::<JsonWriter>(request),
                Serializer::MsgPack => cancel::<MsgPackWriter>(request),
                Serializer::Cbor => cancel::<CborWriter>(request),
            }),
            Ok(Sent::Other) | Err(_) => Self::End,
        }
    }

    /// What takes the place of a message that a client has written, for a router that takes so many bytes at once. `Answer` is for the client,
    /// as if the router had answered.
    pub(crate) fn of_client(serializer: Serializer, message: &Bytes, limit: usize) -> Self {
        let error = |request_type, request| {
            let why =
                format!("the message has {} bytes, and the router takes {limit} at once", message.len());
            serializer.encode(&RouterMessage::refusal(request_type, request, PAYLOAD_SIZE_EXCEEDED, why))
        };
        let written = match serializer {
            Serializer::Json => {
                JsonReader::new(message).and_then(|reader| read_asked(reader, message, serializer))
            }
            Serializer::MsgPack => read_asked(MsgPackReader::new(message), message, serializer),
            Serializer::Cbor => read_asked(CborReader::new(message), message, serializer),
        };
        match written {
            Ok(Asked::Publication) => Self::Nothing,
            Ok(Asked::Request { request_type, request }) => Self::Answer(error(request_type, request)),
            Ok(Asked::Answer { request }) => Self::send(error(code::INVOCATION, request), limit),
            Ok(Asked::Other) | Err(_) => Self::End,
        }
    }

    fn send(message: Bytes, limit: usize) -> Self {
        if message.len() <= limit { Self::Send(message) } else { Self::End }
    }
}

fn cancel<W: super::write::Writer>(request: u64) -> Bytes {
    encode::cancel::<W>(request, CancelMode::KillNoWait)
}

fn read<'a, R: Reader<'a>>(reader: R, input: &'a Bytes, serializer: Serializer) -> Result<Sent, DecodeError> {
    let mut message = Envelope::open(reader, input, serializer, MAX_DEPTH)?;
    let Token::Unsigned(code) = message.next("type")? else { return Err(invalid("no type")) };
    Ok(match code {
        code::EVENT => Sent::Event,
        code::RESULT => {
            let request = message.id("Request")?;
            Sent::Result { request, is_last: !message.has_flag("Details", "progress")? }
        }
        code::ERROR => {
            let request_type = message.id("Request type")?;
            Sent::Error { request_type, request: message.id("Request")? }
        }
        code::INVOCATION => Sent::Invocation { request: message.id("Request")? },
        _ => Sent::Other,
    })
}

fn read_asked<'a, R: Reader<'a>>(
    reader: R,
    input: &'a Bytes,
    serializer: Serializer,
) -> Result<Asked, DecodeError> {
    let mut message = Envelope::open(reader, input, serializer, MAX_DEPTH)?;
    let Token::Unsigned(request_type) = message.next("type")? else { return Err(invalid("no type")) };
    Ok(match request_type {
        // Of a call with several messages the router has the first ones: an error would end it for the client alone.
        code::CALL => {
            let request = message.id("Request")?;
            if message.has_flag("Options", "progress")? {
                Asked::Other
            } else {
                Asked::Request { request_type, request }
            }
        }
        code::SUBSCRIBE | code::REGISTER => Asked::Request { request_type, request: message.id("Request")? },
        code::PUBLISH => {
            let request = message.id("Request")?;
            if message.has_flag("Options", "acknowledge")? {
                Asked::Request { request_type, request }
            } else {
                Asked::Publication
            }
        }
        code::YIELD => Asked::Answer { request: message.id("Request")? },
        code::ERROR => {
            message.id("Request type")?;
            Asked::Answer { request: message.id("Request")? }
        }
        _ => Asked::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::{
        ClientMessage, Payload, Uri,
        message::{CancelOptions, ErrorDetails, EventDetails, InvocationDetails, ResultDetails},
    };

    const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

    fn instead(serializer: Serializer, message: &RouterMessage) -> Instead {
        Instead::of(serializer, &serializer.encode(message), 512)
    }

    fn large() -> Payload {
        Payload::json(&["x".repeat(600).into()])
    }

    fn refusal(request_type: u64, serializer: Serializer, message: &RouterMessage) -> Bytes {
        let size = serializer.encode(message).len();
        let why = format!("the message has {size} bytes, and the client takes 512 at once");
        serializer.encode(&RouterMessage::refusal(request_type, 7, PAYLOAD_SIZE_EXCEEDED, why))
    }

    #[test]
    fn an_event_is_left_out_and_an_answer_becomes_an_error() {
        for serializer in ALL {
            let event = RouterMessage::Event {
                subscription: 1,
                publication: 2,
                details: EventDetails::default(),
                payload: large(),
            };
            assert_eq!(instead(serializer, &event), Instead::Nothing);
            let result =
                RouterMessage::Result { request: 7, details: ResultDetails::default(), payload: large() };
            assert_eq!(instead(serializer, &result), Instead::Send(refusal(code::CALL, serializer, &result)));
            let error = RouterMessage::Error {
                request_type: code::CALL,
                request: 7,
                details: ErrorDetails::default(),
                error: Uri::known("com.example.error"),
                payload: large(),
            };
            assert_eq!(instead(serializer, &error), Instead::Send(refusal(code::CALL, serializer, &error)));
            let other =
                RouterMessage::Abort { message: "x".repeat(600), reason: Uri::known("com.example.error") };
            assert_eq!(instead(serializer, &other), Instead::End);
        }
    }

    #[test]
    fn the_router_is_answered_in_the_place_of_the_client() {
        for serializer in ALL {
            let invocation = RouterMessage::Invocation {
                request: 7,
                registration: 8,
                details: InvocationDetails::default(),
                payload: large(),
            };
            let Instead::Answer(answer) = instead(serializer, &invocation) else { panic!("{serializer:?}") };
            let answer = serializer.decode(&answer, 16).unwrap();
            let ClientMessage::InvocationError { request: 7, error, .. } = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(error.as_str(), PAYLOAD_SIZE_EXCEEDED);

            let details = ResultDetails { progress: true, ..ResultDetails::default() };
            let result = RouterMessage::Result { request: 7, details, payload: large() };
            let Instead::Answer(answer) = instead(serializer, &result) else { panic!("{serializer:?}") };
            let answer = serializer.decode(&answer, 16).unwrap();
            let ClientMessage::Cancel { request: 7, options } = answer else { panic!("{answer:?}") };
            assert_eq!(options, CancelOptions { mode: CancelMode::KillNoWait });
        }
    }

    #[test]
    fn a_client_is_answered_in_the_place_of_the_router() {
        let large = "x".repeat(600);
        let request = |kind: u64, options: serde_json::Value| {
            serde_json::json!([kind, 7, options, "com.example.x", [large]])
        };
        for serializer in ALL {
            let instead = |message: &serde_json::Value| {
                let message = Serializer::Json.rewrite(message.to_string().into(), serializer).unwrap();
                (message.len(), Instead::of_client(serializer, &message, 512))
            };
            let refusal = |kind, size: usize| {
                let why = format!("the message has {size} bytes, and the router takes 512 at once");
                serializer.encode(&RouterMessage::refusal(kind, 7, PAYLOAD_SIZE_EXCEEDED, why))
            };
            let none = serde_json::json!({});
            for kind in [code::CALL, code::SUBSCRIBE, code::REGISTER] {
                let (size, instead) = instead(&request(kind, none.clone()));
                assert_eq!(instead, Instead::Answer(refusal(kind, size)), "{kind}");
            }
            let (size, told) = instead(&request(code::PUBLISH, serde_json::json!({ "acknowledge": true })));
            assert_eq!(told, Instead::Answer(refusal(code::PUBLISH, size)));
            assert_eq!(instead(&request(code::PUBLISH, none.clone())).1, Instead::Nothing);
            let (size, told) = instead(&serde_json::json!([code::YIELD, 7, {}, [large]]));
            assert_eq!(told, Instead::Send(refusal(code::INVOCATION, size)));
            let error =
                serde_json::json!([code::ERROR, code::INVOCATION, 7, {}, "com.example.error", [large]]);
            let (size, told) = instead(&error);
            assert_eq!(told, Instead::Send(refusal(code::INVOCATION, size)));
            let going_on = request(code::CALL, serde_json::json!({ "progress": true }));
            assert_eq!(instead(&going_on).1, Instead::End);
            assert_eq!(instead(&serde_json::json!([code::GOODBYE, {}, large])).1, Instead::End);
        }
    }
}
