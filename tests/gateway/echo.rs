//! A path of type `websocket-testee`: what it sends back, and that the limits of a WebSocket hold there.

use serde_json::json;

use crate::support::{
    Gateway,
    config::tracked,
    http::Handshake,
    websocket::{Frame, opcode},
};

fn start() -> Gateway {
    let options = json!({ "max_message_size": 1000, "max_frame_size": 600 });
    let paths = json!({ "ws": tracked(), "echo": { "type": "websocket-testee", "options": options } });
    let endpoint = json!({ "type": "tcp", "interface": "127.0.0.1", "port": 0 });
    Gateway::start(&json!({ "transports": [{ "type": "web", "endpoint": endpoint, "paths": paths }] }))
}

fn handshake() -> Handshake {
    Handshake::default().path("/echo").without("Sec-WebSocket-Protocol")
}

#[test]
fn text_and_binary_data_come_back_as_they_are_for_any_subprotocol_and_without_a_cookie() {
    let gateway = start();
    for (offered, announced) in [
        (None, None),
        (Some("wamp.2.json"), Some("wamp.2.json")),
        (Some("chat, superchat"), Some("chat")),
        (Some(" , "), None),
    ] {
        let handshake = offered.map_or_else(handshake, |offered| handshake().protocol(offered));
        let (mut socket, response) = handshake.opens(&gateway);
        assert_eq!(response.header("sec-websocket-protocol"), announced, "{offered:?}");
        assert!(response.set_cookies().is_empty());
        for frame in [
            Frame::text("not WAMP, and \u{fffd} neither"),
            Frame::new(opcode::BINARY, [0xff; 600]),
            Frame::text(""),
        ] {
            socket.send(&frame);
            assert_eq!(socket.receive().unwrap(), frame);
        }
        socket.send(&Frame::text("one ").unfinished());
        socket.send(&Frame::new(opcode::CONTINUATION, "message"));
        assert_eq!(socket.receive().unwrap(), Frame::text("one message"));
    }
}

#[test]
fn the_limits_of_messages_and_the_rules_of_frames_hold() {
    let gateway = start();
    let half = vec![b'x'; 600];
    for (frames, code) in [
        (&[Frame::text(vec![b'x'; 601])][..], 1009),
        (&[Frame::text(&half).unfinished(), Frame::new(opcode::CONTINUATION, &half)], 1009),
        (&[Frame::text(b"\xff")], 1007),
        (&[Frame::new(opcode::CONTINUATION, "x")], 1002),
        (&[Frame::new(opcode::CLOSE, 1000_u16.to_be_bytes())], 1000),
    ] {
        let (mut socket, _) = handshake().opens(&gateway);
        for frame in frames {
            socket.send(frame);
        }
        socket.is_closed_with(code);
    }
}

#[test]
fn pages_of_other_sites_and_what_is_no_handshake_are_refused() {
    let gateway = start();
    handshake().header("Origin", "https://elsewhere.example").is_refused(&gateway, 403);
    handshake().without("Upgrade").without("Connection").is_refused(&gateway, 426);
    handshake().replace("Sec-WebSocket-Version", "8").is_refused(&gateway, 426);
}

#[test]
fn a_gateway_that_ends_says_so() {
    let mut gateway = start();
    let (mut socket, _) = handshake().opens(&gateway);
    socket.send(&Frame::text("x"));
    assert!(socket.receive().is_some());
    gateway.signal_term();
    socket.is_closed_with(1001);
    assert!(gateway.await_exit().success());
}
