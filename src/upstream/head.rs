//! What of a client's head goes to an upstream, and what of the upstream's answer goes to the client.
//!
//! An upstream believes the headers that tell it who a client is, so nothing that a client writes may be taken for one of them: many
//! servers make no difference between `Remote-User`, `remote_user` and `REMOTE.USER`. Names are therefore compared as such a server
//! would read them.

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::hops::add_hop;
use crate::{
    cookie::{self, CookieName},
    handshake::has_token,
};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is about one connection only (RFC 9110, 7.6.1), or about how a body is framed, which each connection decides anew.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What tells for whom a proxy speaks. The word of a client counts for nothing here.
const TOLD_BY_PROXIES: [&str; 7] = [
    "cf-connecting-ip",
    "client-ip",
    "forwarded",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-real-ip",
];
const TOLD_BY_PROXIES_PREFIX: &str = "x-forwarded-";

/// Of these, what proxies tell that have their users log in.
const TELLS_OF_USERS: [&str; 4] =
    ["x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-user"];

/// What else has a meaning of its own: the fields of RFC 9110 and 9111, and what browsers, caches, frameworks and tracing read.
const MEANT: [&str; 59] = [
    "accept",
    "age",
    "allow",
    "alt-svc",
    "authentication-info",
    "authorization",
    "baggage",
    "cache-control",
    "cdn-loop",
    "clear-site-data",
    "cookie2",
    "date",
    "dav",
    "depth",
    "destination",
    "dnt",
    "early-data",
    "etag",
    "expires",
    "from",
    "front-end-https",
    "idempotency-key",
    "last-event-id",
    "last-modified",
    "link",
    "location",
    "lock-token",
    "max-forwards",
    "origin",
    "overwrite",
    "pragma",
    "prefer",
    "priority",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "save-data",
    "server",
    "service-worker",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "timeout",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-correlation-id",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-request-id",
    "x-rewrite-url",
];

/// The beginnings of such names.
const MEANT_PREFIXES: [&str; 10] = [
    "accept-",
    "access-control-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "x-accel-",
    "x-content-",
    "x-csrf-",
    "x-sendfile",
];

/// What the gateway itself says.
const OWN_PREFIX: &str = "wampgate-";

/// What the gateway sets from what it knows, so that another spelling must not pass.
const SET: [&str; 6] = [
    "cookie",
    "host",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];

/// Which headers are the gateway's business at a path.
#[derive(Debug, Clone, Default)]
pub struct HeadRules {
    /// The headers that tell who a client is.
    pub identity: Vec<HeaderName>,
    /// The cookies that only the gateway and the client may see.
    pub cookies: Vec<CookieName>,
    /// What stands in `Host`; none: what the client has asked for.
    pub host: Option<HeaderValue>,
}

/// Who a request is from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The client, as far as the gateway knows; none: a process of this machine.
    pub client: Option<IpAddr>,
    /// The peer that has connected.
    pub peer: Option<IpAddr>,
    /// Whether the peer is a proxy whose word counts.
    pub is_trusted: bool,
    /// Whether the gateway itself ends TLS.
    pub has_tls: bool,
}

impl HeadRules {
    /// The headers of a handshake for the upstream. `told` are those that tell who the client is.
    pub fn handshake(&self, headers: &HeaderMap, origin: Origin, told: HeaderMap) -> HeaderMap {
        let mut passed = self.passed(headers, origin, told);
        for name in [
            header::SEC_WEBSOCKET_KEY,
            header::SEC_WEBSOCKET_VERSION,
            header::SEC_WEBSOCKET_PROTOCOL,
            header::SEC_WEBSOCKET_EXTENSIONS,
        ] {
            for value in headers.get_all(&name) {
                passed.append(name.clone(), value.clone());
            }
        }
        passed.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        passed.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        passed
    }

    /// The headers of a request that stays HTTP. How its body is framed is not among them.
    pub fn request(&self, headers: &HeaderMap, origin: Origin, told: HeaderMap) -> HeaderMap {
        let mut passed = self.passed(headers, origin, told);
        if has_token(headers, &header::TE, "trailers") {
            passed.insert(header::TE, HeaderValue::from_static("trailers"));
            passed.insert(header::CONNECTION, HeaderValue::from_static("TE"));
        }
        if let Some(names) = announced(headers, |name| self.lets_in(name, headers, false)) {
            passed.insert(header::TRAILER, names);
        }
        passed
    }

    fn passed(&self, headers: &HeaderMap, origin: Origin, told: HeaderMap) -> HeaderMap {
        let mut passed = HeaderMap::with_capacity(headers.len() + 8);
        for (name, value) in headers {
            if self.lets_in(name, headers, origin.is_trusted) {
                passed.append(name.clone(), value.clone());
            }
        }
        let host = self.host.as_ref().or_else(|| headers.get(header::HOST));
        if let Some(host) = host {
            passed.insert(header::HOST, host.clone());
        }
        for line in headers.get_all(header::COOKIE) {
            if let Some(line) = cookie::without(line, &self.cookies) {
                passed.append(header::COOKIE, line);
            }
        }
        origin.tell(headers, &mut passed);
        add_hop(&mut passed);
        for name in &self.identity {
            passed.remove(name);
        }
        passed.extend(told);
        passed
    }

    /// Whether a client's header may reach the upstream as it is.
    fn lets_in(&self, name: &HeaderName, headers: &HeaderMap, is_trusted: bool) -> bool {
        let read = as_read(name.as_str());
        let is_odd = read != name.as_str();
        let is_identity = self.identity.iter().any(|identity| as_read(identity.as_str()) == read);
        !(HOP_BY_HOP.contains(&&*read)
            || SET.contains(&&*read)
            || read.starts_with(OWN_PREFIX)
            || is_identity
            || (is_read_of_proxies(&read) && (is_odd || !is_trusted))
            || is_nominated(name, headers))
    }

    /// The headers of an upstream's answer to a handshake, for the client.
    pub fn answer(&self, headers: &HeaderMap) -> HeaderMap {
        let mut passed = self.let_out(headers);
        passed.remove(header::DATE);
        passed
    }

    /// The headers of an upstream's answer to a request that stays HTTP, for the client. How its body is framed is not among them.
    pub fn response(&self, headers: &HeaderMap) -> HeaderMap {
        let mut passed = self.let_out(headers);
        if let Some(names) = announced(headers, |name| lets_out(name, headers)) {
            passed.insert(header::TRAILER, names);
        }
        passed
    }

    fn let_out(&self, headers: &HeaderMap) -> HeaderMap {
        let mut passed = HeaderMap::with_capacity(headers.len() + 2);
        for (name, value) in headers {
            let is_own_cookie = *name == header::SET_COOKIE
                && cookie::name_of(value)
                    .is_some_and(|set| self.cookies.iter().any(|own| own.as_str() == set));
            if !is_own_cookie && lets_out(name, headers) {
                passed.append(name.clone(), value.clone());
            }
        }
        passed
    }
}

impl Origin {
    /// Tells the upstream for whom the gateway speaks. What a trusted proxy has told is added to.
    fn tell(self, headers: &HeaderMap, passed: &mut HeaderMap) {
        let peer = if self.is_trusted { self.peer } else { self.client };
        let mut chain: Vec<String> = passed
            .get_all(X_FORWARDED_FOR)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .map(str::to_owned)
            .collect();
        chain.extend(peer.map(|peer| peer.to_canonical().to_string()));
        passed.remove(X_FORWARDED_FOR);
        if let Ok(chain) = HeaderValue::try_from(chain.join(", "))
            && !chain.is_empty()
        {
            passed.insert(X_FORWARDED_FOR, chain);
        }
        if !passed.contains_key(X_FORWARDED_PROTO) {
            let scheme = if self.has_tls { "https" } else { "http" };
            passed.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
        if let Some(host) = headers.get(header::HOST).filter(|_| !passed.contains_key(X_FORWARDED_HOST)) {
            passed.insert(X_FORWARDED_HOST, host.clone());
        }
    }
}

/// A header's name as servers read it that make variables of headers: what is no letter and no digit is one and the same.
pub(crate) fn as_read(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Cow::Borrowed(name);
    }
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Whether a header tells for whom a proxy speaks.
pub(crate) fn is_told_by_proxies(name: &HeaderName) -> bool {
    is_read_of_proxies(&as_read(name.as_str()))
}

fn is_read_of_proxies(read: &str) -> bool {
    read.starts_with(TOLD_BY_PROXIES_PREFIX) || TOLD_BY_PROXIES.contains(&read)
}

/// Whether a header with this name, [as servers read it](as_read), means something else to them than who a client is.
pub(crate) fn is_taken(read: &str) -> bool {
    HOP_BY_HOP.contains(&read)
        || SET.contains(&read)
        || MEANT.contains(&read)
        || MEANT_PREFIXES.iter().any(|prefix| read.starts_with(prefix))
        || (is_read_of_proxies(read) && !TELLS_OF_USERS.contains(&read))
}

/// Whether an upstream's header may reach the client.
fn lets_out(name: &HeaderName, headers: &HeaderMap) -> bool {
    let read = as_read(name.as_str());
    !(HOP_BY_HOP.contains(&&*read)
        || read.starts_with(OWN_PREFIX)
        || *name == header::SERVER
        || is_nominated(name, headers))
}

/// Which of the trailers that a head announces may pass. Those that it does not announce do not.
fn announced(headers: &HeaderMap, passes: impl Fn(&HeaderName) -> bool) -> Option<HeaderValue> {
    let lines = headers.get_all(header::TRAILER).iter().filter_map(|line| line.to_str().ok());
    let names = lines.flat_map(|line| line.split(',')).filter_map(|name| {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        passes(&name).then(|| name.to_string())
    });
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { None } else { HeaderValue::try_from(names).ok() }
}

/// Whether `Connection` says that a header is for the next hop only.
fn is_nominated(name: &HeaderName, headers: &HeaderMap) -> bool {
    let tokens = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tokens.map(<[u8]>::trim_ascii).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

#[cfg(test)]
mod tests;
