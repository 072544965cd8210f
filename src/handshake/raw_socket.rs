//! The opening handshake of RawSocket: four octets in, four octets out (section "RawSocket Transport").
//!
//! ```text
//! MSB                                 LSB
//! 0111 1111 LLLL SSSS RRRR RRRR RRRR RRRR     request, and reply if it is accepted
//! 0111 1111 EEEE 0000 RRRR RRRR RRRR RRRR     reply if it is refused
//! ```
//!
//! The gateway says the first to routers that it joins, and the others to its clients. `L` is the longest message that its sender receives, as a power of two from 2^9, `S` the serializer, `E` the error, `R` reserved.

use crate::wamp::Serializer;

/// The first octet. No HTTP request and no TLS record begins with it.
pub const MAGIC: u8 = 0x7f;

/// How many octets a handshake has in each direction.
pub const OCTETS: usize = 4;

/// The exponent for which `L` is 0.
const SMALLEST: u32 = 9;

/// The exponent for which `L` is 15: 16 MiB.
const LARGEST: u32 = SMALLEST + 15;

/// The shortest length that a client may ask for, 2 KiB: it has to take WELCOME, which tells what the router can do.
const SHORTEST_OF_CLIENTS: usize = 2048;

/// The reply where there are as many connections as there may be.
pub const FULL: [u8; OCTETS] = refusal(4);

/// A handshake that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedRaw {
    /// What is spoken.
    pub serializer: Serializer,
    /// The longest message that the client receives, in bytes.
    pub max_sent: usize,
    /// What answers the client.
    pub reply: [u8; OCTETS],
}

/// Why a handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RawSocketError {
    /// The first octet is another one.
    #[error("the first octet is not 0x7F, so the client does not speak RawSocket")]
    Magic,
    /// The serializer is unknown, or not on offer.
    #[error("the transport does not offer the serializer with the number {0}")]
    Serializer(u8),
    /// The client takes too little.
    #[error("the client takes messages of {0} bytes at most, and WELCOME alone may be longer")]
    Length(usize),
    /// Reserved octets are not zero.
    #[error("the third or the fourth octet is not zero")]
    Reserved,
    /// The octets do not come.
    #[error("the four octets of the handshake have not come in time")]
    Timeout,
}

impl RawSocketError {
    /// Every [`reason`](Self::reason).
    pub const REASONS: [&str; 2] = ["rawsocket", "rawsocket-timeout"];

    /// Its name in metrics and in the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "rawsocket-timeout",
            _ => "rawsocket",
        }
    }

    /// What answers the client. One that speaks something else could not read it.
    pub const fn reply(self) -> Option<[u8; OCTETS]> {
        match self {
            Self::Magic | Self::Timeout => None,
            Self::Serializer(_) => Some(refusal(1)),
            Self::Length(_) => Some(refusal(2)),
            Self::Reserved => Some(refusal(3)),
        }
    }
}

/// Why a router does not take the gateway's handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouterRefusal {
    /// It does not speak the serializer.
    #[error("does not speak the serializer")]
    Serializer,
    /// It has as many connections as it may have.
    #[error("has as many connections as it may have")]
    Full,
    /// Another error of the specification, or one that it does not have.
    #[error("refuses the handshake of RawSocket with the error {0}")]
    Other(u8),
    /// It answers something else.
    #[error("does not answer as RawSocket does")]
    Foreign,
}

/// What the gateway says to a router; `max_message` is the longest message that it receives.
pub fn request(serializer: Serializer, max_message: usize) -> [u8; OCTETS] {
    let number = match serializer {
        Serializer::Json => 1,
        Serializer::MsgPack => 2,
        Serializer::Cbor => 3,
    };
    [MAGIC, length_field(max_message) << 4 | number, 0, 0]
}

/// Judges a router's answer to a [`request`]: the longest message that it receives, in bytes.
pub fn judge(answer: [u8; OCTETS], request: [u8; OCTETS]) -> Result<usize, RouterRefusal> {
    let ([magic, second, reserved @ ..], [_, asked, ..]) = (answer, request);
    // The other octets of an error may hold anything.
    match (magic, second >> 4, second & 0x0f) {
        (MAGIC, 1, 0) => Err(RouterRefusal::Serializer),
        (MAGIC, 4, 0) => Err(RouterRefusal::Full),
        (MAGIC, error, 0) => Err(RouterRefusal::Other(error)),
        (MAGIC, length, number) if number == asked & 0x0f && reserved == [0, 0] => {
            Ok(1 << (SMALLEST + u32::from(length)))
        }
        _ => Err(RouterRefusal::Foreign),
    }
}

/// Judges a client's octets; `max_message` is the longest message that the gateway receives.
pub fn accept(
    octets: [u8; OCTETS],
    serializers: &[Serializer],
    max_message: usize,
) -> Result<AcceptedRaw, RawSocketError> {
    let [magic, second, reserved @ ..] = octets;
    if magic != MAGIC {
        return Err(RawSocketError::Magic);
    }
    if reserved != [0, 0] {
        return Err(RawSocketError::Reserved);
    }
    let number = second & 0x0f;
    let serializer = match number {
        1 => Some(Serializer::Json),
        2 => Some(Serializer::MsgPack),
        3 => Some(Serializer::Cbor),
        _ => None,
    };
    let serializer = serializer.filter(|known| serializers.contains(known));
    let serializer = serializer.ok_or(RawSocketError::Serializer(number))?;
    let max_sent = 1 << (SMALLEST + u32::from(second >> 4));
    if max_sent < SHORTEST_OF_CLIENTS {
        return Err(RawSocketError::Length(max_sent));
    }
    let reply = [MAGIC, length_field(max_message) << 4 | number, 0, 0];
    Ok(AcceptedRaw { serializer, max_sent, reply })
}

/// The longest message that a handshake can promise to receive where `max_message` is the limit: the next power of two below.
pub fn announced(max_message: usize) -> usize {
    1 << (SMALLEST + u32::from(length_field(max_message)))
}

fn length_field(max_message: usize) -> u8 {
    let exponent = max_message.checked_ilog2().unwrap_or(SMALLEST).clamp(SMALLEST, LARGEST);
    u8::try_from(exponent - SMALLEST).unwrap_or_default()
}

const fn refusal(error: u8) -> [u8; OCTETS] {
    [MAGIC, error << 4, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

    #[test]
    fn the_reply_names_the_serializer_and_the_next_power_of_two() {
        for (second, serializer, max_sent) in [
            (0xf1, Serializer::Json, 1 << 24),
            (0x22, Serializer::MsgPack, 2048),
            (0x73, Serializer::Cbor, 1 << 16),
        ] {
            for (max_message, length) in [
                (512, 0),
                (1023, 0),
                (1024, 1),
                (1 << 20, 11),
                ((1 << 21) - 1, 11),
                (1 << 24, 15),
                (1 << 26, 15),
            ] {
                let reply = [MAGIC, length << 4 | second & 0x0f, 0, 0];
                let accepted = AcceptedRaw { serializer, max_sent, reply };
                assert_eq!(accept([MAGIC, second, 0, 0], &ALL, max_message), Ok(accepted));
                assert!(announced(max_message) <= max_message);
                assert_eq!(announced(max_message), 1 << (9 + u32::from(length)));
            }
        }
    }

    #[test]
    fn every_refusal_has_the_octets_of_the_specification() {
        let judge = |octets| accept(octets, &[Serializer::Json], 1 << 20).map(|_| ()).unwrap_err();
        for (octets, error, reply) in [
            (*b"GET ", RawSocketError::Magic, None),
            ([MAGIC, 0xf0, 0, 0], RawSocketError::Serializer(0), Some([MAGIC, 0x10, 0, 0])),
            ([MAGIC, 0xf3, 0, 0], RawSocketError::Serializer(3), Some([MAGIC, 0x10, 0, 0])),
            ([MAGIC, 0xf4, 0, 0], RawSocketError::Serializer(4), Some([MAGIC, 0x10, 0, 0])),
            ([MAGIC, 0x01, 0, 0], RawSocketError::Length(512), Some([MAGIC, 0x20, 0, 0])),
            ([MAGIC, 0xf1, 0, 1], RawSocketError::Reserved, Some([MAGIC, 0x30, 0, 0])),
        ] {
            assert_eq!(judge(octets), error);
            assert_eq!(error.reply(), reply);
        }
        assert_eq!(FULL, [MAGIC, 0x40, 0, 0]);
    }

    #[test]
    fn a_router_takes_what_it_is_asked_for_or_says_why_not() {
        for (number, serializer) in (1..).zip(ALL) {
            let asked = request(serializer, 1 << 20);
            assert_eq!(asked, [MAGIC, 0xb0 | number, 0, 0]);
            // The gateway understands itself.
            let accepted = accept(asked, &ALL, 1 << 16).unwrap();
            assert_eq!((accepted.serializer, accepted.max_sent), (serializer, 1 << 20));
            assert_eq!(judge(accepted.reply, asked), Ok(1 << 16));
        }
        let asked = request(Serializer::Json, 1 << 24);
        for (answer, refusal) in [
            ([MAGIC, 0x10, 0, 0], RouterRefusal::Serializer),
            ([MAGIC, 0x40, 0, 0], RouterRefusal::Full),
            ([MAGIC, 0x30, 9, 9], RouterRefusal::Other(3)),
            ([MAGIC, 0xf0, 0, 0], RouterRefusal::Other(15)),
            ([MAGIC, 0xf2, 0, 0], RouterRefusal::Foreign),
            ([MAGIC, 0xf1, 0, 1], RouterRefusal::Foreign),
            (*b"HTTP", RouterRefusal::Foreign),
        ] {
            assert_eq!(judge(answer, asked), Err(refusal), "{answer:?}");
        }
    }
}
