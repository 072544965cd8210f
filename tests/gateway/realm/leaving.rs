//! What happens to requests of a client that says farewell.

use serde_json::json;

use crate::support::{
    Client, Jar, Serializer, code,
    config::{untracked, web},
    gateway::{Gateway, tracking_gateway},
};

#[test]
fn what_was_asked_before_goodbye_is_answered_before_it() {
    let gateway = Gateway::start(&web(&untracked()));
    for (serializer, batched) in [
        (Serializer::Json, false),
        (Serializer::Json, true),
        (Serializer::Cbor, true),
        (Serializer::MsgPack, true),
    ] {
        let mut client = Client::open_with(&gateway, &mut Jar::default(), serializer, batched);
        client.joins();
        client.send_all(&[
            json!([code::PUBLISH, 1, { "acknowledge": true }, "com.example.topic", ["x"]]),
            json!([code::CALL, 2, {}, "com.example.nothing"]),
            json!([code::UNSUBSCRIBE, 3, 7]),
            json!([code::GOODBYE, {}, "wamp.close.normal"]),
        ]);
        let kinds: Vec<u64> = (0..4).map(|_| client.receive()[0].as_u64().unwrap()).collect();
        assert_eq!(kinds, [code::PUBLISHED, code::ERROR, code::ERROR, code::GOODBYE], "{serializer:?}");
    }
}

#[test]
fn client_that_logs_out_gets_its_answers_as_well() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.send_all(&[
        json!([code::PUBLISH, 1, { "acknowledge": true }, "com.example.topic", ["x"]]),
        json!([code::GOODBYE, {}, "wamp.close.logout"]),
    ]);
    assert_eq!(client.receive()[0], code::PUBLISHED);
    assert_eq!(client.receive()[0], code::GOODBYE);
}

#[test]
fn client_may_join_again_after_goodbye() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..3 {
        client.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        assert_eq!(client.expect(code::GOODBYE)[2], "wamp.close.goodbye_and_out");
        client.joins();
    }
    client.echoes();
}

#[test]
fn abort_within_a_session_is_not_answered_with_abort() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.send(&json!([code::ABORT, {}, "com.example.enough"]));
    let frame = client.socket().receive().unwrap();
    assert_eq!(frame.close_code(), Some(1000), "{frame:?}");
    gateway.assert_next_client_is_served();
}
