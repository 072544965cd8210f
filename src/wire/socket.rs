//! The socket of one connection: whole messages in and out, over WebSocket or over RawSocket.

mod raw;
mod websocket;

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

use super::{CloseCode, WireError};
use crate::wamp::Serializer;

pub(super) use raw::RawSocket;
#[cfg(feature = "fuzzing")]
pub(crate) use raw::{FrameFault, FrameType, Intake};
pub(super) use websocket::WebSocket;

/// A socket after its handshake.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large one, and a box would cost each of them an allocation"
)]
pub(super) enum Socket {
    /// RFC 6455.
    Web(WebSocket),
    /// The specification's section "RawSocket Transport".
    Raw(RawSocket),
}

/// A type of data frame (RFC 6455, 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The type that a serializer writes.
    pub(super) const fn of(serializer: Serializer) -> Self {
        match serializer {
            Serializer::Json => Self::Text,
            Serializer::MsgPack | Serializer::Cbor => Self::Binary,
        }
    }
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Received {
    /// A whole message, over WebSocket of the subprotocol's frame type where it has one.
    Message(Kind, Bytes),
    /// A pong with its payload.
    Pong(Bytes),
    /// A ping; it has been answered.
    Ping,
}

impl Socket {
    /// Whether the gateway can say by itself, without a message, why it ends the connection.
    pub(super) const fn has_close_frames(&self) -> bool {
        matches!(self, Self::Web(_))
    }

    /// Whether small writes leave at once.
    #[cfg(test)]
    pub(super) fn is_nodelay(&self) -> bool {
        match self {
            Self::Web(socket) => socket.is_nodelay(),
            Self::Raw(_) => unreachable!("only WebSockets are asked"),
        }
    }

    /// Counts a message that has come.
    pub(super) const fn count_message(&mut self) {
        match self {
            Self::Web(socket) => socket.count_message(),
            Self::Raw(socket) => socket.count_message(),
        }
    }

    /// Counts messages that are given to the socket.
    pub(super) fn count_sent(&self, messages: usize) {
        match self {
            Self::Web(socket) => socket.count_sent(messages),
            Self::Raw(socket) => socket.count_sent(messages),
        }
    }

    /// Changes how large messages and frames may be from now on. RawSocket has one frame for each message.
    pub(super) fn set_limits(&mut self, max_message: usize, max_frame: usize) {
        match self {
            Self::Web(socket) => socket.set_limits(max_message, max_frame),
            Self::Raw(socket) => socket.set_limit(max_message),
        }
    }

    /// The session has ended, and with it what the gateway would have answered in the client's place.
    pub(super) fn end_session(&mut self) {
        match self {
            Self::Web(_) => {}
            Self::Raw(socket) => socket.forget_answers(),
        }
    }

    /// The next message. Cancel-safe: what has arrived is kept.
    pub(super) async fn receive(&mut self) -> Result<Received, WireError> {
        poll_fn(|cx| match self {
            Self::Web(socket) => socket.poll_receive(cx),
            Self::Raw(socket) => socket.poll_receive(cx),
        })
        .await
    }

    /// [`receive`](Self::receive), to be asked again.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, WireError>> {
        match self {
            Self::Web(socket) => socket.poll_receive(cx),
            Self::Raw(socket) => socket.poll_receive(cx),
        }
    }

    /// Sends what is queued if it `flushes`, and receives if it `reads`, whichever comes first: none stands for all that was sent.
    /// Cancel-safe.
    pub(super) async fn turn(&mut self, flushes: bool, reads: bool) -> Result<Option<Received>, WireError> {
        poll_fn(|cx| {
            if flushes && let Poll::Ready(flushed) = self.poll_flush(cx) {
                return Poll::Ready(flushed.map(|()| None));
            }
            if reads { self.poll_receive(cx).map_ok(Some) } else { Poll::Pending }
        })
        .await
    }

    /// [`flush`](Self::flush), to be asked again.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        match self {
            Self::Web(socket) => socket.poll_flush(cx),
            Self::Raw(socket) => socket.poll_flush(cx),
        }
    }

    /// Queues a message. Nothing is lost where the socket is full; flush to send.
    pub(super) fn feed(&mut self, kind: Kind, message: Bytes) -> Result<(), WireError> {
        match self {
            Self::Web(socket) => socket.feed(kind, message),
            Self::Raw(socket) => socket.feed(message),
        }
    }

    /// Queues a ping.
    pub(super) fn ping(&mut self, payload: Bytes) -> Result<(), WireError> {
        match self {
            Self::Web(socket) => socket.ping(payload),
            Self::Raw(socket) => {
                socket.ping(payload);
                Ok(())
            }
        }
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> Result<(), WireError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends the connection in order: sends what is queued and, over WebSocket, a close frame with the code and the reason, waits for
    /// the peer, and shuts the stream down. All of it may take `patience` at most.
    pub(super) async fn close(&mut self, code: CloseCode, reason: &str, patience: Duration) {
        match self {
            Self::Web(socket) => socket.close(code, reason, patience).await,
            Self::Raw(socket) => socket.close(patience).await,
        }
    }

    /// Answers the peer's close and shuts the stream down.
    pub(super) async fn finish(&mut self, patience: Duration) {
        match self {
            Self::Web(socket) => socket.finish(patience).await,
            Self::Raw(socket) => socket.finish(patience).await,
        }
    }
}

/// RFC 6455, 7.4.1 leaves 1013 to the registry, where it is "Try Again Later".
fn no_memory() -> WireError {
    WireError::Broken(CloseCode::Again, "the gateway has no memory for this message: try again later".into())
}
