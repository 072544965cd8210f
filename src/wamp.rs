//! The Web Application Messaging Protocol, version 2: messages, serializers, URIs, identifiers.
//!
//! Nothing here does I/O or knows of tokio. Section numbers are those of the WAMP specification,
//! basic profile (<https://wamp-proto.org/wamp_bp_latest_ietf.html>).

pub mod dictionary;
pub mod features;
pub mod message;
pub mod pattern;
pub mod payload;
pub mod serializer;
pub mod uri;

pub mod batch;
mod decode;
mod encode;
mod envelope;
mod options;
pub(crate) mod outgoing;
pub mod passing;
mod transcode;

mod json_string;
mod moment;
mod read;
mod write;

mod cbor;
mod cursor;
mod json;
mod msgpack;

#[cfg(test)]
mod tests;

pub use dictionary::Dictionary;
pub use features::{ClientFeatures, RouterFeatures};
pub use message::{ClientMessage, RouterMessage};
pub(crate) use options::whole_float;
pub use payload::Payload;
pub use serializer::{DecodeError, Serializer, Subprotocol};
pub use uri::{InvalidUri, Uri};

/// The largest identifier, 2^53: the integers that a double can count without gaps (section "IDs").
pub const MAX_ID: u64 = 1 << 53;

/// A session's identifier, drawn at random from 1 to 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl SessionId {
    /// Draws an identifier in the global scope.
    pub fn random() -> Self {
        Self(random_id())
    }
}

/// Draws an identifier in the global scope: uniformly from 1 to 2^53.
pub fn random_id() -> u64 {
    use rand::RngExt as _;
    rand::rng().random_range(1..=MAX_ID)
}
