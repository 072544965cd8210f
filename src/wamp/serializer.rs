//! The three serializers, and the WebSocket subprotocols that name them.

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Serializer {
    /// JSON, in text frames.
    Json,
    /// `MessagePack`, in binary frames.
    MsgPack,
    /// CBOR, in binary frames.
    Cbor,
}

/// A WebSocket subprotocol: a serializer, and whether a frame holds one message or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subprotocol {
    /// How each message is written.
    pub serializer: Serializer,
    /// Whether a frame may hold several messages (`.batched`).
    pub batched: bool,
}

/// Why a frame or a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what the serializer writes.
    #[error("invalid serialization of WAMP message: {0}")]
    Malformed(String),
    /// Lists and dictionaries are nested more deeply than allowed.
    #[error("arguments are nested more than {0} levels deep")]
    TooDeep(usize),
    /// The message is serialized properly, but is no message that a client may send.
    #[error("invalid WAMP message: {0}")]
    Invalid(String),
}

impl Serializer {
    /// Whether messages go in text frames rather than in binary ones.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }
}

impl Subprotocol {
    /// Reads a name such as `wamp.2.json` or `wamp.2.cbor.batched`.
    pub fn parse(name: &str) -> Option<Self> {
        let (rest, batched) = match name.strip_suffix(".batched") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let serializer = match rest {
            "wamp.2.json" => Serializer::Json,
            "wamp.2.msgpack" => Serializer::MsgPack,
            "wamp.2.cbor" => Serializer::Cbor,
            _ => return None,
        };
        Some(Self { serializer, batched })
    }

    /// Chooses among the names that a client offers: the first one that is known and whose serializer is enabled, for
    /// the client lists them in its order of preference (RFC 6455, 1.9).
    pub fn select<'a>(
        offered: impl IntoIterator<Item = &'a str>,
        serializers: &[Serializer],
    ) -> Option<Self> {
        offered.into_iter().filter_map(Self::parse).find(|offer| serializers.contains(&offer.serializer))
    }

    /// The name, as it stands in `Sec-WebSocket-Protocol`.
    pub const fn name(self) -> &'static str {
        match (self.serializer, self.batched) {
            (Serializer::Json, false) => "wamp.2.json",
            (Serializer::Json, true) => "wamp.2.json.batched",
            (Serializer::MsgPack, false) => "wamp.2.msgpack",
            (Serializer::MsgPack, true) => "wamp.2.msgpack.batched",
            (Serializer::Cbor, false) => "wamp.2.cbor",
            (Serializer::Cbor, true) => "wamp.2.cbor.batched",
        }
    }
}
