//! What is refused, and what the client's author is told about it.

use super::*;

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

#[test]
fn what_a_client_says_of_itself_is_short() {
    // The longest name that there is.
    let longest = "\u{1f6aa}".repeat(255);
    let options = [
        ("authid", format!("\"{longest}\""), format!("\"{}\"", "x".repeat(1025)), "may have 1024 bytes"),
        ("authrole", format!("\"{longest}\""), format!("\"{}\"", "x".repeat(1025)), "may have 1024 bytes"),
        (
            "authextra",
            "{}".to_owned(),
            format!("{{\"x\":\"{}\"}}", "x".repeat(16_384)),
            "may have 16384 bytes",
        ),
        ("authmethods", "[]".to_owned(), format!("[{}\"\"]", "\"\",".repeat(64)), "may have 64 items"),
    ];
    for (option, taken, refused, says) in options {
        assert!(json(&format!("[1,\"r\",{{\"{option}\":{taken}}}]")).is_ok(), "{option}");
        let fault = DecodeError::Invalid(format!("HELLO.Details: {option}: {says}"));
        assert_eq!(json(&format!("[1,\"r\",{{\"{option}\":{refused}}}]")), Err(fault));
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
