use super::*;
use crate::wamp::{ClientMessage, DecodeError};

/// HELLO.Details.authextra as it comes in each of the serializers.
fn authextra(json: &str, msgpack: &[u8], cbor: &[u8]) -> [Dictionary; 3] {
    let json = [b"[1,\"r\",{\"authextra\":", json.as_bytes(), b"}]"].concat();
    let msgpack = [b"\x93\x01\xa1r\x81\xa9authextra", msgpack].concat();
    let cbor = [b"\x83\x01\x61r\xa1\x69authextra", cbor].concat();
    let serializers = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];
    let mut messages = [json, msgpack, cbor].into_iter();
    serializers.map(|serializer| hello(serializer, messages.next().unwrap()).unwrap())
}

fn hello(serializer: Serializer, message: Vec<u8>) -> Result<Dictionary, DecodeError> {
    match serializer.decode(&message.into(), 128)? {
        ClientMessage::Hello { details, .. } => Ok(details.authextra),
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_are_found_in_every_serializer() {
    let forms = authextra(
        r#"{"deep":{"k":"no"},"n":null,"\u006b":"v\u00e9","i":[1,"x"]}"#,
        b"\x84\xa4deep\x81\xa1k\xa2no\xa1n\xc0\xa1k\xa3v\xc3\xa9\xa1i\x92\x01\xa1x",
        b"\xbf\x64deep\xa1\x61k\x62no\x61n\xf6\x61k\x7f\x61v\x62\xc3\xa9\xff\x61i\x82\x01\x61x\xff",
    );
    for dictionary in forms {
        assert_eq!(dictionary.text("k").as_deref(), Some("v\u{e9}"), "{dictionary:?}");
        assert_eq!(dictionary.member("n"), Member::Absent, "{dictionary:?}");
        assert_eq!(dictionary.member("x"), Member::Absent, "{dictionary:?}");
        assert_eq!((dictionary.member("i"), dictionary.text("i")), (Member::Other, None), "{dictionary:?}");
        let json = "{\"deep\":{\"k\":\"no\"},\"n\":null,\"k\":\"v\u{e9}\",\"i\":[1,\"x\"]}";
        assert_eq!(dictionary.to_json(), json, "{dictionary:?}");
    }
}

#[test]
fn a_member_that_is_there_twice_counts_as_the_last_one() {
    let [json, ..] = authextra(r#"{"k":"a","k":"b"}"#, b"\x80", b"\xa0");
    assert_eq!(json.text("k").as_deref(), Some("b"));
    let [json, ..] = authextra(r#"{"k":"a","k":null}"#, b"\x80", b"\xa0");
    assert_eq!(json.member("k"), Member::Absent);
}

#[test]
fn an_empty_dictionary_keeps_nothing() {
    for dictionary in authextra("{ }", b"\x80", b"\xbf\xff") {
        assert_eq!((dictionary.is_empty(), dictionary.size()), (true, 0));
        assert_eq!(dictionary.to_json(), "{}");
        assert_eq!(dictionary.member("k"), Member::Absent);
    }
}

#[test]
fn authextra_is_bounded() {
    let message = |length: usize| {
        let text = "x".repeat(length - r#"{"k":""}"#.len());
        format!(r#"[1,"r",{{"authextra":{{"k":"{text}"}}}}]"#).into_bytes()
    };
    assert_eq!(hello(Serializer::Json, message(16 * 1024)).unwrap().size(), 16 * 1024);
    let refused = hello(Serializer::Json, message(16 * 1024 + 1)).unwrap_err().to_string();
    assert_eq!(refused, "invalid WAMP message: HELLO.Details: authextra: may have 16384 bytes");
}

#[test]
fn debug_shows_no_content() {
    let [json, ..] = authextra(r#"{"token":"secret"}"#, b"\x80", b"\xa0");
    assert_eq!(format!("{json:?}"), "Dictionary(18 bytes of Json)");
}
