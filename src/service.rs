//! What a WebSocket path of the configuration becomes: everything that a connection to it needs.

mod options;

use std::{sync::Arc, time::Duration};

pub use options::ServiceOptions;

use crate::{
    admission::Admission,
    backend::Backends,
    handshake::Handshake,
    metrics::Refusals,
    time::bucket::Rate,
    wire::{Traffic, WireOptions},
};

/// A running WebSocket service.
#[derive(Debug)]
pub struct WebSocketService {
    /// Which handshakes it accepts.
    pub handshake: Handshake,
    /// Who its clients are.
    pub admission: Admission,
    /// What its clients can join.
    pub backends: Arc<Backends>,
    /// Counts the clients that it does not let in.
    pub refusals: Refusals,
    /// Counts what its connections send and receive.
    pub traffic: Arc<Traffic>,
    /// Limits and pings of its connections.
    pub wire: Arc<WireOptions>,
    /// How long a client may take to say HELLO.
    pub hello_timeout: Duration,
    /// How often one connection may join; none: as often as it likes.
    pub joins: Option<Rate>,
    /// Whether a plain GET gets a page about the service.
    pub has_status_page: bool,
    /// Whether replies name the gateway's version.
    pub shows_version: bool,
}

impl WebSocketService {
    /// A service with these options, as far as they are not its admission's.
    pub fn new(
        options: &ServiceOptions,
        admission: Admission,
        backends: Arc<Backends>,
        refusals: Refusals,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            handshake: Handshake::new(options.handshake.clone()),
            admission,
            backends,
            refusals,
            traffic,
            wire: Arc::new(options.wire.clone()),
            hello_timeout: options.hello_timeout,
            joins: Rate::new(options.max_joins_per_second, options::SAVED_JOINS),
            has_status_page: options.enable_webstatus,
            shows_version: options.show_server_version,
        }
    }
}
