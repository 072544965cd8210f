//! What a service asks of an opening handshake.

use super::AllowedHosts;
use crate::wamp::Serializer;

/// Which handshakes a service accepts. The fields carry the names that the configuration gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeOptions {
    /// `serializers`: what is on offer, in the order of preference. Default: all three.
    pub serializers: Vec<Serializer>,
    /// `allowed_origins`: the pages that may come from elsewhere. Default: none.
    pub allowed_origins: Vec<String>,
    /// Whether pages of the service's own origin may come. True where `allowed_origins` is not given.
    pub same_origin: bool,
    /// `allow_null_origin`. Default false; true where `allowed_origins` has `*` and cookies are no credentials.
    pub allow_null_origin: bool,
    /// `allowed_hosts`: by which names the service may be reached.
    pub allowed_hosts: AllowedHosts,
    /// `require_websocket_subprotocol`. Default true; false: a client that names none gets `wamp.2.json`.
    pub require_websocket_subprotocol: bool,
}

impl Default for HandshakeOptions {
    fn default() -> Self {
        Self {
            serializers: vec![Serializer::Json, Serializer::MsgPack, Serializer::Cbor],
            allowed_origins: Vec::new(),
            same_origin: true,
            allow_null_origin: false,
            allowed_hosts: AllowedHosts::Any,
            require_websocket_subprotocol: true,
        }
    }
}
