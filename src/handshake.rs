//! The opening handshake of RFC 6455: version, key, Origin, subprotocol.
//!
//! [`Handshake::check`] is pure: a request's head in, a verdict out. What a refusal looks like on the wire is in
//! `edge::reply`.

mod host;
mod options;
mod origin;
mod pattern;
pub(crate) mod raw_socket;
#[cfg(test)]
mod tests;

use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderValue, Method, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub use host::AllowedHosts;
pub use options::HandshakeOptions;
use origin::Origins;
pub(crate) use pattern::is_loopback;
pub use pattern::{PatternFault, judge_host, judge_origin};

use crate::wamp::{Serializer, Subprotocol};

/// RFC 6455, 4.1: the only version of the protocol that was ever standardized.
const VERSION: &str = "13";

/// RFC 6455, 4.1: a key is 16 random bytes.
const KEY_BYTES: usize = 16;

/// 16 bytes in base64, padding included.
const KEY_CHARS: usize = 24;

/// Some clients fill the four spare bits of the key with noise; nothing depends on those bits.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// What a client speaks that names no subprotocol, if the configuration lets it in.
const ASSUMED: Subprotocol = Subprotocol { serializer: Serializer::Json, batched: false };

/// What a service asks of its handshakes, its patterns compiled.
#[derive(Debug)]
pub struct Handshake {
    options: HandshakeOptions,
    origins: Origins,
}

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

/// A handshake of a service that speaks no subprotocol of its own.
#[derive(Debug, Clone)]
pub struct AcceptedAny {
    /// `Sec-WebSocket-Accept`.
    pub accept_key: HeaderValue,
    /// The first subprotocol that the client named, if it named one.
    pub subprotocol: Option<HeaderValue>,
}

/// Why a handshake is refused. The messages go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The request asks for a page, not for a WebSocket: 426.
    #[error("this is a WebSocket endpoint: open it with a WebSocket client, at ws:// or wss://")]
    NoUpgrade,
    /// 405
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// 505
    #[error("a WebSocket handshake needs HTTP/1.1, also from a proxy in front")]
    HttpVersion,
    /// 400
    #[error("a WebSocket handshake needs exactly one Host header")]
    Host,
    /// 400
    #[error("the Connection header must contain 'Upgrade': a proxy in front must pass it on")]
    Connection,
    /// 426
    #[error("this server speaks WebSocket version 13 only: send 'Sec-WebSocket-Version: 13'")]
    Version,
    /// 400
    #[error("send exactly one Sec-WebSocket-Key header: 16 random bytes in base64")]
    Key,
    /// 403: `allowed_hosts` is configured and does not name it, or the listener is on loopback and the name is not this
    /// machine's. The client's own Host is not repeated.
    #[error("this Host may not be used: add it to `allowed_hosts` if it is a name of this service")]
    ForeignHost,
    /// 403; the client's own Origin is not repeated.
    #[error("this Origin may not connect: add it to `allowed_origins` to let it in")]
    Origin,
    /// 403
    #[error("the Origin 'null' may not connect: set `allow_null_origin` to let it in")]
    NullOrigin,
    /// 400
    #[error("this server speaks only these WebSocket subprotocols: {}", names(.supported))]
    Subprotocol {
        /// The service's serializers.
        supported: Vec<Serializer>,
    },
    /// 400
    #[error("name a WebSocket subprotocol in Sec-WebSocket-Protocol, one of: {}", names(.supported))]
    NoSubprotocol {
        /// The service's serializers.
        supported: Vec<Serializer>,
    },
    /// 400: what follows the head would be taken for WebSocket frames.
    #[error("a WebSocket handshake has no body")]
    Body,
}

impl HandshakeError {
    /// Every [`reason`](Self::reason).
    pub const REASONS: [&str; 13] = [
        "no-upgrade",
        "method",
        "http-version",
        "host",
        "connection",
        "version",
        "key",
        "foreign-host",
        "origin",
        "null-origin",
        "subprotocol",
        "no-subprotocol",
        "body",
    ];

    /// Its name in metrics and in the log.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoUpgrade => "no-upgrade",
            Self::Method => "method",
            Self::HttpVersion => "http-version",
            Self::Host => "host",
            Self::Connection => "connection",
            Self::Version => "version",
            Self::Key => "key",
            Self::ForeignHost => "foreign-host",
            Self::Origin => "origin",
            Self::NullOrigin => "null-origin",
            Self::Subprotocol { .. } => "subprotocol",
            Self::NoSubprotocol { .. } => "no-subprotocol",
            Self::Body => "body",
        }
    }
}

/// Whether a request is meant to be a handshake, right or not: its client speaks WebSocket.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY) || has_token(headers, &header::UPGRADE, "websocket")
}

impl Handshake {
    /// The serializers that are on offer.
    pub fn serializers(&self) -> &[Serializer] {
        &self.options.serializers
    }

    /// Compiles the patterns.
    pub fn new(options: HandshakeOptions) -> Self {
        Self { origins: Origins::new(&options.allowed_origins), options }
    }

    /// Checks the head of a request for a WebSocket path.
    pub fn check(
        &self,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Accepted, HandshakeError> {
        let accept_key = self.check_head(method, version, headers)?;
        let (subprotocol, announce) = self.negotiate(headers)?;
        Ok(Accepted { accept_key, subprotocol, announce })
    }

    /// The same for a path at which clients may speak what they like: the answer names the first subprotocol that they offer.
    pub fn check_any(
        &self,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<AcceptedAny, HandshakeError> {
        let accept_key = self.check_head(method, version, headers)?;
        let subprotocol = offered(headers).next().and_then(|name| HeaderValue::from_bytes(name).ok());
        Ok(AcceptedAny { accept_key, subprotocol })
    }

    /// Everything but the subprotocol; gives `Sec-WebSocket-Accept`.
    fn check_head(
        &self,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, HandshakeError> {
        // RFC 9110, 7.8: a server may ignore an Upgrade to something that it does not speak (such as h2c).
        if !has_token(headers, &header::UPGRADE, "websocket") {
            return Err(HandshakeError::NoUpgrade);
        }
        // RFC 6455, 4.2.1, in its order.
        if method != Method::GET {
            return Err(HandshakeError::Method);
        }
        if version != Version::HTTP_11 {
            return Err(HandshakeError::HttpVersion);
        }
        let host = only(headers, &header::HOST).ok_or(HandshakeError::Host)?.to_str().unwrap_or_default();
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(HandshakeError::Connection);
        }
        // The version comes before the key: other versions may not have one.
        match only(headers, &header::SEC_WEBSOCKET_VERSION) {
            Some(value) if value == VERSION => {}
            _ => return Err(HandshakeError::Version),
        }
        let key = only(headers, &header::SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?.as_bytes();
        if !is_key(key) {
            return Err(HandshakeError::Key);
        }
        if !self.options.allowed_hosts.admit(host) {
            return Err(HandshakeError::ForeignHost);
        }
        self.check_origin(headers, host)?;
        HeaderValue::try_from(derive_accept_key(key)).map_err(|_| HandshakeError::Key)
    }

    fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), HandshakeError> {
        // RFC 6455, 4.2.1: only browsers have to send an Origin, so a client without one is no browser.
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = only(headers, &header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // RFC 6454, 7.1: "null" stands for a page whose origin must stay unknown. Old engines send file:// for it.
        if origin == "null" || origin.starts_with("file:") {
            let is_allowed = self.options.allow_null_origin;
            return if is_allowed { Ok(()) } else { Err(HandshakeError::NullOrigin) };
        }
        if self.origins.allow(origin) {
            return Ok(());
        }
        if !self.options.same_origin || !origin::is_same(origin, host) {
            return Err(HandshakeError::Origin);
        }
        if self.options.allowed_hosts.is_own(host) { Ok(()) } else { Err(HandshakeError::ForeignHost) }
    }

    /// The first subprotocol in the client's order that the service speaks, and whether it is to be announced.
    fn negotiate(&self, headers: &HeaderMap) -> Result<(Subprotocol, bool), HandshakeError> {
        let HandshakeOptions { serializers, require_websocket_subprotocol, .. } = &self.options;
        let mut offered = offered(headers).peekable();
        if offered.peek().is_none() {
            return if !require_websocket_subprotocol && serializers.contains(&ASSUMED.serializer) {
                Ok((ASSUMED, false))
            } else {
                Err(HandshakeError::NoSubprotocol { supported: serializers.clone() })
            };
        }
        let names = offered.filter_map(|name| str::from_utf8(name).ok());
        Subprotocol::select(names, serializers)
            .map(|subprotocol| (subprotocol, true))
            .ok_or_else(|| HandshakeError::Subprotocol { supported: serializers.clone() })
    }
}

/// The subprotocols that a client names, in its order.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// Whether one of the header's lines has the token in its comma-separated list, in whatever case.
pub(crate) fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The value of a header that stands there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &[u8]) -> bool {
    // The decoder wants room for three bytes per four characters, before it looks at the padding.
    let mut decoded = [0; KEY_CHARS / 4 * 3];
    key.len() == KEY_CHARS
        && KEY_ENCODING.decode_slice(key, &mut decoded).is_ok_and(|length| length == KEY_BYTES)
}

/// The subprotocols of the serializers, as a list for people.
fn names(serializers: &[Serializer]) -> String {
    let mut list = String::new();
    for (serializer, batched) in serializers.iter().flat_map(|s| [(*s, false), (*s, true)]) {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(Subprotocol { serializer, batched }.name());
    }
    list
}
