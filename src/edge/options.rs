//! What a transport serves at which path, and its limits for requests.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::{
    assertion::{AssertionOptions, Signer},
    auth::Secret,
    cookie::CookieName,
    handshake::AllowedHosts,
    identity::Name,
    remote::Login,
    service::{ServiceOptions, TesteeOptions},
    upstream::{Among, UpstreamOptions},
    wamp::Uri,
};

const KIB: usize = 1024;

/// The HTTP side of a transport.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdgeOptions {
    /// The transport's `id`, or its place in the list as text: for logs.
    pub id: String,
    /// Limits and switches for requests.
    pub http: HttpOptions,
    /// What one address may have.
    pub per_address: AddressOptions,
    /// By which names browsers may reach what is no WebSocket, beside the names of the WebSocket services here.
    pub hosts: AllowedHosts,
    /// What is served where. A `websocket` transport has its WebSocket service at `/` and below, a `rawsocket` transport nothing.
    pub root: PathTree,
    /// RawSocket. None: its clients get no further.
    pub raw_socket: Option<RawSocketOptions>,
}

/// RawSocket on a transport.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSocketOptions {
    /// The service for its clients. Nothing of it that concerns HTTP counts.
    pub service: Box<ServiceOptions>,
    /// How long its handshake may take. None: as long as a head of HTTP.
    pub handshake_timeout: Option<Duration>,
}

impl EdgeOptions {
    /// What stands in the place of a path where there is none.
    pub const RAW_SOCKET: &str = "rawsocket";

    /// Every service that speaks WAMP with its path, parents first.
    pub fn services(&self) -> impl Iterator<Item = (String, &ServiceOptions)> {
        let raw_socket = self.raw_socket.iter().map(|raw| (Self::RAW_SOCKET.to_owned(), &*raw.service));
        self.root.services().chain(raw_socket)
    }

    /// Everything that signs here, for upstreams, proxies and routers.
    pub(crate) fn signers(&self) -> Vec<Signer> {
        let targets = self.root.targets().into_iter().filter_map(|(_, target)| match target {
            TargetOptions::Proxied(options) => options.headers.assertion.as_deref(),
            TargetOptions::ForwardAuth(options) => options.headers.assertion.as_deref(),
            _ => None,
        });
        let behind = self.services().filter_map(|(_, service)| service.upstream.as_deref());
        let routers = behind.flat_map(Among::all);
        let tickets = routers.filter_map(|router| match &router.login {
            Login::Token(token) => Some(&token.signer),
            _ => None,
        });
        targets.map(|assertion| &assertion.signer).chain(tickets).cloned().collect()
    }

    /// The place of the service for RawSocket of a transport.
    pub(super) fn raw_socket_place(transport: &str) -> ServicePlace {
        ServicePlace { transport: transport.to_owned(), path: Self::RAW_SOCKET.to_owned() }
    }
}

/// Limits for requests, per transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Default 16 KiB.
    pub max_head_size: usize,
    /// Default 64.
    pub max_headers: usize,
    /// How long a head may take to arrive, also after an earlier request; from a trusted proxy at least three minutes. Default 5 s.
    pub head_timeout: Duration,
    /// Whether requests are logged. Default false.
    pub access_log: bool,
    /// `Strict-Transport-Security: max-age=…` in seconds, if `hsts` is on.
    pub hsts_max_age: Option<u32>,
    /// The proxies that are believed about the address of a client. Default none.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// What one address may have of a transport; 0: as much as there is. An IPv6 address counts with its network of 64 bits, a client
/// behind a trusted proxy with its own address. 127.0.0.1, `::1` and Unix sockets are not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressOptions {
    /// Open connections. Default 2,000, and at most half of the transport's `max_connections`.
    pub max_connections: u32,
    /// WebSocket handshakes a second in the long run, and as many of TLS; twenty seconds' worth at once. Default 100.
    pub handshakes_per_second: u32,
    /// New records in the cookie store a second in the long run; two hundred seconds' worth at once. Default 10.
    pub new_records_per_second: u32,
}

/// A proxy whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxy {
    /// At an address of this network.
    Network(IpNet),
    /// Any peer of a Unix socket.
    Unix,
}

/// Targets by path: `/a/b` is the child `b` of the child `a`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathTree {
    /// What is served at this very place and below it where no child matches.
    pub target: Option<TargetOptions>,
    /// The next path components.
    pub children: BTreeMap<String, PathTree>,
}

/// What is served at a path.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TargetOptions {
    /// Files of a directory.
    Static(StaticOptions),
    /// WAMP over WebSocket.
    WebSocket(Box<ServiceOptions>),
    /// A WebSocket that sends every message back.
    Testee(Box<TesteeOptions>),
    /// A fixed JSON value.
    Json(serde_json::Value),
    /// A redirect: what stands in the `Location` header.
    Redirect(HeaderValue),
    /// A redirect to the same host and path by https, at this port.
    Https(u16),
    /// The page that is built in.
    Page,
    /// Counters and gauges for monitoring.
    Metrics,
    /// Whether the gateway lives and is ready.
    Health,
    /// The operator's page.
    Console(ConsoleOptions),
    /// The public keys of what the gateway signs.
    Jwks {
        /// How long a client may keep them, in seconds.
        max_age: u32,
    },
    /// Whether a request is allowed and whose it is, for a proxy that asks.
    ForwardAuth(Box<ForwardAuthOptions>),
    /// What goes on to an upstream.
    Proxied(Box<ProxiedOptions>),
}

/// The operator's page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsoleOptions {
    /// What its user has to know. None: every user of this machine may open it, and no other.
    pub token: Option<Secret>,
}

/// Answers for proxies that ask whether a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuthOptions {
    /// The WebSocket service whose clients it knows.
    pub service: ServicePlace,
    /// What a request needs.
    pub terms: Terms,
    /// The headers that tell who the client is.
    pub headers: IdentityHeaders,
    /// Where a browser is sent that has to log in, if it asks for a page. Default none: it gets 401. `{uri}` stands for the path and
    /// the query that it has asked for.
    pub redirect: Option<String>,
    /// How long an answer may take. Default 200 ms.
    pub timeout: Duration,
}

/// A path that goes on to an upstream: each WebSocket, whatever is spoken on it, and with `http` requests as well.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxiedOptions {
    /// The WebSocket service whose clients it knows: another path's, or its own.
    pub service: ServicePlace,
    /// What the configuration says of its own one; none: it is another path's.
    pub own: Option<Box<ServiceOptions>>,
    /// What a client needs.
    pub terms: Terms,
    /// The headers that tell the upstream who the client is.
    pub headers: IdentityHeaders,
    /// The tracking cookies of all paths, which no upstream sees.
    pub cookies: Vec<CookieName>,
    /// What stands behind it.
    pub upstreams: Among<OnwardOptions>,
    /// After how long a client is asked for a sign of life while nothing passes, and a side is given up that takes nothing. Default
    /// 15 s.
    pub interval: Duration,
    /// What requests may have that ask for no WebSocket; none: they are refused.
    pub http: Option<PassedOptions>,
}

/// An upstream of such a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnwardOptions {
    /// Where it is, and how it is reached.
    pub upstream: UpstreamOptions,
    /// What stands in `Host`; none: what the client has asked for.
    pub host: Option<HeaderValue>,
}

/// What requests may have that go on to an upstream and stay HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassedOptions {
    /// How many bytes a body may have. Default: as many as it has.
    pub max_body_size: u64,
}

/// What a request without a session needs to be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What it needs before its role counts.
    pub require: Requirement,
    /// Whether the service's policy decides; otherwise the cookie's record does.
    pub asks_policy: bool,
    /// The roles that are let through; none: any, and clients without one.
    pub roles: Option<Vec<Name>>,
    /// The realm whose roles and logins count; none: the one that a client has logged in to.
    pub realm: Option<Uri>,
}

/// Where a WebSocket service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlace {
    /// The transport's [`id`](EdgeOptions::id).
    pub transport: String,
    /// The path, such as `/ws`.
    pub path: String,
}

/// What a request needs, before its role counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: the policy decides.
    Nothing,
    /// A cookie that the store knows.
    Cookie,
    /// A login on its cookie, or one that the policy vouches for.
    Login,
}

/// The names of the headers that tell a proxy who the client is. Every answer has all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The authid, as other clients see it. Default `Wampgate-Authid`.
    pub authid: HeaderName,
    /// The role. Default `Wampgate-Authrole`.
    pub authrole: HeaderName,
    /// The method that vouched. Default `Wampgate-Authmethod`.
    pub authmethod: HeaderName,
    /// The public ID of the cookie. Default `Wampgate-Client`.
    pub client: HeaderName,
    /// What proves all of that: a token that the gateway signs. None: nothing does.
    pub assertion: Option<Box<AssertionOptions>>,
}

/// Static files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticOptions {
    /// The directory.
    pub directory: PathBuf,
    /// `enable_directory_listing`. Default false.
    pub listing: bool,
    /// `default_file`. Default `index.html`.
    pub index: String,
    /// `mime_types`: file extension with its dot (`.md`) to media type, before the built-in table.
    pub media_types: BTreeMap<String, HeaderValue>,
    /// `cache_timeout` in seconds; none: no `Cache-Control`. Default 12 hours, as in Crossbar.
    pub cache_timeout: Option<u32>,
}

impl Default for AddressOptions {
    fn default() -> Self {
        // An office of two thousand browsers behind one address notices none of these, not even after a restart.
        Self { max_connections: 2000, handshakes_per_second: 100, new_records_per_second: 10 }
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            max_head_size: 16 * KIB,
            max_headers: 64,
            head_timeout: Duration::from_secs(5),
            access_log: false,
            hsts_max_age: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl PathTree {
    /// A tree that serves one target everywhere.
    pub fn of(target: TargetOptions) -> Self {
        Self { target: Some(target), children: BTreeMap::new() }
    }

    /// Every target with its path, parents first.
    pub fn targets(&self) -> Vec<(String, &TargetOptions)> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    /// Every WebSocket service with its path, parents first.
    pub fn services(&self) -> impl Iterator<Item = (String, &ServiceOptions)> {
        self.targets().into_iter().filter_map(|(path, target)| match target {
            TargetOptions::WebSocket(service) => Some((path, &**service)),
            TargetOptions::Proxied(proxied) => Some((path, proxied.own.as_deref()?)),
            _ => None,
        })
    }

    /// Calls back for every path that goes on to an upstream.
    pub(crate) fn each_proxied(&mut self, each: &mut impl FnMut(&mut ProxiedOptions)) {
        if let Some(TargetOptions::Proxied(proxied)) = &mut self.target {
            each(proxied);
        }
        for child in self.children.values_mut() {
            child.each_proxied(each);
        }
    }

    /// Calls back for every service of a WebSocket path.
    pub(crate) fn each_service(&mut self, each: &mut impl FnMut(&mut ServiceOptions)) {
        match &mut self.target {
            Some(TargetOptions::WebSocket(service)) => each(service),
            Some(TargetOptions::Proxied(proxied)) => {
                proxied.own.iter_mut().for_each(|service| each(service));
            }
            _ => {}
        }
        for child in self.children.values_mut() {
            child.each_service(each);
        }
    }

    /// Whether it tells of the gateway and serves nothing else: probes, which a drain must not turn away.
    pub fn is_for_probes(&self) -> bool {
        let targets = self.targets();
        targets.iter().any(|(_, target)| matches!(target, TargetOptions::Health))
            && targets.iter().all(|(_, target)| target.is_for_the_operator())
    }

    fn collect<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a TargetOptions)>) {
        if let Some(target) = &self.target {
            found.push((if path.is_empty() { "/".to_owned() } else { path.to_owned() }, target));
        }
        for (name, child) in &self.children {
            child.collect(&format!("{path}/{name}"), found);
        }
    }
}

impl TargetOptions {
    /// Whether it tells of the gateway itself, and no client has a use for it.
    pub const fn is_for_the_operator(&self) -> bool {
        matches!(self, Self::Health | Self::Metrics | Self::Console(_))
    }

    /// The target's type, as the configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::WebSocket(_) => "websocket",
            Self::Testee(_) => "websocket-testee",
            Self::Json(_) => "json",
            Self::Redirect(_) | Self::Https(_) => "redirect",
            Self::Page => "page",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Console(_) => "admin",
            Self::Jwks { .. } => "jwks",
            Self::ForwardAuth(_) => "forward-auth",
            Self::Proxied(proxied) if proxied.http.is_some() => "proxy",
            Self::Proxied(_) => "websocket-proxy",
        }
    }
}

impl ForwardAuthOptions {
    /// Envoy gives up after this time, and a page waits for many answers.
    pub const TIMEOUT: Duration = Duration::from_millis(200);

    /// What stands in `redirect` for the path and the query that the client has asked for.
    pub const URI: &str = "{uri}";
}

impl TargetOptions {
    /// How long a client may keep public keys, in seconds, by default: a new one has to be known before it signs.
    pub const JWKS_MAX_AGE: u32 = 300;
}

impl Default for PassedOptions {
    fn default() -> Self {
        Self { max_body_size: u64::MAX }
    }
}

impl ProxiedOptions {
    /// The default of `interval`.
    pub const INTERVAL: Duration = Duration::from_secs(15);

    /// How long an upstream may take to answer a request: pages are not as quick as handshakes.
    pub const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
}

impl IdentityHeaders {
    /// Those that are always there.
    pub const fn names(&self) -> [&HeaderName; 4] {
        [&self.authid, &self.authrole, &self.authmethod, &self.client]
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &HeaderName> {
        self.names().into_iter().chain(self.assertion.iter().map(|assertion| &assertion.header))
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            authid: HeaderName::from_static("wampgate-authid"),
            authrole: HeaderName::from_static("wampgate-authrole"),
            authmethod: HeaderName::from_static("wampgate-authmethod"),
            client: HeaderName::from_static("wampgate-client"),
            assertion: None,
        }
    }
}

impl StaticOptions {
    /// Half a day, as in Crossbar: the default of `cache_timeout`.
    const CACHE_TIMEOUT: u32 = 43_200;

    /// The files of a directory, with the defaults.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            listing: false,
            index: "index.html".to_owned(),
            media_types: BTreeMap::new(),
            cache_timeout: Some(Self::CACHE_TIMEOUT),
        }
    }
}
