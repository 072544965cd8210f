use super::*;
use crate::wamp::message::RouterMessage;

const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

fn written(serializer: Serializer, json: &str) -> Bytes {
    Serializer::Json.rewrite(Bytes::copy_from_slice(json.as_bytes()), serializer).unwrap()
}

#[test]
fn only_what_a_joined_client_may_send_passes() {
    for serializer in ALL {
        let seen = |json: &str| serializer.client_message(&written(serializer, json), 8);
        assert_eq!(seen(r#"[48,1,{"any":[1.5]},"com.a"]"#), Ok(FromClient::Message));
        assert_eq!(seen(r#"[8,68,1,{},"com.error"]"#), Ok(FromClient::Message));
        assert_eq!(seen(r#"[6,{},"wamp.close.normal"]"#), Ok(FromClient::Goodbye));
        assert_eq!(seen(r#"[3,{},"wamp.error.canceled"]"#), Ok(FromClient::Abort));
        assert_eq!(seen(r#"[1,"realm1",{"roles":{}}]"#), Ok(FromClient::Early("HELLO")));
        assert_eq!(seen(r#"[5,"secret",{}]"#), Ok(FromClient::Early("AUTHENTICATE")));
        for no_message in ["[2,1,{}]", r#"[4,"ticket",{}]"#, "[36,1,2,{}]", "[337,1]", "[]", "{}", "[\"48\"]"]
        {
            assert!(seen(no_message).is_err(), "{no_message}");
        }
        assert!(seen("[48,1,{},\"com.a\",[[[[[[[[1]]]]]]]]]").is_err(), "nested too deeply");
    }
}

#[test]
fn what_could_be_read_as_two_messages_passes_in_neither_direction() {
    for serializer in ALL {
        let hello = written(serializer, r#"[1,"realm1",{}]"#);
        let call = written(serializer, r#"[48,1,{},"com.a"]"#);
        let event = written(serializer, "[36,1,2,{}]");
        let both = |first: &Bytes| Bytes::from([first.as_ref(), hello.as_ref()].concat());
        assert!(serializer.client_message(&both(&call), 8).is_err());
        assert!(serializer.router_message(&both(&event), 8).is_err());
        assert!(serializer.client_message(&call.slice(..call.len() - 1), 8).is_err(), "cut off");
    }
    // 48 as a float, which a careless receiver may take for an integer and another one for something else.
    assert!(Serializer::Json.client_message(&Bytes::from_static(b"[48.0,1,{},\"com.a\"]"), 8).is_err());
    assert!(
        Serializer::MsgPack.client_message(&Bytes::from_static(b"\x92\xca\x42\x40\x00\x00\x01"), 8).is_err()
    );
}

#[test]
fn only_what_a_router_sends_to_a_session_passes() {
    for serializer in ALL {
        let seen = |json: &str| serializer.router_message(&written(serializer, json), 8);
        for message in
            ["[8,48,1,{},\"e\"]", "[17,1,2]", "[36,1,2,{}]", "[50,1,{}]", "[68,1,2,{}]", "[69,1,{}]"]
        {
            assert_eq!(seen(message), Ok(FromRouter::Message), "{message}");
        }
        assert_eq!(seen(r#"[6,{},"wamp.close.killed"]"#), Ok(FromRouter::Farewell));
        assert_eq!(seen(r#"[3,{},"wamp.error.protocol_violation"]"#), Ok(FromRouter::Farewell));
        for other in ["[1,\"r\",{}]", "[2,1,{}]", "[4,\"ticket\",{}]", "[48,1,{},\"a\"]", "[999,1]"] {
            assert!(seen(other).is_err(), "{other}");
        }
    }
}

#[test]
fn a_message_is_the_same_in_another_serializer() {
    let call = r#"[48,7,{"receive_progress":true},"com.a",[1,"ü",null],{"b":[true]}]"#;
    for from in ALL {
        for to in ALL {
            let there = from.rewrite(written(from, call), to).unwrap();
            assert_eq!(to.rewrite(there, Serializer::Json).unwrap(), call, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn replies_are_read_and_requests_written_in_every_serializer() {
    for serializer in ALL {
        let reply = |json: &str| serializer.read_reply(&written(serializer, json), 8);
        let extra = Map::from_iter([("challenge".to_owned(), "{}".into())]);
        assert_eq!(
            reply(r#"[4,"wampcra",{"challenge":"{}"}]"#),
            Ok(Reply::Challenge { method: "wampcra".to_owned(), extra })
        );
        let details = Map::from_iter([("authid".to_owned(), "joe".into())]);
        assert_eq!(
            reply(r#"[2,9007199254740992,{"authid":"joe"}]"#),
            Ok(Reply::Welcome { session: SessionId(MAX_ID), details })
        );
        let killed = RouterMessage::Goodbye { message: Some("bye".to_owned()), reason: Uri::known("a.b") };
        assert_eq!(
            serializer.read_reply(&serializer.encode(&killed), 8),
            Ok(Reply::Goodbye { reason: Uri::known("a.b"), message: Some("bye".to_owned()) })
        );
        for nonsense in ["[2,0,{}]", "[2,\"1\",{}]", "[4,1,{}]", "[3,{},\"a b\"]", "[3,{}]", "[50,1,{}]"] {
            assert!(reply(nonsense).is_err(), "{nonsense}");
        }
        let (realm, details) = (Uri::known("realm1"), Map::from_iter([("authid".to_owned(), "joe".into())]));
        let json = |request| serializer.rewrite(serializer.write_request(request), Serializer::Json).unwrap();
        assert_eq!(json(Request::Hello { realm: &realm, details }), r#"[1,"realm1",{"authid":"joe"}]"#);
        assert_eq!(json(Request::Authenticate { signature: "s" }), r#"[5,"s",{}]"#);
        assert_eq!(json(Request::Goodbye { reason: "wamp.close.normal" }), r#"[6,{},"wamp.close.normal"]"#);
    }
}
