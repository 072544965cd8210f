//! A WebSocket over a socket pair.

use std::task::Waker;

use tokio::net::UnixStream;

use super::*;

/// A frame of a client that carries these octets, with a mask that changes none of them.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).unwrap().to_be_bytes();
    let head = match payload.len() {
        0..126 => vec![0x82, 0x80 | length[7]],
        126..65_536 => [&[0x82, 0xfe], &length[6..]].concat(),
        _ => [&[0x82, 0xff], &length[..]].concat(),
    };
    [&head, &[0; 4][..], payload].concat()
}

fn waits(socket: &mut WebSocket) -> bool {
    socket.poll_receive(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn the_beginning_of_a_message_is_charged_for_the_buffer_that_it_keeps() {
    const LARGE: usize = 200_000;
    let (near, mut far) = UnixStream::pair().unwrap();
    let (kind, traffic) = (Some(Kind::Binary), Arc::default());
    let mut socket = WebSocket::new(Stream::Unix(near), Bytes::new(), kind, 1 << 20, 1 << 20, traffic);
    let (large, small) = (frame(&vec![7; LARGE]), frame(b"x"));
    let send = async {
        far.write_all(&large).await.unwrap();
        far.write_all(&small[..1]).await.unwrap();
    };
    let (received, ()) = tokio::join!(socket.receive(), send);
    assert!(matches!(received, Ok(Received::Message(Kind::Binary, message)) if message.len() == LARGE));
    // All of it has come: this wakes the task once more at most.
    tokio::task::yield_now().await;
    assert!(waits(&mut socket));
    assert!(socket.charge.bytes() >= LARGE - crate::memory::FREE, "{}", socket.charge.bytes());

    far.write_all(&small[1..]).await.unwrap();
    let received = socket.receive().await;
    assert!(matches!(received, Ok(Received::Message(Kind::Binary, message)) if *message == *b"x"));
    assert!(waits(&mut socket));
    assert_eq!((socket.charge.bytes(), socket.grown_for), (0, 0), "the engine is renewed");
    far.write_all(&small).await.unwrap();
    assert!(socket.receive().await.is_ok(), "and goes on");
}

#[tokio::test]
async fn a_short_message_behind_a_long_one_is_charged_for_the_buffer_that_it_keeps() {
    const LARGE: usize = 200_000;
    let (near, mut far) = UnixStream::pair().unwrap();
    let (kind, traffic) = (Some(Kind::Binary), Arc::default());
    let mut socket = WebSocket::new(Stream::Unix(near), Bytes::new(), kind, 1 << 20, 1 << 20, traffic);
    let sent = [frame(&vec![7; LARGE]), frame(b"x"), frame(b"y")].concat();
    let (received, written) = tokio::join!(socket.receive(), far.write_all(&sent));
    written.unwrap();
    assert!(matches!(received, Ok(Received::Message(_, message)) if message.len() == LARGE));
    let received = socket.receive().await;
    assert!(matches!(received, Ok(Received::Message(_, message)) if *message == *b"x"));
    assert!(socket.charge.bytes() >= LARGE - crate::memory::FREE, "{}", socket.charge.bytes());
}

#[tokio::test]
async fn what_a_long_message_needed_on_its_way_out_is_given_back_when_it_is_sent() {
    const LARGE: usize = 200_000;
    let (near, mut far) = UnixStream::pair().unwrap();
    let (kind, traffic) = (Some(Kind::Binary), Arc::default());
    let mut socket = WebSocket::new(Stream::Unix(near), Bytes::new(), kind, 1 << 20, 1 << 20, traffic);
    let mut sent = vec![0; 10 + LARGE];
    for part in 0..2 {
        socket.feed(Kind::Binary, vec![7; LARGE].into()).unwrap();
        let (flushed, read) = tokio::join!(socket.flush(), far.read_exact(&mut sent));
        assert!(flushed.is_ok() && read.is_ok());
        // The peer has begun a message: the engine must keep what has come of it, and keeps the rest of its buffers as well.
        far.write_all(&frame(b"x")[..1]).await.unwrap();
        tokio::task::yield_now().await;
        assert!(waits(&mut socket));
        assert!(socket.charge.bytes() >= LARGE - crate::memory::FREE, "{part}: {}", socket.charge.bytes());
        far.write_all(&frame(b"x")[1..]).await.unwrap();
        assert!(socket.receive().await.is_ok());
        assert!(waits(&mut socket));
        assert_eq!((socket.charge.bytes(), socket.grown_for), (0, 0), "{part}: the engine is renewed");
    }
}

#[tokio::test]
async fn what_welcome_needed_is_given_back_once_it_is_sent_and_not_before() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let (kind, traffic) = (Some(Kind::Binary), Arc::default());
    let mut socket = WebSocket::new(Stream::Unix(near), Bytes::new(), kind, 1 << 20, 1 << 20, traffic);
    socket.set_limits(1 << 20, 1 << 20);
    assert!(waits(&mut socket));
    assert!(!socket.has_grown, "there is nothing yet to be given back");
    socket.feed(Kind::Binary, vec![7; 900].into()).unwrap();
    let mut sent = vec![0; 904];
    let (flushed, read) = tokio::join!(socket.flush(), far.read_exact(&mut sent));
    assert!(flushed.is_ok() && read.is_ok() && socket.has_grown);
    assert!(waits(&mut socket));
    assert!(!socket.has_grown, "the engine is renewed");
}
