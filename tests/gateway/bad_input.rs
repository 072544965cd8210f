//! What bad input gets: a clear answer, and an unharmed gateway that serves the next client.

use serde_json::json;

use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, Serializer, code,
    config::{With as _, tracked, tracked_in_file, untracked, web},
    gateway::tracking_gateway,
    http::Connection,
    websocket::opcode,
};

// === HTTP heads ===

#[test]
fn malformed_heads_are_refused() {
    let gateway = tracking_gateway();
    let heads: &[&[u8]] = &[
        b"\r\n\r\n\r\n\r\nx\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /ws\r\n\r\n",
        b"GET /ws HTTP/9.9\r\n\r\n",
        b"GET  /ws  HTTP/1.1  \r\n\r\n",
        b"GET /ws HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET /ws HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nName with spaces: x\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nCookie: a\0b\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        // The beginnings of TLS and of WAMP over raw sockets.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\x7f\xf1\x00\x00\r\n\r\n",
        b"POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: banana\r\n\r\n",
    ];
    for head in heads {
        let mut connection = Connection::open(&gateway);
        connection.send(head);
        connection.finish_sending();
        let response = connection.response();
        let text = String::from_utf8_lossy(head);
        assert_eq!(response.status, 400, "{text}: {response:?}");
        assert!(response.set_cookies().is_empty(), "{text}: {response:?}");
        connection.assert_ends();
    }
    // The beginning of HTTP/2, whose client could not read an answer.
    let mut connection = Connection::open(&gateway);
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(connection.rest(), b"");
    gateway.assert_next_client_is_served();
}

#[test]
fn heads_that_end_half_way_are_dropped() {
    let gateway = tracking_gateway();
    let head = Handshake::default().bytes();
    for length in [0, 1, 3, 14, 40, head.len() - 2, head.len() - 1] {
        let mut connection = Connection::open(&gateway);
        connection.send(&head[..length]);
        connection.finish_sending();
        assert_eq!(connection.rest(), b"", "{length} bytes");
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn a_head_that_arrives_byte_by_byte_is_accepted() {
    let gateway = tracking_gateway();
    let mut connection = Connection::open(&gateway);
    for byte in Handshake::default().bytes() {
        connection.send([byte]);
    }
    assert_eq!(connection.response().status, 101);
    gateway.assert_next_client_is_served();
}

// === Handshakes ===

#[test]
fn handshakes_that_break_rfc_6455_are_refused() {
    let gateway = tracking_gateway();
    let good = Handshake::default;
    let cases = [
        ("version 8", good().replace("Sec-WebSocket-Version", "8"), 426),
        ("version 12", good().replace("Sec-WebSocket-Version", "12"), 426),
        ("version nonsense", good().replace("Sec-WebSocket-Version", "thirteen"), 426),
        ("no version", good().without("Sec-WebSocket-Version"), 426),
        ("no key", good().without("Sec-WebSocket-Key"), 400),
        ("short key", good().replace("Sec-WebSocket-Key", "c2hvcnQ="), 400),
        ("two keys", good().header("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), 400),
        ("no Connection", good().without("Connection"), 400),
        ("no Host", good().without("Host"), 400),
        ("POST", good().method("POST"), 405),
        ("HTTP/1.0", good().version("HTTP/1.0"), 505),
        ("unknown subprotocol", good().protocol("soap"), 400),
        ("unknown serializer", good().protocol("wamp.2.flatbuffers"), 400),
        ("WAMP version 1", good().protocol("wamp"), 400),
        ("no subprotocol", good().without("Sec-WebSocket-Protocol"), 400),
        ("nothing there", good().path("/nowhere"), 404),
    ];
    for (name, handshake, status) in cases {
        let (_, response) = handshake.send(&gateway);
        assert_eq!(response.status, status, "{name}: {response:?}");
        assert!(response.set_cookies().is_empty(), "{name} got a cookie");
        assert!(!response.body.is_empty(), "{name}: the answer does not say what is wrong");
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn a_refused_version_is_told_the_right_one() {
    let gateway = tracking_gateway();
    let response = Handshake::default().replace("Sec-WebSocket-Version", "8").is_refused(&gateway, 426);
    assert_eq!(response.header("sec-websocket-version"), Some("13"), "RFC 6455, 4.4");
}

#[test]
fn foreign_origins_are_refused() {
    let options = json!({
        "allowed_origins": ["https://app.example", "https://*.good.example", "http://localhost:*"],
        "allow_null_origin": false,
    });
    let gateway = Gateway::start(&web(&tracked().with("options", options)));
    let with_origin = |origin| Handshake::default().header("Origin", origin);
    for origin in [
        "http://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "https://evilgood.example",
        "null",
        "nonsense",
        "",
    ] {
        with_origin(origin).is_refused(&gateway, 403);
    }
    for origin in ["https://app.example", "https://a.good.example", "http://localhost:3000"] {
        with_origin(origin).opens(&gateway);
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn the_first_subprotocol_that_is_spoken_is_chosen() {
    let gateway = tracking_gateway();
    let (_, response) = Handshake::default().protocol("soap, wamp.2.cbor, wamp.2.json").opens(&gateway);
    assert_eq!(response.header("sec-websocket-protocol"), Some("wamp.2.cbor"));
}

#[test]
fn a_serializer_that_is_not_configured_is_refused() {
    let gateway = Gateway::start(&web(&untracked().with("serializers", json!(["json"]))));
    for name in ["wamp.2.cbor", "wamp.2.msgpack.batched"] {
        Handshake::default().protocol(name).is_refused(&gateway, 400);
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn compression_is_declined_whatever_a_client_offers() {
    // "hi" as RFC 7692 has it compressed.
    const COMPRESSED: &[u8] = b"\xca\xc8\x04\x00";
    let gateway = tracking_gateway();
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=10, permessage-deflate",
        "permessage-deflate; server_max_window_bits=99",
        "x-webkit-deflate-frame, permessage-bzip2",
        "; =,",
    ] {
        let handshake = || Handshake::default().header("Sec-WebSocket-Extensions", offer);
        let (mut socket, response) = handshake().opens(&gateway);
        assert_eq!(response.header("sec-websocket-extensions"), None, "{offer}");
        // The client goes on without it.
        socket.send(&Frame::text(r#"[1,"realm1",{"roles":{"caller":{}}}]"#));
        let welcome = socket.receive().unwrap();
        assert!(welcome.payload.starts_with(b"[2,"), "{offer}: {welcome:?}");
        // One that compresses all the same has not read the answer (RFC 7692, 6; RFC 6455, 5.2).
        for opcode in [opcode::TEXT, opcode::PING] {
            let (mut other, _) = handshake().opens(&gateway);
            for socket in [&mut socket, &mut other] {
                let mut bytes = Frame::new(opcode, COMPRESSED).masked();
                bytes[0] |= 0x40;
                socket.connection().send(bytes);
            }
            assert_eq!(other.await_close(), 1002, "{offer}");
        }
        assert_eq!(socket.await_close(), 1002, "{offer}: in a session");
    }
    gateway.assert_next_client_is_served();
}

// === Frames ===

#[test]
fn frames_that_break_rfc_6455_close_the_connection() {
    let gateway = tracking_gateway();
    let reserved_bit = {
        let mut bytes = Frame::text("[]").masked();
        bytes[0] |= 0x40;
        bytes
    };
    let cases = [
        ("unmasked", Frame::text("[]").unmasked(), 1002),
        ("reserved bit", reserved_bit, 1002),
        ("reserved opcode", Frame::new(3, "x").masked(), 1002),
        ("reserved control opcode", Frame::new(11, "x").masked(), 1002),
        ("continuation of nothing", Frame::new(opcode::CONTINUATION, "x").masked(), 1002),
        ("fragmented ping", Frame::new(opcode::PING, "x").unfinished().masked(), 1002),
        ("oversized ping", Frame::new(opcode::PING, [b'x'; 126]).masked(), 1002),
        ("close with half a code", Frame::new(opcode::CLOSE, [3]).masked(), 1002),
        ("text that is no UTF-8", Frame::text(b"[\"\xff\xfe\"]").masked(), 1007),
    ];
    for (name, bytes, close) in cases {
        let (mut socket, _) = Handshake::default().opens(&gateway);
        socket.connection().send(bytes);
        let got = socket.await_close();
        assert_eq!(got, close, "{name}");
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_inside_another_closes_the_connection() {
    let gateway = tracking_gateway();
    let (mut socket, _) = Handshake::default().opens(&gateway);
    socket.send(&Frame::text("[1,").unfinished());
    socket.send(&Frame::text("[1,"));
    socket.is_closed_with(1002);
    gateway.assert_next_client_is_served();
}

#[test]
fn connections_that_break_off_anywhere_do_no_harm() {
    let gateway = tracking_gateway();
    let frame = Frame::text(r#"[1,"realm1",{"roles":{"caller":{}}}]"#).masked();
    for length in [0, 1, 2, 5, 10, frame.len() - 1, frame.len()] {
        let (mut socket, _) = Handshake::default().opens(&gateway);
        socket.connection().send(&frame[..length]);
    }
    gateway.assert_next_client_is_served();
}

// === Messages ===

/// A message that cannot be read: ABORT, which says why, and a close.
#[track_caller]
fn assert_thrown_out(name: &str, client: &mut Client) {
    let refused = client.is_aborted("wamp.error.protocol_violation");
    assert_eq!(refused.close, 1002, "{name}");
    assert!(refused.message.starts_with("invalid "), "{name}: {}", refused.message);
}

#[test]
fn messages_that_cannot_be_read_end_the_session() {
    let gateway = tracking_gateway();
    let cases: &[(Serializer, &str, &[u8])] = &[
        (Serializer::Json, "empty", b""),
        (Serializer::Json, "half a list", b"[1,\"realm1\""),
        (Serializer::Json, "words", b"hello there"),
        (Serializer::Json, "no list", b"{\"hello\": 1}"),
        (Serializer::Json, "number", b"1"),
        (Serializer::Json, "empty list", b"[]"),
        (Serializer::Json, "two values", b"[32,1,{},\"a.b\"][32,2,{},\"a.b\"]"),
        (Serializer::Json, "lone surrogate", b"[32,1,{},\"\\ud800\"]"),
        (Serializer::Json, "comma at the end", b"[32,1,{},\"a.b\",]"),
        (Serializer::MsgPack, "empty", b""),
        (Serializer::MsgPack, "truncated list", b"\x94\x20\x01"),
        (Serializer::MsgPack, "reserved byte", b"\xc1"),
        (Serializer::MsgPack, "huge list", b"\xdd\xff\xff\xff\xff"),
        (Serializer::MsgPack, "huge text", b"\x94\x20\x01\x80\xdb\xff\xff\xff\xff"),
        (Serializer::MsgPack, "text that is no UTF-8", b"\x94\x20\x01\x80\xa2\xff\xfe"),
        (Serializer::Cbor, "empty", b""),
        (Serializer::Cbor, "truncated list", b"\x84\x18\x20\x01"),
        (Serializer::Cbor, "reserved length", b"\x9c"),
        (Serializer::Cbor, "huge list", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Serializer::Cbor, "huge text", b"\x84\x18\x20\x01\xa0\x7b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Serializer::Cbor, "break outside", b"\xff"),
        (Serializer::Cbor, "list without an end", b"\x9f\x18\x20"),
    ];
    for (serializer, name, bytes) in cases {
        let kind = if *serializer == Serializer::Json { opcode::TEXT } else { opcode::BINARY };
        let name = format!("{serializer:?}, {name}");
        for joins_first in [false, true] {
            let mut client = Client::open_with(&gateway, &mut Jar::default(), *serializer, false);
            if joins_first {
                client.joins();
            }
            client.socket().send(&Frame::new(kind, bytes));
            assert_thrown_out(&name, &mut client);
        }
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn messages_in_frames_of_the_wrong_kind_end_the_session() {
    let gateway = tracking_gateway();
    for serializer in Serializer::ALL {
        // A text frame has to be UTF-8, which these messages are not, before its kind counts.
        let (wrong, close) =
            if serializer == Serializer::Json { (opcode::BINARY, 1003) } else { (opcode::TEXT, 1007) };
        let mut client = Client::open_with(&gateway, &mut Jar::default(), serializer, false);
        client.joins();
        let message = serializer.encode(&json!([code::SUBSCRIBE, 1, {}, "com.example.topic"]));
        client.socket().send(&Frame::new(wrong, message));
        client.socket().is_closed_with(close);
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn batches_that_cannot_be_taken_apart_end_the_session() {
    let gateway = tracking_gateway();
    let cases: &[(Serializer, &[u8])] = &[
        // The first message is one without an answer, which could come before the ABORT.
        (Serializer::Json, b"[16,1,{},\"a.b\"]\x18nonsense\x18"),
        (Serializer::MsgPack, b"\x00\x00"),
        (Serializer::MsgPack, b"\x00\x00\x00\xff\x94"),
        (Serializer::Cbor, b"\xff\xff\xff\xff\x84"),
    ];
    for (serializer, bytes) in cases {
        let kind = if *serializer == Serializer::Json { opcode::TEXT } else { opcode::BINARY };
        let mut client = Client::open_with(&gateway, &mut Jar::default(), *serializer, true);
        client.joins();
        client.socket().send(&Frame::new(kind, bytes));
        assert_thrown_out(&format!("{serializer:?} {bytes:?}"), &mut client);
    }
    gateway.assert_next_client_is_served();
}

// === What stands on the disk ===

#[test]
fn a_component_that_is_none_keeps_the_gateway_from_starting() {
    let core_module = wat::parse_str("(module)").unwrap();
    let without_exports = wat::parse_str("(component)").unwrap();
    let wrong_import = wat::parse_str(r#"(component (import "wasi:cli/stdout@0.2.0" (instance)))"#).unwrap();
    let cases: [(&str, &[u8]); 5] = [
        ("an empty file", b""),
        ("words", b"this is no component"),
        ("a core module", &core_module),
        ("a component without the policy's exports", &without_exports),
        ("a component that wants more than it gets", &wrong_import),
    ];
    for (name, component) in cases {
        let service = tracked().with("policy", json!({ "component": "broken.wasm" }));
        let mut gateway = Gateway::prepare(&web(&service)).file("broken.wasm", component);
        let status = gateway.run_to_end();
        let said = gateway.output().text();
        assert!(!status.success(), "started with {name}");
        assert!(said.contains("broken.wasm"), "{name}: the message does not name the file");
        assert!(!said.contains("panicked"), "{name}");
    }
}

#[test]
fn a_missing_component_and_a_wrong_hash_keep_the_gateway_from_starting() {
    let policies = [
        json!({ "component": "absent.wasm" }),
        json!({ "component": "config.json", "sha256": "00".repeat(32) }),
    ];
    for policy in policies {
        let mut gateway = Gateway::prepare(&web(&tracked().with("policy", policy)));
        assert!(!gateway.run_to_end().success(), "started");
        assert!(!gateway.output().text().contains("panicked"));
    }
}

#[test]
fn cookie_files_with_broken_lines_load_what_is_sound() {
    let sound = r#"{"cbtid": "dsI6D8i7pycVhma20uj5gvZG", "status": "created", "created": "2026-11-22T10:14:33.139Z", "modified": null, "deleted": null, "max_age": 311040000, "authid": null, "authrole": null, "authmethod": null, "authrealm": null, "authextra": null}"#;
    let torn = &sound[..100];
    for content in [format!("{sound}\n{torn}"), format!("{sound}\r\n"), sound.to_owned()] {
        let gateway = Gateway::prepare(&web(&tracked_in_file())).file("cookies.dat", &content).run();
        let (_, response) = Handshake::default().cookie("dsI6D8i7pycVhma20uj5gvZG").opens(&gateway);
        assert_eq!(response.tracking_id(), None, "lost a sound line of {content:?}");
        gateway.assert_next_client_is_served();
    }
}
