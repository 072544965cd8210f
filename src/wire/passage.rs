//! A wire whose messages pass on to another wire, as bytes: what one reads the other one writes, and what one does not take the other one
//! does not read.
//!
//! [`Wire::next_message`] reads nothing while a write is under way, and writes nothing before it. Two gateways that stand behind each
//! other would then wait for each other for ever once both directions are full. Here both directions go on by themselves.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{
    Taken, Traffic, WRITE_BATCH, Wire, WireError, WireOptions,
    heartbeat::{Beat, Heartbeat},
    socket::{Kind, RawSocket, Received, Socket, WebSocket},
};
use crate::{
    stream::Stream,
    wamp::{Serializer, Subprotocol},
    wire::Closing,
};

/// How much may be queued on a wire before the other one is not read any more, in bytes: what one write takes.
const MOST_QUEUED: usize = WRITE_BATCH;

impl Wire {
    /// Takes over a stream to a server after its 101, which has not let a session in; `early` is what the server had sent already.
    pub fn dialed(
        stream: Stream,
        early: Bytes,
        serializer: Serializer,
        options: Arc<WireOptions>,
        traffic: Arc<Traffic>,
    ) -> Self {
        let limit = options.max_message_size_before_welcome.min(options.max_message_size);
        let socket = WebSocket::dialed(stream, early, Kind::of(serializer), limit, traffic);
        let mut wire = Self::over(Socket::Web(socket), Subprotocol { serializer, batched: false }, options);
        wire.heartbeat = Heartbeat::new(&wire.options.pings);
        wire
    }

    /// Takes over a stream to a server after the handshake of RawSocket. The server takes messages of up to `max_sent` bytes.
    pub fn dialed_raw(
        stream: Stream,
        serializer: Serializer,
        max_sent: usize,
        options: Arc<WireOptions>,
        traffic: Arc<Traffic>,
    ) -> Self {
        let limit = options.max_message_size_before_welcome.min(options.max_message_size);
        let socket = RawSocket::dialed(stream, serializer, limit, max_sent, traffic);
        let mut wire = Self::over(Socket::Raw(socket), Subprotocol { serializer, batched: false }, options);
        wire.heartbeat = Heartbeat::new(&wire.options.pings);
        wire
    }

    /// The server has let a session in: larger messages may come.
    pub fn is_let_in(&mut self) {
        self.socket.set_limits(self.options.max_message_size, self.options.max_message_size);
    }

    /// How deeply a message of the peer may be nested.
    pub fn max_depth(&self) -> usize {
        self.options.max_nesting_depth
    }

    /// Queues a message of the other wire, which is not read while this one [has no room](Self::has_room).
    pub fn pass(&self, message: Bytes) {
        self.outbox.pass(message);
    }

    /// Whether more may be queued.
    pub fn has_room(&self) -> bool {
        self.outbox.backlog() < MOST_QUEUED
    }

    /// Whether something is queued or on its way.
    pub fn is_waiting(&self) -> bool {
        self.is_unflushed || self.outbox.backlog() > 0
    }

    /// Sends what is queued and, if it `reads`, waits for the peer's next message. None: something was sent. Cancel-safe: nothing that
    /// has arrived or was queued is lost.
    ///
    /// A peer that is not read is not asked for a sign of life: its answer could not be seen.
    pub async fn exchange(&mut self, reads: bool) -> Result<Option<Bytes>, WireError> {
        loop {
            if reads && let Some(message) = self.next_unread() {
                return Ok(Some(message));
            }
            let flushes = self.is_unflushed;
            tokio::select! {
                biased;
                turn = self.socket.turn(flushes, reads) => {
                    let Some(received) = turn? else {
                        self.is_unflushed = false;
                        return Ok(None);
                    };
                    self.take_in(received)?;
                }
                taken = self.outbox.take(&mut self.batch, WRITE_BATCH), if !flushes => match taken {
                    Taken::Frames => {
                        self.feed()?;
                        return Ok(None);
                    }
                    Taken::Closing(how) => return Err(WireError::Ended(how)),
                },
                () = self.outbox.overflowed(), if flushes => return Err(WireError::Ended(Closing::Overflow)),
                beat = self.heartbeat.next(&self.options.pings), if reads => match beat {
                    Beat::Ping(payload) => {
                        self.socket.ping(payload)?;
                        self.is_unflushed = true;
                    }
                    Beat::Dead => return Err(WireError::Silent),
                },
            }
        }
    }

    /// The peer's next message, if it is there: a burst is then written at once and not message by message.
    pub fn try_next(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            if let Some(message) = self.next_unread() {
                return Ok(Some(message));
            }
            // No task is woken: the caller waits for the socket afterwards.
            match self.socket.poll_receive(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(received) => self.take_in(received?)?,
                Poll::Pending => return Ok(None),
            }
        }
    }

    fn next_unread(&mut self) -> Option<Bytes> {
        let message = self.unread.as_mut().and_then(Iterator::next);
        match message {
            Some(_) => self.socket.count_message(),
            // A frame that has been read does not stay in memory while the peer is silent.
            None => self.unread = None,
        }
        message
    }

    fn take_in(&mut self, received: Received) -> Result<(), WireError> {
        self.heartbeat.traffic(&self.options.pings);
        match received {
            Received::Message(_, frame) => {
                self.frame = frame.len();
                self.unread = Some(self.framing.split(&frame)?);
            }
            Received::Pong(payload) => self.heartbeat.pong(&payload),
            // The socket has queued the answer.
            Received::Ping => self.is_unflushed = true,
        }
        Ok(())
    }
}
