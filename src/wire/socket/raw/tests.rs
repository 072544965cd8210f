//! A RawSocket over a socket pair.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;
use crate::{
    wamp::{
        ClientMessage, Payload, RouterMessage, Uri,
        message::{EventDetails, InvocationDetails},
    },
    wire::{Wire, WireOptions},
};

fn pair(limit: usize, max_sent: usize) -> (Wire, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let options = WireOptions { max_message_size_before_welcome: limit, ..WireOptions::default() };
    let (options, traffic) = (Arc::new(options), Arc::default());
    (Wire::new_raw(Stream::Unix(near), Serializer::Json, max_sent, options, traffic), far)
}

fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[first], &length[1..], payload].concat()
}

async fn read_frame(peer: &mut UnixStream) -> (u8, String) {
    let mut head = [0; 4];
    peer.read_exact(&mut head).await.unwrap();
    let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
    let mut payload = vec![0; length];
    peer.read_exact(&mut payload).await.unwrap();
    (head[0], String::from_utf8(payload).unwrap())
}

fn unsubscribe(message: &ClientMessage) -> u64 {
    let ClientMessage::Unsubscribe { request, .. } = message else { panic!("{message:?}") };
    *request
}

#[tokio::test]
async fn messages_come_and_go_in_frames_of_their_own() {
    let (mut wire, mut peer) = pair(1024, 1024);
    let two = [framed(0, b"[34,1,7]"), framed(0, b"[34,2,7]")].concat();
    peer.write_all(&two).await.unwrap();
    assert_eq!(unsubscribe(&wire.next_message().await.unwrap()), 1);
    assert!(!wire.has_unread());
    assert_eq!(unsubscribe(&wire.next_message().await.unwrap()), 2);
    for request in 1..=100 {
        wire.push(&RouterMessage::Unsubscribed { request });
    }
    wire.flush().await.unwrap();
    for request in 1..=100 {
        assert_eq!(read_frame(&mut peer).await, (0, format!("[35,{request}]")));
    }
    // The next session has an outbox of its own.
    wire.close_session();
    drop(peer);
    assert_eq!(wire.next_message().await, Err(WireError::Closed));
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_before_anything_else_is_read() {
    let (mut wire, mut peer) = pair(1024, 1024);
    let both = [framed(1, b"are you there"), framed(1, b""), framed(0, b"[34,1,7]")].concat();
    peer.write_all(&both).await.unwrap();
    assert_eq!(unsubscribe(&wire.next_message().await.unwrap()), 1);
    assert_eq!(read_frame(&mut peer).await, (2, "are you there".to_owned()));
    assert_eq!(read_frame(&mut peer).await, (2, String::new()));
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_by_its_head() {
    for kind in [0, 1, 2] {
        let (mut wire, mut peer) = pair(1024, 1024);
        peer.write_all(&[kind, 0, 4, 1]).await.unwrap();
        let error = wire.next_message().await.unwrap_err();
        let reason = "message of 1025 bytes exceeds the limit of 1024".to_owned();
        assert_eq!(error, WireError::Broken(CloseCode::Size, reason));
        assert_eq!(wire.next_message().await, Err(WireError::Lost), "nothing is read on");
    }
}

#[tokio::test]
async fn reserved_bits_break_the_protocol() {
    for first in [3, 7, 0x10, 0x80] {
        let (mut wire, mut peer) = pair(1024, 1024);
        peer.write_all(&framed(first, b"")).await.unwrap();
        assert!(matches!(wire.next_message().await, Err(WireError::Misframed(_))), "{first}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_within_a_frame_is_lost() {
    let (mut wire, mut peer) = pair(1024, 1024);
    peer.write_all(&framed(0, b"[34,1,7]")[..7]).await.unwrap();
    drop(peer);
    assert_eq!(wire.next_message().await, Err(WireError::Lost));
}

#[tokio::test]
async fn what_the_client_does_not_take_is_left_out_or_answered_in_its_place() {
    let (mut wire, mut peer) = pair(1024, 512);
    let payload = Payload::json(&["x".repeat(600).into()]);
    wire.push(&RouterMessage::Event {
        subscription: 1,
        publication: 2,
        details: EventDetails::default(),
        payload: payload.clone(),
    });
    wire.push(&RouterMessage::Invocation {
        request: 3,
        registration: 4,
        details: InvocationDetails::default(),
        payload,
    });
    wire.push(&RouterMessage::Unsubscribed { request: 5 });
    let message = wire.next_message().await.unwrap();
    assert!(matches!(message, ClientMessage::InvocationError { request: 3, .. }), "{message:?}");
    wire.flush().await.unwrap();
    assert_eq!(read_frame(&mut peer).await, (0, "[35,5]".to_owned()));
}

#[tokio::test]
async fn what_a_session_did_not_take_is_not_answered_in_the_next_one() {
    let (mut wire, mut peer) = pair(1024, 512);
    wire.open_session();
    peer.write_all(&framed(0, br#"[6,{},"wamp.close.close_realm"]"#)).await.unwrap();
    assert!(matches!(wire.next_message().await, Ok(ClientMessage::Goodbye { .. })));
    // It was under way when the client said GOODBYE.
    wire.push(&RouterMessage::Invocation {
        request: 3,
        registration: 4,
        details: InvocationDetails::default(),
        payload: Payload::json(&["x".repeat(600).into()]),
    });
    wire.flush().await.unwrap();
    wire.close_session();
    peer.write_all(&framed(0, br#"[1,"realm1",{}]"#)).await.unwrap();
    let message = wire.next_message().await.unwrap();
    assert!(matches!(message, ClientMessage::Hello { .. }), "{message:?}");
}

#[tokio::test]
async fn a_message_that_the_session_needs_and_the_client_does_not_take_ends_it() {
    let (mut wire, _peer) = pair(1024, 512);
    let large = RouterMessage::Abort { message: "x".repeat(600), reason: Uri::known("a.b") };
    wire.push(&large);
    assert!(matches!(wire.next_message().await, Err(WireError::Broken(CloseCode::Size, _))));
}

#[tokio::test]
async fn a_short_frame_behind_a_long_one_is_charged_for_the_buffer_that_it_keeps() {
    const LARGE: usize = 200_000;
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut socket =
        RawSocket::new(Stream::Unix(near), Serializer::Json, 1 << 20, 1 << 20, Arc::new(Traffic::default()));
    let sent = [framed(0, &vec![b'7'; LARGE]), framed(0, b"x"), framed(0, b"y")].concat();
    let write = far.write_all(&sent);
    let (received, written) = tokio::join!(poll_fn(|cx| socket.poll_receive(cx)), write);
    written.unwrap();
    assert!(matches!(received, Ok(Received::Message(_, message)) if message.len() == LARGE));
    let received = poll_fn(|cx| socket.poll_receive(cx)).await;
    assert!(matches!(received, Ok(Received::Message(_, message)) if *message == *b"x"));
    assert!(socket.charge.bytes() >= LARGE - crate::memory::FREE, "{}", socket.charge.bytes());
}
