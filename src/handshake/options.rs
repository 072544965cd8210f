//! What a service asks of an opening handshake.

use crate::wamp::Serializer;

/// Which handshakes a service accepts. The fields carry the names that the configuration gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeOptions {
    /// `serializers`: what is on offer, in the order of preference. Default: all three.
    pub serializers: Vec<Serializer>,
    /// `allowed_origins`. Default `["*"]`; none where cookie authentication is on.
    pub allowed_origins: Vec<String>,
    /// Whether pages of the service's own origin may come. True where cookie authentication is on and
    /// `allowed_origins` is not given.
    pub same_origin: bool,
    /// `allow_null_origin`. Default true, as in Crossbar; false where cookie authentication is on.
    pub allow_null_origin: bool,
    /// `require_websocket_subprotocol`. Default true; false: a client that names none gets `wamp.2.json`.
    pub require_websocket_subprotocol: bool,
}

impl Default for HandshakeOptions {
    fn default() -> Self {
        Self {
            serializers: vec![Serializer::Json, Serializer::MsgPack, Serializer::Cbor],
            allowed_origins: vec!["*".to_owned()],
            same_origin: false,
            allow_null_origin: true,
            require_websocket_subprotocol: true,
        }
    }
}

impl HandshakeOptions {
    /// The defaults of a service where cookies are credentials.
    pub fn same_origin() -> Self {
        Self { allowed_origins: Vec::new(), same_origin: true, allow_null_origin: false, ..Self::default() }
    }
}
