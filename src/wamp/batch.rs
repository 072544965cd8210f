//! Frames: one message each, or several with a batched subprotocol (section "Message Batching").
//!
//! Batched JSON ends every message with one character, batched `MessagePack` and CBOR begin every message with its
//! length in 32 bits, big-endian.
//!
//! The specification's character is the record separator, U+001E. It writes it as `\30`, which is decimal there;
//! autobahn for Python reads that as octal and has always used U+0018, in both directions. JSON has neither outside
//! of an escape, so the gateway understands both, and answers a client with the one that it uses.

use bytes::{Buf as _, Bytes};

use super::{DecodeError, Subprotocol};

/// U+001E, which ends a JSON message in a batch.
const RECORD_SEPARATOR: u8 = 0x1e;

/// U+0018, which autobahn for Python uses instead.
const CANCEL: u8 = 0x18;

/// The size of a length prefix.
const PREFIX: usize = size_of::<u32>();

/// How one connection's frames are made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    subprotocol: Subprotocol,
    /// What ends a JSON message.
    terminator: u8,
}

/// The messages of a frame, as slices of it.
#[derive(Debug, Clone)]
pub struct Messages {
    framing: Framing,
    rest: Bytes,
}

impl Subprotocol {
    /// How the frames of a new connection are made up.
    pub(crate) const fn framing(self) -> Framing {
        Framing { subprotocol: self, terminator: RECORD_SEPARATOR }
    }
}

impl Framing {
    /// The subprotocol that is spoken.
    pub const fn subprotocol(self) -> Subprotocol {
        self.subprotocol
    }

    /// Takes a frame apart. Learns which character the client ends JSON messages with.
    ///
    /// A batch of no messages is an error, as are a length that the frame does not hold and a JSON message without
    /// its end.
    pub fn split(&mut self, frame: &Bytes) -> Result<Messages, DecodeError> {
        if self.subprotocol.batched {
            self.check(frame)?;
        }
        Ok(Messages { framing: *self, rest: frame.clone() })
    }

    fn check(&mut self, frame: &[u8]) -> Result<(), DecodeError> {
        let malformed = |what: &str| Err(DecodeError::Malformed(what.to_owned()));
        if frame.is_empty() {
            return malformed("a batch has at least one message");
        }
        if self.subprotocol.serializer.is_text() {
            match frame.last() {
                Some(&terminator @ (RECORD_SEPARATOR | CANCEL)) => self.terminator = terminator,
                _ => return malformed("every message of a batch ends with the character U+001E"),
            }
            return Ok(());
        }
        let mut rest = frame;
        while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX>() {
            match behind.get(prefixed_length(*prefix)..) {
                Some(next) => rest = next,
                None => return malformed("a message of the batch is longer than the rest of the frame"),
            }
        }
        if rest.is_empty() { Ok(()) } else { malformed("the batch ends within a length of four bytes") }
    }

    /// Makes frames of encoded messages, in their order. A batched subprotocol has as many messages in a frame as
    /// fit into `max_bytes`, but at least one; any other has one, which is not copied.
    pub fn frames(self, messages: &[Bytes], max_bytes: usize) -> impl Iterator<Item = Bytes> {
        let framing = self;
        let mut rest = messages;
        std::iter::from_fn(move || {
            let (batch, behind) = rest.split_at_checked(framing.fitting(rest, max_bytes))?;
            rest = behind;
            match batch {
                [] => None,
                [message] if !framing.subprotocol.batched => Some(message.clone()),
                batch => Some(framing.join(batch)),
            }
        })
    }

    /// How many of the messages the next frame takes.
    fn fitting(self, messages: &[Bytes], max_bytes: usize) -> usize {
        if !self.subprotocol.batched {
            return messages.len().min(1);
        }
        let mut size: usize = 0;
        let fits = |message: &&Bytes| {
            size = size.saturating_add(self.framed_size(message));
            size <= max_bytes
        };
        messages.iter().take_while(fits).count().max(1).min(messages.len())
    }

    fn framed_size(self, message: &Bytes) -> usize {
        message.len() + if self.subprotocol.serializer.is_text() { 1 } else { PREFIX }
    }

    fn join(self, messages: &[Bytes]) -> Bytes {
        let mut frame = Vec::with_capacity(messages.iter().map(|message| self.framed_size(message)).sum());
        for message in messages {
            if self.subprotocol.serializer.is_text() {
                frame.extend_from_slice(message);
                frame.push(self.terminator);
            } else {
                // Messages are bounded far below 4 GiB by the limit for what waits on a connection.
                let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
                frame.extend(length.to_be_bytes());
                frame.extend_from_slice(message);
            }
        }
        frame.into()
    }
}

/// A length of 32 bits; on a machine with fewer it saturates, which no frame can hold.
fn prefixed_length(prefix: [u8; PREFIX]) -> usize {
    usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX)
}

impl Iterator for Messages {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let Framing { subprotocol, terminator } = self.framing;
        if !subprotocol.batched {
            // An empty frame is one message, too: one that cannot be read.
            self.framing.subprotocol.batched = true;
            return Some(std::mem::take(&mut self.rest));
        }
        if subprotocol.serializer.is_text() {
            let length = self.rest.iter().position(|&byte| byte == terminator)?;
            let message = self.rest.split_to(length);
            self.rest.advance(1);
            return Some(message);
        }
        let length = prefixed_length(*self.rest.first_chunk::<PREFIX>()?);
        self.rest.advance(PREFIX);
        // `split` has checked the lengths.
        Some(self.rest.split_to(length.min(self.rest.len())))
    }
}
