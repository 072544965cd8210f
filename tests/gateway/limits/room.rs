//! Gateways that are full, by connections, descriptors or memory.

use std::time::Instant;

use serde_json::json;

use crate::support::{
    Frame, Gateway, Handshake, PATIENCE, Serializer, WebSocket, client, code, http::Connection,
};

/// The gateway has no room. It says so without waiting for the request.
#[track_caller]
pub(in crate::gateway) fn assert_is_full(gateway: &Gateway, request: &[u8]) {
    let mut connection = Connection::open(gateway);
    let _ = connection.try_send(request);
    let response = connection.response();
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(response.header("retry-after"), Some("5"), "{response:?}");
    assert_eq!(response.header("connection"), Some("close"), "{response:?}");
    // The body is as long as the head says: a text that is whole, and nothing behind it.
    assert_eq!(response.body, "too many connections, come later\n");
    assert_eq!(connection.rest(), b"");
}

/// Opens as many connections as there is room for, fewer than `most`.
#[track_caller]
pub(in crate::gateway) fn fill_up(gateway: &Gateway, most: usize) -> Vec<Connection> {
    let mut open = Vec::new();
    loop {
        let mut connection = Connection::open(gateway);
        // The gateway may hang up before it has read it.
        let _ = connection.try_send(Handshake::default().bytes());
        let response = connection.response();
        if response.status != 101 {
            assert_eq!(response.status, 503, "{response:?}");
            return open;
        }
        open.push(connection);
        assert!(open.len() < most, "{most} found room");
    }
}

/// Waits until so many connections find room together: the gateway notices in its own time that others have ended. Of these, too, it notices
/// the end only later.
#[track_caller]
pub(in crate::gateway) fn await_room(gateway: &Gateway, wanted: usize) {
    let begun = Instant::now();
    let mut open = Vec::new();
    while open.len() < wanted {
        open.extend(try_open(gateway));
        assert!(begun.elapsed() < PATIENCE, "room for {} instead of {wanted}", open.len());
    }
}

/// Waits until a client finds room, and sees to it that this client is served.
#[track_caller]
pub(in crate::gateway) fn await_client(gateway: &Gateway) {
    let begun = Instant::now();
    let mut connection = loop {
        if let Some(connection) = try_open(gateway) {
            break connection;
        }
        assert!(begun.elapsed() < PATIENCE, "no room for a client");
    };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(connection.read_exactly(1).expect("the rest of the head"));
    }
    let mut socket = WebSocket::new(connection);
    let hello = json!([code::HELLO, "realm1", { "roles": client::roles() }]);
    socket.send(&Frame::text(hello.to_string()));
    let welcome = Serializer::Json.decode(&socket.receive().expect("an answer").payload);
    assert_eq!(welcome[0], code::WELCOME, "{welcome}");
}

/// A connection of which the gateway has read the request and agreed to it, if there was room. The rest of the head is still to be read.
#[track_caller]
fn try_open(gateway: &Gateway) -> Option<Connection> {
    let mut connection = Connection::open(gateway);
    let _ = connection.try_send(Handshake::default().bytes());
    // Nothing if the gateway is telling many others at this moment.
    match connection.read_exactly("HTTP/1.1 101".len()).as_deref() {
        Some(b"HTTP/1.1 101") => Some(connection),
        None | Some(b"HTTP/1.1 503") => None,
        answer => panic!("{answer:?}"),
    }
}
