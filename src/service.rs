//! What a WebSocket path of the configuration becomes: everything that a connection to it needs.

mod options;

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

pub use options::{ServiceOptions, TesteeOptions};

use crate::{
    admission::Admission,
    backend::Backends,
    handshake::Handshake,
    metrics::Refusals,
    time::bucket::Rate,
    wire::{Traffic, WireOptions},
};

/// A running service that echoes.
#[derive(Debug)]
pub struct TesteeService {
    /// Which handshakes it accepts.
    pub handshake: Handshake,
    /// Limits and pings of its connections.
    pub wire: Arc<WireOptions>,
}

impl TesteeService {
    /// A service with these options.
    pub fn new(options: &TesteeOptions) -> Self {
        let handshake = Handshake::new(options.handshake.clone());
        Self { handshake, wire: Arc::new(options.wire.clone()) }
    }
}

/// A running WebSocket service.
#[derive(Debug)]
pub struct WebSocketService {
    /// Which handshakes it accepts.
    pub handshake: Handshake,
    /// Who its clients are.
    pub admission: Admission,
    /// What its clients can join.
    pub backends: Arc<Backends>,
    /// Counts what its connections send and receive.
    pub traffic: Arc<Traffic>,
    /// Limits and pings of its connections.
    pub wire: Arc<WireOptions>,
    /// How long a client may take to say HELLO.
    pub hello_timeout: Duration,
    /// How often one connection may join; none: as often as it likes.
    pub joins: Option<Rate>,
    /// Whether its clients go on to a router.
    pub leads_on: bool,
    /// Whether a plain GET gets a page about the service.
    pub has_status_page: bool,
    /// Whether replies name the gateway's version.
    pub shows_version: bool,
    /// Where its connections find the service that has its place now.
    pub(crate) slot: Arc<Slot>,
    /// Which services at this place a connection may go from one to the other: those that would have made the same of its
    /// handshake.
    pub(crate) line: u64,
}

/// A place for a WebSocket service, a path of a transport. It outlives the services that have it one after the other.
///
/// A connection holds the slot and not the service, so that a service goes with the configuration that it is of, and each HELLO is
/// decided by the configuration that holds then.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// None once the path is gone. The edge that serves the transport holds the service.
    service: RwLock<Weak<WebSocketService>>,
    /// Counts the clients that the services there do not let in.
    refusals: Refusals,
}

impl WebSocketService {
    /// A service with these options, as far as they are not its admission's.
    pub fn new(
        options: &ServiceOptions,
        admission: Admission,
        backends: Arc<Backends>,
        traffic: Arc<Traffic>,
        slot: Arc<Slot>,
        line: u64,
    ) -> Self {
        Self {
            handshake: Handshake::new(options.handshake.clone()),
            admission,
            backends,
            traffic,
            wire: Arc::new(options.wire.clone()),
            hello_timeout: options.hello_timeout,
            joins: Rate::new(options.max_joins_per_second, options::SAVED_JOINS),
            leads_on: options.upstream.is_some(),
            has_status_page: options.enable_webstatus,
            shows_version: options.show_server_version,
            slot,
            line,
        }
    }

    /// Its line's number, for those who look at sessions: with four bytes it costs a session nothing.
    pub(crate) fn number(&self) -> u32 {
        number_of_line(self.line)
    }

    /// Takes its place: connections that have it go on with this service.
    pub(crate) fn take_place(self: &Arc<Self>) {
        *self.slot.service.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(self);
    }
}

/// A line's number in four bytes. Two lines have the same one after four billion reloads.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
pub(crate) const fn number_of_line(line: u64) -> u32 {
    line as u32
}

impl Slot {
    /// A slot without a service.
    pub(crate) fn new(refusals: Refusals) -> Self {
        Self { refusals, ..Self::default() }
    }

    /// The path is gone: connections that have the slot go no further.
    pub(crate) fn vacate(&self) {
        *self.service.write().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    }

    /// Counts the clients that are not let in.
    pub(crate) const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The service that has the place now.
    pub(crate) fn service(&self) -> Option<Arc<WebSocketService>> {
        self.service.read().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}
