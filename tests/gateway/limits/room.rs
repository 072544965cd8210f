//! Gateways that are full, by connections, descriptors or memory.

use std::time::Instant;

use crate::support::{Gateway, Handshake, PATIENCE, http::Connection};

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

/// Waits until so many connections find room together: the gateway notices in its own time that others have ended.
#[track_caller]
pub(in crate::gateway) fn await_room(gateway: &Gateway, wanted: usize) {
    let begun = Instant::now();
    let mut open = Vec::new();
    while open.len() < wanted {
        let mut connection = Connection::open(gateway);
        let _ = connection.try_send(Handshake::default().bytes());
        // Nothing if the gateway is telling many others at this moment.
        match connection.read_exactly("HTTP/1.1 101".len()).as_deref() {
            Some(b"HTTP/1.1 101") => open.push(connection),
            answer => assert!(matches!(answer, None | Some(b"HTTP/1.1 503")), "{answer:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "room for {} instead of {wanted}", open.len());
    }
}
