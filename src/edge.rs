//! The HTTP side: heads with limits and a timeout, routing by path, and the one request that becomes a WebSocket.
//!
//! hyper reads the heads and writes the replies. Once a 101 has gone out nothing of hyper is left: the caller gets
//! the bare stream and what the client has sent behind its head.

mod access;
mod addresses;
mod body;
mod connections;
mod console;
mod forward_auth;
mod hang_up;
mod head;
mod identity_headers;
mod listing;
mod metrics;
mod options;
mod page;
mod passed;
mod passed_body;
mod path;
mod patience;
mod probe;
mod proxied;
mod proxies;
mod raw_socket;
mod refusal;
mod refusals;
mod reply;
mod routes;
mod serve;
mod static_files;
mod strict;
mod succession;
mod terms;
#[cfg(test)]
mod tests;
mod to_https;
mod upgrade;
mod websocket;

use std::{
    iter,
    net::IpAddr,
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::{body::Incoming, server::conn::http1};
use tokio_util::sync::CancellationToken;

use self::{
    addresses::{Addresses, TooMany},
    body::Body,
    connections::ConnectionCounters,
    forward_auth::{ForwardAuth, Question},
    head::HeadLimits,
    metrics::HandshakeCounters,
    path::RequestPath,
    reply::{Foreign, Problem},
    routes::{Making, Routes, Target},
    succession::Succession,
    upgrade::Agreed,
};
use crate::{
    assertion::PublicKeys,
    handshake::{AllowedHosts, HandshakeError},
    health::Health,
    metrics::MEDIA_TYPE,
    service::WebSocketService,
    stream::PeerAddr,
    time::Timestamp,
    tls::Tls,
    traces::Parent,
};

pub use addresses::Seat;
pub(crate) use addresses::{ADDRESS_REASONS, CONNECTION_REASONS};
pub use connections::Counted;
pub(crate) use console::{
    Console, ConsoleEntry, ConsoleHello, ConsoleLink, ConsoleUpgrade, Order, REFUSED as CONSOLE_REFUSED,
};
pub use metrics::EdgeMetrics;
pub use options::{
    AddressOptions, ConsoleOptions, EdgeOptions, ForwardAuthOptions, HttpOptions, IdentityHeaders,
    OnwardOptions, PassedOptions, PathTree, ProxiedOptions, RawSocketOptions, Requirement, ServicePlace,
    StaticOptions, TargetOptions, Terms, TrustedProxy,
};
pub use proxied::{RelayHandover, RelayUpgrade};
pub use refusals::TurnedAway;
pub(crate) use reply::{HANDSHAKE_REASONS, REQUEST_REASONS};
pub use routes::Services;
pub(crate) use static_files::is_below;
pub use upgrade::{RawUpgrade, TesteeUpgrade, Upgrade, Upgraded};

/// A transport's requests: its routes and its limits.
#[derive(Debug)]
pub struct Edge {
    routes: Routes,
    metrics: EdgeMetrics,
    health: Health,
    is_for_probes: bool,
    connections: ConnectionCounters,
    handshakes: HandshakeCounters,
    addresses: Addresses,
    trusted_proxies: Vec<TrustedProxy>,
    /// By which names browsers may reach what is no WebSocket: one of these has to know the name.
    hosts: Vec<AllowedHosts>,
    http: http1::Builder,
    http_for_proxies: http1::Builder,
    /// How long a head may take.
    head_timeout: Duration,
    /// How long the handshake of RawSocket may take.
    raw_timeout: Duration,
    /// The service of clients that speak RawSocket; none: they get no further.
    raw_socket: Option<Arc<WebSocketService>>,
    /// Whether there is anything for clients that speak HTTP.
    has_http: bool,
    hsts: Option<HeaderValue>,
    head_limits: HeadLimits,
    access_log: bool,
    transport: String,
    succession: Succession,
    /// How many answers of upstreams pass to clients.
    in_transit: Arc<AtomicUsize>,
    /// Cancelled when another edge serves the transport.
    retired: CancellationToken,
    /// The way of the operator's page to the gateway.
    console: Option<Arc<ConsoleLink>>,
    /// The public keys of all that the gateway signs.
    keys: Arc<PublicKeys>,
}

/// Who a request is from.
#[derive(Debug, Clone, Copy)]
struct Requester<'a> {
    /// The peer, or the address that a trusted proxy gives.
    peer: PeerAddr,
    /// The peer that has connected.
    connected: PeerAddr,
    /// Whether that is a proxy whose word counts.
    is_proxy: bool,
    /// What the spans of the request are part of.
    parent: Parent<'a>,
}

impl Edge {
    /// Builds the routes of a transport. `metrics` counts, and is what monitoring reads; `health` is what probes are
    /// told; `services` gives the running WebSocket services.
    pub fn new<E>(
        options: &EdgeOptions,
        metrics: &EdgeMetrics,
        health: &Health,
        services: &mut Services<'_, E>,
    ) -> Result<Self, E> {
        let EdgeOptions { id, http, per_address, hosts, root, raw_socket } = options;
        // A service without a list says nothing about names.
        let listed = root.services().map(|(_, service)| &service.handshake.allowed_hosts);
        let listed = listed.filter(|hosts| matches!(hosts, AllowedHosts::Listed(_)));
        let hosts = iter::once(hosts).chain(listed).cloned().collect();
        let hsts = http.hsts_max_age.map(|seconds| HeaderValue::try_from(format!("max-age={seconds}")));
        let raw_timeout = raw_socket.as_ref().and_then(|raw| raw.handshake_timeout);
        let raw_socket = match raw_socket {
            Some(_) => Some(services(&EdgeOptions::raw_socket_place(id))?),
            None => None,
        };
        Ok(Self {
            is_for_probes: raw_socket.is_none() && root.is_for_probes(),
            has_http: raw_socket.is_none() || !root.targets().is_empty(),
            head_timeout: http.head_timeout,
            raw_timeout: raw_timeout.unwrap_or(http.head_timeout),
            raw_socket,
            routes: Routes::new(root, &mut Making { transport: id, metrics, services })?,
            metrics: metrics.clone(),
            health: health.clone(),
            connections: metrics.connections.of(id),
            handshakes: metrics.of(id),
            addresses: Addresses::new(per_address),
            trusted_proxies: http.trusted_proxies.clone(),
            hosts,
            http: serve::builder(http, http.head_timeout),
            http_for_proxies: serve::builder(http, http.head_timeout.max(serve::PROXY_IDLE)),
            hsts: hsts.and_then(Result::ok),
            head_limits: HeadLimits { size: http.max_head_size, fields: http.max_headers },
            access_log: http.access_log,
            transport: id.clone(),
            succession: Succession::default(),
            in_transit: Arc::default(),
            retired: CancellationToken::new(),
            console: None,
            keys: Arc::default(),
        })
    }

    /// The edge, whose operator's page has a gateway to show.
    #[must_use]
    pub(crate) fn with_console(self, console: Arc<ConsoleLink>) -> Self {
        Self { console: Some(console), ..self }
    }

    /// The edge, which publishes these keys where the configuration says so.
    #[must_use]
    pub(crate) fn with_keys(self, keys: Arc<PublicKeys>) -> Self {
        Self { keys, ..self }
    }

    /// The edge, to serve a transport in the place of another one: clients have had already what they had there.
    #[must_use]
    pub(crate) fn after(self, before: &Self) -> Self {
        let (addresses, succession) = (self.addresses.after(&before.addresses), before.succession.next());
        Self { addresses, succession, ..self }
    }

    /// Another edge serves the transport from now on. It answers the next request on each connection of this one, which is the last there.
    pub(crate) fn retire(&self, heir: &Arc<Self>) {
        self.succession.end(heir);
        self.retired.cancel();
    }

    /// Whether it serves nothing but probes, which go on while the gateway drains.
    pub(crate) const fn is_for_probes(&self) -> bool {
        self.is_for_probes
    }

    /// Counts a connection for its peer's address; none if that is not limited. Tells how to turn the peer away if it has too many.
    ///
    /// The connections of a trusted proxy are its clients': each of them is counted in its handshake.
    pub fn enter(&self, peer: PeerAddr) -> Result<Option<Seat>, TurnedAway> {
        self.addresses.enter(self.limited(peer)).map_err(|refused| TurnedAway(Problem::TooMany(refused)))
    }

    /// Counts a TLS handshake for its peer's address: it costs more than all that comes behind it. Tells how to turn the peer away if
    /// it has made too many.
    pub(crate) fn enter_tls(&self, peer: PeerAddr) -> Result<(), TurnedAway> {
        let counted = self.addresses.tls_handshake(self.limited(peer), Instant::now());
        counted.map_err(|refused| TurnedAway(Problem::TooMany(refused)))
    }

    /// Counts a connection that is served, for as long as what this gives is there.
    pub(crate) fn count(&self) -> Counted {
        self.connections.count()
    }

    /// Whether the gateway believes what a peer says of the clients that it speaks for.
    pub(crate) fn trusts(&self, peer: PeerAddr) -> bool {
        proxies::is_trusted(peer, &self.trusted_proxies)
    }

    /// The peer as limits count it. A proxy that is trusted speaks for many, also where it does not say for whom.
    fn limited(&self, peer: PeerAddr) -> Option<IpAddr> {
        if self.trusts(peer) { None } else { peer.network() }
    }

    /// The place that a client takes for which a proxy speaks. The server counts the others when it accepts their connections.
    fn seat(&self, Requester { peer, connected, .. }: Requester<'_>) -> Result<Option<Seat>, TooMany> {
        if peer == connected { Ok(None) } else { self.addresses.enter(self.limited(peer)) }
    }

    async fn answer(
        &self,
        request: &Parts,
        (has_body, body): (bool, Option<Incoming>),
        client: Requester<'_>,
        tls: Option<&Tls>,
        slot: &OnceLock<Agreed>,
    ) -> Result<Response<Body>, Problem> {
        if let Some((target, below)) = self.routes.find_question(request.uri.path()) {
            // Boxed, so that questions do not make the future of a handshake larger.
            return Box::pin(self.answer_question(target, request, below, client, tls)).await;
        }
        let is_for_all = matches!(request.method, Method::GET | Method::HEAD);
        if !is_for_all && !self.routes.pass_bodies() {
            return Err(Problem::Method);
        }
        if !has_host(request) {
            return Err(Problem::Host);
        }
        let path = RequestPath::parse(request.uri.path())?;
        let (target, depth) = self.routes.find(&path).ok_or(Problem::NotFound)?;
        if !target.is_for_every_host(request) && !self.is_own_host(&request.headers) {
            let foreign = Foreign::new(HandshakeError::ForeignHost, &request.headers);
            return Err(Problem::Foreign(Box::new(foreign)));
        }
        if let Target::Proxied(proxied) = target
            && proxied.passes(request)
        {
            return Box::pin(self.pass(proxied, request, depth, body, client, tls)).await;
        }
        if !is_for_all {
            let is_passed = matches!(target, Target::Proxied(proxied) if proxied.http.is_some());
            return Err(if is_passed { Problem::NotPassed } else { Problem::Method });
        }
        match target {
            Target::WebSocket(websocket) => {
                match self.open(websocket, request, has_body, client, tls).await {
                    Ok((response, handover)) => {
                        // The slot is still empty: a 101 is the last reply on its connection.
                        let _ = slot.set(Agreed::Wamp(handover));
                        self.handshakes.count(response.status());
                        Ok(response)
                    }
                    Err(Problem::Handshake(refused)) => {
                        Self::explain(refused, websocket.has_status_page(), request)
                    }
                    Err(problem) => Err(problem),
                }
            }
            Target::Testee(testee) => match self.open_testee(testee, request, has_body, client) {
                Ok((response, seat)) => {
                    let _ = slot.set(Agreed::Testee(Arc::clone(&testee.wire), seat));
                    self.handshakes.count(response.status());
                    Ok(response)
                }
                Err(Problem::Handshake(refused)) => Self::explain(refused, false, request),
                Err(problem) => Err(problem),
            },
            // Boxed, so that upstreams do not make the future of another handshake larger.
            Target::Proxied(proxied) => {
                let place = (depth, has_body);
                match Box::pin(self.open_proxied(proxied, request, place, client, tls)).await {
                    Ok((response, handover)) => {
                        let _ = slot.set(Agreed::Relay(Box::new(handover)));
                        self.handshakes.count(response.status());
                        Ok(response)
                    }
                    Err(Problem::Handshake(refused)) => Self::explain(refused, false, request),
                    Err(problem) => Err(problem),
                }
            }
            // Boxed, so that files do not make the future of a handshake larger.
            Target::Static(files) => Box::pin(files.serve(request, &path, depth)).await,
            Target::Json(json) => {
                let media_type = HeaderValue::from_static("application/json");
                Ok(reply::content(StatusCode::OK, media_type, json.clone()))
            }
            Target::Redirect(location) => Ok(reply::redirect(StatusCode::FOUND, location.clone())),
            Target::Https(port) => {
                let location = to_https::location(request, *port).ok_or(Problem::Host)?;
                Ok(reply::redirect(StatusCode::PERMANENT_REDIRECT, location))
            }
            Target::Page => page::page(request, &path, depth),
            Target::Health => probe::probe(&self.health, &path, depth),
            Target::Jwks(kept) => Ok(self.public_keys(kept)),
            Target::Console(target) => {
                let (response, entry) =
                    self.answer_console(target, request, &path, depth, has_body, client)?;
                if let Some(entry) = entry {
                    let _ = slot.set(Agreed::Console(Box::new(entry)));
                    self.handshakes.count(response.status());
                }
                Ok(response)
            }
            // Proxies write the mount as it is configured: what is found only once it is decoded is a client's.
            Target::ForwardAuth(_) => Err(Problem::NotFound),
            Target::Metrics => {
                let text = Bytes::from(self.metrics.registry.render());
                Ok(reply::content(StatusCode::OK, HeaderValue::from_static(MEDIA_TYPE), text))
            }
        }
    }

    /// The keys that verify what the gateway signs.
    fn public_keys(&self, kept: &HeaderValue) -> Response<Body> {
        let keys = self.keys.document(Timestamp::now());
        let media_type = HeaderValue::from_static("application/jwk-set+json");
        let mut response = reply::content(StatusCode::OK, media_type, Bytes::from(keys));
        response.headers_mut().insert(header::CACHE_CONTROL, kept.clone());
        response
    }

    /// Whether a page that was loaded from the request's `Host` is one of this transport's. The page could read the answer.
    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        // Browsers always send one.
        let Some(host) = headers.get(header::HOST) else { return true };
        let host = host.to_str().unwrap_or_default();
        self.hosts.iter().any(|hosts| hosts.is_own(host))
    }

    /// Answers a proxy that asks about a request. A trusted one asks as often as it likes.
    async fn answer_question(
        &self,
        target: &ForwardAuth,
        request: &Parts,
        below: &str,
        Requester { peer, connected, is_proxy, parent }: Requester<'_>,
        tls: Option<&Tls>,
    ) -> Result<Response<Body>, Problem> {
        if !has_host(request) {
            return Err(Problem::Host);
        }
        let mut response = match self.addresses.handshake(self.limited(connected), Instant::now()) {
            Ok(()) => {
                let question = Question { request, below, client: peer, is_trusted: is_proxy, tls, parent };
                target.answer(question).await
            }
            Err(refused) => target.turn_down(refused, peer),
        };
        if self.health.is_draining() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// RFC 9112, 3.2: a server answers 400 to a request of HTTP/1.1 that has no `Host`, several, or one that is none.
fn has_host(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => proxies::is_authority(host.as_bytes()),
        (None, _) => request.version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}
