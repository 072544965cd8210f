//! What a connection becomes that leaves HTTP: its 101, and what it goes on with.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Response, request::Parts};

use super::{
    Edge, Requester,
    addresses::Seat,
    body::Body,
    console::{ConsoleEntry, ConsoleUpgrade},
    proxied::{Asked, Proxied, RelayHandover, RelayUpgrade, below},
    reply::Problem,
    websocket::{Handover, WebSocketTarget, open_testee},
};
use crate::{
    admission::Visitor,
    service::{TesteeService, WebSocketService},
    stream::Stream,
    tls::Tls,
    wamp::{Serializer, Subprotocol},
    wire::WireOptions,
};

/// A connection whose handshake has been answered, by what it goes on with.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large one, and a box would cost each of them an allocation"
)]
pub enum Upgraded {
    /// It speaks WAMP.
    Wamp(Upgrade),
    /// It is sent back what it sends.
    Testee(TesteeUpgrade),
    /// It is the operator's page.
    Console(Box<ConsoleUpgrade>),
    /// It speaks WAMP over RawSocket.
    Raw(RawUpgrade),
    /// It goes on to an upstream.
    Relay(Box<RelayUpgrade>),
}

/// A connection to a service that echoes.
#[derive(Debug)]
pub struct TesteeUpgrade {
    /// The stream.
    pub stream: Stream,
    /// What the client sent behind its head already.
    pub early: Bytes,
    /// Limits and pings.
    pub wire: Arc<WireOptions>,
    /// The place that the client takes, if a trusted proxy speaks for it and others.
    pub seat: Option<Seat>,
}

/// A RawSocket whose handshake has been answered.
#[derive(Debug)]
pub struct RawUpgrade {
    /// The stream.
    pub stream: Stream,
    /// The service of the transport.
    pub service: Arc<WebSocketService>,
    /// What is spoken.
    pub serializer: Serializer,
    /// The longest message that the client takes, in bytes.
    pub max_sent: usize,
    /// The client. It has no cookie and no headers.
    pub visitor: Visitor,
}

/// What the 101 of a connection has agreed on.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large one, and a box would cost each of them an allocation"
)]
pub(super) enum Agreed {
    Wamp(Handover),
    Testee(Arc<WireOptions>, Option<Seat>),
    Console(Box<ConsoleEntry>),
    Relay(Box<RelayHandover>),
}

impl Agreed {
    /// The public ID of a client that is tracked.
    pub(super) fn public_id(&self) -> Option<String> {
        match self {
            Self::Wamp(handover) => handover.visitor.public_id().map(str::to_owned),
            Self::Relay(handover) => handover.visitor.public_id().map(str::to_owned),
            Self::Testee(..) | Self::Console(_) => None,
        }
    }
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
    /// What the handshake has agreed on.
    pub subprotocol: Subprotocol,
    /// The place that the client takes, if a trusted proxy speaks for it and others.
    pub seat: Option<Seat>,
    /// The client. Its `Set-Cookie`, if it is a new one, has gone out with the 101.
    pub visitor: Visitor,
}

impl Edge {
    /// A handshake at a WebSocket path, as often as the client's address may make one.
    pub(super) async fn open(
        &self,
        websocket: &WebSocketTarget,
        request: &Parts,
        has_body: bool,
        client: Requester<'_>,
        tls: Option<&Tls>,
    ) -> Result<(Response<Body>, Handover), Problem> {
        let accepted = websocket.check(request, has_body)?;
        let (counted, now) = (self.limited(client.peer), Instant::now());
        self.addresses.handshake(counted, now)?;
        let seat = self.seat(client)?;
        let record = self.addresses.new_record(counted, now);
        let extra = (record.is_ok(), client.parent);
        let opened = websocket.open(request, &accepted, client.peer, tls, extra).await;
        match (record, &opened) {
            (Err(refused), Err(Problem::NewClient)) => return Err(refused.into()),
            (Ok(_), Ok((_, handover))) if handover.visitor.is_new() => {}
            (Ok(record), _) => record.give_back(),
            (Err(_), _) => {}
        }
        opened.map(|(response, handover)| (response, Handover { seat, ..handover }))
    }

    /// The same at a path that goes on to an upstream.
    pub(super) async fn open_proxied(
        &self,
        proxied: &Proxied,
        request: &Parts,
        (depth, has_body): (usize, bool),
        client: Requester<'_>,
        tls: Option<&Tls>,
    ) -> Result<(Response<Body>, RelayHandover), Problem> {
        let accepted = proxied.check(request, has_body)?;
        let (counted, now) = (self.limited(client.peer), Instant::now());
        self.addresses.handshake(counted, now)?;
        let seat = self.seat(client)?;
        let record = self.addresses.new_record(counted, now);
        let below = below(request, depth);
        let may_be_new = record.is_ok();
        let asked = Asked { request, below: &below, accepted: &accepted, client, tls, may_be_new };
        let opened = proxied.open(asked).await;
        match (record, &opened) {
            (Err(refused), Err(Problem::NewClient)) => return Err(refused.into()),
            (Ok(_), Ok((_, handover))) if handover.visitor.is_new() => {}
            (Ok(record), _) => record.give_back(),
            (Err(_), _) => {}
        }
        opened.map(|(response, handover)| (response, RelayHandover { seat, ..handover }))
    }

    /// The same for a service that echoes, which keeps no records.
    pub(super) fn open_testee(
        &self,
        testee: &TesteeService,
        request: &Parts,
        has_body: bool,
        client: Requester<'_>,
    ) -> Result<(Response<Body>, Option<Seat>), Problem> {
        let response = open_testee(testee, request, has_body)?;
        self.addresses.handshake(self.limited(client.peer), Instant::now())?;
        Ok((response, self.seat(client)?))
    }
}
