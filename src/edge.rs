//! The HTTP side: heads with limits and a timeout, routing by path, and the one request that becomes a WebSocket.
//!
//! hyper reads the heads and writes the replies. Once a 101 has gone out nothing of hyper is left: the caller gets
//! the bare stream and what the client has sent behind its head.

mod access;
mod addresses;
mod body;
mod connections;
mod forward_auth;
mod hang_up;
mod head;
mod listing;
mod metrics;
mod options;
mod page;
mod path;
mod patience;
mod probe;
mod proxies;
mod reply;
mod routes;
mod static_files;
#[cfg(test)]
mod tests;
mod to_https;
mod websocket;

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    iter,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request::Parts};
use hyper::{body::Body as _, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use self::{
    addresses::Addresses,
    body::Body,
    connections::ConnectionCounters,
    forward_auth::{ForwardAuth, Question},
    hang_up::hang_up,
    head::{HeadFault, HeadLimits},
    metrics::HandshakeCounters,
    path::RequestPath,
    patience::Patience,
    reply::{Foreign, Problem},
    routes::{Making, Routes, Target},
    websocket::{Handover, WebSocketTarget, open_testee},
};
use crate::{
    admission::Visitor,
    handshake::{AllowedHosts, HandshakeError},
    health::Health,
    metrics::{MEDIA_TYPE, Stage},
    service::{TesteeService, WebSocketService},
    shown,
    stream::{Incoming, PeerAddr, Stream},
    tls::Tls,
    wamp::Subprotocol,
    wire::WireOptions,
};

pub use addresses::Seat;
pub(crate) use addresses::{ADDRESS_REASONS, CONNECTION_REASONS};
pub use connections::Counted;
pub use metrics::EdgeMetrics;
pub use options::{
    AddressOptions, EdgeOptions, ForwardAuthOptions, HttpOptions, IdentityHeaders, PathTree, Requirement,
    ServicePlace, StaticOptions, TargetOptions, TrustedProxy,
};
pub(crate) use reply::{HANDSHAKE_REASONS, REQUEST_REASONS};
pub use routes::Services;
pub(crate) use static_files::is_below;

/// hyper's own lower bound for its buffers; smaller heads are limited by `max_header_size`.
const MIN_BUFFER: usize = 8 * 1024;

/// How long a trusted proxy may keep a connection without a request: longer than proxies keep them (nginx 60 s, Traefik 90 s, Caddy
/// 2 min). Otherwise a request could meet the gateway's close half way, and the proxy would have no answer to it.
const PROXY_IDLE: Duration = Duration::from_mins(3);

/// How long a client has to read the last reply and to close.
const MAX_LINGER: Duration = Duration::from_secs(1);

/// The same for a client that the transport has no room for. Short, because such connections are not counted.
const TURNING_AWAY: Duration = Duration::from_millis(100);

/// A fatal alert of TLS in a record of its own: `internal_error`.
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

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
    hsts: Option<HeaderValue>,
    head_limits: HeadLimits,
    access_log: bool,
    transport: String,
    /// Whether another edge serves the transport now.
    is_retired: AtomicBool,
}

/// A connection whose 101 has been sent, by the service that it goes on with.
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

/// What the 101 of a connection has agreed on.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large one, and a box would cost each of them an allocation"
)]
enum Agreed {
    Wamp(Handover),
    Testee(Arc<WireOptions>, Option<Seat>),
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

/// Who a request is from.
#[derive(Debug, Clone, Copy)]
struct Requester {
    /// The peer, or the address that a trusted proxy gives.
    peer: PeerAddr,
    /// The peer that has connected.
    connected: PeerAddr,
    /// Whether that is a proxy whose word counts.
    is_proxy: bool,
}

/// Why a connection is turned away before it has said anything.
#[derive(Debug)]
pub struct TurnedAway(Problem);

impl TurnedAway {
    /// The transport has as many connections as it may have.
    pub const fn full() -> Self {
        Self(Problem::Full)
    }

    /// The process has no descriptors left for clients.
    pub const fn no_descriptors() -> Self {
        Self(Problem::Descriptors)
    }

    /// Clients hold as much memory as they may.
    pub(crate) const fn no_memory() -> Self {
        Self(Problem::Memory)
    }

    /// The client does not speak TLS where it must.
    pub(crate) const fn no_tls() -> Self {
        Self(Problem::NoTls)
    }
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
        let EdgeOptions { id, http, per_address, hosts, root } = options;
        // A service without a list says nothing about names.
        let listed = root.services().map(|(_, service)| &service.handshake.allowed_hosts);
        let listed = listed.filter(|hosts| matches!(hosts, AllowedHosts::Listed(_)));
        let hosts = iter::once(hosts).chain(listed).cloned().collect();
        let hsts = http.hsts_max_age.map(|seconds| HeaderValue::try_from(format!("max-age={seconds}")));
        Ok(Self {
            routes: Routes::new(root, &mut Making { transport: id, metrics, services })?,
            metrics: metrics.clone(),
            health: health.clone(),
            is_for_probes: root.is_for_probes(),
            connections: metrics.connections.of(id),
            handshakes: metrics.of(id),
            addresses: Addresses::new(per_address),
            trusted_proxies: http.trusted_proxies.clone(),
            hosts,
            http: builder(http, http.head_timeout),
            http_for_proxies: builder(http, http.head_timeout.max(PROXY_IDLE)),
            hsts: hsts.and_then(Result::ok),
            head_limits: HeadLimits { size: http.max_head_size, fields: http.max_headers },
            access_log: http.access_log,
            transport: id.clone(),
            is_retired: AtomicBool::new(false),
        })
    }

    /// The edge, to serve a transport in the place of another one: clients have had already what they had there.
    #[must_use]
    pub(crate) fn after(self, before: &Self) -> Self {
        Self { addresses: self.addresses.after(&before.addresses), ..self }
    }

    /// Another edge serves the transport from now on. A connection of this one gets one more reply at most.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
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

    /// Turns a connection away that the transport has no room for.
    pub async fn turn_away(incoming: Incoming, why: TurnedAway) {
        let Incoming { mut stream, .. } = incoming;
        hang_up(&mut stream, &reply::bytes(&why.0), TURNING_AWAY).await;
    }

    /// The same for a client that waits for a TLS handshake, which would cost more than a connection: it reads that the server
    /// has no use for it (RFC 8446, 6.2).
    pub(crate) async fn turn_away_tls(incoming: Incoming) {
        let Incoming { mut stream, .. } = incoming;
        hang_up(&mut stream, &INTERNAL_ERROR, TURNING_AWAY).await;
    }

    /// Whether the gateway believes what a peer says of the clients that it speaks for.
    pub(crate) fn trusts(&self, peer: PeerAddr) -> bool {
        proxies::is_trusted(peer, &self.trusted_proxies)
    }

    /// Counts a connection that is refused before its first request, and tells the operator.
    pub(crate) fn count_refused(
        &self,
        stage: Stage,
        reason: &'static str,
        peer: PeerAddr,
        why: &(dyn fmt::Display + Sync),
    ) {
        if let Some(line) = self.metrics.refusals.count(stage, reason) {
            let (left_out, stage) = (line.left_out, stage.name());
            tracing::warn!(transport = %self.transport, %peer, stage, reason, left_out, "a connection was refused: {why}");
        }
    }

    /// The same for one of which the operator need not hear.
    pub(crate) fn count_unseen(&self, stage: Stage, reason: &'static str) {
        let _ = self.metrics.refusals.count(stage, reason);
    }

    /// The peer as limits count it. A proxy that is trusted speaks for many, also where it does not say for whom.
    fn limited(&self, peer: PeerAddr) -> Option<IpAddr> {
        if self.trusts(peer) { None } else { peer.network() }
    }

    /// Counts a connection that is turned away, and tells the operator.
    pub(crate) fn count_turned_away(&self, incoming: &Incoming, why: &TurnedAway) {
        let TurnedAway(problem) = why;
        let reason = problem.reason();
        if let Some(line) = self.metrics.refusals.count(Stage::Connection, reason) {
            let (peer, why, left_out) = (incoming.peer, problem.cause(), line.left_out);
            tracing::warn!(transport = %self.transport, %peer, reason, left_out, "a connection was refused: {why}");
        }
    }

    /// Serves the requests on a connection until one of them becomes a WebSocket, or the connection ends.
    pub async fn serve(self: &Arc<Self>, incoming: Incoming) -> Option<Upgraded> {
        // One box holds everything that HTTP needs, hyper's state included, and ends with HTTP: the caller's
        // own future lives as long as the connection and stays small.
        Box::pin(self.drive(incoming)).await
    }

    async fn drive(&self, incoming: Incoming) -> Option<Upgraded> {
        let Incoming { mut stream, peer, is_nameless, tls } = incoming;
        // Headers of HTTP do not say more than a proxy that keeps silent about its client.
        let trusted = if is_nameless { &[][..] } else { &self.trusted_proxies[..] };
        let slot = OnceLock::new();
        // Boxed, as hyper keeps it boxed; so the connection can be taken apart after a fault as well.
        let service =
            service_fn(|request| Box::pin(self.respond(request, peer, trusted, tls.as_ref(), &slot)));
        let io = TokioIo::new(Patience::new(&mut stream));
        let is_trusted = proxies::is_trusted(peer, trusted);
        let http = if is_trusted { &self.http_for_proxies } else { &self.http };
        let mut http = http.serve_connection(io, service);
        let ended = poll_fn(|cx| http.poll_without_shutdown(cx)).await;
        let http1::Parts { io, read_buf, .. } = http.into_parts();
        let has_withheld = io.into_inner().has_withheld();
        match (ended, slot.into_inner()) {
            // hyper's buffer is several kilobytes, full or not.
            (Ok(()), Some(agreed)) => {
                let early = Bytes::copy_from_slice(&read_buf);
                return Some(match agreed {
                    Agreed::Wamp(Handover { service, subprotocol, visitor, seat }) => {
                        Upgraded::Wamp(Upgrade { stream, early, service, subprotocol, seat, visitor })
                    }
                    Agreed::Testee(wire, seat) => {
                        Upgraded::Testee(TesteeUpgrade { stream, early, wire, seat })
                    }
                });
            }
            (Ok(()), None) => hang_up(&mut stream, b"", MAX_LINGER).await,
            // A proxy might take a 408 for the answer to the request that it is just sending.
            (Err(error), _) if is_trusted && error.is_timeout() && read_buf.is_empty() => {
                hang_up(&mut stream, b"", MAX_LINGER).await;
            }
            (Err(error), _) => {
                tracing::debug!(transport = %self.transport, %peer, %error, "an HTTP connection broke off");
                let problem = if has_withheld {
                    let complaint = error.to_string();
                    let fault =
                        HeadFault::find(error.is_parse_too_large(), &complaint, &read_buf, self.head_limits);
                    Some(Problem::Head(Box::new(fault)))
                } else {
                    error.is_timeout().then_some(Problem::HeadTimeout)
                };
                let last_words = problem.map_or_else(Vec::new, |problem| self.last_words(&problem, peer));
                hang_up(&mut stream, &last_words, MAX_LINGER).await;
            }
        }
        None
    }

    /// The reply to a head that did not come, or cannot be read.
    fn last_words(&self, problem: &Problem, peer: PeerAddr) -> Vec<u8> {
        let reason = problem.reason();
        let line = self.metrics.refusals.count(Stage::Request, reason);
        // Browsers open connections ahead, which time out without a word: that is no fault.
        if let Some(line) = line.filter(|_| matches!(problem, Problem::Head(_))) {
            let (why, left_out) = (problem.cause(), line.left_out);
            tracing::warn!(transport = %self.transport, %peer, reason, left_out, "a request was refused: {why}");
        }
        reply::bytes(problem)
    }

    async fn respond(
        &self,
        request: Request<hyper::body::Incoming>,
        peer: PeerAddr,
        trusted: &[TrustedProxy],
        tls: Option<&Tls>,
        slot: &OnceLock<Agreed>,
    ) -> Result<Response<Body>, Infallible> {
        let begun = self.access_log.then(Instant::now);
        let (mut parts, body) = request.into_parts();
        let connected = peer;
        if let Some(host) = proxies::host(connected, &parts.headers, trusted) {
            parts.headers.insert(header::HOST, host);
        }
        let peer = proxies::client(connected, &parts.headers, trusted);
        let is_proxy = proxies::is_trusted(connected, trusted);
        let client = Requester { peer, connected, is_proxy };
        // No target here has a use for a body, so none is read. hyper reads nothing behind it either.
        let has_body = !body.is_end_stream();
        drop(body);
        let mut response = self
            .answer(&parts, has_body, client, tls, slot)
            .await
            .unwrap_or_else(|problem| self.refuse(&problem, &parts, peer));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.finish(response.headers_mut(), has_body);
        }
        if let Some(begun) = begun {
            access::note(&self.transport, peer, &parts, &response, begun);
        }
        Ok(response)
    }

    async fn answer(
        &self,
        request: &Parts,
        has_body: bool,
        client: Requester,
        tls: Option<&Tls>,
        slot: &OnceLock<Agreed>,
    ) -> Result<Response<Body>, Problem> {
        if let Some((target, below)) = self.routes.find_question(request.uri.path()) {
            // Boxed, so that questions do not make the future of a handshake larger.
            return Box::pin(self.answer_question(target, request, below, client, tls)).await;
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(Problem::Method);
        }
        if !has_host(request) {
            return Err(Problem::Host);
        }
        let path = RequestPath::parse(request.uri.path())?;
        let (target, depth) = self.routes.find(&path).ok_or(Problem::NotFound)?;
        if !target.is_for_every_host() && !self.is_own_host(&request.headers) {
            let foreign = Foreign::new(HandshakeError::ForeignHost, &request.headers);
            return Err(Problem::Foreign(Box::new(foreign)));
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
            // Proxies write the mount as it is configured: what is found only once it is decoded is a client's.
            Target::ForwardAuth(_) => Err(Problem::NotFound),
            Target::Metrics => {
                let text = Bytes::from(self.metrics.registry.render());
                Ok(reply::content(StatusCode::OK, HeaderValue::from_static(MEDIA_TYPE), text))
            }
        }
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
        Requester { peer, connected, is_proxy }: Requester,
        tls: Option<&Tls>,
    ) -> Result<Response<Body>, Problem> {
        if !has_host(request) {
            return Err(Problem::Host);
        }
        let mut response = match self.addresses.handshake(self.limited(connected), Instant::now()) {
            Ok(()) => {
                target.answer(Question { request, below, client: peer, is_trusted: is_proxy, tls }).await
            }
            Err(refused) => target.turn_down(refused, peer),
        };
        if self.health.is_draining() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// What a client gets that is refused by the rules of handshakes: it may not have meant one, or a proxy may have changed it.
    fn explain(
        refused: HandshakeError,
        has_status_page: bool,
        request: &Parts,
    ) -> Result<Response<Body>, Problem> {
        match refused {
            HandshakeError::NoUpgrade if request.headers.contains_key(header::SEC_WEBSOCKET_KEY) => {
                Err(Problem::Stripped)
            }
            HandshakeError::NoUpgrade if has_status_page => Ok(page::status()),
            HandshakeError::Origin | HandshakeError::ForeignHost => {
                Err(Problem::Foreign(Box::new(Foreign::new(refused, &request.headers))))
            }
            refused => Err(Problem::Handshake(refused)),
        }
    }

    /// A handshake at a WebSocket path, as often as the client's address may make one.
    async fn open(
        &self,
        websocket: &WebSocketTarget,
        request: &Parts,
        has_body: bool,
        Requester { peer, connected, .. }: Requester,
        tls: Option<&Tls>,
    ) -> Result<(Response<Body>, Handover), Problem> {
        let accepted = websocket.check(request, has_body)?;
        let (client, now) = (self.limited(peer), Instant::now());
        self.addresses.handshake(client, now)?;
        // The server counts the others when it accepts their connections.
        let seat = if peer == connected { None } else { self.addresses.enter(client)? };
        let record = self.addresses.new_record(client, now);
        let opened = websocket.open(request, &accepted, peer, tls, record.is_ok()).await;
        match (record, &opened) {
            (Err(refused), Err(Problem::NewClient)) => return Err(refused.into()),
            (Ok(_), Ok((_, handover))) if handover.visitor.is_new() => {}
            (Ok(record), _) => record.give_back(),
            (Err(_), _) => {}
        }
        opened.map(|(response, handover)| (response, Handover { seat, ..handover }))
    }

    /// The same for a service that echoes, which keeps no records.
    fn open_testee(
        &self,
        testee: &TesteeService,
        request: &Parts,
        has_body: bool,
        Requester { peer, connected, .. }: Requester,
    ) -> Result<(Response<Body>, Option<Seat>), Problem> {
        let response = open_testee(testee, request, has_body)?;
        let client = self.limited(peer);
        self.addresses.handshake(client, Instant::now())?;
        let seat = if peer == connected { None } else { self.addresses.enter(client)? };
        Ok((response, seat))
    }

    /// A problem's reply. The operator is told why a client gets no WebSocket, and which name to configure; what other requests get,
    /// the access log has.
    fn refuse(&self, problem: &Problem, request: &Parts, peer: PeerAddr) -> Response<Body> {
        let response = reply::reply(problem);
        let (stage, reason, status) = (problem.stage(request), problem.reason(), response.status());
        let line = self.metrics.refusals.count(stage, reason);
        let is_handshake = stage == Stage::Handshake;
        if is_handshake {
            self.handshakes.count(status);
        }
        let is_told = match problem {
            // A store that fails has said so, once.
            Problem::Store(error) => error.is_told(),
            Problem::Foreign(_) => false,
            _ => !is_handshake,
        };
        if let Some(line) = line.filter(|_| !is_told) {
            let what = if is_handshake { "a handshake" } else { "a request" };
            let (why, left_out, status) = (problem.cause(), line.left_out, status.as_u16());
            let path = shown::path(request.uri.path());
            tracing::warn!(transport = %self.transport, %peer, %path, status, reason, left_out, "{what} was refused: {why}");
        }
        response
    }

    fn finish(&self, headers: &mut HeaderMap, has_body: bool) {
        headers.insert(header::SERVER, reply::SERVER);
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if has_body || self.is_retired.load(Relaxed) {
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
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

/// hyper answers a head that is too large (431) or broken (400) by itself, and closes. That answer is withheld for a better one.
fn builder(options: &HttpOptions, head_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_headers(options.max_headers)
        // Names are case-insensitive; scripts that look for `Set-Cookie` are not.
        .title_case_headers(true)
        .max_header_size(options.max_head_size)
        .max_buf_size(options.max_head_size.max(MIN_BUFFER));
    http
}
