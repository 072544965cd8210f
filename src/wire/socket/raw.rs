//! A RawSocket after its opening handshake: frames of one message each, pings, and the end of the stream.
//!
//! RawSocket has no close frames. What there is to say to a client is said in a message before the stream ends.

mod frame;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::IoSlice,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _},
    time::timeout,
};

#[cfg(feature = "fuzzing")]
pub(crate) use frame::{FrameFault, FrameType, Intake};
#[cfg(not(feature = "fuzzing"))]
use frame::{FrameFault, FrameType, Intake};

use self::frame::HEAD;
use super::{Kind, Received, no_memory};
use crate::{
    memory::Charge,
    stream::Stream,
    wamp::{Serializer, outgoing::Instead},
    wire::{CloseCode, Closing, WireError, metrics::Traffic},
};

/// How much is read from the socket at once.
const READ_BUFFER: usize = 2 * 1024;

/// How many parts a write has at most: two for each frame.
const PARTS: usize = 64;

/// How many answers to what the client could not be sent may wait. A client for which more of them wait is dropped: it is sent far more
/// than it takes.
const MOST_ANSWERS: usize = 4096;

/// A RawSocket connection.
#[derive(Debug)]
pub(in crate::wire) struct RawSocket {
    stream: Stream,
    serializer: Serializer,
    traffic: Arc<Traffic>,
    /// How many messages have come that are still to be counted there.
    uncounted: usize,
    intake: Intake,
    /// What is charged for the frame that arrives, or that was given out last.
    charge: Charge,
    /// Whether it is the latter: the caller comes back when it is done with it.
    is_given_out: bool,
    /// The longest frame that the client may send.
    limit: usize,
    /// The longest frame that the client takes.
    max_sent: usize,
    /// Frames to be written.
    outgoing: VecDeque<([u8; HEAD], Bytes)>,
    /// How much of the first of them is written.
    written: usize,
    /// What takes the place of a message that the peer cannot be sent.
    instead: fn(Serializer, &Bytes, usize) -> Instead,
    /// What the gateway answers in the peer's place, since the peer could not be sent what it would answer.
    answers: VecDeque<Bytes>,
    /// Whether nothing more can be read, for what the peer has sent.
    is_unreadable: bool,
}

impl RawSocket {
    /// Takes over a stream after the handshake. The client may send frames of up to `limit`, and takes those of up to `max_sent` bytes.
    pub(in crate::wire) fn new(
        stream: Stream,
        serializer: Serializer,
        limit: usize,
        max_sent: usize,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self::over(stream, serializer, [limit, max_sent], Instead::of, traffic)
    }

    /// The same for a stream to a router.
    pub(in crate::wire) fn dialed(
        stream: Stream,
        serializer: Serializer,
        limit: usize,
        max_sent: usize,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self::over(stream, serializer, [limit, max_sent], Instead::of_client, traffic)
    }

    fn over(
        stream: Stream,
        serializer: Serializer,
        [limit, max_sent]: [usize; 2],
        instead: fn(Serializer, &Bytes, usize) -> Instead,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            stream,
            serializer,
            traffic,
            uncounted: 0,
            intake: Intake::default(),
            charge: Charge::default(),
            is_given_out: false,
            limit,
            max_sent,
            outgoing: VecDeque::new(),
            written: 0,
            instead,
            answers: VecDeque::new(),
            is_unreadable: false,
        }
    }

    pub(super) const fn count_message(&mut self) {
        self.uncounted += 1;
    }

    pub(super) fn count_sent(&self, messages: usize) {
        self.traffic.sent.messages(messages);
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Forgets the answers that the realm does not want any more, since the session has ended. The client's next message is its HELLO.
    pub(super) fn forget_answers(&mut self) {
        self.answers = VecDeque::new();
    }

    /// Queues a message. One that is longer than the client takes must not be sent (section "Serialization"): an event is left out, and
    /// the request of another session that waits for an answer gets an error.
    pub(super) fn feed(&mut self, message: Bytes) -> Result<(), WireError> {
        if message.len() <= self.max_sent {
            self.queue(FrameType::Message, message);
            return Ok(());
        }
        self.traffic.left_out.inc();
        match (self.instead)(self.serializer, &message, self.max_sent) {
            Instead::Nothing => {}
            Instead::Send(error) => self.queue(FrameType::Message, error),
            Instead::Answer(_) if self.answers.len() >= MOST_ANSWERS => {
                return Err(WireError::Ended(Closing::Overflow));
            }
            Instead::Answer(answer) => self.answers.push_back(answer),
            Instead::End => {
                let reason = format!(
                    "a message for the other side has {} bytes, and it takes {}",
                    message.len(),
                    self.max_sent
                );
                return Err(WireError::Broken(CloseCode::Size, reason));
            }
        }
        Ok(())
    }

    pub(super) fn ping(&mut self, payload: Bytes) {
        self.queue(FrameType::Ping, payload);
    }

    fn queue(&mut self, kind: FrameType, payload: Bytes) {
        self.outgoing.push_back((frame::head(kind, payload.len()), payload));
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, WireError>> {
        if mem::take(&mut self.is_given_out) {
            self.charge.clear();
        }
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(Ok(Received::Message(Kind::of(self.serializer), answer)));
        }
        if self.is_unreadable {
            return Poll::Ready(Err(WireError::Lost));
        }
        loop {
            match self.intake.next(self.limit) {
                Ok(None) => ready!(self.poll_read(cx))?,
                Ok(Some((kind, payload))) => return Poll::Ready(self.give_out(kind, payload)),
                Err(fault) => {
                    self.is_unreadable = true;
                    return Poll::Ready(Err(broken(fault, self.limit)));
                }
            }
        }
    }

    fn give_out(&mut self, kind: FrameType, payload: Bytes) -> Result<Received, WireError> {
        self.is_given_out = true;
        // A short frame behind a long one stands in the long one's buffer, and keeps it while the gateway works on it.
        if !self.charge.cover(payload.len().max(self.intake.keeps())) {
            return Err(no_memory());
        }
        Ok(match kind {
            FrameType::Message => Received::Message(Kind::of(self.serializer), payload),
            FrameType::Ping => {
                // Section "Framing": exactly one PONG, at once, with the same payload. The client is not read on before it is sent.
                self.queue(FrameType::Pong, payload);
                Received::Ping
            }
            FrameType::Pong => Received::Pong(payload),
        })
    }

    /// Reads what there is; an error where the client is gone.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        self.traffic.received.messages(mem::take(&mut self.uncounted));
        self.intake.make_room(READ_BUFFER);
        let read = pin!(self.stream.read_buf(&mut self.intake.octets)).poll(cx);
        match read {
            Poll::Ready(Ok(0)) if self.intake.octets.is_empty() => Poll::Ready(Err(WireError::Closed)),
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(WireError::Lost)),
            Poll::Ready(Ok(size)) => {
                self.traffic.received.bytes(size);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                self.intake.shrink();
                if self.charge.cover(self.intake.octets.len()) {
                    Poll::Pending
                } else {
                    Poll::Ready(Err(no_memory()))
                }
            }
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        while !self.outgoing.is_empty() {
            let size = ready!(self.poll_write(cx)).map_err(|_| WireError::Lost)?;
            if size == 0 {
                return Poll::Ready(Err(WireError::Lost));
            }
            self.traffic.sent.bytes(size);
            self.written += size;
            while let Some((_, payload)) = self.outgoing.front()
                && self.written >= HEAD + payload.len()
            {
                self.written -= HEAD + payload.len();
                self.outgoing.pop_front();
            }
        }
        // What a burst has needed is given back.
        self.outgoing.shrink_to(PARTS);
        Pin::new(&mut self.stream).poll_flush(cx).map_err(|_| WireError::Lost)
    }

    /// One write of as many frames as it takes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let queued = self.outgoing.iter().flat_map(|(head, payload)| [head.as_slice(), payload]);
        let mut skipped = self.written;
        let unwritten = queued.filter_map(|part| {
            let rest = part.get(skipped..).unwrap_or_default();
            skipped = skipped.saturating_sub(part.len());
            (!rest.is_empty()).then_some(rest)
        });
        let mut count = 0;
        for (place, part) in parts.iter_mut().zip(unwritten) {
            *place = IoSlice::new(part);
            count += 1;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts.get(..count).unwrap_or_default())
    }

    /// Sends what is queued, ends the stream, and reads on until the client has ended it as well: a stream that is closed with unread
    /// data resets the connection, and the client would never see what came before. All of it may take `patience` at most.
    pub(super) async fn close(&mut self, patience: Duration) {
        let farewell = async {
            if poll_fn(|cx| self.poll_flush(cx)).await.is_ok() && self.stream.shutdown().await.is_ok() {
                let mut scrap = vec![0; READ_BUFFER];
                while matches!(self.stream.read(&mut scrap).await, Ok(1..)) {}
            }
        };
        drop(timeout(patience, farewell).await);
    }

    /// Ends the stream after the client has ended it.
    pub(super) async fn finish(&mut self, patience: Duration) {
        let farewell = async {
            drop(poll_fn(|cx| self.poll_flush(cx)).await);
            drop(self.stream.shutdown().await);
        };
        drop(timeout(patience, farewell).await);
    }
}

fn broken(fault: FrameFault, limit: usize) -> WireError {
    match fault {
        FrameFault::TooLong(size) => WireError::Broken(
            CloseCode::Size,
            format!("message of {size} bytes exceeds the limit of {limit}"),
        ),
        fault => WireError::Misframed(fault.message()),
    }
}

#[cfg(test)]
mod tests;
