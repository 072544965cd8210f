//! What is refused, and what the client's author is told about it.

use super::*;
use crate::wamp::message::code;

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (message, expected) in cases {
        assert_eq!(
            json(message).map_err(|error| error.to_string()),
            Err((*expected).to_owned()),
            "{message}"
        );
    }
}

#[test]
fn broken_json_is_told_with_its_place() {
    check(&[
        ("", "invalid serialization of WAMP message: the JSON text ends where a value is expected"),
        ("[32", "invalid serialization of WAMP message: the JSON text ends where ',' or ']' is expected"),
        ("[32 1]", "invalid serialization of WAMP message: JSON: ',' or ']' is expected at byte 4"),
        ("[32,]", "invalid serialization of WAMP message: JSON: a value is expected at byte 4"),
        ("[70,1,{},[01]]", "invalid serialization of WAMP message: JSON: ',' or ']' is expected at byte 11"),
        ("[34,-,2]", "invalid serialization of WAMP message: JSON: a digit is expected at byte 5"),
        ("[70,1,{},[1.]]", "invalid serialization of WAMP message: JSON: a digit is expected at byte 12"),
        ("[70,1,{},[1e]]", "invalid serialization of WAMP message: JSON: a digit is expected at byte 12"),
        ("[70,1,{},[+1]]", "invalid serialization of WAMP message: JSON: a value is expected at byte 10"),
        ("[70,1,{},[nul]]", "invalid serialization of WAMP message: JSON: a value is expected at byte 10"),
        ("[70,1,{},[NaN]]", "invalid serialization of WAMP message: JSON: a value is expected at byte 10"),
        (
            "[70,1,{},[1e999]]",
            "invalid serialization of WAMP message: JSON: the number at byte 10 is out of range",
        ),
        (
            "[70,1,{a:1}]",
            "invalid serialization of WAMP message: JSON: a key in double quotes is expected at byte 7",
        ),
        ("[70,1,{\"a\" 1}]", "invalid serialization of WAMP message: JSON: ':' is expected at byte 11"),
        (
            "[70,1,{\"a\":1,}]",
            "invalid serialization of WAMP message: JSON: a key in double quotes is expected at byte 13",
        ),
        (
            "[70,1,{},[\"a]]",
            "invalid serialization of WAMP message: the JSON text ends where the end of a string is expected",
        ),
        (
            "[70,1,{},[\"a\n\"]]",
            "invalid serialization of WAMP message: JSON: an escape sequence instead of a control character is expected at byte 12",
        ),
        (
            "[70,1,{},[\"\\x\"]]",
            "invalid serialization of WAMP message: JSON: a valid escape sequence is expected at byte 11",
        ),
        (
            "[70,1,{},[\"\\u12\"]]",
            "invalid serialization of WAMP message: JSON: a valid escape sequence is expected at byte 11",
        ),
        (
            "[70,1,{},[\"\\ud800\"]]",
            "invalid serialization of WAMP message: JSON: a valid escape sequence is expected at byte 11",
        ),
        (
            "[70,1,{},[\"\\udc00\\ud800\"]]",
            "invalid serialization of WAMP message: JSON: a valid escape sequence is expected at byte 11",
        ),
        (
            "[34,1,2] [",
            "invalid serialization of WAMP message: JSON: the end of the text is expected at byte 9",
        ),
    ]);
    assert_eq!(
        decode(Serializer::Json, b"[5,\"\xff\",{}]").unwrap_err().to_string(),
        "invalid serialization of WAMP message: JSON must be UTF-8, but byte 4 is not"
    );
}

#[test]
fn a_message_of_the_wrong_shape_is_told_with_the_element() {
    check(&[
        ("{}", "invalid WAMP message: a message is a list"),
        ("[]", "invalid WAMP message: message.type: is missing"),
        ("[\"1\"]", "invalid WAMP message: a message's first element is its type, a positive integer"),
        (
            "[337,5512315355]",
            "invalid WAMP message: EVENT_RECEIVED (337): this router announces no acknowledgement of events, and has no use for one",
        ),
        ("[0]", "invalid WAMP message: the message's type is none of those that this router knows"),
        ("[-1]", "invalid WAMP message: a message's first element is its type, a positive integer"),
        ("[36,1,2,{}]", "invalid WAMP message: message type 36 is sent by routers, not by clients"),
        ("[1]", "invalid WAMP message: HELLO.Realm: is missing"),
        ("[1,5,{}]", "invalid WAMP message: HELLO.Realm: expected a string"),
        (
            "[1,\"\",{}]",
            "invalid WAMP message: HELLO.Realm: the URI is empty: it needs at least one component",
        ),
        ("[1,\"r\"]", "invalid WAMP message: HELLO.Details: is missing"),
        ("[1,\"r\",[]]", "invalid WAMP message: HELLO.Details: expected a dictionary"),
        ("[1,\"r\",{},1]", "invalid WAMP message: HELLO has too many elements"),
        ("[6,{},\"a b\"]", "invalid WAMP message: GOODBYE.Reason: the URI has white space in it"),
        (
            "[8,48,1,{},\"e\"]",
            "invalid WAMP message: ERROR.REQUEST.Type: a client can only answer an INVOCATION, which is 68",
        ),
        ("[34,0,1]", "invalid WAMP message: UNSUBSCRIBE.Request: expected an integer from 1 to 2^53"),
        (
            "[34,9007199254740993,1]",
            "invalid WAMP message: UNSUBSCRIBE.Request: expected an integer from 1 to 2^53",
        ),
        ("[34,-1,1]", "invalid WAMP message: UNSUBSCRIBE.Request: expected an integer from 1 to 2^53"),
        ("[34,1.0,1]", "invalid WAMP message: UNSUBSCRIBE.Request: expected an integer from 1 to 2^53"),
        (
            "[34,1,\"2\"]",
            "invalid WAMP message: UNSUBSCRIBE.Subscription: expected an integer from 1 to 2^53",
        ),
        ("[48,1,{},\"p\",{}]", "invalid WAMP message: CALL.Arguments: expected a list"),
        ("[48,1,{},\"p\",[],[]]", "invalid WAMP message: CALL.ArgumentsKw: expected a dictionary"),
        ("[48,1,{},\"p\",[],{},1]", "invalid WAMP message: CALL has too many elements"),
    ]);
}

#[test]
fn a_wrong_option_is_named_and_not_repeated() {
    check(&[
        (
            "[16,1,{\"acknowledge\":\"yes, my secret\"},\"t\"]",
            "invalid WAMP message: PUBLISH.Options: acknowledge: expected a boolean",
        ),
        (
            "[16,1,{\"exclude\":[1,-2]},\"t\"]",
            "invalid WAMP message: PUBLISH.Options: exclude: expected a list of session IDs",
        ),
        (
            "[16,1,{\"exclude\":[1.0]},\"t\"]",
            "invalid WAMP message: PUBLISH.Options: exclude: expected a list of session IDs",
        ),
        (
            "[16,1,{\"eligible_authrole\":\"manager\"},\"t\"]",
            "invalid WAMP message: PUBLISH.Options: eligible_authrole: expected a list of strings",
        ),
        (
            "[48,1,{\"timeout\":-1},\"p\"]",
            "invalid WAMP message: CALL.Options: timeout: expected a number of milliseconds",
        ),
        (
            "[64,1,{\"concurrency\":0},\"p\"]",
            "invalid WAMP message: REGISTER.Options: concurrency: expected an integer from 1",
        ),
        (
            "[49,1,{\"mode\":\"maybe\"}]",
            "invalid WAMP message: CANCEL.Options: mode: expected \"skip\", \"kill\" or \"killnowait\"",
        ),
        ("[70,1,{\"progress\":1}]", "invalid WAMP message: YIELD.Options: progress: expected a boolean"),
        ("[1,\"r\",{\"authid\":5}]", "invalid WAMP message: HELLO.Details: authid: expected a string"),
        (
            "[1,\"r\",{\"authmethods\":[1]}]",
            "invalid WAMP message: HELLO.Details: authmethods: expected a list of strings",
        ),
        ("[1,\"r\",{\"roles\":[]}]", "invalid WAMP message: HELLO.Details: roles: expected a dictionary"),
        (
            "[48,1,{\"disclose_me\":true,\"disclose_me\":true},\"p\"]",
            "invalid WAMP message: CALL.Options: disclose_me: is there twice",
        ),
    ]);
    let integer_key = decode(Serializer::MsgPack, b"\x94\x20\x01\x81\x01\x02\xa1t").unwrap_err();
    assert_eq!(integer_key.to_string(), "invalid WAMP message: SUBSCRIBE.Options: keys must be strings");
}

/// The log has these sentences, too, and clients put credentials in wrong places.
#[test]
fn no_complaint_repeats_what_a_client_has_sent() {
    let messages = [
        r#"[1,"secret",{"secret":1,"roles":{"caller":{}},"authid":"secret","authmethods":["secret"]}]"#,
        r#"[5,"secret",{"secret":"secret"}]"#,
        r#"[6,{"message":"secret"},"secret"]"#,
        r#"[16,7,{"acknowledge":true,"exclude":["secret"]},"com.secret",["secret"],{"secret":"secret"}]"#,
        r#"[32,7,{"match":"secret"},"secret #"]"#,
        r#"[48,7,{"timeout":"secret"},"secret secret",["secret"]]"#,
        r#"[64,7,{"invoke":"secret"},"secret"]"#,
        r#"[68,"secret",7,{},"secret"]"#,
    ];
    let mut complaints = 0;
    for message in messages {
        let cut = (0..message.len()).map(|end| message[..end].to_owned());
        let changed =
            ["1", "7", "{}", "{", ",", "[", "]", "true", "\"secret\""].into_iter().flat_map(|part| {
                ["\"secret\"", "[\"secret\"]", "secret", "-5"].map(|other| message.replace(part, other))
            });
        for broken in cut.chain(changed) {
            let Err(error) = json(&broken) else { continue };
            complaints += 1;
            assert!(!error.to_string().contains("secret"), "{broken}: {error}");
        }
    }
    assert!(complaints > 500, "{complaints}");
}

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

#[test]
fn what_says_how_a_payload_is_packed_is_short() {
    for option in ["ppt_scheme", "ppt_cipher", "ppt_keyid", "ppt_serializer"] {
        let options = |length| {
            let scheme = if option == "ppt_scheme" { "" } else { "\"ppt_scheme\":\"x_p\"," };
            format!("{{\"acknowledge\":true,{scheme}\"{option}\":\"{}\"}}", "x".repeat(length))
        };
        let message = json(&format!("[16,7,{},\"com.x\"]", options(1024))).unwrap();
        assert!(matches!(message, ClientMessage::Publish { .. }), "{message:?}");
        let (_, _, error, sentence) = refusal(&format!("[16,7,{},\"com.x\"]", options(1025)));
        assert_eq!(error, "wamp.error.option_not_allowed");
        assert!(sentence.contains(option) && sentence.contains("1024 bytes"), "{sentence}");
        match json(&format!("[48,7,{},\"com.x\"]", options(1025))).unwrap() {
            ClientMessage::Call { options, .. } => assert!(options.refused.is_some(), "{option}"),
            other => panic!("{other:?}"),
        }
        assert!(json(&format!("[70,7,{}]", options(1025))).is_err(), "{option}");
        assert!(json(&format!("[8,68,7,{},\"com.x\"]", options(1025))).is_err(), "{option}");
    }
}

#[test]
fn keyword_arguments_have_string_keys_and_no_dictionary_has_a_container_for_a_key() {
    for (serializer, message) in [
        (Serializer::MsgPack, &b"\x95\x46\x01\x80\x90\x81\x01\x02"[..]),
        (Serializer::Cbor, b"\x85\x18\x46\x01\xa0\x80\xa1\x01\x02"),
    ] {
        let error = decode(serializer, message).unwrap_err();
        assert_eq!(
            error,
            DecodeError::Invalid("YIELD.ArgumentsKw: keys must be strings".into()),
            "{serializer:?}"
        );
    }
    for (serializer, message) in [
        (Serializer::MsgPack, &b"\x94\x46\x01\x80\x91\x81\x90\x02"[..]),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\xa1\x80\x02"),
    ] {
        assert!(matches!(decode(serializer, message), Err(DecodeError::Malformed(_))), "{serializer:?}");
    }
}

#[test]
fn what_is_no_messagepack_or_cbor_is_refused() {
    let cases: &[(Serializer, &[u8])] = &[
        (Serializer::MsgPack, b""),
        (Serializer::MsgPack, b"\x93\x22\x01"),
        (Serializer::MsgPack, b"\x93\x22\x01\x02\x00"),
        (Serializer::MsgPack, b"\x94\x46\x01\x80\x91\xc1"),
        (Serializer::MsgPack, b"\x94\x46\x01\x80\x91\xa1\xff"),
        (Serializer::MsgPack, b"\x94\x46\x01\x80\x91\xd4\x01"),
        (Serializer::Cbor, b""),
        (Serializer::Cbor, b"\x83\x18\x22\x01"),
        (Serializer::Cbor, b"\x83\x18\x22\x01\x02\x00"),
        // A break where there is nothing to break, a reserved head, a break behind a tag.
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\xff"),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\x1c"),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x9f\xc0\xff"),
        // A dictionary that ends between key and value.
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\xbf\x61k\xff"),
        // Chunks of another type and of no definite length.
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\x7f\x41x\xff"),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\x7f\x7f\xff\xff"),
        // Text that is no UTF-8, also where only the chunks together would be; `false` in two bytes.
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\x61\xff"),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\x7f\x61\xc3\x61\xa9\xff"),
        (Serializer::Cbor, b"\x84\x18\x46\x01\xa0\x81\xf8\x14"),
    ];
    for (serializer, message) in cases {
        let error = decode(*serializer, message).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed(_)), "{serializer:?} {message:02x?}: {error}");
    }
}
