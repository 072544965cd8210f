//! The HTTP side: heads with limits and a timeout, routing by path, and the one request that becomes a WebSocket.
//!
//! hyper reads the heads and writes the replies. Once a 101 has gone out nothing of hyper is left: the caller gets
//! the bare stream and what the client has sent behind its head.

mod body;
mod hang_up;
mod listing;
mod page;
mod patience;
mod proxies;
mod reply;
mod routes;
mod socket;
mod static_files;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use self::{
    body::Body,
    hang_up::hang_up,
    patience::Patience,
    reply::Problem,
    routes::{RequestPath, Routes, Target},
    socket::Opened,
};
use crate::{
    config::{HttpOptions, TransportConfig, TrustedProxy, WebSocketConfig},
    gateway::WebSocketService,
    handshake::{Accepted, Refused},
    metrics::{self, Metrics},
    tracking::Tracked,
};

/// hyper's own lower bound for its buffers; smaller heads are limited by `max_header_size`.
const MIN_BUFFER: usize = 8 * 1024;

/// Connections are not encrypted here; whoever terminates TLS in front sets `secure` for the cookie.
const TLS: bool = false;

/// A transport's requests: its routes and its limits.
#[derive(Debug)]
pub struct Edge {
    routes: Routes,
    metrics: Arc<Metrics>,
    trusted_proxies: Vec<TrustedProxy>,
    http: http1::Builder,
    hsts: Option<HeaderValue>,
    access_log: bool,
    transport: String,
}

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
pub struct Upgrade<S = Stream> {
    /// The client: who is at the other end, or whom a trusted proxy tells of.
    pub peer: Peer,
    /// The stream.
    pub stream: S,
    /// What the client sent behind its head already.
    pub early: Bytes,
    /// The service at the path.
    pub service: Arc<WebSocketService>,
    /// The handshake's outcome.
    pub accepted: Accepted,
    /// The tracked client, if tracking is on. Its `set_cookie` has gone out with the 101.
    pub tracked: Option<Tracked>,
    /// The request's path.
    pub path: String,
    /// The request's headers: only `Host`, `Origin`, and those that the service's policy may see.
    pub headers: HeaderMap,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Edge {
    /// Builds the routes of a transport. `metrics` is what monitoring is shown; `services` gives the running service for
    /// each WebSocket path.
    pub fn new<E>(
        config: &TransportConfig,
        metrics: &Arc<Metrics>,
        services: &mut dyn FnMut(&WebSocketConfig) -> Result<Arc<WebSocketService>, E>,
    ) -> Result<Self, E> {
        let hsts = config
            .http
            .hsts_max_age
            .and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok());
        Ok(Self {
            routes: Routes::new(&config.root, services)?,
            metrics: Arc::clone(metrics),
            trusted_proxies: config.http.trusted_proxies.clone(),
            http: builder(&config.http),
            hsts,
            access_log: config.http.access_log,
            transport: config.id.clone(),
        })
    }

    /// Serves the requests on a connection until one of them becomes a WebSocket, or the connection ends.
    pub async fn serve(self: &Arc<Self>, stream: Stream, peer: Peer) -> Option<Upgrade> {
        // One box holds everything that HTTP needs, hyper's state included, and is gone when HTTP is: the caller's
        // own future lives as long as the connection and stays small.
        Box::pin(self.drive(stream, peer)).await
    }

    async fn drive<S>(&self, mut stream: S, peer: Peer) -> Option<Upgrade<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let slot: OnceLock<(Peer, Opened)> = OnceLock::new();
        let service = service_fn(|request| self.respond(request, peer, &slot));
        let io = TokioIo::new(Patience::new(&mut stream));
        let ended = self.http.serve_connection(io, service).without_shutdown().await;
        // hyper's buffer is several kilobytes, full or not.
        let early = ended.map(|parts| Bytes::copy_from_slice(&parts.read_buf));
        match (early, slot.into_inner()) {
            (Ok(early), Some((peer, opened))) => {
                let Opened { service, accepted, tracked, path, headers } = opened;
                return Some(Upgrade { peer, stream, early, service, accepted, tracked, path, headers });
            }
            (Ok(_), None) => hang_up(&mut stream, b"").await,
            (Err(error), _) => {
                tracing::debug!(transport = %self.transport, %peer, %error, "an HTTP connection broke off");
                let last_words = if error.is_timeout() { reply::HEAD_TIMEOUT } else { b"" };
                hang_up(&mut stream, last_words).await;
            }
        }
        None
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        slot: &OnceLock<(Peer, Opened)>,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let peer = proxies::client(peer, &parts.headers, &self.trusted_proxies);
        // Bodies are not read: nothing here has a use for one. hyper does not go on reading behind it.
        let has_body = !body.is_end_stream();
        drop(body);
        let mut response = self
            .answer(&parts, has_body, peer, slot)
            .await
            .unwrap_or_else(|problem| self.refuse(&problem, peer));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.finish(response.headers_mut(), has_body);
        }
        if self.access_log {
            let (method, path, status) = (&parts.method, parts.uri.path(), response.status().as_u16());
            tracing::info!(transport = %self.transport, %peer, %method, path, status, "request");
        }
        Ok(response)
    }

    async fn answer(
        &self,
        request: &Parts,
        has_body: bool,
        peer: Peer,
        slot: &OnceLock<(Peer, Opened)>,
    ) -> Result<Response<Body>, Problem> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(Problem::Method);
        }
        let path = RequestPath::parse(request.uri.path())?;
        let (target, depth) = self.routes.find(&path).ok_or(Problem::NotFound)?;
        match target {
            Target::WebSocket(socket) => match socket.open(request, has_body, TLS).await {
                Ok((response, opened)) => {
                    // The slot is still empty: a 101 is the last reply on its connection.
                    let _ = slot.set((peer, opened));
                    Ok(response)
                }
                Err(Problem::Handshake(Refused::NoUpgrade)) if socket.has_status_page() => Ok(page::status()),
                Err(problem) => Err(problem),
            },
            // Boxed: files are not what the size of a handshake's future is to be measured by.
            Target::Static(files) => Box::pin(files.serve(request, &path, depth)).await,
            Target::Json(json) => {
                let media_type = HeaderValue::from_static("application/json");
                Ok(reply::content(StatusCode::OK, media_type, json.clone()))
            }
            Target::Redirect(location) => Ok(reply::redirect(StatusCode::FOUND, location.clone())),
            Target::Page => page::page(request, &path, depth),
            Target::Metrics => {
                let text = Bytes::from(self.metrics.render());
                Ok(reply::content(StatusCode::OK, HeaderValue::from_static(metrics::MEDIA_TYPE), text))
            }
        }
    }

    fn refuse(&self, problem: &Problem, peer: Peer) -> Response<Body> {
        match problem {
            Problem::Store(error) => {
                tracing::warn!(transport = %self.transport, %peer, %error, "a handshake was refused");
            }
            Problem::Handshake(refused) => {
                tracing::debug!(transport = %self.transport, %peer, %refused, "a handshake was refused");
            }
            _ => {}
        }
        reply::reply(problem)
    }

    fn finish(&self, headers: &mut HeaderMap, has_body: bool) {
        headers.insert(header::SERVER, HeaderValue::from_static("wampgate"));
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if has_body {
            headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// hyper answers a head that is too large (431) or broken (400) by itself, and closes.
fn builder(options: &HttpOptions) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_headers(options.max_headers)
        // Names are case-insensitive; scripts that look for `Set-Cookie` are not.
        .title_case_headers(true)
        .max_header_size(options.max_head_size)
        .max_buf_size(options.max_head_size.max(MIN_BUFFER));
    http
}
