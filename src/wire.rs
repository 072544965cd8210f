//! The wire of one connection: a WebSocket or a RawSocket, the framing of its subprotocol, and what waits to be sent.
//!
//! [`Wire::next_message`] waits for a client's message and meanwhile does what keeps a connection alive: it writes what others
//! have pushed, answers pings and sends its own. So its caller waits in one place only.
//!
//! ```text
//! client -> socket (frames, whole messages) -> framing (one or several in a frame) -> decode -> next_message
//! client <- socket                          <- framing                             <- outbox <- push
//! ```

mod ending;
mod heartbeat;
mod metrics;
mod options;
mod outbox;
mod passage;
mod socket;
mod talk;
mod testee;
#[cfg(test)]
mod tests;

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;
pub use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use self::{
    heartbeat::{Beat, Heartbeat},
    socket::{Kind, RawSocket, Received, Socket, WebSocket},
};
use crate::{
    stream::Stream,
    wamp::{
        ClientMessage, DecodeError, RouterMessage, Serializer, Subprotocol,
        batch::{Framing, Messages},
    },
};

pub use ending::{Ending, RouterFault};
pub use metrics::{Traffic, WireMetrics};
pub use options::{PingOptions, WireOptions};
pub use outbox::{Closing, Complaint, Outbox, Taken};
#[cfg(feature = "fuzzing")]
pub(crate) use socket::{FrameFault, FrameType, Intake};
pub use talk::Talk;
pub use testee::Testee;

/// How much is handed to the socket in one write. Larger batches save system calls; this size is where that stops
/// to matter.
const WRITE_BATCH: usize = 64 * 1024;

/// How many places for frames a connection keeps between two writes: what a busy one needs again and again, and little enough
/// for thousands of idle ones.
const KEPT_PLACES: usize = 16;

/// How long a write may make no progress before the connection is dropped. A peer that reads nothing for this long is
/// not coming back; what waits for it is bounded by the outbox meanwhile.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// A connection that speaks WAMP, over WebSocket or RawSocket.
#[derive(Debug)]
pub struct Wire {
    options: Arc<WireOptions>,
    socket: Socket,
    framing: Framing,
    /// What is left of the frame that has arrived last.
    unread: Option<Messages>,
    /// How long that frame is.
    frame: usize,
    outbox: Arc<Outbox>,
    /// Where the outbox's frames pass through on their way to the socket; empty between two of them.
    batch: Vec<Bytes>,
    /// Whether the socket has been given something that it may not have sent.
    is_unflushed: bool,
    heartbeat: Heartbeat,
}

/// Why a wire yields no message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WireError {
    /// The closing handshake is through, or the peer began it.
    #[error("closed by the peer")]
    Closed,
    /// The connection broke.
    #[error("connection lost")]
    Lost,
    /// The peer has not answered a ping.
    #[error("no answer to a ping")]
    Silent,
    /// The peer broke the WebSocket protocol or a limit; this is what to close with.
    #[error("{1}")]
    Broken(CloseCode, String),
    /// The peer's frames cannot be read on, on a socket that cannot say so itself.
    #[error("{0}")]
    Misframed(&'static str),
    /// A message cannot be read as WAMP. The next one may.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The outbox was closed, and all that was in it has been sent.
    #[error("the outbox was closed")]
    Ended(Closing),
}

impl Wire {
    /// Takes over a stream after the 101, for a client that has not joined; `early` is what the client had sent already.
    pub fn new(
        stream: Stream,
        early: Bytes,
        subprotocol: Subprotocol,
        options: Arc<WireOptions>,
        traffic: Arc<Traffic>,
    ) -> Self {
        delay(&stream, &options);
        let kind = Some(Kind::of(subprotocol.serializer));
        let limit = options.max_message_size_before_welcome;
        let socket = WebSocket::new(stream, early, kind, limit, options.max_frame_size, traffic);
        Self::over(Socket::Web(socket), subprotocol, options)
    }

    /// Takes over a stream after the handshake of RawSocket, for a client that has not joined. The client takes messages of up to
    /// `max_sent` bytes.
    pub fn new_raw(
        stream: Stream,
        serializer: Serializer,
        max_sent: usize,
        options: Arc<WireOptions>,
        traffic: Arc<Traffic>,
    ) -> Self {
        delay(&stream, &options);
        let limit = options.max_message_size_before_welcome;
        let socket = RawSocket::new(stream, serializer, limit, max_sent, traffic);
        Self::over(Socket::Raw(socket), Subprotocol { serializer, batched: false }, options)
    }

    fn over(socket: Socket, subprotocol: Subprotocol, options: Arc<WireOptions>) -> Self {
        let serializer = subprotocol.serializer;
        Self {
            socket,
            framing: subprotocol.framing(),
            unread: None,
            frame: 0,
            outbox: Arc::new(Outbox::new(serializer, options.max_unsent)),
            batch: Vec::new(),
            is_unflushed: false,
            heartbeat: Heartbeat::default(),
            options,
        }
    }

    /// The client has joined: larger messages may come, and a silent client is pinged.
    pub fn open_session(&mut self) {
        self.socket.set_limits(self.options.max_message_size, self.options.max_frame_size);
        self.heartbeat = Heartbeat::new(&self.options.pings);
    }

    /// The client has left and may join again, with an outbox that nothing of its last session reaches.
    pub fn close_session(&mut self) {
        let limit = self.options.max_message_size_before_welcome;
        self.socket.set_limits(limit, self.options.max_frame_size);
        self.socket.end_session();
        self.heartbeat = Heartbeat::default();
        self.outbox = Arc::new(Outbox::new(self.serializer(), self.options.max_unsent));
    }

    /// Whether the gateway can tell the client without a message why it ends the connection.
    pub const fn has_close_frames(&self) -> bool {
        self.socket.has_close_frames()
    }

    /// What messages are written with.
    pub const fn serializer(&self) -> Serializer {
        self.framing.subprotocol().serializer
    }

    /// Where others leave what is to be sent in this session.
    pub const fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Queues a message.
    pub fn push(&self, message: &RouterMessage) {
        self.outbox.push(self.serializer().encode(message));
    }

    /// The client's next message. Writes what is queued while it waits. Cancel-safe: nothing that has arrived or was queued
    /// is lost.
    pub async fn next_message(&mut self) -> Result<ClientMessage, WireError> {
        loop {
            if let Some(message) = self.unread.as_mut().and_then(Iterator::next) {
                self.socket.count_message();
                let message = self.serializer().decode(&message, self.options.max_nesting_depth)?;
                return Ok(message.detached(self.frame));
            }
            // A frame that has been read does not stay in memory while the client is silent.
            self.unread = None;
            let frame = self.next_frame().await?;
            self.frame = frame.len();
            self.unread = Some(self.framing.split(&frame)?);
        }
    }

    /// Whether the frame of the last message holds more of them.
    pub fn has_unread(&self) -> bool {
        self.unread.as_ref().is_some_and(|unread| unread.clone().next().is_some())
    }

    /// Sends what is queued; what is pushed afterwards is dropped.
    pub async fn flush(&mut self) -> Result<(), WireError> {
        self.outbox.close(Closing::After(CloseCode::Normal));
        loop {
            self.flush_socket().await?;
            match self.outbox.take(&mut self.batch, usize::MAX).await {
                Taken::Frames => self.feed()?,
                Taken::Closing(_) => return Ok(()),
            }
        }
    }

    /// Ends the connection in order, with a closing handshake. What is queued is not sent any more: flush first.
    pub async fn close(&mut self, code: CloseCode, reason: &str) {
        self.socket.close(code, reason, self.options.close_handshake_timeout).await;
    }

    /// Answers the peer's close frame, if it sent one, and shuts the stream down.
    pub async fn finish(&mut self) {
        self.socket.finish(self.options.close_handshake_timeout).await;
    }

    async fn next_frame(&mut self) -> Result<Bytes, WireError> {
        loop {
            self.flush_socket().await?;
            tokio::select! {
                received = self.socket.receive() => {
                    self.heartbeat.traffic(&self.options.pings);
                    match received? {
                        Received::Message(_, frame) => return Ok(frame),
                        Received::Pong(payload) => self.heartbeat.pong(&payload),
                        // The socket has queued the answer.
                        Received::Ping => self.is_unflushed = true,
                    }
                }
                taken = self.outbox.take(&mut self.batch, WRITE_BATCH) => match taken {
                    Taken::Frames => self.feed()?,
                    Taken::Closing(how) => return Err(WireError::Ended(how)),
                },
                beat = self.heartbeat.next(&self.options.pings) => match beat {
                    Beat::Ping(payload) => {
                        self.socket.ping(payload)?;
                        self.is_unflushed = true;
                    }
                    Beat::Dead => return Err(WireError::Silent),
                },
            }
        }
    }

    /// Hands the batch to the socket.
    fn feed(&mut self) -> Result<(), WireError> {
        self.is_unflushed = true;
        self.socket.count_sent(self.batch.len());
        let kind = Kind::of(self.serializer());
        for frame in self.framing.frames(&self.batch, WRITE_BATCH) {
            self.socket.feed(kind, frame)?;
        }
        self.batch.clear();
        // What a burst has needed is given back.
        self.batch.shrink_to(KEPT_PLACES);
        Ok(())
    }

    /// Waits until the socket has sent what it was given, the connection has been given up, or the peer reads nothing at
    /// all.
    async fn flush_socket(&mut self) -> Result<(), WireError> {
        if !self.is_unflushed {
            return Ok(());
        }
        // Most sockets take all of it at once: the timer below is for the others.
        if let Poll::Ready(flushed) = poll_fn(|cx| Poll::Ready(self.socket.poll_flush(cx))).await {
            self.is_unflushed = false;
            return flushed;
        }
        tokio::select! {
            biased;
            flushed = timeout(WRITE_STALL, self.socket.flush()) => {
                flushed.unwrap_or(Err(WireError::Ended(Closing::Overflow)))?;
            }
            () = self.outbox.overflowed() => return Err(WireError::Ended(Closing::Overflow)),
        }
        self.is_unflushed = false;
        Ok(())
    }
}

/// A listener's streams begin without delay. A stream that is gone need not be told.
fn delay(stream: &Stream, options: &WireOptions) {
    if !options.tcp_nodelay {
        drop(stream.set_nodelay(false));
    }
}
