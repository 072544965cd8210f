//! A WebSocket after its opening handshake: whole messages in, frames out, and the closing handshake.
//!
//! tungstenite's protocol engine does the framing. It is driven here directly, not through its stream type: the engine's
//! configuration can then be changed on an open connection (a client that has not joined may send 64 KiB, one
//! that has may send more), and an idle connection holds no wakers beside the socket's own.

mod blocking;

use std::{
    future::poll_fn,
    io, mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    self, Message, Utf8Bytes,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use self::blocking::Blocking;
use super::{Kind, Received, no_memory};
use crate::{
    memory::Charge,
    stream::Stream,
    wire::{WireError, metrics::Traffic},
};

/// How much is read from the socket at once. An idle connection keeps a buffer of this size, which is the largest part of what it
/// costs. Most messages fit; a larger one makes the buffer grow while it arrives.
const READ_BUFFER: usize = 2 * 1024;

/// The same behind TLS, which has a buffer for a whole record of its own: reading from that in pieces costs no system calls.
const READ_BUFFER_BEHIND_TLS: usize = 512;

/// From which size on a message makes the engine's buffer so large that an idle connection must not keep it.
const GROWN: usize = 8 * 1024;

/// How much the engine gathers before it writes to the socket without being asked for a flush.
const WRITE_BUFFER: usize = 64 * 1024;

/// A WebSocket connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream or the engine")]
pub(in crate::wire) struct WebSocket {
    stream: Stream,
    /// Bytes that came, and bytes of the frames that were given out. A frame has at least the bytes that are counted for it, so
    /// where both are the same, the engine holds nothing.
    received: usize,
    given_out: usize,
    /// How many bytes had come when the last message was given out.
    received_before: usize,
    traffic: Arc<Traffic>,
    /// How many messages have come that are still to be counted there.
    uncounted: usize,
    /// What is charged for the message that arrives, or that was given out last.
    charge: Charge,
    /// Whether it is the latter: the caller comes back when it is done with it.
    is_given_out: bool,
    /// Whether the engine's buffers have grown for a large message, in either direction.
    has_grown: bool,
    /// How long the longest message is that the engine's buffers have grown for.
    grown_for: usize,
    /// Whether the engine may hold something that is to be sent.
    is_unsent: bool,
    /// How much the engine was given to send since it last held nothing. Its buffer grows for all of it, and stays as large.
    queued: usize,
    /// Whether a session begins or ends: WELCOME is longer than most messages.
    is_changing: bool,
    /// Whether the engine has read all that came, and wants more: it need not be asked before there is something to read.
    is_drained: bool,
    /// Whether the engine has given up reading, for what the peer has sent.
    is_unreadable: bool,
    engine: WebSocketContext,
    /// The type of frame that the subprotocol uses; none: the peer may use both.
    kind: Option<Kind>,
    /// Which end of the WebSocket the gateway is.
    role: Role,
}

impl WebSocket {
    /// Takes over a stream after the 101; `early` is what the client had sent already. Without a `kind` the peer may use both types of
    /// frames.
    pub(in crate::wire) fn new(
        stream: Stream,
        early: Bytes,
        kind: Option<Kind>,
        max_message: usize,
        max_frame: usize,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self::at(Role::Server, stream, early, kind, [max_message, max_frame], traffic)
    }

    /// The same for a stream that the gateway has opened to a server of its own.
    pub(in crate::wire) fn dialed(
        stream: Stream,
        early: Bytes,
        kind: Kind,
        max_message: usize,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self::at(Role::Client, stream, early, Some(kind), [max_message; 2], traffic)
    }

    fn at(
        role: Role,
        stream: Stream,
        early: Bytes,
        kind: Option<Kind>,
        [max_message, max_frame]: [usize; 2],
        traffic: Arc<Traffic>,
    ) -> Self {
        let read_buffer = if stream.is_buffered() { READ_BUFFER_BEHIND_TLS } else { READ_BUFFER };
        let limits = WebSocketConfig::default()
            .read_buffer_size(read_buffer)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_frame.min(max_message)));
        let received = early.len();
        traffic.received.bytes(received);
        let engine = if early.is_empty() {
            WebSocketContext::new(role, Some(limits))
        } else {
            WebSocketContext::from_partially_read(early.into(), role, Some(limits))
        };
        Self {
            stream,
            engine,
            kind,
            role,
            received,
            given_out: 0,
            received_before: 0,
            traffic,
            uncounted: 0,
            charge: Charge::default(),
            is_given_out: false,
            has_grown: false,
            grown_for: 0,
            is_unsent: false,
            queued: 0,
            is_changing: false,
            is_drained: false,
            is_unreadable: false,
        }
    }

    /// Whether small writes leave at once.
    #[cfg(test)]
    pub(in crate::wire) fn is_nodelay(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.nodelay().unwrap(),
            Stream::Unix(_) | Stream::Noted(_) => true,
            Stream::Tls(stream) => stream.get_ref().0.nodelay().unwrap(),
        }
    }

    /// Counts a message that has come.
    pub(in crate::wire) const fn count_message(&mut self) {
        self.uncounted += 1;
    }

    /// Counts messages that are given to the socket.
    pub(in crate::wire) fn count_sent(&self, messages: usize) {
        self.traffic.sent.messages(messages);
    }

    /// Changes how large messages and frames may be from now on.
    pub(in crate::wire) fn set_limits(&mut self, max_message: usize, max_frame: usize) {
        self.engine.set_config(|config| {
            config.max_message_size = Some(max_message);
            config.max_frame_size = Some(max_frame.min(max_message));
        });
        self.is_changing = true;
    }

    /// The next message. Cancel-safe: what has arrived is kept.
    pub(in crate::wire) async fn receive(&mut self) -> Result<Received, WireError> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Queues a message. Nothing is lost where the socket is full; flush to send.
    pub(in crate::wire) fn feed(&mut self, kind: Kind, message: Bytes) -> Result<(), WireError> {
        let frame = match kind {
            Kind::Text => match Utf8Bytes::try_from(message) {
                Ok(text) => Message::Text(text),
                Err(_) => return Err(WireError::Lost),
            },
            Kind::Binary => Message::Binary(message),
        };
        self.queue(frame)
    }

    /// Queues a ping.
    pub(in crate::wire) fn ping(&mut self, payload: Bytes) -> Result<(), WireError> {
        self.queue(Message::Ping(payload))
    }

    /// Sends what is queued.
    pub(in crate::wire) async fn flush(&mut self) -> Result<(), WireError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`flush`](Self::flush), to be asked again.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let (engine, mut io) = self.split(cx);
        match engine.flush(&mut io) {
            Ok(()) => {
                self.has_sent();
                Poll::Ready(Ok(()))
            }
            Err(error) if would_block(&error) => Poll::Pending,
            Err(error) => Poll::Ready(Err(ended(error))),
        }
    }

    /// Ends the connection in order: sends what is queued and a close frame, waits for the peer's, and shuts the
    /// stream down. All of it may take `patience` at most.
    pub(in crate::wire) async fn close(&mut self, code: CloseCode, reason: &str, patience: Duration) {
        // RFC 6455, 5.5: a control frame carries 125 bytes at most, two of them the code.
        let reason = reason.chars().take(100).filter(char::is_ascii).collect::<String>();
        self.stream.closes(code.into(), &reason);
        let frame = CloseFrame { code, reason: reason.into() };
        let farewell = async {
            if self.queue(Message::Close(Some(frame))).is_ok() && self.flush().await.is_ok() {
                self.drain().await;
            }
            // The stream may be gone already, which is as good.
            drop(self.stream.shutdown().await);
        };
        drop(timeout(patience, farewell).await);
    }

    /// Answers the peer's close frame, if it sent one, and shuts the stream down.
    pub(in crate::wire) async fn finish(&mut self, patience: Duration) {
        let farewell = async {
            drop(self.flush().await);
            drop(self.stream.shutdown().await);
        };
        drop(timeout(patience, farewell).await);
    }

    /// Reads on until the peer has closed. What it still sends is dropped, but read: a stream that is closed with unread
    /// data resets the connection, and the peer would never see the close frame.
    async fn drain(&mut self) {
        while !self.is_unreadable {
            match self.receive().await {
                Ok(_) => {}
                Err(WireError::Broken(..)) => break,
                Err(_) => return,
            }
        }
        // The engine does not read on, so the rest is read as bytes until the peer ends the stream. A peer that has answered
        // the close frame waits for the gateway to end it first (RFC 6455, 7.1.1).
        drop(self.stream.shutdown().await);
        let mut scrap = vec![0; READ_BUFFER];
        while matches!(self.stream.read(&mut scrap).await, Ok(1..)) {}
    }

    fn queue(&mut self, message: Message) -> Result<(), WireError> {
        self.is_unsent = true;
        self.queued += message.len();
        let mut io = Blocking {
            stream: &mut self.stream,
            received: &mut self.received,
            uncounted: &mut self.uncounted,
            traffic: &self.traffic,
            cx: None,
        };
        match self.engine.write(&mut io, message) {
            Ok(()) => Ok(()),
            Err(error) if would_block(&error) => Ok(()),
            Err(error) => Err(ended(error)),
        }
    }

    /// [`receive`](Self::receive), to be asked again.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, WireError>> {
        // The engine clears its whole buffer before each read, and a client to whom much is sent says little.
        let is_idle = self.is_drained && !self.is_unsent && !self.has_grown;
        if is_idle && self.stream.poll_readable(cx).is_pending() {
            return Poll::Pending;
        }
        self.is_drained = false;
        let kind = self.kind;
        if self.is_given_out {
            self.is_given_out = false;
            self.charge.clear();
        }
        if self.is_unreadable {
            return Poll::Ready(Err(WireError::Lost));
        }
        let (engine, mut io) = self.split(cx);
        let message = match engine.read(&mut io) {
            Ok(message) => message,
            Err(error) if would_block(&error) => {
                self.shrink();
                let arrived = self.received.wrapping_sub(self.received_before);
                self.is_drained = true;
                // The beginning of the next message keeps the buffer that the last one has needed.
                return if self.charge.cover(arrived.max(self.grown_for)) {
                    Poll::Pending
                } else {
                    Poll::Ready(Err(no_memory()))
                };
            }
            Err(error) => {
                // The engine must not read on: it has kept the head of the frame that it refuses, and makes no room for what
                // is behind it.
                self.is_unreadable = true;
                return Poll::Ready(Err(ended(error)));
            }
        };
        self.given_out = self.given_out.wrapping_add(frame_size(self.role, message.len()));
        self.received_before = self.received;
        self.is_given_out = true;
        if message.len() > GROWN {
            self.has_grown = true;
            self.grown_for = self.grown_for.max(message.len());
        }
        // A short message behind a long one stands in the long one's buffer, and keeps it while the gateway works on it.
        if !self.charge.cover(message.len().max(self.grown_for)) {
            return Poll::Ready(Err(no_memory()));
        }
        // The engine answers pings and close frames by itself.
        self.is_unsent |= message.is_ping() || message.is_close();
        Poll::Ready(match (message, kind) {
            (Message::Text(text), Some(Kind::Text) | None) => Ok(Received::Message(Kind::Text, text.into())),
            (Message::Binary(bytes), Some(Kind::Binary) | None) => Ok(Received::Message(Kind::Binary, bytes)),
            (Message::Pong(payload), _) => Ok(Received::Pong(payload)),
            (Message::Ping(_) | Message::Frame(_), _) => Ok(Received::Ping),
            (Message::Close(frame), _) => {
                // RFC 6455, 7.1.5: 1005 stands for a close frame without a code.
                let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                self.stream.closes(code.into(), "closed by the client");
                Err(WireError::Closed)
            }
            // RFC 6455, 7.4.1: 1003 is for a type of data that cannot be accepted.
            (Message::Text(_), _) => {
                Err(WireError::Broken(CloseCode::Unsupported, "this subprotocol uses binary frames".into()))
            }
            (Message::Binary(_), _) => {
                Err(WireError::Broken(CloseCode::Unsupported, "this subprotocol uses text frames".into()))
            }
        })
    }

    /// The engine holds nothing that is to be sent.
    fn has_sent(&mut self) {
        self.is_unsent = false;
        if self.queued > GROWN {
            self.grown_for = self.grown_for.max(self.queued);
        }
        self.has_grown |= mem::take(&mut self.is_changing) || self.queued > GROWN;
        self.queued = 0;
    }

    /// Gives back what a large message has needed, when the peer is silent. The engine keeps its buffers as they are; so, where it holds
    /// nothing else, a new engine takes its place.
    fn shrink(&mut self) {
        if self.has_grown && self.received == self.given_out && !self.is_unsent {
            let limits = *self.engine.get_config();
            self.engine = WebSocketContext::new(self.role, Some(limits));
            (self.has_grown, self.grown_for) = (false, 0);
        }
    }

    fn split<'a, 'c>(&'a mut self, cx: &'a mut Context<'c>) -> (&'a mut WebSocketContext, Blocking<'a, 'c>) {
        let stream = Blocking {
            stream: &mut self.stream,
            received: &mut self.received,
            uncounted: &mut self.uncounted,
            traffic: &self.traffic,
            cx: Some(cx),
        };
        (&mut self.engine, stream)
    }
}

/// How many bytes the smallest frame of the peer has that carries so much (RFC 6455, 5.2): a client masks its frames, a server does not.
const fn frame_size(own: Role, payload: usize) -> usize {
    let mask = match own {
        Role::Server => 4,
        Role::Client => 0,
    };
    let length = match payload {
        0..126 => 0,
        126..65_536 => 2,
        _ => 8,
    };
    2 + length + mask + payload
}

fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn ended(error: tungstenite::Error) -> WireError {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => WireError::Closed,
        tungstenite::Error::Io(_)
        | tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            WireError::Lost
        }
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => WireError::Broken(
            CloseCode::Size,
            format!("message of {size} bytes exceeds the limit of {max_size}"),
        ),
        tungstenite::Error::Utf8(_) => {
            WireError::Broken(CloseCode::Invalid, "text frame is not UTF-8".into())
        }
        other => WireError::Broken(CloseCode::Protocol, other.to_string()),
    }
}

#[cfg(test)]
mod tests;
