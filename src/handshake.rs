//! The opening handshake of RFC 6455: version, key, Origin, subprotocol.

use http::{HeaderMap, HeaderValue};

use crate::{config::WebSocketConfig, wamp::Subprotocol};

/// A handshake that may be answered with 101.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// `Sec-WebSocket-Accept`.
    pub accept_key: HeaderValue,
    /// What is spoken.
    pub subprotocol: Subprotocol,
    /// Whether the client asked for it: if it named no subprotocol at all, the 101 names none either.
    pub announce: bool,
}

/// Why a handshake is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400
    #[error("not implemented")]
    NotImplemented,
}

/// Checks the head of a request for a WebSocket path.
pub fn check(
    method: &http::Method,
    version: http::Version,
    headers: &HeaderMap,
    config: &WebSocketConfig,
) -> Result<Accepted, Refused> {
    let _ = (method, version, headers, config);
    Err(Refused::NotImplemented)
}
