//! Every message that a client may send, in every serializer, from bytes written by hand.

use serde_json::{Value, json};

use super::*;
use crate::wamp::{
    Dictionary,
    message::{
        CallOptions, ErrorDetails, HelloDetails, PublishLists, PublishOptions, RegisterOptions,
        SubscribeOptions, YieldOptions,
    },
};

const ARGS: Forms = ("[1,\"x\"]", b"\x92\x01\xa1x", b"\x82\x01\x61x");
const KWARGS: Forms = ("{\"a\":-1}", b"\x81\xa1a\xff", b"\xa1\x61a\x20");

/// A dictionary as it came.
fn written(serializer: Serializer, forms: Forms) -> Dictionary {
    Dictionary::written(serializer, form(forms, serializer))
}

/// What a dictionary says.
fn said(dictionary: &Dictionary) -> Value {
    serde_json::from_str(&dictionary.to_json()).unwrap()
}

#[track_caller]
fn check(forms: Forms, expected: impl Fn(Serializer) -> ClientMessage) {
    for serializer in ALL {
        let message = form(forms, serializer);
        assert_eq!(serializer.decode(&message, DEPTH), Ok(expected(serializer)), "{serializer:?}");
    }
}

#[test]
fn hello() {
    const ROLES: Forms = ("{\"caller\":{}}", b"\x81\xa6caller\x80", b"\xa1\x66caller\xa0");
    const EXTRA: Forms = ("{\"k\":1}", b"\x81\xa1k\x01", b"\xa1\x61k\x01");
    const DETAILS: Forms = (
        r#"{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"joe","authextra":{"k":1},"x_unknown":[{}]}"#,
        b"\x85\xa5roles\x81\xa6caller\x80\xabauthmethods\x91\xa6ticket\xa6authid\xa3joe\xa9authextra\x81\xa1k\x01\
          \xa9x_unknown\x91\x80",
        b"\xa5\x65roles\xa1\x66caller\xa0\x6bauthmethods\x81\x66ticket\x66authid\x63joe\x69authextra\xa1\x61k\x01\
          \x69x_unknown\x81\xa0",
    );
    let json = format!("[1,\"realm1\",{}]", DETAILS.0);
    let msgpack = [b"\x93\x01\xa6realm1", DETAILS.1].concat();
    let cbor = [b"\x83\x01\x66realm1", DETAILS.2].concat();
    for (serializer, message) in ALL.into_iter().zip([json.as_bytes(), &msgpack, &cbor]) {
        let details = HelloDetails {
            authmethods: vec!["ticket".into()],
            authid: Some("joe".into()),
            authrole: None,
            authextra: written(serializer, EXTRA),
            roles: written(serializer, ROLES),
            written: written(serializer, DETAILS),
        };
        let expected = ClientMessage::Hello { realm: Some(uri("realm1")), details: Box::new(details) };
        assert_eq!(decode(serializer, message), Ok(expected), "{serializer:?}");
    }
}

#[test]
fn hello_without_a_realm_leaves_the_choice_to_the_router() {
    check(("[1,null,{}]", b"\x93\x01\xc0\x80", b"\x83\x01\xf6\xa0"), |_| ClientMessage::Hello {
        realm: None,
        details: Box::default(),
    });
}

#[test]
fn abort_with_and_without_arguments() {
    const DETAILS: Forms = ("{\"message\":\"bye\"}", b"\x81\xa7message\xa3bye", b"\xa1\x67message\x63bye");
    let abort = |details| ClientMessage::Abort { details, reason: uri("wamp.close.normal") };
    check(
        (
            r#"[3,{"message":"bye"},"wamp.close.normal"]"#,
            b"\x93\x03\x81\xa7message\xa3bye\xb1wamp.close.normal",
            b"\x83\x03\xa1\x67message\x63bye\x71wamp.close.normal",
        ),
        |serializer| abort(written(serializer, DETAILS)),
    );
    check(
        (
            r#"[3,{},"wamp.close.normal",[1],{}]"#,
            b"\x95\x03\x80\xb1wamp.close.normal\x91\x01\x80",
            b"\x85\x03\xa0\x71wamp.close.normal\x81\x01\xa0",
        ),
        |_| abort(Dictionary::default()),
    );
}

#[test]
fn authenticate() {
    const EXTRA: Forms = (
        r#"{"n":null,"k":1.5}"#,
        b"\x82\xa1n\xc0\xa1k\xcb\x3f\xf8\0\0\0\0\0\0",
        b"\xa2\x61n\xf6\x61k\xf9\x3e\x00",
    );
    check(
        (
            r#"[5,"s",{"n":null,"k":1.5}]"#,
            b"\x93\x05\xa1s\x82\xa1n\xc0\xa1k\xcb\x3f\xf8\0\0\0\0\0\0",
            b"\x83\x05\x61s\xa2\x61n\xf6\x61k\xf9\x3e\x00",
        ),
        |serializer| ClientMessage::Authenticate { signature: "s".into(), extra: written(serializer, EXTRA) },
    );
}

#[test]
fn goodbye() {
    check(
        (
            r#"[6,{},"wamp.close.normal"]"#,
            b"\x93\x06\x80\xb1wamp.close.normal",
            b"\x83\x06\xa0\x71wamp.close.normal",
        ),
        |_| ClientMessage::Goodbye { details: Dictionary::default(), reason: uri("wamp.close.normal") },
    );
}

#[test]
fn error_of_an_invocation() {
    check(
        (
            r#"[8,68,7,{},"com.err",[1,"x"]]"#,
            b"\x96\x08\x44\x07\x80\xa7com.err\x92\x01\xa1x",
            b"\x86\x08\x18\x44\x07\xa0\x67com.err\x82\x01\x61x",
        ),
        |serializer| ClientMessage::InvocationError {
            request: 7,
            details: ErrorDetails::default(),
            error: uri("com.err"),
            payload: payload(serializer, Some(ARGS), None),
        },
    );
}

#[test]
fn publish() {
    let publish = |serializer, options, args, kwargs| ClientMessage::Publish {
        request: 1000,
        options,
        topic: uri("com.topic"),
        payload: payload(serializer, args, kwargs),
    };
    check(
        (
            r#"[16,1000,{},"com.topic"]"#,
            b"\x94\x10\xcd\x03\xe8\x80\xa9com.topic",
            b"\x84\x10\x19\x03\xe8\xa0\x69com.topic",
        ),
        |serializer| publish(serializer, PublishOptions::default(), None, None),
    );
    check(
        (
            r#"[16,1000,{"acknowledge":true,"exclude_me":false,"exclude":[9007199254740992]},"com.topic",[1,"x"],{"a":-1}]"#,
            b"\x96\x10\xcd\x03\xe8\x83\xabacknowledge\xc3\xaaexclude_me\xc2\xa7exclude\x91\xcf\0\x20\0\0\0\0\0\0\
              \xa9com.topic\x92\x01\xa1x\x81\xa1a\xff",
            b"\x86\x10\x19\x03\xe8\xa3\x6backnowledge\xf5\x6aexclude_me\xf4\x67exclude\x81\x1b\0\x20\0\0\0\0\0\0\
              \x69com.topic\x82\x01\x61x\xa1\x61a\x20",
        ),
        |serializer| {
            let options = PublishOptions {
                acknowledge: true,
                exclude_me: false,
                lists: Some(Box::new(PublishLists { exclude: vec![1 << 53], ..PublishLists::default() })),
                ..PublishOptions::default()
            };
            publish(serializer, options, Some(ARGS), Some(KWARGS))
        },
    );
}

#[test]
fn subscribe() {
    check(
        (
            r#"[32,9007199254740992,{"match":"exact"},"com.topic"]"#,
            b"\x94\x20\xcf\0\x20\0\0\0\0\0\0\x81\xa5match\xa5exact\xa9com.topic",
            b"\x84\x18\x20\x1b\0\x20\0\0\0\0\0\0\xa1\x65match\x65exact\x69com.topic",
        ),
        |_| ClientMessage::Subscribe {
            request: 1 << 53,
            options: SubscribeOptions::default(),
            topic: uri("com.topic").into(),
        },
    );
}

#[test]
fn unsubscribe() {
    check(("[34,1,2]", b"\x93\x22\x01\x02", b"\x83\x18\x22\x01\x02"), |_| ClientMessage::Unsubscribe {
        request: 1,
        subscription: 2,
    });
}

#[test]
fn call() {
    check(
        (
            r#"[48,1,{"disclose_me":true},"com.add",[1,"x"],{"a":-1}]"#,
            b"\x96\x30\x01\x81\xabdisclose_me\xc3\xa7com.add\x92\x01\xa1x\x81\xa1a\xff",
            b"\x86\x18\x30\x01\xa1\x6bdisclose_me\xf5\x67com.add\x82\x01\x61x\xa1\x61a\x20",
        ),
        |serializer| ClientMessage::Call {
            request: 1,
            options: CallOptions { disclose_me: true, ..CallOptions::default() },
            procedure: uri("com.add"),
            payload: payload(serializer, Some(ARGS), Some(KWARGS)),
        },
    );
}

#[test]
fn register_and_unregister() {
    check(
        (
            r#"[64,1,{"invoke":"single"},"com.add"]"#,
            b"\x94\x40\x01\x81\xa6invoke\xa6single\xa7com.add",
            b"\x84\x18\x40\x01\xa1\x66invoke\x66single\x67com.add",
        ),
        |_| ClientMessage::Register {
            request: 1,
            options: RegisterOptions::default(),
            procedure: uri("com.add").into(),
        },
    );
    check(("[66,1,2]", b"\x93\x42\x01\x02", b"\x83\x18\x42\x01\x02"), |_| ClientMessage::Unregister {
        request: 1,
        registration: 2,
    });
}

#[test]
fn yield_with_a_result() {
    check(
        (
            r#"[70,1,{"progress":true},[1,"x"]]"#,
            b"\x94\x46\x01\x81\xa8progress\xc3\x92\x01\xa1x",
            b"\x84\x18\x46\x01\xa1\x68progress\xf5\x82\x01\x61x",
        ),
        |serializer| ClientMessage::Yield {
            request: 1,
            options: YieldOptions { progress: true, ..YieldOptions::default() },
            payload: payload(serializer, Some(ARGS), None),
        },
    );
}

#[test]
fn null_stands_for_no_arguments_and_the_empty_list_is_filled_in_before_keyword_arguments() {
    const EMPTY: Forms = ("[]", b"\x90", b"\x80");
    let result = |serializer, args, kwargs| ClientMessage::Yield {
        request: 1,
        options: YieldOptions::default(),
        payload: payload(serializer, args, kwargs),
    };
    check(("[70,1,{},null]", b"\x94\x46\x01\x80\xc0", b"\x84\x18\x46\x01\xa0\xf6"), |s| {
        result(s, None, None)
    });
    check(("[70,1,{},null,null]", b"\x95\x46\x01\x80\xc0\xc0", b"\x85\x18\x46\x01\xa0\xf6\xf6"), |s| {
        result(s, None, None)
    });
    check(
        (
            r#"[70,1,{},null,{"a":-1}]"#,
            b"\x95\x46\x01\x80\xc0\x81\xa1a\xff",
            b"\x85\x18\x46\x01\xa0\xf6\xa1\x61a\x20",
        ),
        |s| result(s, Some(EMPTY), Some(KWARGS)),
    );
}

#[test]
fn payload_is_slices_of_the_message() {
    let message = Bytes::from_static(b" [ 70 , 1 , { } ,  [ 1 , [ ] ]  , { \"a\" : { } } ] ");
    let Ok(ClientMessage::Yield { payload, .. }) = Serializer::Json.decode(&message, DEPTH) else { panic!() };
    let (args, kwargs) = (payload.args.unwrap(), payload.kwargs.unwrap());
    assert_eq!((&*args, &*kwargs), (&b"[ 1 , [ ] ]"[..], &b"{ \"a\" : { } }"[..]));
    assert!(
        message.as_ptr_range().contains(&args.as_ptr()) && message.as_ptr_range().contains(&kwargs.as_ptr())
    );
}

#[test]
fn cbor_of_indefinite_length_is_read() {
    let message = b"\x9f\x18\x30\x01\xbf\x6bdisclose_me\xf5\xff\x7f\x64com.\x63add\xff\x9f\x01\x7f\x61x\xff\xff\xbf\xff\xff";
    let Ok(ClientMessage::Call { options, procedure, payload, .. }) = decode(Serializer::Cbor, message)
    else {
        panic!()
    };
    assert_eq!((options.disclose_me, procedure.as_str()), (true, "com.add"));
    assert_eq!(payload.args.as_deref(), Some(&b"\x9f\x01\x7f\x61x\xff\xff"[..]));
    assert_eq!(payload.kwargs.as_deref(), Some(&b"\xbf\xff"[..]));
}

#[test]
fn binary_data_in_details_takes_its_json_form() {
    let expected = json!({"key": "\0AQI=", "7": [1, null], "big": 1.844_674_407_370_955_2e19});
    let messages: [(Serializer, &[u8]); 2] = [
        (
            Serializer::MsgPack,
            b"\x93\x01\xa1r\x82\xa9authextra\x83\xa3key\xc4\x02\x01\x02\x07\x92\x01\xc0\xa3big\xcb\x43\xf0\0\0\0\0\0\0\
              \xa5other\xc4\x01\xff",
        ),
        (
            Serializer::Cbor,
            b"\x83\x01\x61r\xa2\x69authextra\xa3\x63key\x42\x01\x02\x07\x82\x01\xf7\x63big\xfb\x43\xf0\0\0\0\0\0\0\
              \x65other\x41\xff",
        ),
    ];
    for (serializer, message) in messages {
        let Ok(ClientMessage::Hello { details, .. }) = decode(serializer, message) else {
            panic!("{serializer:?}")
        };
        assert_eq!(said(&details.authextra), expected, "{serializer:?}");
    }
}

#[test]
fn null_for_a_known_option_counts_as_absent() {
    let Ok(ClientMessage::Hello { details, .. }) =
        json(r#"[1,"r",{"authmethods":null,"authid":null,"authextra":{"kept":null}}]"#)
    else {
        panic!()
    };
    assert_eq!((details.authmethods.len(), details.authid), (0, None));
    assert_eq!(said(&details.authextra), json!({"kept": null}));
}

#[test]
fn identifiers_that_javascript_encodes_as_floats_are_read_in_binary_serializers_only() {
    let expected = Ok(ClientMessage::Unsubscribe { request: 1, subscription: 1 << 53 });
    assert_eq!(decode(Serializer::MsgPack, b"\x93\x22\x01\xcb\x43\x40\0\0\0\0\0\0"), expected);
    assert_eq!(decode(Serializer::Cbor, b"\x83\x18\x22\x01\xfb\x43\x40\0\0\0\0\0\0"), expected);
    assert!(json("[34,1,9007199254740992.0]").is_err());
    // 2.5 and 1e300
    assert!(decode(Serializer::MsgPack, b"\x93\x22\x01\xcb\x40\x04\0\0\0\0\0\0").is_err());
    assert!(decode(Serializer::MsgPack, b"\x93\x22\x01\xcb\x7e\x37\xe4\x3c\x88\0\x75\x9c").is_err());
}

#[test]
fn json_escapes_are_undone_in_what_is_read() {
    let Ok(ClientMessage::Authenticate { signature, extra }) =
        json(r#"[5,"\u0041\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 plain",{"\u006b":"\u0000AQI="}]"#)
    else {
        panic!()
    };
    assert_eq!(signature, "A\"\\/\u{8}\u{c}\n\r\té😀 plain");
    assert_eq!(extra.text("k").as_deref(), Some("\0AQI="));
}

#[test]
fn a_message_stays_small_since_thousands_may_wait_for_a_realm() {
    assert!(size_of::<ClientMessage>() <= 152, "{}", size_of::<ClientMessage>());
}
