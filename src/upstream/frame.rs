//! Where frames of WebSocket begin and end in a stream of bytes (RFC 6455, 5.2).
//!
//! The scanner reads headers and changes nothing: payloads stay masked and compressed as they came. It tells the relay where its own
//! frames may stand, and that the bytes are frames at all.

/// The longest payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;

/// What stands in the place of a length for one of two bytes, and for one of eight.
const MEDIUM: u8 = 126;
const LONG: u8 = 127;

/// Opcodes (RFC 6455, 11.8).
pub(super) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;
}

/// Finds the frames in what one side sends.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Whether its sender is the client, whose frames are masked.
    masked: bool,
    /// Whether the handshake has agreed on an extension, which may use the reserved bits.
    has_extensions: bool,
    /// How much of the payload of a data frame has not come yet.
    rest: u64,
    /// Whether the frames of a message have begun and not ended.
    in_message: bool,
}

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// So many bytes belong to data frames.
    Data(usize),
    /// A whole control frame of so many bytes.
    Control {
        opcode: u8,
        /// How long the header is; the payload is behind it.
        header: usize,
        length: usize,
        mask: [u8; 4],
    },
    /// A frame whose header, or whose end if it is a control frame, has not come yet.
    Part,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// An opcode or a bit that RFC 6455 reserves.
    #[error("a frame with a reserved bit or opcode")]
    Reserved,
    /// Clients mask and servers do not.
    #[error("a frame that is masked by a server, or not by a client")]
    Mask,
    /// A control frame in parts, or with more than 125 bytes.
    #[error("a control frame that is too long, or in parts")]
    Control,
    /// A part of no message, or a message inside of another one.
    #[error("frames in the wrong order")]
    Order,
    /// More than 63 bits.
    #[error("a frame of an impossible length")]
    Length,
    /// A close frame with a code that no endpoint may send.
    #[error("a close frame with a code that may not be sent")]
    Code,
}

impl Scanner {
    pub(super) const fn new(masked: bool, has_extensions: bool) -> Self {
        Self { masked, has_extensions, rest: 0, in_message: false }
    }

    /// Whether the frames are a client's.
    pub(super) const fn is_of_a_client(&self) -> bool {
        self.masked
    }

    /// Whether another frame may stand behind what has been passed.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.rest == 0
    }

    /// Looks at what comes next. The caller comes back with what is behind it.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Seen, FrameFault> {
        if self.rest > 0 {
            let length = usize::try_from(self.rest).map_or(bytes.len(), |rest| rest.min(bytes.len()));
            self.rest -= length as u64;
            return Ok(if length == 0 { Seen::Part } else { Seen::Data(length) });
        }
        let Some(&first) = bytes.first() else { return Ok(Seen::Part) };
        let (is_final, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        let is_control = opcode & 8 != 0;
        if reserved != 0 && (is_control || !self.has_extensions) {
            return Err(FrameFault::Reserved);
        }
        match opcode {
            opcode::CONTINUATION if self.in_message => {}
            opcode::TEXT | opcode::BINARY if !self.in_message => {}
            opcode::CONTINUATION | opcode::TEXT | opcode::BINARY => return Err(FrameFault::Order),
            opcode::CLOSE | opcode::PING | opcode::PONG if is_final => {}
            opcode::CLOSE | opcode::PING | opcode::PONG => return Err(FrameFault::Control),
            _ => return Err(FrameFault::Reserved),
        }
        let Some(&second) = bytes.get(1) else { return Ok(Seen::Part) };
        if (second & 0x80 != 0) != self.masked {
            return Err(FrameFault::Mask);
        }
        let short = second & 0x7f;
        if is_control && usize::from(short) > MAX_CONTROL {
            return Err(FrameFault::Control);
        }
        let extended = bytes.get(2..).unwrap_or_default();
        let (length, taken) = match short {
            MEDIUM => match extended.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(Seen::Part),
            },
            LONG => match extended.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(Seen::Part),
            },
            short => (u64::from(short), 0),
        };
        if length > i64::MAX as u64 {
            return Err(FrameFault::Length);
        }
        let mut mask = [0; 4];
        let mut header = 2 + taken;
        if self.masked {
            let Some(found) = extended.get(taken..).and_then(<[u8]>::first_chunk) else {
                return Ok(Seen::Part);
            };
            mask = *found;
            header += mask.len();
        }
        if is_control {
            let length = header + usize::from(short);
            let is_whole = bytes.len() >= length;
            return Ok(if is_whole { Seen::Control { opcode, header, length, mask } } else { Seen::Part });
        }
        self.in_message = !is_final;
        let there = bytes.len() - header;
        let payload = usize::try_from(length).map_or(there, |length| length.min(there));
        self.rest = length - payload as u64;
        Ok(Seen::Data(header + payload))
    }
}

/// The payload of a control frame, as its sender has meant it.
pub(super) fn payload(frame: &[u8], header: usize, mask: [u8; 4]) -> Vec<u8> {
    let masked = frame.get(header..).unwrap_or_default();
    masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

/// The code of a close frame with this payload; none: it has none.
pub(super) fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameFault> {
    match payload {
        [] => Ok(None),
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            // RFC 6455, 7.4, and the registry that it has begun.
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
            _ => Err(FrameFault::Code),
        },
        [_] => Err(FrameFault::Code),
    }
}

/// A control frame, with a mask if it is for a server.
pub(super) fn control(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    let mut frame = Vec::with_capacity(6 + payload.len());
    frame.push(0x80 | opcode);
    let length = u8::try_from(payload.len()).unwrap_or_default();
    match mask {
        None => {
            frame.push(length);
            frame.extend_from_slice(payload);
        }
        Some(mask) => {
            frame.push(0x80 | length);
            frame.extend_from_slice(&mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

/// A close frame with this code and this reason.
pub(super) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    // Whole characters: half of one would be no UTF-8.
    for character in reason.chars() {
        if payload.len() + character.len_utf8() > MAX_CONTROL {
            break;
        }
        payload.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    control(opcode::CLOSE, &payload, mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// A frame of a server with this first byte.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(length.try_into().unwrap()),
            126..=0xffff => {
                frame.push(MEDIUM);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(LONG);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + length, b'x');
        frame
    }

    /// How many bytes of data and how many control frames are in a stream that arrives in pieces of this size.
    fn scan(stream: &[u8], piece: usize) -> Result<(usize, usize), FrameFault> {
        let mut scanner = Scanner::new(false, false);
        let (mut data, mut controls, mut held) = (0, 0, Vec::new());
        for piece in stream.chunks(piece) {
            held.extend_from_slice(piece);
            let mut at = 0;
            loop {
                match scanner.next(&held[at..])? {
                    Seen::Data(length) => (data, at) = (data + length, at + length),
                    Seen::Control { length, .. } => (controls, at) = (controls + 1, at + length),
                    Seen::Part => break,
                }
            }
            held.drain(..at);
            assert!(held.len() < 2 + MAX_CONTROL, "only headers and control frames wait");
        }
        assert!(held.is_empty() && scanner.is_between_frames(), "{held:?}");
        Ok((data, controls))
    }

    #[test]
    fn frames_are_found_wherever_reads_cut_them() {
        let parts = [
            frame(0x81, 5),
            frame(0x89, 125),
            frame(0x01, 0),
            frame(0x8a, 0),
            frame(0x00, 126),
            frame(0x80, 70_000),
            frame(0x82, 0),
            frame(0x88, 2),
        ];
        let stream = parts.concat();
        let data = stream.len() - parts[1].len() - parts[3].len() - parts[7].len();
        for piece in (1..200).chain([4096, 70_000, stream.len()]) {
            assert_eq!(scan(&stream, piece), Ok((data, 3)), "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_frame_is_told_by_its_header() {
        for (stream, fault) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], FrameFault::Reserved),
            (b"<html>", FrameFault::Reserved),
            (&[0x83, 0], FrameFault::Reserved),
            (&[0x8b, 0], FrameFault::Reserved),
            (&[0xc1, 0], FrameFault::Reserved),
            (&[0x80, 0], FrameFault::Order),
            (&[0x01, 0, 0x81, 0], FrameFault::Order),
            (&[0x09, 0], FrameFault::Control),
            (&[0x89, 126, 0, 126], FrameFault::Control),
            (&[0x81, 0x80, 0, 0, 0, 0], FrameFault::Mask),
            (&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameFault::Length),
        ] {
            assert_eq!(scan(stream, stream.len()), Err(fault), "{stream:?}");
        }
        assert_eq!(Scanner::new(true, false).next(&[0x81, 0]), Err(FrameFault::Mask));
        assert_eq!(Scanner::new(false, true).next(&[0xc1, 0]), Ok(Seen::Data(2)), "compressed");
        assert_eq!(Scanner::new(false, true).next(&[0xc9, 0]), Err(FrameFault::Reserved));
    }

    #[test]
    fn the_largest_frame_passes_without_being_kept() {
        let mut scanner = Scanner::new(false, false);
        let mut header = vec![0x82, LONG];
        header.extend_from_slice(&(i64::MAX as u64).to_be_bytes());
        assert_eq!(scanner.next(&header), Ok(Seen::Data(10)));
        assert_eq!(scanner.next(&[0; 1000]), Ok(Seen::Data(1000)));
        assert!(!scanner.is_between_frames());
    }

    #[test]
    fn own_frames_are_frames() {
        for mask in [None, Some(MASK)] {
            let frame = close(1012, &"ü".repeat(100), mask);
            let mut scanner = Scanner::new(mask.is_some(), false);
            let Ok(Seen::Control { opcode: opcode::CLOSE, header, length, mask }) = scanner.next(&frame)
            else {
                panic!("{frame:?}")
            };
            assert_eq!(length, frame.len());
            let payload = payload(&frame, header, mask);
            assert_eq!(close_code(&payload), Ok(Some(1012)));
            assert_eq!(str::from_utf8(&payload[2..]).unwrap(), "ü".repeat(61));
        }
    }

    #[test]
    fn codes_that_stand_for_no_close_frame_are_none() {
        let code = |code: u16| close_code(&code.to_be_bytes());
        for good in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert_eq!(code(good), Ok(Some(good)));
        }
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(code(bad), Err(FrameFault::Code), "{bad}");
        }
        assert_eq!(close_code(&[]), Ok(None));
        assert_eq!(close_code(&[3]), Err(FrameFault::Code));
    }
}
