//! Input that is meant to hurt.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;
use crate::wamp::{RouterMessage, message::ResultDetails};

const BOMB: usize = 100_000;

/// `before`, then `BOMB` times `opening`.
fn bomb(before: &[u8], opening: &[u8]) -> Vec<u8> {
    [before, &opening.repeat(BOMB)].concat()
}

#[test]
fn deep_nesting_is_refused_wherever_it_stands() {
    let cases: &[(Serializer, &[u8], &[u8])] = &[
        // the message itself, arguments, keyword arguments, known and unknown options
        (Serializer::Json, b"", b"["),
        (Serializer::Json, b"[48,1,{},\"p\",", b"["),
        (Serializer::Json, b"[48,1,{},\"p\",[", b"{\"a\":"),
        (Serializer::Json, b"[48,1,{},\"p\",[],{\"a\":", b"["),
        (Serializer::Json, b"[1,\"r\",{\"authextra\":", b"{\"a\":"),
        (Serializer::Json, b"[1,\"r\",{\"authextra\":{\"a\":", b"["),
        (Serializer::Json, b"[1,\"r\",{\"x\":", b"["),
        (Serializer::Json, b"[6,{\"x\":", b"["),
        (Serializer::MsgPack, b"\x95\x30\x01\x80\xa1p", b"\x91"),
        (Serializer::MsgPack, b"\x95\x30\x01\x80\xa1p\x91", b"\x81\xa1a"),
        (Serializer::MsgPack, b"\x96\x30\x01\x80\xa1p\x90\x81\xa1a", b"\x91"),
        (Serializer::MsgPack, b"\x93\x01\xa1r\x81\xa9authextra", b"\x81\xa1a"),
        (Serializer::MsgPack, b"\x93\x01\xa1r\x81\xa1x", b"\x91"),
        (Serializer::Cbor, b"\x85\x18\x30\x01\xa0\x61p", b"\x81"),
        (Serializer::Cbor, b"\x85\x18\x30\x01\xa0\x61p", b"\x9f"),
        (Serializer::Cbor, b"\x85\x18\x30\x01\xa0\x61p\x81", b"\xbf\x61a"),
        (Serializer::Cbor, b"\x85\x18\x30\x01\xa0\x61p\x81", b"\xc1\x81"),
        (Serializer::Cbor, b"\x83\x01\x61r\xa1\x69authextra", b"\xa1\x61a"),
        (Serializer::Cbor, b"\x83\x01\x61r\xa1\x61x", b"\x9f"),
    ];
    for (serializer, before, opening) in cases {
        let message = bomb(before, opening);
        let expected = if before.is_empty() {
            DecodeError::Invalid("a message's first element is its type, a positive integer".into())
        } else {
            DecodeError::TooDeep(DEPTH)
        };
        assert_eq!(decode(*serializer, &message), Err(expected), "{serializer:?} {before:?}");
    }
}

#[test]
fn tags_upon_tags_are_refused() {
    let message = bomb(b"\x85\x18\x30\x01\xa0\x61p\x81", b"\xc1");
    assert!(matches!(decode(Serializer::Cbor, &message), Err(DecodeError::Malformed(_))));
}

#[test]
fn the_depth_limit_counts_the_messages_own_list() {
    let nested = |levels: usize| format!("[48,1,{{}},\"p\",{}{}]", "[".repeat(levels), "]".repeat(levels));
    let decode = |levels, limit| Serializer::Json.decode(&nested(levels).into(), limit);
    assert!(decode(127, 128).is_ok());
    assert_eq!(decode(128, 128), Err(DecodeError::TooDeep(128)));
    assert_eq!(decode(1, 1), Err(DecodeError::TooDeep(1)));
    assert_eq!(decode(0, 0), Err(DecodeError::TooDeep(0)));
    let kwargs = Bytes::from_static(b"[70,1,{},[],{\"a\":[]}]");
    assert!(Serializer::Json.decode(&kwargs, 3).is_ok());
    assert_eq!(Serializer::Json.decode(&kwargs, 2), Err(DecodeError::TooDeep(2)));
}

#[test]
fn without_a_limit_depth_costs_no_stack() {
    let nested = format!("[48,1,{{}},\"p\",{}{}]", "[".repeat(BOMB), "]".repeat(BOMB));
    let Ok(ClientMessage::Call { payload, .. }) = Serializer::Json.decode(&nested.into(), usize::MAX) else {
        panic!()
    };
    for target in [Serializer::MsgPack, Serializer::Cbor] {
        let there = payload.transcoded(target);
        assert_eq!(there.transcoded(Serializer::Json), payload, "{target:?}");
    }
    // Details are read into values, so they keep a limit of their own.
    let details = format!("[1,\"r\",{{\"authextra\":{}{}}}]", "{\"a\":".repeat(BOMB), "}".repeat(BOMB));
    assert_eq!(Serializer::Json.decode(&details.into(), usize::MAX), Err(DecodeError::TooDeep(128)));
}

#[test]
fn lengths_beyond_the_message_are_refused_at_once() {
    let heads: &[(Serializer, &[u8])] = &[
        (Serializer::MsgPack, b"\xdd\xff\xff\xff\xff"),
        (Serializer::MsgPack, b"\xdf\xff\xff\xff\xff"),
        (Serializer::MsgPack, b"\xdb\xff\xff\xff\xff"),
        (Serializer::MsgPack, b"\xc6\xff\xff\xff\xff"),
        (Serializer::MsgPack, b"\xc9\xff\xff\xff\xff\x01"),
        (Serializer::Cbor, b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Serializer::Cbor, b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Serializer::Cbor, b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Serializer::Cbor, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (serializer, head) in heads {
        let before: &[u8] = if *serializer == Serializer::Cbor {
            b"\x84\x18\x46\x01\xa0\x81"
        } else {
            b"\x94\x46\x01\x80\x91"
        };
        for message in [head.to_vec(), [before, head].concat(), [before, head, &[0; 64]].concat()] {
            assert!(decode(*serializer, &message).is_err(), "{serializer:?} {message:02x?}");
        }
    }
}

/// Whatever was accepted has to come out as something that others can read.
fn survives(serializer: Serializer, message: Vec<u8>) {
    let Ok(message) = serializer.decode(&message.into(), DEPTH) else { return };
    let (ClientMessage::Publish { payload, .. }
    | ClientMessage::Call { payload, .. }
    | ClientMessage::InvocationError { payload, .. }
    | ClientMessage::Yield { payload, .. }) = message
    else {
        return;
    };
    let was_there = (payload.args.is_some(), payload.kwargs.is_some());
    let result = RouterMessage::Result { request: 1, details: ResultDetails::default(), payload };
    let json = Serializer::Json.encode(&result);
    serde_json::from_slice::<IgnoredAny>(&json).unwrap();
    for target in ALL {
        let RouterMessage::Result { payload, .. } = &result else { unreachable!() };
        let transcoded = payload.transcoded(target);
        assert_eq!((transcoded.args.is_some(), transcoded.kwargs.is_some()), was_there, "{target:?}");
    }
    if serializer != Serializer::MsgPack {
        rmp_serde::from_slice::<IgnoredAny>(&Serializer::MsgPack.encode(&result)).unwrap();
    }
    if serializer != Serializer::Cbor {
        ciborium::from_reader::<ciborium::Value, _>(&*Serializer::Cbor.encode(&result)).unwrap();
    }
}

const SEEDS: [(Serializer, &[u8]); 6] = [
    (Serializer::Json, br#"[16,1,{"acknowledge":true,"exclude":[3]},"com.t",[1,-2.5e3,"\u0041\ud83d\ude00"],{"a":{"b":[null,false]}}]"#),
    (Serializer::Json, br#"[1,"r",{"roles":{"caller":{"features":{}}},"authextra":{"k":"\u0000AQI="},"authid":null}]"#),
    (Serializer::MsgPack, b"\x96\x10\x01\x82\xabacknowledge\xc3\xa7exclude\x91\x03\xa5com.t\x94\xd0\x80\xcb\x3f\xf8\0\0\0\0\0\0\xc4\x02ab\xd4\x01\x02\x81\xa1a\x81\x07\x92\xc0\xda\0\x02hi"),
    (Serializer::MsgPack, b"\x93\x01\xa1r\x82\xa5roles\x81\xa6caller\x80\xa9authextra\x82\x01\xc4\x01a\xa1k\x93\x01\xc0\xcb\x3f\xf8\0\0\0\0\0\0"),
    (Serializer::Cbor, b"\x9f\x10\x01\xbf\x6backnowledge\xf5\x67exclude\x81\x03\xff\x65com.t\x9f\x38\x80\xf9\x3e\0\x7f\x61a\x61b\xff\x42ab\xc1\x01\xff\xa1\x61a\xa1\x07\x82\xf7\x78\x02hi\xff"),
    (Serializer::Cbor, b"\x83\x01\x61r\xa2\x65roles\xa1\x66caller\xa0\x69authextra\xa2\x01\x41a\x61k\x83\x01\xf7\xfb\x3f\xf8\0\0\0\0\0\0"),
];

#[test]
fn the_seeds_of_the_mutations_are_valid_and_every_truncation_is_refused() {
    for (serializer, message) in SEEDS {
        assert!(decode(serializer, message).is_ok(), "{serializer:?} {message:?}");
        for length in 0..message.len() {
            assert!(
                decode(serializer, &message[..length]).is_err(),
                "{serializer:?} {:?}",
                &message[..length]
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for serializer in ALL {
            survives(serializer, bytes.clone());
        }
    }

    #[test]
    fn arbitrary_payload_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        survives(Serializer::Json, [b"[70,1,{},[", &bytes[..], b"]]"].concat());
        for items in 0..4 {
            survives(Serializer::MsgPack, [b"\x94\x46\x01\x80", &[0x90 | items][..], &bytes].concat());
            survives(Serializer::Cbor, [b"\x84\x18\x46\x01\xa0", &[0x80 | items][..], &bytes].concat());
        }
    }

    #[test]
    fn mutated_messages_do_no_harm(
        seed in prop::sample::select(SEEDS.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..5),
    ) {
        let (serializer, message) = seed;
        let mut message = message.to_vec();
        for (place, byte, edit) in edits {
            let place = place.index(message.len().max(1));
            match edit {
                0 if place < message.len() => message[place] = byte,
                1 if place < message.len() => drop(message.remove(place)),
                _ => message.insert(place.min(message.len()), byte),
            }
        }
        survives(serializer, message);
    }

    #[test]
    fn json_is_read_exactly_where_another_parser_reads_it(text in r#"([-+0-9.eE]{1,6}|"?[\\\\/bnu0-9a-fd89A-F"]{0,14}"?|[\[\]{},:" \n1nultrefas]{0,12})"#) {
        let payload = Payload { serializer: Serializer::Json, args: Some(text.clone().into()), kwargs: None };
        let read = payload.transcoded(Serializer::Cbor).args.is_some();
        prop_assert_eq!(read, serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }
}
