//! Lengths in both directions: what a client may send, and what it takes.

use serde_json::json;

use super::{super::metrics::metrics, config, gateway};
use crate::support::{
    Gateway, Serializer, code,
    config::{endpoint, metrics_transport},
    http::Connection,
    raw_socket::{RawClient, frame},
};

/// A client that takes messages of 2 KiB.
fn small(gateway: &Gateway, serializer: Serializer) -> RawClient {
    let mut client = RawClient::over(Connection::open(gateway), serializer, 2);
    client.joins();
    client
}

const EXCEEDED: &str = "wamp.error.payload_size_exceeded";

#[test]
fn a_frame_that_is_too_long_ends_the_connection_with_its_head() {
    let gateway = Gateway::start(&config(&json!({ "max_message_size": 4096 })));
    for kind in [frame::MESSAGE, frame::PING, frame::PONG] {
        let (mut client, _) = RawClient::joined(gateway.address(), Serializer::Json);
        client.send_octets(&[kind, 0, 0x10, 1]);
        let abort = client.receive();
        assert_eq!((&abort[0], &abort[2]), (&json!(code::ABORT), &json!(EXCEEDED)));
        assert_eq!(abort[1]["message"], "message of 4097 bytes exceeds the limit of 4096");
        client.is_ended();
    }
    gateway.output().until("reason=\"message-size\"", 1);
    // One of the largest size is read.
    let (mut client, _) = RawClient::joined(gateway.address(), Serializer::Json);
    let empty = json!([code::PUBLISH, 1, { "acknowledge": true }, "com.example.topic", [""]]).to_string();
    let argument = "x".repeat(4096 - empty.len());
    client.send(&json!([code::PUBLISH, 1, { "acknowledge": true }, "com.example.topic", [argument]]));
    assert_eq!(client.receive()[0], code::PUBLISHED);
}

#[test]
fn before_welcome_less_may_come() {
    let gateway = Gateway::start(&config(&json!({ "options": { "max_message_size_before_welcome": 1000 } })));
    let mut client = RawClient::open(gateway.address(), Serializer::Cbor);
    client.send_octets(&[0, 0, 3, 0xe9]);
    assert_eq!(client.receive()[2], EXCEEDED);
    client.is_ended();
}

#[test]
fn reserved_bits_are_a_protocol_violation() {
    let gateway = gateway();
    for first in [3, 7, 0x10, 0x80] {
        let (mut client, _) = RawClient::joined(gateway.address(), Serializer::MsgPack);
        client.send_octets(&[first, 0, 0, 0]);
        assert_eq!(client.receive()[2], "wamp.error.protocol_violation");
        client.is_ended();
    }
}

#[test]
fn an_event_that_a_client_does_not_take_is_left_out_and_counted() {
    let raw_socket = json!({ "type": "rawsocket", "endpoint": endpoint() });
    let gateway = Gateway::start(&json!({ "transports": [raw_socket, metrics_transport()] }));
    for serializer in Serializer::ALL {
        // A topic of its own: the subscriber before may not have left yet.
        let topic = json!(format!("com.example.{serializer:?}"));
        let mut subscriber = small(&gateway, serializer);
        subscriber.asks(code::SUBSCRIBE, &[json!({}), topic.clone()]);
        let (mut publisher, _) = RawClient::joined(gateway.address(), Serializer::Json);
        for argument in ["x".repeat(3000), "short".to_owned()] {
            let options = json!({ "acknowledge": true });
            publisher.asks(code::PUBLISH, &[options, topic.clone(), json!([argument])]);
        }
        assert_eq!(subscriber.receive()[4], json!(["short"]));
    }
    let metrics = metrics(&gateway);
    assert!(metrics.contains("wampgate_messages_left_out_total{transport=\"0\"} 3"), "{metrics}");
}

#[test]
fn a_call_whose_arguments_or_result_do_not_fit_gets_an_error() {
    let gateway = gateway();
    for serializer in Serializer::ALL {
        let mut near = small(&gateway, serializer);
        let (mut far, _) = RawClient::joined(gateway.address(), Serializer::Json);
        let large = json!(["x".repeat(3000)]);

        let name = json!(format!("com.example.{serializer:?}"));
        near.asks(code::REGISTER, &[json!({}), name.clone()]);
        let answer = far.asks(code::CALL, &[json!({}), name.clone(), large.clone()]);
        assert_eq!((&answer[0], &answer[4]), (&json!(code::ERROR), &json!(EXCEEDED)), "{answer}");
        // The callee goes on.
        let call = far.request(code::CALL, &[json!({}), name, json!([1])]);
        let invocation = near.receive();
        near.send(&json!([code::YIELD, invocation[1], {}, [2]]));
        assert_eq!(far.receive(), json!([code::RESULT, call, {}, [2]]));

        let name = json!(format!("com.example.far.{serializer:?}"));
        far.asks(code::REGISTER, &[json!({}), name.clone()]);
        let call = near.request(code::CALL, &[json!({}), name, json!([])]);
        let invocation = far.receive();
        far.send(&json!([code::YIELD, invocation[1], {}, large]));
        let answer = near.receive();
        assert_eq!(
            (&answer[0], &answer[2], &answer[4]),
            (&json!(code::ERROR), &json!(call), &json!(EXCEEDED))
        );
    }
}

#[test]
fn a_progressive_result_that_does_not_fit_cancels_its_call() {
    let gateway = gateway();
    let features = json!({ "progressive_call_results": true, "call_canceling": true });
    let role = |name: &str| json!({ "roles": { name: { "features": features } } });
    let mut caller = RawClient::over(Connection::open(&gateway), Serializer::Cbor, 2);
    caller.hello(role("caller"));
    assert_eq!(caller.receive()[0], code::WELCOME);
    let mut callee = RawClient::open(gateway.address(), Serializer::Json);
    callee.hello(role("callee"));
    assert_eq!(callee.receive()[0], code::WELCOME);
    callee.asks(code::REGISTER, &[json!({}), json!("com.example.long")]);
    let options = json!({ "receive_progress": true });
    let call = caller.request(code::CALL, &[options, json!("com.example.long"), json!([])]);
    let invocation = callee.receive()[1].clone();
    callee.send(&json!([code::YIELD, invocation, { "progress": true }, [1]]));
    assert_eq!(caller.receive(), json!([code::RESULT, call, { "progress": true }, [1]]));
    callee.send(&json!([code::YIELD, invocation, { "progress": true }, ["x".repeat(3000)]]));
    let error = caller.receive();
    assert_eq!(
        (&error[0], &error[2], &error[4]),
        (&json!(code::ERROR), &json!(call), &json!("wamp.error.canceled"))
    );
    assert_eq!(callee.receive()[0], code::INTERRUPT);
}
