//! Every message that a router sends, in every serializer, against bytes written by hand.

use serde_json::{Map, Value, json};

use super::*;
use crate::wamp::{
    RouterFeatures, RouterMessage, SessionId,
    message::{Disclosed, ErrorDetails, EventDetails, InvocationDetails, ResultDetails, WelcomeDetails},
};

const ARGS: Forms = ("[1,\"x\"]", b"\x92\x01\xa1x", b"\x82\x01\x61x");
const KWARGS: Forms = ("{\"a\":-1}", b"\x81\xa1a\xff", b"\xa1\x61a\x20");

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn joe() -> Disclosed {
    Disclosed { session: SessionId(3), authid: "joe".into(), authrole: "user".into() }
}

/// Checks the encoding with a payload that comes in each of the serializers.
#[track_caller]
fn check(
    forms: Forms,
    message: impl Fn(Payload) -> RouterMessage,
    args: Option<Forms>,
    kwargs: Option<Forms>,
) {
    for target in ALL {
        for source in ALL {
            let encoded = target.encode(&message(payload(source, args, kwargs)));
            assert_eq!(encoded, form(forms, target), "{source:?} to {target:?}: {encoded:?}");
        }
    }
}

#[test]
fn welcome_tells_who_the_client_is_and_what_the_router_can_do() {
    let details = WelcomeDetails {
        realm: Uri::known("realm1"),
        authid: "joe".into(),
        authrole: "frontend".into(),
        authmethod: "ticket",
        authprovider: "static",
        authextra: object(&json!({"n": 1})).into(),
        features: RouterFeatures::new(["publisher_exclusion", "session_meta_api"], ["caller_identification"]),
        known: Some(true),
        public_id: Some("abc".into()),
    };
    let expected = json!([2, 7, {
        "realm": "realm1", "authid": "joe", "authrole": "frontend", "authmethod": "ticket",
        "authprovider": "static", "authextra": {"n": 1},
        "roles": {
            "broker": {"features": {"publisher_exclusion": true, "session_meta_api": true}},
            "dealer": {"features": {"caller_identification": true}},
        },
        "x_wampgate_known": true, "x_wampgate_public_id": "abc",
    }]);
    let message = RouterMessage::Welcome { session: SessionId(7), details: Box::new(details) };
    let json: Value = serde_json::from_slice(&Serializer::Json.encode(&message)).unwrap();
    let msgpack: Value = rmp_serde::from_slice(&Serializer::MsgPack.encode(&message)).unwrap();
    let cbor: Value = ciborium::from_reader(&*Serializer::Cbor.encode(&message)).unwrap();
    assert_eq!([json, msgpack, cbor], [expected.clone(), expected.clone(), expected]);
}

#[test]
fn details_of_somebody_elses_making_are_written_whole() {
    let extra = json!({"bin": "\0AQI=", "list": [true, null, 1.5, -3]});
    check(
        (
            r#"[4,"ticket",{"bin":"\u0000AQI=","list":[true,null,1.5,-3]}]"#,
            b"\x93\x04\xa6ticket\x82\xa3bin\xc4\x02\x01\x02\xa4list\x94\xc3\xc0\xcb\x3f\xf8\0\0\0\0\0\0\xfd",
            b"\x83\x04\x66ticket\xa2\x63bin\x42\x01\x02\x64list\x84\xf5\xf6\xfb\x3f\xf8\0\0\0\0\0\0\x22",
        ),
        |_| RouterMessage::Challenge { method: "ticket", extra: object(&extra) },
        None,
        None,
    );
}

#[test]
fn abort_and_goodbye() {
    check(
        (
            r#"[3,{"message":"say \"who\""},"wamp.error.no_such_role"]"#,
            b"\x93\x03\x81\xa7message\xa9say \"who\"\xb7wamp.error.no_such_role",
            b"\x83\x03\xa1\x67message\x69say \"who\"\x77wamp.error.no_such_role",
        ),
        |_| RouterMessage::Abort { message: "say \"who\"".into(), reason: uri("wamp.error.no_such_role") },
        None,
        None,
    );
    check(
        (
            r#"[6,{},"wamp.close.normal"]"#,
            b"\x93\x06\x80\xb1wamp.close.normal",
            b"\x83\x06\xa0\x71wamp.close.normal",
        ),
        |_| RouterMessage::Goodbye { message: None, reason: uri("wamp.close.normal") },
        None,
        None,
    );
}

#[test]
fn challenge() {
    check(
        (
            r#"[4,"ticket",{"n":300}]"#,
            b"\x93\x04\xa6ticket\x81\xa1n\xcd\x01\x2c",
            b"\x83\x04\x66ticket\xa1\x61n\x19\x01\x2c",
        ),
        |_| RouterMessage::Challenge { method: "ticket", extra: object(&json!({"n": 300})) },
        None,
        None,
    );
}

#[test]
fn error() {
    check(
        (
            r#"[8,48,5,{},"com.err",[1,"x"]]"#,
            b"\x96\x08\x30\x05\x80\xa7com.err\x92\x01\xa1x",
            b"\x86\x08\x18\x30\x05\xa0\x67com.err\x82\x01\x61x",
        ),
        |payload| RouterMessage::Error {
            request_type: 48,
            request: 5,
            details: ErrorDetails::default(),
            error: uri("com.err"),
            payload,
        },
        Some(ARGS),
        None,
    );
}

#[test]
fn acknowledgements() {
    let cases: [(Forms, RouterMessage); 5] = [
        (
            ("[17,1,200]", b"\x93\x11\x01\xcc\xc8", b"\x83\x11\x01\x18\xc8"),
            RouterMessage::Published { request: 1, publication: 200 },
        ),
        (
            ("[33,1,70000]", b"\x93\x21\x01\xce\0\x01\x11\x70", b"\x83\x18\x21\x01\x1a\0\x01\x11\x70"),
            RouterMessage::Subscribed { request: 1, subscription: 70000 },
        ),
        (("[35,1]", b"\x92\x23\x01", b"\x82\x18\x23\x01"), RouterMessage::Unsubscribed { request: 1 }),
        (
            ("[65,1,2]", b"\x93\x41\x01\x02", b"\x83\x18\x41\x01\x02"),
            RouterMessage::Registered { request: 1, registration: 2 },
        ),
        (("[67,1]", b"\x92\x43\x01", b"\x82\x18\x43\x01"), RouterMessage::Unregistered { request: 1 }),
    ];
    for (forms, message) in cases {
        check(forms, |_| message.clone(), None, None);
    }
}

#[test]
fn event() {
    check(
        (
            r#"[36,1,2,{"publisher":3,"publisher_authid":"joe","publisher_authrole":"user"},[1,"x"],{"a":-1}]"#,
            b"\x96\x24\x01\x02\x83\xa9publisher\x03\xb0publisher_authid\xa3joe\xb2publisher_authrole\xa4user\
              \x92\x01\xa1x\x81\xa1a\xff",
            b"\x86\x18\x24\x01\x02\xa3\x69publisher\x03\x70publisher_authid\x63joe\x72publisher_authrole\x64user\
              \x82\x01\x61x\xa1\x61a\x20",
        ),
        |payload| RouterMessage::Event {
            subscription: 1,
            publication: 2,
            details: EventDetails { publisher: Some(joe()), ..EventDetails::default() },
            payload,
        },
        Some(ARGS),
        Some(KWARGS),
    );
}

#[test]
fn result_with_and_without_payload() {
    let message = |payload| RouterMessage::Result { request: 9, details: ResultDetails::default(), payload };
    check(("[50,9,{}]", b"\x93\x32\x09\x80", b"\x83\x18\x32\x09\xa0"), message, None, None);
    check(
        (r#"[50,9,{},[1,"x"]]"#, b"\x94\x32\x09\x80\x92\x01\xa1x", b"\x84\x18\x32\x09\xa0\x82\x01\x61x"),
        message,
        Some(ARGS),
        None,
    );
}

#[test]
fn keyword_arguments_alone_get_an_empty_list_before_them() {
    check(
        (
            r#"[50,9,{},[],{"a":-1}]"#,
            b"\x95\x32\x09\x80\x90\x81\xa1a\xff",
            b"\x85\x18\x32\x09\xa0\x80\xa1\x61a\x20",
        ),
        |payload| RouterMessage::Result { request: 9, details: ResultDetails::default(), payload },
        None,
        Some(KWARGS),
    );
}

#[test]
fn invocation() {
    check(
        (
            r#"[68,1,2,{"caller":3,"caller_authid":"joe","caller_authrole":"user"},[1,"x"]]"#,
            b"\x95\x44\x01\x02\x83\xa6caller\x03\xadcaller_authid\xa3joe\xafcaller_authrole\xa4user\x92\x01\xa1x",
            b"\x85\x18\x44\x01\x02\xa3\x66caller\x03\x6dcaller_authid\x63joe\x6fcaller_authrole\x64user\
              \x82\x01\x61x",
        ),
        |payload| RouterMessage::Invocation {
            request: 1,
            registration: 2,
            details: InvocationDetails { caller: Some(joe()), ..InvocationDetails::default() },
            payload,
        },
        Some(ARGS),
        None,
    );
}

#[test]
fn payload_in_the_clients_own_serializer_passes_through_byte_by_byte() {
    let forms: Forms = (
        "[ 1.0e0,\t\"\\u0041\" ]",
        b"\xdc\0\x02\xcd\0\x01\xd7\xff\0\0\0\0\0\0\0\0",
        b"\x9f\x18\x01\xc1\xf9\x3c\x00\xff",
    );
    for serializer in ALL {
        let payload = payload(serializer, Some(forms), None);
        let encoded = serializer.encode(&RouterMessage::Result {
            request: 1,
            details: ResultDetails::default(),
            payload: payload.clone(),
        });
        let args = payload.args.unwrap();
        assert!(encoded.windows(args.len()).any(|window| window == args), "{serializer:?}: {encoded:?}");
    }
}

#[test]
fn a_payload_that_was_never_checked_and_is_broken_is_left_out() {
    let broken =
        Payload { serializer: Serializer::Json, args: Some(Bytes::from_static(b"[1")), kwargs: None };
    let encoded = Serializer::MsgPack.encode(&RouterMessage::Result {
        request: 9,
        details: ResultDetails::default(),
        payload: broken,
    });
    assert_eq!(encoded, &b"\x93\x32\x09\x80"[..]);
}
