//! One direction of a relay: reads from one side, finds the frames, and writes to the other side.
//!
//! It reads only when everything that it has read is written, so TCP slows the sender down to what the receiver takes. What a read gives
//! goes straight from a buffer that all relays of a thread share into the other socket. A relay has memory of its own only for what that
//! socket does not take at once, at most as much as one read gives, and for a header or a control frame that has come in part.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::{self, FrameFault, Scanner, Seen, opcode};
use crate::memory::Charge;

/// How much one read takes at most.
pub(super) const MOST: usize = 64 * 1024;

thread_local! {
    /// What reads are made into. It is used within one poll and never across an await.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a side sends to the other one.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each of them becomes true by itself, and none of them excludes another"
)]
pub(super) struct Flow {
    scanner: Scanner,
    /// The beginning of a header or of a control frame.
    held: Vec<u8>,
    /// What is to be written, from `written` on.
    pending: Vec<u8>,
    written: usize,
    charge: Charge,
    /// What the gateway says once the frame that is under way has passed.
    last_words: Option<Vec<u8>>,
    /// The payload of a ping of the gateway's own, whose answer does not pass.
    awaited: Option<[u8; 8]>,
    /// Whether a close frame has passed, the side's own or one of the gateway. Nothing passes behind it.
    pub(super) is_shut: bool,
    /// Whether the side itself has closed, and by which code if it has said one.
    pub(super) has_closed: bool,
    pub(super) close_code: Option<u16>,
    /// Whether the side has nothing more to send.
    pub(super) is_ended: bool,
    /// Whether the other side takes nothing more.
    pub(super) is_broken: bool,
    needs_flush: bool,
    /// Whether something was written since the relay looked last.
    pub(super) has_written: bool,
    /// Whether something was read since the relay looked last.
    pub(super) has_read: bool,
    /// How many bytes were read and not counted yet.
    pub(super) read: u64,
}

/// What a flow tells the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The side has sent a close frame.
    Close,
    /// The side has ended.
    Ended,
    /// The side has sent what is no frame. Nothing of it has passed.
    Fault(FrameFault),
    /// The other side is gone.
    Broken,
    /// There is no memory for what waits.
    Memory,
}

impl Flow {
    /// A flow that begins with these bytes, which were read already.
    pub(super) fn new(scanner: Scanner, early: &[u8]) -> Self {
        Self {
            scanner,
            held: early.to_vec(),
            pending: Vec::new(),
            written: 0,
            charge: Charge::default(),
            last_words: None,
            awaited: None,
            is_shut: false,
            has_closed: false,
            close_code: None,
            is_ended: false,
            is_broken: false,
            needs_flush: false,
            has_written: false,
            has_read: false,
            read: 0,
        }
    }

    /// Whether something waits for the other side.
    pub(super) fn is_waiting(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Whether all is written that will be.
    pub(super) fn is_done(&self) -> bool {
        self.is_broken || (self.is_shut && !self.is_waiting() && !self.needs_flush)
    }

    /// Whether a frame can stand behind what is written and what waits.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.scanner.is_between_frames()
    }

    /// Looks at what was read ahead. Call it once, before the first [`poll`](Self::poll).
    pub(super) fn begin(&mut self) -> Option<Event> {
        let mut early = std::mem::take(&mut self.held);
        self.read += early.len() as u64;
        let (passed, event) = self.sift(&mut early);
        early.truncate(passed);
        self.pending = early;
        event
    }

    /// The other side is told this, and nothing else any more: now, or behind the frame that is under way.
    pub(super) fn end_with(&mut self, last_words: Vec<u8>) {
        if self.is_shut {
            return;
        }
        if self.is_between_frames() {
            self.say(&last_words);
            self.is_shut = true;
        } else {
            self.last_words = Some(last_words);
        }
    }

    /// Puts a frame of the gateway's own between those of the side.
    fn say(&mut self, frame: &[u8]) {
        self.pending.extend_from_slice(frame);
    }

    /// Asks the other side for a sign of life. False: not now.
    pub(super) fn ping(&mut self, payload: [u8; 8]) -> bool {
        let is_possible = !self.is_shut && !self.is_waiting() && self.is_between_frames();
        if is_possible {
            self.say(&frame::control(opcode::PING, &payload, None));
        }
        is_possible
    }

    /// An answer to this ping does not pass.
    pub(super) const fn expect(&mut self, payload: [u8; 8]) {
        self.awaited = Some(payload);
    }

    /// The other side is gone: what comes is read and dropped.
    pub(super) fn breaks(&mut self) {
        self.is_broken = true;
        self.is_shut = true;
        self.pending = Vec::new();
        self.written = 0;
        self.charge.clear();
    }

    /// Passes on what there is, until one of the sockets has enough or something happens.
    pub(super) fn poll<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<Event>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_write(cx, sink)).is_err() {
                self.breaks();
                return Poll::Ready(Event::Broken);
            }
            if self.is_ended {
                return Poll::Pending;
            }
            if let Some(event) = ready!(self.poll_turn(cx, source, sink)) {
                return Poll::Ready(event);
            }
        }
    }

    /// Writes what waits.
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut W,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *sink).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(length) => {
                    self.written += length;
                    self.has_written = true;
                    self.needs_flush = true;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.written = 0;
            self.charge.clear();
        }
        if self.needs_flush {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// One read, and as much of it written as the other side takes at once.
    fn poll_turn<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<Option<Event>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(MOST, 0);
            let kept = self.held.len();
            let (Some(head), true) = (scratch.get_mut(..kept), kept < MOST) else {
                // No header and no control frame is that long.
                return Poll::Ready(Some(Event::Fault(FrameFault::Length)));
            };
            head.copy_from_slice(&self.held);
            let mut buffer = ReadBuf::new(scratch.get_mut(kept..).unwrap_or_default());
            let read = ready!(Pin::new(source).poll_read(cx, &mut buffer));
            let length = buffer.filled().len();
            if read.is_err() || length == 0 {
                self.is_ended = true;
                return Poll::Ready(Some(Event::Ended));
            }
            self.has_read = true;
            self.read += length as u64;
            self.held = Vec::new();
            let bytes = scratch.get_mut(..kept + length).unwrap_or_default();
            let (passed, event) = self.sift(bytes);
            let mut rest = bytes.get(..passed).unwrap_or_default();
            while !rest.is_empty() && self.pending.is_empty() && !self.is_broken {
                match Pin::new(&mut *sink).poll_write(cx, rest) {
                    Poll::Ready(Ok(written @ 1..)) => {
                        self.needs_flush = true;
                        rest = rest.get(written..).unwrap_or_default();
                    }
                    Poll::Ready(_) => {
                        self.breaks();
                        return Poll::Ready(Some(Event::Broken));
                    }
                    Poll::Pending => break,
                }
            }
            if !rest.is_empty() {
                // What the gateway says itself goes last.
                self.pending.splice(..0, rest.iter().copied());
                if !self.charge.cover(self.pending.len()) {
                    return Poll::Ready(Some(Event::Memory));
                }
            }
            Poll::Ready(event)
        })
    }

    /// Takes the frames out of bytes that were read: how many bytes from their beginning on pass, and what happens behind them.
    fn sift(&mut self, bytes: &mut [u8]) -> (usize, Option<Event>) {
        let (mut at, mut passed) = (0, 0);
        loop {
            if self.is_shut {
                return (passed, None);
            }
            if self.is_between_frames()
                && let Some(last_words) = self.last_words.take()
            {
                self.say(&last_words);
                self.is_shut = true;
                return (passed, None);
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let length = match self.scanner.next(rest) {
                Ok(Seen::Control { opcode: opcode::PONG, header, length, mask })
                    if self.is_own_pong(rest.get(..length), header, mask) =>
                {
                    at += length;
                    continue;
                }
                Ok(Seen::Control { opcode: opcode::CLOSE, header, length, mask }) => {
                    let payload = frame::payload(rest.get(..length).unwrap_or_default(), header, mask);
                    let code = match frame::close_code(&payload) {
                        Ok(code) => code,
                        // The upstream judges what a client says; nothing judges an upstream but the gateway.
                        Err(_) if self.scanner.is_of_a_client() => None,
                        Err(fault) => return (passed, Some(Event::Fault(fault))),
                    };
                    bytes.copy_within(at..at + length, passed);
                    (self.has_closed, self.close_code) = (true, code);
                    self.is_shut = true;
                    return (passed + length, Some(Event::Close));
                }
                Ok(Seen::Data(length) | Seen::Control { length, .. }) => length,
                Ok(Seen::Part) => {
                    self.held = rest.to_vec();
                    return (passed, None);
                }
                Err(fault) => return (passed, Some(Event::Fault(fault))),
            };
            if at != passed {
                bytes.copy_within(at..at + length, passed);
            }
            at += length;
            passed += length;
        }
    }

    fn is_own_pong(&mut self, frame: Option<&[u8]>, header: usize, mask: [u8; 4]) -> bool {
        let Some(awaited) = self.awaited else { return false };
        let is_own = frame.is_some_and(|frame| frame::payload(frame, header, mask) == awaited);
        if is_own {
            self.awaited = None;
        }
        is_own
    }
}
