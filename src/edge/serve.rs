//! HTTP on a connection, from its first request to its 101 or its end.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use hyper::{body::Body as _, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{
    Edge, HttpOptions, Requester, access,
    body::Body,
    console::ConsoleUpgrade,
    hang_up::hang_up,
    head::HeadFault,
    passed::is_passed,
    path::RequestPath,
    patience::Patience,
    proxied::RelayUpgrade,
    proxies,
    reply::{self, Problem},
    routes::Target,
    strict::{Strict, Unclear},
    upgrade::{Agreed, TesteeUpgrade, Upgrade, Upgraded},
    websocket::Handover,
};
use crate::{
    handshake::asks_for_websocket,
    stream::{Incoming, OpenSocket, PeerAddr},
    tls::Tls,
    traces::{self, Span},
};

/// hyper's own lower bound for its buffers; smaller heads are limited by `max_header_size`.
const MIN_BUFFER: usize = 8 * 1024;

/// How long a trusted proxy may keep a connection without a request: longer than proxies keep them (nginx 60 s, Traefik 90 s, Caddy
/// 2 min). Otherwise a request could meet the gateway's close half way, and the proxy would have no answer to it.
pub(super) const PROXY_IDLE: Duration = Duration::from_mins(3);

/// How long a client has to read the last reply and to close.
pub(super) const MAX_LINGER: Duration = Duration::from_secs(1);

impl Edge {
    /// Serves the requests on a connection until one of them becomes a WebSocket, or the connection ends.
    pub async fn serve(self: &Arc<Self>, incoming: Incoming) -> Option<Upgraded> {
        // One box holds everything that HTTP needs, hyper's state included, and ends with HTTP: the caller's
        // own future lives as long as the connection and stays small.
        match &self.raw_socket {
            None => Box::pin(self.drive(incoming, None)).await,
            Some(_) => Box::pin(self.drive_raw(incoming)).await,
        }
    }

    /// What reads along where bodies are passed on.
    fn strict(&self) -> Option<Box<Strict>> {
        self.routes.pass_bodies().then(|| Box::new(Strict::new(self.head_limits.size)))
    }

    /// HTTP; `first` is an octet that was read already.
    pub(super) async fn drive(&self, incoming: Incoming, first: Option<u8>) -> Option<Upgraded> {
        let Incoming { mut stream, peer, is_nameless, tls } = incoming;
        let (slot, noted) = (OnceLock::new(), OnceLock::new());
        let (strict, has_asked, is_old) = (self.strict(), AtomicBool::new(false), AtomicBool::new(false));
        // Boxed, as hyper keeps it boxed; so the connection can be taken apart after a fault as well.
        let service = service_fn(|request| {
            has_asked.store(true, Relaxed);
            if request.version() < Version::HTTP_11 {
                is_old.store(true, Relaxed);
            }
            Box::pin(self.respond(request, peer, is_nameless, tls.as_ref(), (&slot, &noted)))
        });
        let io = TokioIo::new(Patience::new(&mut stream, first).strict(strict));
        let is_trusted = !is_nameless && self.trusts(peer);
        let http = if is_trusted { &self.http_for_proxies } else { &self.http };
        let mut http = http.serve_connection(io, service);
        let ended = poll_fn(|cx| http.poll_without_shutdown(cx)).await;
        let http1::Parts { io, read_buf, .. } = http.into_parts();
        let io = io.into_inner();
        let (has_withheld, unclear) = (io.has_withheld(), io.unclear());
        match (ended, slot.into_inner(), unclear) {
            // A request before it may still have half of its answer.
            (_, None, Some(Unclear(why))) => {
                let last_words = self.last_words(&Problem::Framing(why), peer);
                let last_words = if has_asked.into_inner() { Vec::new() } else { last_words };
                hang_up(&mut stream, &last_words, MAX_LINGER).await;
            }
            // hyper's buffer is several kilobytes, full or not.
            (Ok(()), Some(agreed), _) => {
                let early = Bytes::copy_from_slice(&read_buf);
                let stream = match noted.into_inner() {
                    Some(noted) => {
                        stream.noted(OpenSocket { public_id: agreed.public_id(), ..noted }, early.len())
                    }
                    None => stream,
                };
                return Some(match agreed {
                    Agreed::Wamp(Handover { service, subprotocol, visitor, seat }) => {
                        Upgraded::Wamp(Upgrade { stream, early, service, subprotocol, seat, visitor })
                    }
                    Agreed::Testee(wire, seat) => {
                        Upgraded::Testee(TesteeUpgrade { stream, early, wire, seat })
                    }
                    Agreed::Console(entry) => {
                        Upgraded::Console(Box::new(ConsoleUpgrade { stream, early, entry: *entry }))
                    }
                    Agreed::Relay(handover) => {
                        Upgraded::Relay(Box::new(RelayUpgrade { stream, early, handover: *handover }))
                    }
                });
            }
            (Ok(()), None, _) => hang_up(&mut stream, b"", MAX_LINGER).await,
            // A proxy might take a 408 for the answer to the request that it is just sending.
            (Err(error), ..) if is_trusted && error.is_timeout() && read_buf.is_empty() => {
                hang_up(&mut stream, b"", MAX_LINGER).await;
            }
            // For a client of HTTP/1.0 an answer may be whole where the connection ends in order.
            (Err(error), ..) if error.is_user() && is_old.into_inner() => stream.reset(),
            (Err(error), ..) => {
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

    async fn respond(
        &self,
        request: Request<hyper::body::Incoming>,
        peer: PeerAddr,
        is_nameless: bool,
        tls: Option<&Tls>,
        (slot, noted): (&OnceLock<Agreed>, &OnceLock<OpenSocket>),
    ) -> Result<Response<Body>, Infallible> {
        // No rule outlives a reload: the edge that serves the transport now answers.
        let heir = self.succession.heir();
        let edge = heir.as_deref().unwrap_or(self);
        // Headers of HTTP do not say more than a proxy that keeps silent about its client.
        let trusted = if is_nameless { &[][..] } else { &edge.trusted_proxies[..] };
        let begun = edge.access_log.then(Instant::now);
        let (mut parts, body) = request.into_parts();
        let connected = peer;
        if let Some(host) = proxies::host(connected, &parts.headers, trusted) {
            parts.headers.insert(header::HOST, host);
        }
        let peer = proxies::client(connected, &parts.headers, trusted);
        let is_proxy = proxies::is_trusted(connected, trusted);
        let mut span = edge.span(&parts, is_proxy);
        let client = Requester { peer, connected, is_proxy, parent: span.parent() };
        // Only upstreams have a use for a body, so no other is read. hyper reads nothing behind it either.
        let has_body = !body.is_end_stream();
        let body = edge.routes.pass_bodies().then_some(body);
        let answered = edge.answer(&parts, (has_body, body), client, tls, slot).await;
        let mut response = answered.unwrap_or_else(|problem| {
            span.refused(problem.reason());
            edge.refuse(&problem, &parts, peer)
        });
        span.answered(response.status(), &edge.transport, parts.uri.path());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let is_unread = has_body && !is_passed(&response);
            // Behind a handshake requests are no longer read strictly.
            let is_unread = is_unread || (edge.routes.pass_bodies() && asks_for_websocket(&parts.headers));
            // The limits of the connection itself are those of the edge that it has begun with: it does not stay.
            edge.finish(response.headers_mut(), is_unread || self.succession.is_over());
        }
        if let Some(begun) = begun {
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let (transport, path) = (edge.transport.clone(), parts.uri.path().to_owned());
                let _ = noted.set(OpenSocket { transport, path, peer, begun, public_id: None });
            }
            access::note(&edge.transport, peer, &parts, &mut response, begun);
        }
        Ok(response)
    }

    /// The span of a request for which the gateway finds out who the client is.
    fn span(&self, request: &Parts, is_proxy: bool) -> Span {
        if !traces::are_on() {
            return Span::NONE;
        }
        let path = request.uri.path();
        if self.routes.find_question(path).is_some() {
            Span::of_request("forward-auth", request, is_proxy)
        } else if request.headers.contains_key(header::UPGRADE) {
            Span::of_request("handshake", request, is_proxy)
        } else if self.passes_on(path) {
            Span::of_request("request", request, is_proxy)
        } else {
            Span::NONE
        }
    }

    fn passes_on(&self, path: &str) -> bool {
        RequestPath::parse(path)
            .is_ok_and(|path| matches!(self.routes.find(&path), Some((Target::Proxied(_), _))))
    }

    fn finish(&self, headers: &mut HeaderMap, is_last: bool) {
        headers.insert(header::SERVER, reply::SERVER);
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if is_last {
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// hyper answers a head that is too large (431) or broken (400) by itself, and closes. That answer is withheld for a better one.
pub(super) fn builder(options: &HttpOptions, head_timeout: Duration) -> http1::Builder {
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
