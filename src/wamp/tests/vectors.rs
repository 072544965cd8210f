//! The single messages of the specification's own test vectors (`tests/vectors`), in all three serializers.
//!
//! Messages of clients are decoded, messages of routers are encoded. What the vectors call valid and this router does not have, it
//! refuses by name; [`ABSENT`] lists those options.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::wamp::{
    RouterFeatures, RouterMessage, SessionId,
    message::{
        CancelMode, ErrorDetails, EventDetails, InterruptOptions, InvocationDetails, ResultDetails,
        WelcomeDetails,
    },
    transcode,
};

/// Options that this router refuses, whatever they say: links between routers, payload that was packed before payload passthru
/// mode, and the search for repeated publications.
const ABSENT: [&str; 4] = ["enc_algo", "enc_serializer", "forward_for", "transaction_hash"];

/// How many samples there are at least, with bytes and with options.
const FEWEST: (usize, usize) = (35, 60);

struct Sample {
    kind: String,
    file: String,
    value: Value,
}

impl Sample {
    fn name(&self) -> String {
        format!("{}: {}", self.file, self.value["description"])
    }

    fn attributes(&self) -> &Value {
        &self.value["expected_attributes"]
    }

    fn number(&self, key: &str) -> u64 {
        self.attributes()[key].as_u64().unwrap_or_else(|| panic!("{}: no {key}", self.name()))
    }

    fn text(&self, key: &str) -> &str {
        self.attributes()[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", self.name()))
    }

    /// All byte forms of a serializer.
    fn bytes(&self, serializer: Serializer) -> Vec<Vec<u8>> {
        let forms = self.value["serializers"][name(serializer)].as_array().unwrap();
        assert!(!forms.is_empty(), "{}", self.name());
        let digits = |form: &Value| {
            let text = form["bytes_hex"].as_str().unwrap();
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        forms.iter().map(digits).collect()
    }

    /// The payload in JSON.
    fn payload(&self) -> Payload {
        let part = |key: &str| match &self.attributes()[key] {
            Value::Null => None,
            value => Some(Bytes::from(value.to_string())),
        };
        Payload { serializer: Serializer::Json, args: part("args"), kwargs: part("kwargs") }
    }

    /// Whether the options or details hold something that this router does not have.
    fn has_absent(&self) -> bool {
        let dictionaries =
            [&self.attributes()["options"], &self.attributes()["details"], &self.value["wmsg"][2]];
        ABSENT.iter().any(|key| dictionaries.iter().any(|dictionary| dictionary.get(key).is_some()))
    }
}

fn name(serializer: Serializer) -> &'static str {
    match serializer {
        Serializer::Json => "json",
        Serializer::MsgPack => "msgpack",
        Serializer::Cbor => "cbor",
    }
}

fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/singlemessage");
    let mut found = Vec::new();
    for folder in ["basic", "advanced"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let kind = file["wamp_message_type"].as_str().unwrap();
            for value in file["samples"].as_array().unwrap() {
                let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
                found.push(Sample { kind: kind.to_owned(), file, value: value.clone() });
            }
        }
    }
    found
}

fn samples_with(key: &str) -> Vec<Sample> {
    samples().into_iter().filter(|sample| sample.value.get(key).is_some()).collect()
}

/// A payload in JSON, however it came.
fn in_json(payload: &Payload) -> [Option<Value>; 2] {
    let payload = payload.transcoded(Serializer::Json);
    [payload.args, payload.kwargs].map(|part| part.map(|part| serde_json::from_slice(&part).unwrap()))
}

/// What a client's message says, under the names of the vectors; nothing for one that this router refuses.
fn attributes(message: &ClientMessage) -> Option<Value> {
    let with_payload = |mut value: Value, payload: &Payload| {
        let [args, kwargs] = in_json(payload);
        value["args"] = args.unwrap_or_default();
        value["kwargs"] = kwargs.unwrap_or_default();
        value
    };
    Some(match message {
        ClientMessage::Hello { realm, details } => {
            let roles: Value = serde_json::from_str(&details.roles.to_json()).unwrap();
            json!({ "realm": realm.as_ref()?.as_str(), "roles": roles })
        }
        ClientMessage::Abort { reason, .. } | ClientMessage::Goodbye { reason, .. } => {
            json!({ "reason": reason.as_str() })
        }
        ClientMessage::Authenticate { signature, .. } => json!({ "signature": signature }),
        ClientMessage::Publish { request, options, topic, payload } => {
            let mut said = serde_json::Map::new();
            if options.acknowledge {
                said.insert("acknowledge".to_owned(), true.into());
            }
            if !options.exclude_me {
                said.insert("exclude_me".to_owned(), false.into());
            }
            let head = json!({ "request_id": request, "options": said, "topic": topic.as_str() });
            with_payload(head, payload)
        }
        ClientMessage::Call { request, procedure, payload, .. } => {
            with_payload(json!({ "request_id": request, "procedure": procedure.as_str() }), payload)
        }
        ClientMessage::Yield { request, payload, .. } => {
            with_payload(json!({ "request_id": request }), payload)
        }
        ClientMessage::Subscribe { request, topic, .. } => {
            json!({ "request_id": request, "topic": topic.as_str() })
        }
        ClientMessage::Register { request, procedure, .. } => {
            json!({ "request_id": request, "procedure": procedure.as_str() })
        }
        ClientMessage::Unsubscribe { request, subscription } => {
            json!({ "request_id": request, "subscription_id": subscription })
        }
        ClientMessage::Unregister { request, registration } => {
            json!({ "request_id": request, "registration_id": registration })
        }
        ClientMessage::Cancel { request, .. } => json!({ "request_id": request }),
        ClientMessage::InvocationError { .. } | ClientMessage::Refused(_) => return None,
    })
}

const OF_CLIENTS: [&str; 11] = [
    "HELLO",
    "ABORT",
    "AUTHENTICATE",
    "GOODBYE",
    "PUBLISH",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "CALL",
    "CANCEL",
    "REGISTER",
    "YIELD",
];

#[test]
fn the_messages_of_clients_say_what_the_vectors_say() {
    let mut seen = 0;
    for sample in samples_with("serializers") {
        if !OF_CLIENTS.contains(&&*sample.kind) && sample.kind != "UNREGISTER" {
            continue;
        }
        for serializer in ALL {
            for bytes in sample.bytes(serializer) {
                let decoded = decode(serializer, &bytes);
                let what = format!("{} in {serializer:?}: {decoded:?}", sample.name());
                seen += 1;
                if sample.has_absent() {
                    assert!(matches!(decoded, Ok(ClientMessage::Refused(_)) | Err(_)), "{what}");
                    continue;
                }
                let found = attributes(&decoded.unwrap()).unwrap_or_else(|| panic!("{what}"));
                for (key, value) in found.as_object().unwrap() {
                    let expected = sample.attributes().get(key).unwrap_or(&Value::Null);
                    assert_eq!(value, expected, "{key}: {what}");
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// What a router would send with the values of a sample; nothing for what this router never says.
fn router_message(sample: &Sample) -> Option<RouterMessage> {
    if sample.has_absent() {
        return None;
    }
    let request = || sample.number("request_id");
    Some(match &*sample.kind {
        "ABORT" => RouterMessage::Abort { message: String::new(), reason: uri(sample.text("reason")) },
        "GOODBYE" => RouterMessage::Goodbye { message: None, reason: uri(sample.text("reason")) },
        "CHALLENGE" => RouterMessage::Challenge { method: "wampcra", extra: serde_json::Map::new() },
        "ERROR" => RouterMessage::Error {
            request_type: sample.number("request_type"),
            request: request(),
            details: ErrorDetails::default(),
            error: uri(sample.text("error")),
            payload: Payload::empty(),
        },
        "PUBLISHED" => {
            RouterMessage::Published { request: request(), publication: sample.number("publication_id") }
        }
        "SUBSCRIBED" => {
            RouterMessage::Subscribed { request: request(), subscription: sample.number("subscription_id") }
        }
        "UNSUBSCRIBED" => RouterMessage::Unsubscribed { request: request() },
        "REGISTERED" => {
            RouterMessage::Registered { request: request(), registration: sample.number("registration_id") }
        }
        "UNREGISTERED" => RouterMessage::Unregistered { request: request() },
        "EVENT" => RouterMessage::Event {
            subscription: sample.number("subscription"),
            publication: sample.number("publication"),
            details: EventDetails::default(),
            payload: sample.payload(),
        },
        "RESULT" => RouterMessage::Result {
            request: request(),
            details: ResultDetails::default(),
            payload: sample.payload(),
        },
        "INVOCATION" => RouterMessage::Invocation {
            request: request(),
            registration: sample.number("registration_id"),
            details: InvocationDetails::default(),
            payload: sample.payload(),
        },
        _ => return None,
    })
}

#[test]
fn the_messages_of_routers_are_written_byte_by_byte_as_the_vectors_have_them() {
    let mut seen = 0;
    for sample in samples_with("serializers") {
        let Some(message) = router_message(&sample) else { continue };
        for serializer in ALL {
            let written = serializer.encode(&message).to_vec();
            assert!(
                sample.bytes(serializer).contains(&written),
                "{} in {serializer:?}: {written:?}",
                sample.name()
            );
            seen += 1;
        }
    }
    assert!(seen >= 36, "{seen}");
}

#[test]
fn a_router_says_more_than_the_vectors_in_welcome_and_interrupt() {
    for sample in samples_with("serializers") {
        let (message, kept) = match &*sample.kind {
            "WELCOME" => {
                let details = WelcomeDetails {
                    realm: Uri::known("realm1"),
                    authid: "joe".into(),
                    authrole: "user".into(),
                    authmethod: "anonymous",
                    authprovider: "static",
                    authextra: None,
                    features: RouterFeatures::new(["publisher_exclusion"], ["call_timeout"]),
                    known: None,
                    public_id: None,
                };
                let session = SessionId(sample.number("session_id"));
                (RouterMessage::Welcome { session, details: Box::new(details) }, "roles")
            }
            "INTERRUPT" => {
                let options = InterruptOptions { mode: CancelMode::Kill, reason: "wamp.error.canceled" };
                (RouterMessage::Interrupt { request: sample.number("request_id"), options }, "mode")
            }
            _ => continue,
        };
        for serializer in ALL {
            let written =
                transcode::value(&serializer.encode(&message), serializer, Serializer::Json).unwrap();
            let written: Value = serde_json::from_slice(&written).unwrap();
            for bytes in sample.bytes(serializer) {
                let expected = transcode::value(&bytes, serializer, Serializer::Json).unwrap();
                let expected: Value = serde_json::from_slice(&expected).unwrap();
                assert_eq!(
                    written.as_array().unwrap()[..2],
                    expected.as_array().unwrap()[..2],
                    "{}",
                    sample.name()
                );
                assert!(written[2].get(kept).is_some(), "{written}");
            }
        }
    }
}

#[test]
fn no_client_may_send_what_only_routers_send_and_what_no_router_of_today_takes() {
    let mut seen = 0;
    for sample in samples_with("serializers") {
        let is_for_routers = router_message(&sample).is_some() && !OF_CLIENTS.contains(&&*sample.kind);
        if !is_for_routers && !["WELCOME", "INTERRUPT", "EVENT_RECEIVED"].contains(&&*sample.kind) {
            continue;
        }
        for serializer in ALL {
            for bytes in sample.bytes(serializer) {
                let decoded = decode(serializer, &bytes);
                assert!(matches!(decoded, Err(DecodeError::Invalid(_))), "{}: {decoded:?}", sample.name());
                seen += 1;
            }
        }
    }
    assert!(seen >= 36, "{seen}");
}

#[test]
fn options_that_the_vectors_call_wrong_are_refused_by_name_and_the_others_are_taken() {
    let mut seen = 0;
    for sample in samples_with("wmsg") {
        let message = sample.value["wmsg"].to_string();
        let expected = sample.value.get("expected_error").map(|error| error["contains"].as_str().unwrap());
        for serializer in ALL {
            let bytes = transcode::value(message.as_bytes(), Serializer::Json, serializer).unwrap();
            let decoded = decode(serializer, &bytes);
            let what = format!("{} in {serializer:?}: {decoded:?}", sample.name());
            seen += 1;
            let complaint = match decoded {
                Err(error) => Some(error.to_string()),
                Ok(ClientMessage::Refused(refused)) => Some(refused.message.into_owned()),
                Ok(_) => None,
            };
            match (complaint, expected) {
                // No client sends an EVENT, whatever it says.
                (Some(_), _) if sample.kind == "EVENT" => {}
                // These vectors have text in the place of the arguments: the message is refused for that.
                (Some(_), _) if sample.value["wmsg"].as_array().unwrap().len() > 4 => {
                    assert!(sample.has_absent(), "{what}");
                }
                (Some(complaint), Some(name)) => assert!(complaint.contains(name), "{what}"),
                (Some(_), None) => assert!(sample.has_absent(), "{what}"),
                (None, None) => assert!(!sample.has_absent(), "{what}"),
                (None, Some(_)) => panic!("{what}"),
            }
        }
    }
    let with_bytes = samples_with("serializers").len();
    assert!(with_bytes >= FEWEST.0 && seen >= 3 * FEWEST.1, "{with_bytes}, {seen}");
}
