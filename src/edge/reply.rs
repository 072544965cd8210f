//! Replies, and the one function that turns what goes wrong before an upgrade into one of them.
//!
//! hyper writes most of them. Where it is not there yet (a transport that is full) or no longer (a head that does not come),
//! [`bytes`] writes the same reply out.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use super::{
    access,
    addresses::{Limit, TooMany},
    body::Body,
    head::HeadFault,
    path::BadPath,
    refusal::Refusal,
};
use crate::{
    descriptors,
    handshake::{HandshakeError, asks_for_websocket},
    metrics::Stage,
    shown::is_presentable,
    store::StoreError,
    upstream::{BodyFault, UpstreamError},
};

/// How long a client is asked to wait when the store or the transport has no room, in seconds: a full disk takes an operator to
/// act, and a full store or transport takes some clients to go; nothing is gained by retrying at once.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why requests that ask for no WebSocket are refused.
pub(crate) const REQUEST_REASONS: [&str; 13] = [
    "expect",
    "loop",
    "framing",
    "head",
    "head-size",
    "head-timeout",
    "path",
    "not-found",
    "method",
    "file",
    "host",
    "foreign-host",
    "forwarded",
];

/// Why handshakes are refused, beside the reasons of [`HandshakeError`] and of the client's address.
pub(crate) const HANDSHAKE_REASONS: [&str; 6] = ["path", "not-found", "stripped", "store", "pages", "loop"];

/// What names the gateway in a reply.
pub(crate) const SERVER: HeaderValue = HeaderValue::from_static("wampgate");

/// Why a request does not get what it asked for.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// No service may see such a path.
    Path,
    /// Nothing is served there.
    NotFound,
    /// Only GET and HEAD are served.
    Method,
    /// The method is one that no upstream gets.
    NotPassed,
    /// The client expects something else than `100 Continue` of the upstream.
    Expect,
    /// The request goes from gateway to gateway, and never arrives: by the upstream of this name, if the path has several.
    Loop(Option<Box<str>>),
    /// A file is there and cannot be read.
    File,
    /// A WebSocket handshake is refused.
    Handshake(HandshakeError),
    /// The cookie store failed. No client becomes a WebSocket without the tracking that is configured.
    Store(StoreError),
    /// Not exactly one `Host`.
    Host,
    /// The end of a request's body could be found at two places, for this reason.
    Framing(&'static str),
    /// A handshake that something between the client and the gateway has made a plain request.
    Stripped,
    /// A handshake from a page of another origin, or a request by a name that is not the service's.
    Foreign(Box<Foreign>),
    /// The head of a request cannot be read.
    Head(Box<HeadFault>),
    /// The head of a request has not arrived in time.
    HeadTimeout,
    /// The transport has as many connections as it may have.
    Full,
    /// The process has no descriptors left for clients.
    Descriptors,
    /// Clients hold as much memory as they may.
    Memory,
    /// The client does not speak TLS where it must.
    NoTls,
    /// The client's address has as much of something as it may have.
    TooMany(TooMany),
    /// The operator's page without a token, through a proxy.
    Forwarded,
    /// As many of the operator's pages are open as may be.
    Pages,
    /// The client is new, and its address may not have one more record in the store.
    NewClient,
    /// The client may not go on to the upstream.
    NotAllowed(Arc<Refusal>),
    /// The upstream has not taken the client.
    Upstream(Arc<UpstreamError>),
}

/// A request whose `Origin` or `Host` is refused, with both.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) refused: HandshakeError,
    origin: String,
    host: String,
}

impl Foreign {
    pub(crate) fn new(refused: HandshakeError, headers: &HeaderMap) -> Self {
        let shown = |name| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.count()) {
                (None, _) => "not there".to_owned(),
                (Some(value), 0) => match value.to_str() {
                    Ok(text) if is_presentable(text) => format!("'{text}'"),
                    _ => "not the name of a site".to_owned(),
                },
                (Some(_), others) => format!("there {} times", others + 1),
            }
        };
        Self { refused, origin: shown(header::ORIGIN), host: shown(header::HOST) }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, origin, host } = self;
        write!(
            f,
            "{refused}. The request's Origin is {origin}, its Host is {host}. If a proxy stands in front of this server, does it pass \
             Host on? (nginx: proxy_set_header Host $http_host)"
        )
    }
}

impl From<TooMany> for Problem {
    fn from(refused: TooMany) -> Self {
        Self::TooMany(refused)
    }
}

impl From<BadPath> for Problem {
    fn from(_: BadPath) -> Self {
        Self::Path
    }
}

impl Problem {
    /// Its name in metrics and in the log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::NotFound => "not-found",
            Self::Method | Self::NotPassed => "method",
            Self::Expect => "expect",
            Self::Loop(_) => "loop",
            Self::File => "file",
            Self::Handshake(refused) => refused.reason(),
            Self::Store(_) => "store",
            Self::Host => "host",
            Self::Framing(_) => "framing",
            Self::Stripped => "stripped",
            Self::Foreign(foreign) => foreign.refused.reason(),
            Self::Head(fault) => fault.reason(),
            Self::HeadTimeout => "head-timeout",
            Self::Full => "full",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
            Self::NoTls => "no-tls",
            Self::TooMany(refused) => refused.limit.reason(),
            Self::Forwarded => "forwarded",
            Self::Pages => "pages",
            Self::NewClient => Limit::NewRecords.reason(),
            Self::NotAllowed(refusal) => refusal.reason(),
            Self::Upstream(error) => error.reason(),
        }
    }

    /// What a request wanted that has this problem. A request that asks for no WebSocket may go on to an upstream.
    pub(crate) fn stage(&self, request: &Parts) -> Stage {
        let is_handshake =
            matches!(self, Self::Handshake(_) | Self::Stripped) || asks_for_websocket(&request.headers);
        if is_handshake { Stage::Handshake } else { Stage::Request }
    }

    /// What the operator is told; the client may be told less.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Store(error) => error.to_string(),
            Self::Full => "the transport has as many as `max_connections` lets it have".to_owned(),
            Self::Memory => "clients hold as much memory as `max_memory` lets them".to_owned(),
            Self::Descriptors => {
                format!("the process has no file descriptors left for clients; {}", descriptors::REMEDY)
            }
            Self::TooMany(refused) => refused.cause(),
            Self::Head(fault) => fault.cause.clone(),
            Self::NotAllowed(refusal) => refusal.cause(),
            Self::Upstream(error) => error.to_string(),
            Self::Loop(Some(upstream)) => format!("upstream `{upstream}`: {}", message(self)),
            problem => message(problem),
        }
    }

    /// The name of the upstream that it is about, if the path has several.
    fn upstream(&self) -> Option<&str> {
        match self {
            Self::Upstream(error) => error.upstream(),
            Self::Loop(upstream) => upstream.as_deref(),
            _ => None,
        }
    }
}

/// Turns a problem into a reply. Its text says what to do, and nothing about stores, IDs or files.
pub(crate) fn reply(problem: &Problem) -> Response<Body> {
    if let Problem::Upstream(error) = problem
        && let UpstreamError::TurnedDown(answer) = &**error
    {
        let mut response = Response::new(Body::Bytes(answer.body.clone()));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers.clone();
        access::concerns(&mut response, problem.upstream());
        return response;
    }
    let mut response = text(status(problem), message(problem));
    access::concerns(&mut response, problem.upstream());
    let headers = response.headers_mut();
    match problem {
        Problem::Method | Problem::Handshake(HandshakeError::Method) => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        Problem::NotPassed => {
            let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            headers.insert(header::ALLOW, methods);
        }
        Problem::Stripped => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        // RFC 9110, 15.5.22: a 426 names the protocol to upgrade to; 7.8: and `Upgrade` stands in `Connection`, too.
        Problem::Handshake(refused @ (HandshakeError::NoUpgrade | HandshakeError::Version)) => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            if *refused == HandshakeError::Version {
                // RFC 6455, 4.4: the versions that the server does speak.
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
        }
        Problem::Store(_) | Problem::Full | Problem::Descriptors | Problem::Memory | Problem::Pages => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Problem::NotAllowed(refusal) => {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            explain(refusal, headers);
        }
        Problem::Upstream(error) if error.status() == StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        // RFC 6585, 4: a 429 may say how long to wait.
        Problem::TooMany(TooMany { wait, .. }) => {
            headers.insert(header::RETRY_AFTER, wait.as_secs().saturating_add(1).into());
        }
        _ => {}
    }
    response
}

/// Adds the headers that belong to the status of a refusal.
pub(crate) fn explain(refusal: &Refusal, headers: &mut HeaderMap) {
    let status = refusal.status();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110, 15.5.2: a 401 names a scheme. Browsers ask for no password where they do not know it.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"wampgate\""));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
}

fn status(problem: &Problem) -> StatusCode {
    match problem {
        // RFC 6585, 5
        Problem::Head(fault) if fault.is_too_large => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Problem::Path | Problem::Host | Problem::Framing(_) | Problem::Head(_) | Problem::NoTls => {
            StatusCode::BAD_REQUEST
        }
        Problem::Stripped => StatusCode::UPGRADE_REQUIRED,
        Problem::Foreign(_) | Problem::Forwarded => StatusCode::FORBIDDEN,
        Problem::NotFound => StatusCode::NOT_FOUND,
        Problem::Method | Problem::NotPassed => StatusCode::METHOD_NOT_ALLOWED,
        Problem::Expect => StatusCode::EXPECTATION_FAILED,
        Problem::Loop(_) => StatusCode::LOOP_DETECTED,
        Problem::File => StatusCode::INTERNAL_SERVER_ERROR,
        Problem::Store(_) | Problem::Full | Problem::Descriptors | Problem::Memory | Problem::Pages => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Problem::TooMany(_) | Problem::NewClient => StatusCode::TOO_MANY_REQUESTS,
        Problem::NotAllowed(refusal) => refusal.status(),
        Problem::Upstream(error) => error.status(),
        // RFC 9110, 15.5.9: the reply may be sent on a connection that is idle, too.
        Problem::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
        Problem::Handshake(refused) => match refused {
            HandshakeError::NoUpgrade | HandshakeError::Version => StatusCode::UPGRADE_REQUIRED,
            HandshakeError::Method => StatusCode::METHOD_NOT_ALLOWED,
            HandshakeError::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            HandshakeError::Origin | HandshakeError::NullOrigin | HandshakeError::ForeignHost => {
                StatusCode::FORBIDDEN
            }
            HandshakeError::Host
            | HandshakeError::Connection
            | HandshakeError::Key
            | HandshakeError::Subprotocol { .. }
            | HandshakeError::NoSubprotocol { .. }
            | HandshakeError::Body => StatusCode::BAD_REQUEST,
        },
    }
}

fn message(problem: &Problem) -> String {
    match problem {
        Problem::Path => "this path cannot be served: check its percent-encoding and leave out '..'".into(),
        Problem::NotFound => "nothing is served at this path".into(),
        Problem::Method => "only GET and HEAD are served here".into(),
        Problem::NotPassed => "CONNECT and TRACE are not served here, and a WebSocket begins with GET".into(),
        Problem::Expect => "only 'Expect: 100-continue' is served here".into(),
        Problem::Loop(_) => "this request goes round and round: the gateway's paths, or those of several gateways, go on to each other".into(),
        Problem::File => "this file cannot be read".into(),
        Problem::Store(_) => "clients cannot be tracked at the moment: try again later".into(),
        Problem::Host => "an HTTP/1.1 request needs exactly one Host header, which names a host".into(),
        Problem::Framing(why) => format!("the end of this request is not clear: {why}"),
        Problem::Stripped => "this is a WebSocket handshake (it has a Sec-WebSocket-Key) without 'Upgrade: websocket': does the \
            proxy in front pass Upgrade and Connection on, with HTTP/1.1? (nginx: proxy_http_version 1.1; proxy_set_header \
            Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\")"
            .into(),
        Problem::Foreign(foreign) => foreign.to_string(),
        Problem::Forwarded => "without a `token` this page is for programs on the gateway's own machine, and this request came through a \
            proxy: set a `token` at the path"
            .into(),
        Problem::Head(fault) => fault.message.clone(),
        Problem::HeadTimeout => "the request's head did not come in time".into(),
        Problem::NoTls => "this port speaks TLS: use https:// or wss://".into(),
        Problem::Pages => "as many of the operator's pages are open as may be: close one, or come later".into(),
        Problem::Full | Problem::Descriptors | Problem::Memory => "too many connections, come later".into(),
        Problem::TooMany(TooMany { limit: Limit::Connections, .. }) => {
            "too many connections from your address: close some, or come later".into()
        }
        Problem::TooMany(TooMany { limit: Limit::Handshakes, .. }) => {
            "too many handshakes from your address: come later".into()
        }
        Problem::TooMany(TooMany { limit: Limit::NewRecords, .. }) | Problem::NewClient => {
            "too many new clients from your address: come later, or with the cookie that you have".into()
        }
        Problem::Handshake(refused) => refused.to_string(),
        Problem::NotAllowed(refusal) => refusal.message(),
        Problem::Upstream(error) => match *error.bare() {
            UpstreamError::Full | UpstreamError::Descriptors => "too many connections, come later".into(),
            UpstreamError::Late(..) | UpstreamError::Silent(..) => {
                "the service behind this gateway does not answer: try again later".into()
            }
            UpstreamError::Body(fault) => match fault {
                BodyFault::TooLarge(limit) => format!("the body is longer than {limit} bytes"),
                BodyFault::Late(_) => "the body did not come in time".into(),
                BodyFault::Broken => "the body cannot be read".into(),
            },
            _ => "the service behind this gateway cannot be reached: try again later".into(),
        },
    }
}

/// A problem's reply as the bytes that end a connection.
pub(crate) fn bytes(problem: &Problem) -> Vec<u8> {
    let (head, body) = reply(problem).into_parts();
    let content = match body {
        Body::Bytes(bytes) => bytes,
        Body::Empty | Body::File { .. } | Body::Passed(_) => Bytes::new(),
    };
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        bytes.extend(title_case(name));
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    };
    line(header::SERVER.as_str(), SERVER.as_bytes());
    line(header::CONNECTION.as_str(), b"close");
    for (name, value) in &head.headers {
        line(name.as_str(), value.as_bytes());
    }
    line(header::CONTENT_LENGTH.as_str(), content.len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&content);
    bytes
}

/// Names are case-insensitive; scripts that look for `Retry-After` are not. hyper does the same for the other replies.
fn title_case(name: &str) -> impl Iterator<Item = u8> {
    let mut starts_word = true;
    name.bytes().map(move |byte| {
        let cased = if starts_word { byte.to_ascii_uppercase() } else { byte };
        starts_word = byte == b'-';
        cased
    })
}

/// A reply of one line of text.
pub(crate) fn text(status: StatusCode, mut line: String) -> Response<Body> {
    line.push('\n');
    content(status, HeaderValue::from_static("text/plain; charset=utf-8"), Bytes::from(line))
}

/// A reply whose content is in memory.
pub(crate) fn content(status: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Bytes(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    // Browsers must not find scripts in what is served as something else.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A reply that sends the client elsewhere.
pub(crate) fn redirect(status: StatusCode, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests;
