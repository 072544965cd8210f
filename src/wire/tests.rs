//! A wire over a socket pair, with a WebSocket client at the other end.

use std::{pin::pin, task::Poll};

use futures_util::{SinkExt as _, StreamExt as _, poll};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;

/// The other end.
type Peer = WebSocketStream<UnixStream>;

const JSON: Subprotocol = Subprotocol { serializer: Serializer::Json, batched: false };
const BATCHED: Subprotocol = Subprotocol { serializer: Serializer::Json, batched: true };

async fn pair(subprotocol: Subprotocol, options: WireOptions) -> (Wire, Peer) {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    (Wire::new(Stream::Unix(near), Bytes::new(), subprotocol, Arc::new(options), Arc::default()), peer)
}

fn subscribed(request: u64) -> RouterMessage {
    RouterMessage::Unsubscribed { request }
}

/// UNSUBSCRIBE, by its request.
fn request(message: &ClientMessage) -> u64 {
    match message {
        ClientMessage::Unsubscribe { request, .. } => *request,
        other => panic!("{other:?}"),
    }
}

async fn text(peer: &mut Peer) -> String {
    peer.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn the_messages_of_a_frame_come_one_by_one() {
    let (mut wire, mut peer) = pair(BATCHED, WireOptions::default()).await;
    peer.send(Message::text("[34,1,7]\u{1e}[34,2,7]\u{1e}")).await.unwrap();
    assert_eq!((request(&wire.next_message().await.unwrap()), wire.has_unread()), (1, true));
    assert_eq!((request(&wire.next_message().await.unwrap()), wire.has_unread()), (2, false));
    peer.send(Message::text("")).await.unwrap();
    assert!(matches!(wire.next_message().await, Err(WireError::Malformed(_))));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_take_the_next_one_along() {
    let (mut wire, mut peer) = pair(BATCHED, WireOptions::default()).await;
    peer.send(Message::text("[32,1,{},\"no uri!\"]\u{1e}[34,2,7]\u{1e}")).await.unwrap();
    let refused = wire.next_message().await.unwrap();
    assert!(matches!(&refused, ClientMessage::Refused(refused) if refused.request == 1), "{refused:?}");
    assert_eq!(request(&wire.next_message().await.unwrap()), 2);
}

#[tokio::test]
async fn what_is_pushed_is_written_while_the_client_is_silent() {
    let (mut wire, mut peer) = pair(JSON, WireOptions::default()).await;
    let outbox = Arc::clone(wire.outbox());
    wire.push(&subscribed(1));
    let mut waiting = pin!(wire.next_message());
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(text(&mut peer).await, "[35,1]");
    outbox.push(Serializer::Json.encode(&subscribed(2)));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(text(&mut peer).await, "[35,2]");
    outbox.close(Closing::After(CloseCode::Away));
    assert_eq!(waiting.await, Err(WireError::Ended(Closing::After(CloseCode::Away))));
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let (mut wire, mut peer) = pair(JSON, WireOptions::default()).await;
    // More than the socket takes while the peer does not read.
    let large = "x".repeat(600 * 1024);
    let count = 4;
    wire = Wire { outbox: Arc::new(Outbox::new(Serializer::Json, usize::MAX)), ..wire };
    for _ in 0..count {
        wire.push(&RouterMessage::Abort { message: large.clone(), reason: crate::wamp::Uri::known("a.b") });
    }
    let reading = tokio::spawn(async move {
        let mut lengths = Vec::new();
        while let Some(Ok(message)) = peer.next().await {
            lengths.push(message.len());
            if lengths.len() == count {
                peer.send(Message::text("[34,9,7]")).await.unwrap();
            }
        }
        lengths
    });
    let message = loop {
        if let Poll::Ready(message) = poll!(pin!(wire.next_message())) {
            break message;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(request(&message.unwrap()), 9);
    drop(wire);
    let lengths = reading.await.unwrap();
    assert_eq!(lengths.len(), count);
    assert!(lengths.iter().all(|length| *length > large.len()), "{lengths:?}");
}

#[tokio::test]
async fn a_peer_that_reads_too_slowly_is_given_up() {
    let options = WireOptions { max_unsent: 64 * 1024, ..WireOptions::default() };
    let (mut wire, peer) = pair(JSON, options).await;
    let outbox = Arc::clone(wire.outbox());
    let event = Bytes::from(vec![b'1'; 16 * 1024]);
    let mut waiting = pin!(wire.next_message());
    let given_up = loop {
        outbox.push(event.clone());
        if let Poll::Ready(message) = poll!(&mut waiting) {
            break message;
        }
    };
    assert_eq!(given_up, Err(WireError::Ended(Closing::Overflow)), "the operator hears that it is slow");
    drop(peer);
}

#[tokio::test]
async fn only_a_client_that_has_joined_is_pinged() {
    let soon = Duration::from_millis(5);
    let pings = PingOptions { interval: Some(soon), timeout: soon, ..PingOptions::default() };
    let (mut wire, mut peer) = pair(JSON, WireOptions { pings, ..WireOptions::default() }).await;
    assert!(timeout(10 * soon, wire.next_message()).await.is_err(), "a stranger is not pinged");
    wire.open_session();
    let silent = wire.next_message().await;
    assert_eq!(silent, Err(WireError::Silent));
    assert!(matches!(peer.next().await, Some(Ok(Message::Ping(_)))));
}

#[tokio::test]
async fn a_session_may_send_more_than_a_stranger() {
    let options = WireOptions { max_message_size_before_welcome: 16, ..WireOptions::default() };
    let long = || Message::text("[34, 1, 7               ]");
    let (mut wire, mut peer) = pair(JSON, options).await;
    wire.open_session();
    peer.send(long()).await.unwrap();
    assert_eq!(request(&wire.next_message().await.unwrap()), 1);
    wire.close_session();
    peer.send(long()).await.unwrap();
    assert!(matches!(wire.next_message().await, Err(WireError::Broken(CloseCode::Size, _))));
}

#[tokio::test]
async fn a_client_that_sends_too_much_is_told_so_and_what_it_sends_meanwhile_is_read() {
    for size in [64 * 1024 + 1, 80 * 1000, 8 * 1024 * 1024] {
        let (mut wire, peer) = pair(JSON, WireOptions::default()).await;
        let (mut sending, mut receiving) = peer.split();
        let sent = tokio::spawn(async move {
            sending.feed(Message::text("x".repeat(size))).await?;
            sending.feed(Message::text("[34,1,7]")).await?;
            sending.flush().await?;
            Ok::<_, tokio_tungstenite::tungstenite::Error>(sending)
        });
        let Err(WireError::Broken(code, reason)) = wire.next_message().await else { panic!("{size}: read") };
        let closing = tokio::spawn(async move { wire.close(code, &reason).await });
        let sending = sent.await.unwrap().unwrap();
        let frame = receiving.next().await;
        let Some(Ok(Message::Close(Some(frame)))) = frame else { panic!("{size}: {frame:?}") };
        assert_eq!(u16::from(frame.code), 1009, "{size}");
        assert!(receiving.next().await.is_none(), "{size}: the stream ends in order");
        drop((sending, receiving));
        closing.await.unwrap();
    }
}

#[tokio::test]
async fn nothing_of_the_last_session_reaches_the_next_one() {
    let (mut wire, mut peer) = pair(JSON, WireOptions::default()).await;
    let last = Arc::clone(wire.outbox());
    wire.push(&subscribed(1));
    wire.flush().await.unwrap();
    last.push(Serializer::Json.encode(&subscribed(2)));
    wire.close_session();
    last.push(Serializer::Json.encode(&subscribed(3)));
    wire.push(&subscribed(4));
    wire.flush().await.unwrap();
    assert_eq!(text(&mut peer).await, "[35,1]");
    assert_eq!(text(&mut peer).await, "[35,4]");
}

#[tokio::test]
async fn small_messages_leave_at_once_unless_the_service_says_otherwise() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for tcp_nodelay in [true, false] {
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let options = WireOptions { tcp_nodelay, ..WireOptions::default() };
        let wire = Wire::new(Stream::Tcp(stream), Bytes::new(), JSON, Arc::new(options), Arc::default());
        assert_eq!(wire.socket.is_nodelay(), tcp_nodelay);
    }
}
