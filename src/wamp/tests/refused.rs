//! Requests that are sound, and are refused for their URI or their options; and what is said of these in messages without an answer.

use super::*;
use crate::wamp::{
    MAX_ID, RouterMessage,
    message::{InvocationDetails, code},
};

/// The ERROR that a request gets: its URI, and the sentence with it.
#[track_caller]
fn refusal(message: &str) -> (u64, bool, &'static str, String) {
    match json(message) {
        Ok(ClientMessage::Refused(refused)) if refused.request == 7 => {
            (refused.request_type, refused.has_answer, refused.error, refused.message.into_owned())
        }
        other => panic!("{message}: {other:?}"),
    }
}

#[test]
fn an_invalid_uri_in_a_sound_request_is_answered_with_what_is_wrong_with_it() {
    let empty = "the URI is empty: it needs at least one component";
    let component = "the URI has an empty component: single dots join components that are not empty";
    let prefix =
        "the URI has an empty component before its end: only the last component of a prefix may be empty";
    for (message, request_type, has_answer, sentence) in [
        ("[16,7,{},\"a..b\"]", 16, false, component),
        ("[16,7,{\"acknowledge\":true},\"a..b\"]", 16, true, component),
        ("[32,7,{},\"\"]", 32, true, empty),
        ("[32,7,{},\"com.app.\"]", 32, true, component),
        ("[32,7,{\"match\":\"prefix\"},\"com..x\"]", 32, true, prefix),
        ("[64,7,{\"match\":\"prefix\"},\"com..\"]", 64, true, prefix),
        ("[32,7,{\"match\":\"wildcard\"},\"com. .x\"]", 32, true, "the URI has white space in it"),
        ("[48,7,{},\"a b\",[1]]", 48, true, "the URI has white space in it"),
        ("[64,7,{},\"a#b\"]", 64, true, "the URI has the character '#' in it"),
    ] {
        let expected = (request_type, has_answer, "wamp.error.invalid_uri", sentence.to_owned());
        assert_eq!(refusal(message), expected, "{message}");
    }
    assert!(matches!(json("[48,7,{},\"a b\",[1]"), Err(DecodeError::Malformed(_))));
}

#[test]
fn a_uri_that_is_too_long_is_refused_wherever_it_stands() {
    type Message = fn(&str) -> String;
    let requests: [(Message, u64); 6] = [
        (|uri| format!("[16,7,{{\"acknowledge\":true}},\"{uri}\"]"), 16),
        (|uri| format!("[32,7,{{}},\"{uri}\"]"), 32),
        (|uri| format!("[32,7,{{\"match\":\"prefix\"}},\"{uri}\"]"), 32),
        (|uri| format!("[48,7,{{}},\"{uri}\"]"), 48),
        (|uri| format!("[64,7,{{}},\"{uri}\"]"), 64),
        (|uri| format!("[64,7,{{\"match\":\"wildcard\"}},\"{uri}\"]"), 64),
    ];
    let others: [(Message, &str); 4] = [
        (|uri| format!("[1,\"{uri}\",{{}}]"), "HELLO.Realm"),
        (|uri| format!("[3,{{}},\"{uri}\"]"), "ABORT.Reason"),
        (|uri| format!("[6,{{}},\"{uri}\"]"), "GOODBYE.Reason"),
        (|uri| format!("[8,68,7,{{}},\"{uri}\"]"), "ERROR.Error"),
    ];
    let (longest, longer) = ("x".repeat(1024), "x".repeat(1025));
    let says = "a URI may have 1024 bytes: use a shorter one";
    for (message, request_type) in requests {
        assert!(
            !matches!(json(&message(&longest)), Ok(ClientMessage::Refused(_)) | Err(_)),
            "{request_type}"
        );
        let expected = (request_type, true, "wamp.error.invalid_uri", says.to_owned());
        assert_eq!(refusal(&message(&longer)), expected);
    }
    for (message, element) in others {
        assert!(json(&message(&longest)).is_ok(), "{element}");
        assert_eq!(json(&message(&longer)), Err(DecodeError::Invalid(format!("{element}: {says}"))));
    }
}

#[test]
fn how_a_uri_is_compared_decides_which_texts_are_sound() {
    for message in [
        "[32,7,{\"match\":\"prefix\"},\"com.app.\"]",
        "[32,7,{\"match\":\"prefix\"},\"\"]",
        "[32,7,{\"match\":\"wildcard\"},\"com..x\"]",
        "[64,7,{\"match\":\"wildcard\"},\".x.\"]",
        "[64,7,{\"match\":null},\"com.x\"]",
    ] {
        assert!(json(message).is_ok(), "{message}");
    }
}

#[test]
fn a_value_that_an_option_does_not_have_is_answered_with_the_option_name_before_the_uri_is_judged() {
    for (message, request_type, option) in [
        ("[32,7,{\"match\":\"regex\"},\"com..x\"]", 32, "option match: "),
        ("[64,7,{\"match\":\"\"},\"com.x\"]", 64, "option match: "),
        ("[64,7,{\"invoke\":\"any\"},\"com.x\"]", 64, "option invoke: "),
    ] {
        let (of, has_answer, error, sentence) = refusal(message);
        assert_eq!(
            (of, has_answer, error),
            (request_type, true, "wamp.error.option_not_allowed"),
            "{message}"
        );
        assert!(sentence.starts_with(option), "{sentence}");
    }
}

/// The options that the specification or Crossbar.io knows, with the requests that have them here.
const OPTIONS: &[(&[&str], &[u64])] = &[
    (&["nkey", "rkey", "runmode", "runon", "forward_for", "trustlevel", "transaction_hash"], &[]),
    (&["enc_algo", "enc_key", "enc_serializer"], &[]),
    (&["publisher", "publisher_authid", "publisher_authrole"], &[]),
    (&["caller", "caller_authid", "caller_authrole", "callee", "callee_authid", "callee_authrole"], &[]),
    (&["match"], &[code::SUBSCRIBE, code::REGISTER]),
    (&["get_retained"], &[code::SUBSCRIBE]),
    (&["invoke", "concurrency", "force_reregister", "disclose_caller", "forward_timeout"], &[code::REGISTER]),
    (&["receive_progress", "progress", "timeout"], &[code::CALL]),
    (&["disclose_me"], &[code::PUBLISH, code::CALL]),
    (&["ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid"], &[code::PUBLISH, code::CALL]),
    (&["exclude_me", "retain", "exclude", "exclude_authid", "exclude_authrole"], &[code::PUBLISH]),
    (&["eligible", "eligible_authid", "eligible_authrole"], &[code::PUBLISH]),
];

#[test]
fn an_option_that_a_request_does_not_have_is_answered_with_its_name() {
    // The complaint of a request with this option.
    let complaint = |code: u64, option: &str, value: &str| {
        let message = format!("[{code},7,{{\"acknowledge\":true,\"{option}\":{value}}},\"com.x\"]");
        match json(&message).unwrap() {
            ClientMessage::Refused(refused) => {
                assert_eq!((refused.request_type, refused.has_answer), (code, true), "{message}");
                assert_eq!(refused.error, "wamp.error.option_not_allowed", "{message}");
                Some(refused.message)
            }
            // The dealer judges a CALL, for it knows whether this is the first of several.
            ClientMessage::Call { options, .. } => options.refused.map(Into::into),
            _ => None,
        }
    };
    for code in [code::PUBLISH, code::SUBSCRIBE, code::CALL, code::REGISTER] {
        for (options, having) in OPTIONS {
            for option in options.iter().filter(|_| !having.contains(&code)) {
                for value in ["true", "\"x\"", "[1]", "{}", "0"] {
                    let complaint = complaint(code, option, value).unwrap_or_default();
                    let beginning = format!("option {option}: ");
                    assert!(complaint.starts_with(&beginning), "{code} {option} {value}: {complaint:?}");
                }
                // These are what a request without the option means.
                for value in ["null", "false"] {
                    assert_eq!(complaint(code, option, value), None, "{code} {option} {value}");
                }
            }
        }
        assert_eq!(complaint(code, "x_own", "1"), None, "a key that no router has is none");
    }
    // What has no ERROR for an answer ends the session.
    let packed = ["enc_algo", "enc_key", "enc_serializer"];
    for option in packed.iter().chain(&["callee", "callee_authid", "callee_authrole", "forward_for"]) {
        for (message, element) in [
            (format!("[70,7,{{\"{option}\":1}}]"), "YIELD.Options"),
            (format!("[8,68,7,{{\"{option}\":1}},\"com.x\"]"), "ERROR.Details"),
        ] {
            let error = json(&message).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("invalid WAMP message: {element}: option {option}: ")),
                "{error}"
            );
            assert!(!error.contains("disclose_me"), "neither of them has that option: {error}");
        }
    }
}

#[test]
fn a_list_of_receivers_that_is_too_long_is_answered_and_one_of_a_wrong_type_is_not() {
    for (option, item) in [
        ("exclude", "7"),
        ("eligible", "7"),
        ("exclude_authid", "\"x\""),
        ("exclude_authrole", "\"x\""),
        ("eligible_authid", "\"x\""),
        ("eligible_authrole", "\"x\""),
    ] {
        let message = |length: usize, last: &str| {
            let items = [item].repeat(length - 1).join(",");
            format!("[16,7,{{\"acknowledge\":true,\"{option}\":[{items},{last}]}},\"com.x\"]")
        };
        assert!(matches!(json(&message(10_000, item)), Ok(ClientMessage::Publish { .. })), "{option}");
        let (_, has_answer, error, sentence) = refusal(&message(10_001, item));
        assert_eq!((has_answer, error), (true, "wamp.error.option_not_allowed"), "{option}");
        assert!(sentence.starts_with(&format!("option {option}: the list may have 10000 ")), "{sentence}");
        let error = json(&message(10_002, "[]")).unwrap_err().to_string();
        assert!(error.contains(&format!("PUBLISH.Options: {option}: expected a list of ")), "{error}");
    }
}

#[test]
fn what_says_how_a_payload_is_packed_needs_a_scheme() {
    for option in ["ppt_cipher", "ppt_keyid", "ppt_serializer"] {
        let options = format!("{{\"acknowledge\":true,\"{option}\":\"x\"}}");
        let (_, _, error, sentence) = refusal(&format!("[16,7,{options},\"com.x\"]"));
        assert_eq!(error, "wamp.error.option_not_allowed");
        assert!(sentence.starts_with("option ppt_scheme: "), "{sentence}");
        match json(&format!("[48,7,{{\"{option}\":\"x\",\"ppt_scheme\":\"\"}},\"com.x\"]")).unwrap() {
            ClientMessage::Call { options, .. } => assert!(options.refused.is_some(), "{options:?}"),
            other => panic!("{other:?}"),
        }
        assert!(json(&format!("[70,7,{options}]")).is_err(), "{option}");
        assert!(json(&format!("[8,68,7,{options},\"com.x\"]")).is_err(), "{option}");
    }
    // An empty scheme is none.
    match json("[16,7,{\"ppt_scheme\":\"\"},\"com.x\"]").unwrap() {
        ClientMessage::Publish { options, .. } => assert_eq!(options.passthru, None),
        other => panic!("{other:?}"),
    }
}

/// A request or an answer with these options or details.
type Packing = fn(&str) -> String;

/// The messages that say how their payload is packed. The first two are requests, which are refused; the others have no answer, so
/// that the session ends.
const PACKINGS: [Packing; 4] = [
    |options| format!("[16,7,{options},\"com.x\"]"),
    |options| format!("[48,7,{options},\"com.x\"]"),
    |options| format!("[70,7,{options}]"),
    |options| format!("[8,68,7,{options},\"com.x\"]"),
];

/// What is said of a message, if it is not taken as it is; the same of a request and of what has no answer.
#[track_caller]
fn complaint(message: &str) -> Option<String> {
    match json(message) {
        Ok(ClientMessage::Refused(refused)) => {
            assert_eq!(refused.error, "wamp.error.option_not_allowed", "{message}");
            Some(refused.message.into_owned())
        }
        Ok(ClientMessage::Call { options, .. }) => options.refused.map(str::to_owned),
        Ok(
            ClientMessage::Publish { .. }
            | ClientMessage::Yield { .. }
            | ClientMessage::InvocationError { .. },
        ) => None,
        Ok(other) => panic!("{message}: {other:?}"),
        Err(error) => {
            let error = error.to_string();
            let (_, sentence) = error.split_once(": option ").unwrap_or_else(|| panic!("{message}: {error}"));
            Some(format!("option {sentence}"))
        }
    }
}

#[test]
fn a_scheme_that_is_refused_is_not_said_to_be_absent() {
    let long = "x".repeat(2000);
    for message in PACKINGS {
        for others in ["\"ppt_cipher\":\"x\"", "\"ppt_keyid\":\"x\",\"ppt_serializer\":\"x\""] {
            for options in [
                format!("{{\"ppt_scheme\":\"{long}\",{others}}}"),
                format!("{{{others},\"ppt_scheme\":\"{long}\"}}"),
            ] {
                let said = complaint(&message(&options)).unwrap();
                assert!(said.contains("bytes") && !said.contains("without it"), "{said}");
            }
        }
    }
}

#[test]
fn of_several_faults_the_first_one_is_told() {
    let (_, _, _, sentence) =
        refusal("[16,7,{\"rkey\":\"x\",\"enc_algo\":\"x\",\"ppt_keyid\":\"x\"},\"com.x\"]");
    assert!(sentence.starts_with("option rkey: "), "{sentence}");
    let (_, _, _, sentence) =
        refusal("[64,7,{\"invoke\":\"any\",\"match\":\"any\",\"timeout\":1},\"com.x\"]");
    assert!(sentence.starts_with("option invoke: "), "{sentence}");
}

/// The options of a packed payload of which one has this value.
fn packed(option: &str, value: &str) -> String {
    let scheme = if option == "ppt_scheme" { "" } else { "\"ppt_scheme\":\"x_p\"," };
    format!("{{{scheme}\"{option}\":\"{value}\"}}")
}

#[test]
fn what_says_how_a_payload_is_packed_is_short_and_has_no_control_characters() {
    for (option, most) in [("ppt_scheme", 64), ("ppt_serializer", 64), ("ppt_cipher", 64), ("ppt_keyid", 256)]
    {
        for message in PACKINGS {
            let (longest, longer) = ("x".repeat(most), "x".repeat(most + 1));
            assert_eq!(complaint(&message(&packed(option, &longest))), None, "{option}");
            for value in [&longer, "\\u0001", "a\\u007fb", "a\\n", "\\u0085"] {
                let said = complaint(&message(&packed(option, value))).unwrap();
                let allowed =
                    format!("option {option}: it may have {most} bytes and no control characters: ");
                assert!(said.starts_with(&allowed), "{value}: {said}");
            }
        }
    }
}

#[test]
fn what_the_specification_writes_into_ppt_options_is_taken() {
    let domain = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    assert_eq!(domain.len(), 253);
    for (option, values) in [
        ("ppt_scheme", &["wamp", "wamp.eth", "mqtt", "x_my_ppt"][..]),
        (
            "ppt_serializer",
            &["json", "msgpack", "cbor", "ubjson", "flatbuffers", "mqtt", "amqp", "stomp", "custom"],
        ),
        ("ppt_cipher", &["xsalsa20poly1305", "aes256gcm", "custom"]),
        (
            "ppt_keyid",
            &[
                "GTtQ37XGJO2O4R8Dvx4AUo8pe61D9evIWpKGQAPdOh0=",
                "0x52908400098527886E0F7030069857D2E4169EE7",
                "123e4567-e89b-12d3-a456-426614174000",
                "https://keys.example.com/payroll?version=7#current",
                &domain,
            ],
        ),
    ] {
        for (value, message) in values.iter().flat_map(|value| PACKINGS.map(|message| (value, message))) {
            assert_eq!(complaint(&message(&packed(option, value))), None, "{option} {value}");
        }
    }
}

/// The realm repeats the texts with each later chunk of a call, which need not have more than its URI.
#[test]
fn what_says_how_a_payload_is_packed_is_short_for_its_receivers_too() {
    // What takes most bytes where it is written: two for each of the sender's.
    let worst = |length: usize| "\\\"".repeat(length);
    let options = format!(
        "{{\"ppt_scheme\":\"{0}\",\"ppt_serializer\":\"{0}\",\"ppt_cipher\":\"{0}\",\"ppt_keyid\":\"{1}\"}}",
        worst(64),
        worst(256)
    );
    let Ok(ClientMessage::Call { options, .. }) = json(&format!("[48,7,{options},\"com.x\"]")) else {
        panic!("no CALL");
    };
    assert_eq!(options.refused, None);
    let details = InvocationDetails { progress: true, passthru: options.passthru, ..Default::default() };
    let chunk = RouterMessage::Invocation {
        request: MAX_ID,
        registration: MAX_ID,
        details,
        payload: Payload::empty(),
    };
    for serializer in ALL {
        let size = serializer.encode(&chunk).len();
        assert!(size <= 1024, "{serializer:?}: {size}");
    }
}
