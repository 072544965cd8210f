//! The HTTP side: heads with limits and a timeout, routing by path, and the one request that becomes a WebSocket.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use tokio::net::{TcpStream, UnixStream};

use crate::{config::TransportConfig, gateway::WebSocketService, handshake::Accepted, tracking::Tracked};

/// A transport's requests: its routes and its limits.
#[derive(Debug)]
pub struct Edge {}

/// An accepted byte stream.
pub type Stream = tokio_util::either::Either<TcpStream, UnixStream>;

/// Who is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

/// A connection whose 101 has been sent: from here on it speaks WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    /// The stream.
    pub stream: Stream,
    /// What the client sent behind its head already.
    pub early: Bytes,
    /// The service at the path.
    pub service: Arc<WebSocketService>,
    /// The handshake's outcome.
    pub accepted: Accepted,
    /// The tracked client, if tracking is on.
    pub tracked: Option<Tracked>,
    /// The request's path.
    pub path: String,
    /// The request's headers: only `Host`, `Origin`, and those that the service's policy may see.
    pub headers: HeaderMap,
}

impl Edge {
    /// Builds the routes of a transport; `services` gives the running service for each WebSocket path.
    pub fn new(
        config: &TransportConfig,
        services: &mut dyn FnMut(&crate::config::WebSocketConfig) -> Arc<WebSocketService>,
    ) -> Self {
        let _ = (config, services);
        Self {}
    }

    /// Serves the requests on a connection until one of them becomes a WebSocket, or the connection ends.
    pub async fn serve(self: &Arc<Self>, stream: Stream, peer: Peer) -> Option<Upgrade> {
        let _ = (stream, peer);
        None
    }
}
