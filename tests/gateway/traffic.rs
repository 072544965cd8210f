//! Payload on its way: through every pair of serializers unchanged, in batches, in order.

use serde_json::{Value, json};

use crate::support::{Client, Gateway, Jar, Serializer, bytes, code, gateway::tracking_gateway};

const TOPIC: &str = "com.example.topic";
const PROCEDURE: &str = "com.example.procedure";

/// Values that a careless transcoder changes.
fn payload() -> (Value, Value) {
    let args = json!([
        0, 23, 24, 127, 128, 255, 256, 65_535, 65_536, u32::MAX, 1_u64 << 32, 1_u64 << 53, i64::MAX, u64::MAX,
        -1, -24, -25, -32, -33, -128, -129, -32_768, -32_769, i32::MIN, i64::MIN,
        0.5, -0.25, 1.0e300, 5.0e-324, true, false, null,
        "", "grüße, мир, 世界, 🚪", "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{2028}", "x".repeat(70_000),
        bytes([]), bytes((0..=255).collect::<Vec<u8>>()), bytes(vec![0x5a; 70_000]),
        [], {}, [[[[["deep"]]]]], { "": { "a": [bytes([0, 255]), { "b": null }] } },
    ]);
    let kwargs = json!({ "ключ": [1, [2, [3]]], "größe": bytes([1]), "nothing": null, "a\"b": 1.5 });
    (args, kwargs)
}

#[track_caller]
fn join(gateway: &Gateway, serializer: Serializer, batched: bool) -> Client {
    let mut client = Client::open_with(gateway, &mut Jar::default(), serializer, batched);
    client.joins();
    client
}

#[test]
fn payload_arrives_unchanged_through_every_pair_of_serializers() {
    let gateway = tracking_gateway();
    let (args, kwargs) = payload();
    for (left, right) in pairs() {
        for batched in [false, true] {
            let mut alice = join(&gateway, left, batched);
            let mut bob = join(&gateway, right, !batched);

            bob.subscribe(TOPIC).unwrap();
            alice.publish(TOPIC, &args, &kwargs).unwrap();
            let event = bob.expect(code::EVENT);
            assert_eq!((&event[4], &event[5]), (&args, &kwargs), "an event from {left:?} to {right:?}");

            bob.register(PROCEDURE).unwrap();
            let call = alice.call(PROCEDURE, &args, &kwargs);
            let invocation = bob.expect(code::INVOCATION);
            assert_eq!(
                (&invocation[4], &invocation[5]),
                (&args, &kwargs),
                "a call from {left:?} to {right:?}"
            );
            bob.send(&json!([code::YIELD, invocation[1], {}, args, kwargs]));
            let result = alice.result(call).unwrap();
            assert_eq!((&result[3], &result[4]), (&args, &kwargs), "a result from {right:?} to {left:?}");

            let call = alice.call(PROCEDURE, &json!([]), &json!({}));
            let invocation = bob.expect(code::INVOCATION);
            let error = "com.example.error.teapot";
            bob.send(&json!([code::ERROR, code::INVOCATION, invocation[1], {}, error, args, kwargs]));
            let got = alice.result(call).unwrap_err();
            assert_eq!((&got[4], &got[5], &got[6]), (&json!(error), &args, &kwargs), "{right:?} to {left:?}");

            alice.leaves();
            bob.leaves();
        }
    }
}

fn pairs() -> impl Iterator<Item = (Serializer, Serializer)> {
    Serializer::ALL.into_iter().flat_map(|left| Serializer::ALL.map(|right| (left, right)))
}

#[test]
fn absent_arguments_stay_absent() {
    let gateway = tracking_gateway();
    for (left, right) in pairs() {
        let mut alice = join(&gateway, left, false);
        let mut bob = join(&gateway, right, false);
        bob.subscribe(TOPIC).unwrap();
        for rest in [json!([{}, TOPIC]), json!([{}, TOPIC, [1]]), json!([{}, TOPIC, [], { "a": 1 }])] {
            alice.request(code::PUBLISH, &rest);
            let event = bob.expect(code::EVENT);
            let arguments = &event.as_array().unwrap()[4..];
            assert_eq!(arguments, &rest.as_array().unwrap()[2..], "{left:?} to {right:?}");
        }
    }
}

#[test]
fn a_batch_of_requests_is_answered_in_order() {
    let gateway = tracking_gateway();
    for serializer in Serializer::ALL {
        let mut client = join(&gateway, serializer, true);
        let topics: Vec<String> = (1..=100).map(|number| format!("{TOPIC}.{number}")).collect();
        let requests: Vec<Value> = topics
            .iter()
            .zip(1..)
            .map(|(topic, id): (_, u64)| json!([code::SUBSCRIBE, id, {}, topic]))
            .collect();
        client.send_all(&requests);
        for id in 1..=100 {
            let answer = client.receive();
            assert_eq!((&answer[0], &answer[1]), (&json!(code::SUBSCRIBED), &json!(id)), "{answer}");
        }
    }
}

#[test]
fn hello_comes_alone_also_in_a_batched_subprotocol() {
    let gateway = tracking_gateway();
    let mut client = Client::open_with(&gateway, &mut Jar::default(), Serializer::Json, true);
    client.send_all(&[
        json!([code::HELLO, "realm1", { "roles": { "subscriber": {} } }]),
        json!([code::SUBSCRIBE, 1, {}, TOPIC]),
    ]);
    client.is_aborted("wamp.error.protocol_violation");
    gateway.assert_next_client_is_served();
}

#[test]
fn events_of_one_publisher_come_in_order() {
    let gateway = tracking_gateway();
    let mut alice = join(&gateway, Serializer::Json, false);
    let mut bob = join(&gateway, Serializer::Cbor, false);
    bob.subscribe(TOPIC).unwrap();
    for number in 0..1000 {
        alice.request(code::PUBLISH, &json!([{}, TOPIC, [number]]));
    }
    for number in 0..1000 {
        assert_eq!(bob.expect(code::EVENT)[4], json!([number]));
    }
}

#[test]
fn a_publisher_gets_its_own_event_only_if_it_asks() {
    let gateway = tracking_gateway();
    let mut client = join(&gateway, Serializer::Json, false);
    client.subscribe(TOPIC).unwrap();
    client.request(code::PUBLISH, &json!([{}, TOPIC, ["not for me"]]));
    client.request(code::PUBLISH, &json!([{ "exclude_me": false }, TOPIC, ["for me"]]));
    assert_eq!(client.receive()[4], json!(["for me"]));
}

// Clients in JavaScript write integers above 32 bits as doubles in the binary serializers (the `wampy.js` client for
// one), so that is how their identifiers come back.
#[test]
fn identifiers_that_come_back_as_floats_are_understood() {
    let gateway = tracking_gateway();
    for serializer in [Serializer::MsgPack, Serializer::Cbor] {
        let mut client = join(&gateway, serializer, false);
        let request = 9_000_000_000_u64;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let as_float = request as f64;
        client.send(&json!([code::SUBSCRIBE, as_float, {}, TOPIC]));
        let answer = client.receive();
        assert_eq!((&answer[0], &answer[1]), (&json!(code::SUBSCRIBED), &json!(request)), "{serializer:?}");
    }
}
