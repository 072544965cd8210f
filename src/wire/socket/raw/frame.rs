//! The frames of RawSocket: four octets that tell what follows and how long it is, and the octets themselves.
//!
//! ```text
//! MSB                                 LSB
//! RRRR XTTT LLLL LLLL LLLL LLLL LLLL LLLL
//! ```
//!
//! `T` is the type, `L` the length, and `X` is set for the one length that 24 bits do not hold, 16 MiB. `R` is reserved.

use bytes::{Buf as _, Bytes, BytesMut};

/// The size of a head.
pub(super) const HEAD: usize = 4;

/// The longest payload: 16 MiB.
const LONGEST: usize = 1 << 24;

/// The largest payload that is given out as a copy. A larger one is a slice of the buffer that it came in.
const COPIED: usize = 1024;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameType {
    /// A message of WAMP.
    Message,
    /// What the peer answers with the same octets.
    Ping,
    /// The answer.
    Pong,
}

/// Why the frames of a peer cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// Reserved bits are set, or the type is a reserved one.
    Reserved,
    /// The extra bit of the length is set beside others.
    Length,
    /// The payload of this size is larger than it may be.
    TooLong(usize),
}

/// What has come of frames that are not complete.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(super) octets: BytesMut,
    /// How long the longest frame is that was given out of the buffer that they stand in, and that they keep.
    keeps: usize,
}

impl FrameFault {
    /// What the peer is told.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Reserved => "RawSocket: a frame uses reserved bits or a reserved type",
            Self::Length => "RawSocket: the extra bit of a frame's length stands for 16 MiB alone",
            Self::TooLong(_) => "RawSocket: a frame is longer than the handshake allows",
        }
    }
}

/// The head of a frame. A payload is at most 16 MiB long: longer ones are not sent.
pub(super) fn head(kind: FrameType, length: usize) -> [u8; HEAD] {
    let kind = match kind {
        FrameType::Message => 0,
        FrameType::Ping => 1,
        FrameType::Pong => 2,
    };
    // 2^24 itself sets the bit that is named `X`.
    let length = u32::try_from(length.min(LONGEST)).unwrap_or_default();
    (kind << 24 | if length == 1 << 24 { 1 << 27 } else { length }).to_be_bytes()
}

/// What a head says.
fn read_head(head: [u8; HEAD]) -> Result<(FrameType, usize), FrameFault> {
    let [first, rest @ ..] = head;
    let kind = match first & 0b1111_0111 {
        0 => FrameType::Message,
        1 => FrameType::Ping,
        2 => FrameType::Pong,
        _ => return Err(FrameFault::Reserved),
    };
    let length = rest.iter().fold(0, |length, &octet| length << 8 | usize::from(octet));
    match (first & 0b1000 != 0, length) {
        (false, length) => Ok((kind, length)),
        (true, 0) => Ok((kind, LONGEST)),
        (true, _) => Err(FrameFault::Length),
    }
}

impl Intake {
    /// The next frame, once it is complete. Its length is judged as soon as its head is there: nothing of a frame that is too long is
    /// waited for. After a fault nothing can be read on.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<(FrameType, Bytes)>, FrameFault> {
        let Some(&head) = self.octets.first_chunk() else { return Ok(None) };
        let (kind, length) = read_head(head)?;
        if length > limit {
            return Err(FrameFault::TooLong(length));
        }
        if self.octets.len() < HEAD + length {
            return Ok(None);
        }
        self.octets.advance(HEAD);
        let payload = match self.octets.get(..length) {
            Some(short) if length <= COPIED => {
                let copy = Bytes::copy_from_slice(short);
                self.octets.advance(length);
                copy
            }
            _ => {
                self.keeps = self.keeps.max(length);
                self.octets.split_to(length).freeze()
            }
        };
        Ok(Some((kind, payload)))
    }

    /// Makes room for what comes next: for `usual` octets, and for more of a long frame as more of it has come, so that a head alone
    /// makes the gateway hold nothing.
    pub(super) fn make_room(&mut self, usual: usize) {
        if self.octets.capacity() > self.octets.len() {
            return;
        }
        let missing = match self.octets.first_chunk().map(|&head| read_head(head)) {
            Some(Ok((_, length))) => (HEAD + length).saturating_sub(self.octets.len()),
            _ => usual,
        };
        self.octets.reserve(missing.clamp(1, self.octets.len().max(usual)));
    }

    /// Takes octets that have come.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn extend(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// How long the longest frame is whose buffer is kept by what has come after it.
    pub(super) const fn keeps(&self) -> usize {
        self.keeps
    }

    /// Gives back what the peer does not need while it is silent: the buffer where nothing is in it, and the buffer of the last long
    /// frame. The beginning of the next one, a single octet, would otherwise keep it.
    pub(super) fn shrink(&mut self) {
        if self.octets.is_empty() {
            self.octets = BytesMut::new();
        } else if self.keeps > 0 {
            self.octets = BytesMut::from(self.octets.as_ref());
        }
        self.keeps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_it_is_read() {
        for kind in [FrameType::Message, FrameType::Ping, FrameType::Pong] {
            for length in [0, 1, 255, 256, 65_536, LONGEST - 1, LONGEST] {
                assert_eq!(read_head(head(kind, length)), Ok((kind, length)));
            }
        }
        // The specification's own pictures.
        assert_eq!(head(FrameType::Message, LONGEST), [0x08, 0, 0, 0]);
        assert_eq!(head(FrameType::Message, LONGEST - 1), [0x00, 0xff, 0xff, 0xff]);
        assert_eq!(head(FrameType::Pong, 3), [0x02, 0, 0, 3]);
    }

    #[test]
    fn reserved_bits_and_types_are_faults() {
        for first in 0..=255_u8 {
            let read = read_head([first, 0, 0, 0]);
            let is_sound = matches!(first, 0..=2 | 8..=10);
            assert_eq!(read.is_ok(), is_sound, "{first:#x}");
        }
        assert_eq!(read_head([8, 0, 0, 1]), Err(FrameFault::Length));
    }

    #[test]
    fn frames_that_come_octet_by_octet_are_the_same() {
        let mut octets = Vec::new();
        for (kind, payload) in
            [(FrameType::Message, &b"[1]"[..]), (FrameType::Ping, b""), (FrameType::Pong, b"x")]
        {
            octets.extend(head(kind, payload.len()));
            octets.extend(payload);
        }
        let mut intake = Intake::default();
        let mut found = Vec::new();
        for octet in octets {
            intake.extend(&[octet]);
            found.extend(intake.next(3).unwrap());
        }
        let payload = Bytes::from_static;
        let wanted = [
            (FrameType::Message, payload(b"[1]")),
            (FrameType::Ping, payload(b"")),
            (FrameType::Pong, payload(b"x")),
        ];
        assert_eq!(found, wanted);
        intake.shrink();
        assert_eq!(intake.octets.capacity(), 0, "a silent peer costs no buffer");
    }

    #[test]
    fn a_frame_is_judged_by_its_head_and_gets_room_as_it_comes() {
        let mut intake = Intake::default();
        intake.extend(&head(FrameType::Message, 1025));
        assert_eq!(intake.next(1024), Err(FrameFault::TooLong(1025)));

        let mut intake = Intake::default();
        intake.extend(&head(FrameType::Message, LONGEST));
        assert_eq!(intake.next(LONGEST), Ok(None));
        while intake.octets.len() < 100_000 {
            intake.make_room(2048);
            assert!(
                intake.octets.capacity() <= 4 * intake.octets.len().max(2048),
                "room for what has not come"
            );
            let room = intake.octets.capacity() - intake.octets.len();
            intake.extend(&vec![0; room]);
        }
    }

    #[test]
    fn a_long_payload_is_not_copied() {
        let mut intake = Intake::default();
        intake.extend(&head(FrameType::Message, COPIED + 1));
        intake.extend(&[7; COPIED + 1]);
        let place = intake.octets.as_ptr().wrapping_add(HEAD);
        let (_, payload) = intake.next(LONGEST).unwrap().unwrap();
        assert_eq!((payload.as_ptr(), payload.len()), (place, COPIED + 1));
    }

    #[test]
    fn the_beginning_of_a_frame_does_not_keep_the_buffer_of_the_frame_before() {
        let mut intake = Intake::default();
        intake.extend(&head(FrameType::Message, 100_000));
        intake.extend(&vec![7; 100_000]);
        intake.extend(&[0]);
        let (_, payload) = intake.next(LONGEST).unwrap().unwrap();
        intake.shrink();
        assert!(payload.is_unique(), "the octet behind the frame keeps its buffer");
        intake.extend(&[0, 0, 1, b'x']);
        assert_eq!(intake.next(1).unwrap(), Some((FrameType::Message, Bytes::from_static(b"x"))));
    }
}
