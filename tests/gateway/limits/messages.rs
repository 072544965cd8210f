//! Messages: HELLO and those after it, their size and their depth.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{assert_ends_after, at_the_hasty_path, gateway_with, gateway_with_a_hasty_path};
use crate::support::{Client, Frame, Jar, PATIENCE, code, websocket::opcode};

#[test]
fn a_client_that_does_not_say_hello_is_closed() {
    let gateway = gateway_with_a_hasty_path(&json!({ "hello_timeout": 1000 }));
    let begin = || at_the_hasty_path().opens(&gateway).0;
    assert_ends_after(&gateway, Duration::from_secs(1), begin, |silent| silent.is_closed_with(1002));
}

#[test]
fn pings_do_not_put_hello_off() {
    let gateway = gateway_with_a_hasty_path(&json!({ "hello_timeout": 1000 }));
    let (mut chatty, _) = at_the_hasty_path().opens(&gateway);
    let begun = Instant::now();
    let end = loop {
        chatty.connection().try_send(Frame::new(opcode::PING, "still here").masked()).ok();
        let frame = chatty.receive().expect("a close frame");
        if frame.opcode != opcode::PONG {
            break frame;
        }
        assert!(begun.elapsed() < PATIENCE, "kept open by pings");
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert_eq!(end.close_code(), Some(1002), "{end:?}");
    gateway.assert_next_client_is_served();
}

#[test]
fn a_large_hello_is_refused() {
    let gateway = gateway_with(json!({}));
    let mut client = Client::open(&gateway, &mut Jar::default());
    // The default: 64 KiB until the client has joined, 1 MiB afterwards.
    client.hello("realm1", json!({ "authextra": { "x": "x".repeat(65 * 1024) } }));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_that_is_too_large_closes_the_connection() {
    let gateway = gateway_with(json!({ "max_message_size": 2000 }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(1900)]]));
    client.echoes();
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(2000)]]));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_that_is_too_large_in_all_its_fragments_closes_the_connection() {
    let gateway = gateway_with(json!({ "max_message_size": 2000 }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let socket = client.socket();
    socket.send(&Frame::text("[").unfinished());
    for _ in 0..5 {
        let _ =
            socket.connection().try_send(Frame::new(opcode::CONTINUATION, [b' '; 500]).unfinished().masked());
    }
    socket.is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn the_default_lets_a_mebibyte_through_and_no_more() {
    let gateway = gateway_with(json!({}));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.publish("com.example.topic", &json!(["x".repeat(1_000_000)]), &json!({})).unwrap();
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(1 << 20)]]));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_frame_that_only_claims_to_be_large_is_refused_at_once() {
    let gateway = gateway_with(json!({}));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    // The head of a frame of 2^62 bytes, and nothing behind it.
    client.socket().connection().send([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_that_is_nested_too_deeply_ends_the_session() {
    let gateway = gateway_with(json!({}));
    let nested = |depth: usize| {
        let arguments = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        Frame::text(format!(r#"[16,1,{{"acknowledge":true}},"com.example.topic",{arguments}]"#))
    };
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.socket().send(&nested(120));
    assert_eq!(client.receive()[0], code::PUBLISHED);
    for depth in [130, 100_000] {
        let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
        client.socket().send(&nested(depth));
        client.socket().await_close();
    }
    gateway.assert_next_client_is_served();
}
