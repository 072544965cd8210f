//! Raw WebSocket: frames as RFC 6455, 5.2 draws them, written and read one by one.

use std::time::Instant;

use super::{PATIENCE, http::Connection};

/// Opcodes (RFC 6455, 11.8).
pub(crate) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;
}

/// The mask of all frames; a server must not care which one a client draws.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What stands in the place of a length for one of two bytes, and for one of eight.
const MEDIUM: u8 = 0x7e;
const LONG: u8 = 0x7f;

/// A connection after its 101.
#[derive(Debug)]
pub(crate) struct WebSocket {
    connection: Connection,
    /// Whether pings are answered while reading, as a client should.
    answers_pings: bool,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) is_final: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self { is_final: true, opcode, payload: payload.as_ref().to_vec() }
    }

    pub(crate) fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(opcode::TEXT, payload)
    }

    /// More frames of the same message follow.
    pub(crate) fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// The frame as a client sends it.
    pub(crate) fn masked(&self) -> Vec<u8> {
        let mut bytes = self.head(0x80);
        bytes.extend_from_slice(&MASK);
        bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The frame as a client must not send it.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.opcode];
        let length = self.payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < MEDIUM => bytes.push(mask_bit | short),
            (_, Ok(medium)) => {
                bytes.push(mask_bit | MEDIUM);
                bytes.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | LONG);
                bytes.extend_from_slice(&u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        bytes
    }

    /// The code of a close frame.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>()?;
        (self.opcode == opcode::CLOSE).then_some(u16::from_be_bytes(*code))
    }
}

impl WebSocket {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, answers_pings: true }
    }

    /// From now on pings get no answer.
    pub(crate) fn ignore_pings(&mut self) {
        self.answers_pings = false;
    }

    /// The connection below.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    #[track_caller]
    pub(crate) fn send(&mut self, frame: &Frame) {
        self.connection.send(frame.masked());
    }

    /// The next frame, pings left out; nothing once the connection has ended. Pings do not make the wait for it longer.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Option<Frame> {
        let end = Instant::now() + PATIENCE;
        loop {
            let frame = self.receive_any()?;
            if frame.opcode != opcode::PING {
                return Some(frame);
            }
            assert!(Instant::now() < end, "the gateway said nothing but pings for {PATIENCE:?}");
            if self.answers_pings {
                let _ = self.connection.try_send(Frame::new(opcode::PONG, &frame.payload).masked());
            }
        }
    }

    /// The next frame, whatever it is.
    #[track_caller]
    pub(crate) fn receive_any(&mut self) -> Option<Frame> {
        let head = self.connection.read_exactly(2)?;
        let (flags, length) = (head[0], head[1]);
        assert_eq!(length & 0x80, 0, "a server must not mask its frames (RFC 6455, 5.1)");
        let length = match length {
            MEDIUM => self.length_of::<2>()?,
            LONG => self.length_of::<8>()?,
            short => usize::from(short),
        };
        let payload = self.connection.read_exactly(length)?;
        assert_eq!(flags & 0x70, 0, "a reserved bit is set, and no extension was agreed on");
        Some(Frame { is_final: flags & 0x80 != 0, opcode: flags & 0x0f, payload })
    }

    fn length_of<const N: usize>(&mut self) -> Option<usize> {
        let bytes = self.connection.read_exactly(N)?;
        Some(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    /// Reads up to the close frame, answers it, and waits for the end of the connection; the close code.
    #[track_caller]
    pub(crate) fn await_close(&mut self) -> u16 {
        loop {
            let Some(frame) = self.receive() else {
                panic!("the connection ended without a close frame");
            };
            if let Some(code) = frame.close_code() {
                let _ = self.connection.try_send(Frame::new(opcode::CLOSE, code.to_be_bytes()).masked());
                self.connection.assert_ends();
                return code;
            }
        }
    }

    /// The gateway must close with this code.
    #[track_caller]
    pub(crate) fn is_closed_with(&mut self, code: u16) {
        let got = self.await_close();
        assert_eq!(got, code, "closed with {got} instead of {code}");
    }
}
