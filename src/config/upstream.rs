//! The server behind a path that goes on to one: the gateway's own keys, and Crossbar's.

use http::{HeaderValue, Uri};
use schemars::json_schema;

use super::{
    Among, Choosing, OnwardOptions, ProbeOptions, Speaks, UpstreamAddress, UpstreamOptions, UpstreamPlace,
    among::{RawUpstreams, checked, either},
    reader::{
        Anything, Json, Located, Millis, NodePath, Raw, Walk, Whole, checked_place, inline_schema, object,
        quoted_place, words,
    },
    tls::{Shown, checked_authorities},
};

object! {
    /// A server behind the gateway.
    struct RawUpstream {
        /// Where it is: `ws://10.0.0.5:3000/socket`, `wss://app.example`, `unix:/run/app.sock:/socket`. What a URL has as
        /// its path takes the place of this path.
        addresses: required Located<Vec<Located<Address>>>,
        /// To which address a client goes: one after the other (`round-robin`), the one with the fewest clients and requests under way
        /// (`least-connections`), or each client to the same one (`sticky`), by its cookie or else by its address. Default `round-robin`.
        choice: optional Located<Choosing>,
        /// Has the gateway ask each address again and again whether it answers. Default: off.
        probe: optional RawProbe,
        /// How long a connection to an address may take, name and TLS included, in milliseconds; then the next one is tried.
        /// The last one has what is left of three times that. Default 1,500.
        connect_timeout: optional Millis<10, 60_000>,
        /// How long the server may take to answer a handshake, or a request whose body it has, in milliseconds. Default 5,000; at a
        /// `proxy` path 60,000.
        response_timeout: optional Millis<10, 600_000>,
        /// How many connections it may have. Default 10,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What stands in `Host`. Default: what the client has asked for.
        host: optional HostName,
        /// Files with the authorities that certificates of `wss` must be from. Default: those that this system trusts.
        ca_certificates: optional Located<Vec<Located<NodePath>>>,
        /// The file with the certificate in PEM that the gateway shows to a server of `wss` or `https` that asks for one; its chain may follow in the same
        /// file. Default: none.
        certificate: optional Located<NodePath>,
        /// The file with the certificate's private key in PEM. Users other than its owner and its group must not have access to it.
        key: optional Located<NodePath>,
        /// Files with further certificates of the chain, in PEM. Default none.
        chain_certificates: optional Vec<Located<NodePath>>,
    }
}

object! {
    /// Questions of the gateway to an address: one that does not answer is tried last until it does.
    struct RawProbe {
        /// What is asked for by GET, such as `/health`; an answer of 200 to 399 counts. Default: a connection counts, TLS included.
        path: optional Located<ProbePath>,
        /// How long from an answer to the next question, give or take a fifth, in milliseconds. Default 5,000.
        interval: optional Millis<100, 3_600_000>,
        /// How long the address may take, in milliseconds. Default 1,000.
        timeout: optional Millis<10, 60_000>,
        /// How many questions in a row must fail. Default 2.
        failures: optional Whole<1, 100>,
    }
}

object! {
    /// A server, as Crossbar names it.
    struct RawBackend {
        /// `websocket`.
        kind: optional BackendKind = "type",
        /// The URL of the server.
        url: optional Located<Address>,
        /// Where it listens, if not at its URL.
        endpoint: optional RawBackendEndpoint,
        /// Crossbar's serializers: unused, since what is spoken passes as it is.
        serializers: optional Anything,
        /// Crossbar's options for the connection; unused.
        options: optional Anything,
    }
}

object! {
    /// Where a server listens.
    struct RawBackendEndpoint {
        /// `tcp` or `unix`.
        kind: required EndpointKind = "type",
        /// The host.
        host: optional ServerHost,
        /// The port.
        port: optional Located<Whole<1, 65_535>>,
        /// The Unix socket.
        path: optional Located<NodePath>,
        /// How long a try may take, in seconds; the only address has three times that. Default 1.5.
        timeout: optional Whole<1, 60>,
        /// The version of IP; unused.
        version: optional Anything,
    }
}

words! {
    Choosing as "Choosing" {
        "round-robin" => Self::RoundRobin,
        "least-connections" => Self::LeastConnections,
        "sticky" => Self::Sticky,
    }
}

words! {
    BackendKind as "BackendKind" {
        "websocket" => Self,
    }
}

words! {
    EndpointKind as "BackendEndpointKind" {
        "tcp" => Self::Tcp,
        "unix" => Self::Unix,
    }
}

/// `websocket`, the only kind of a backend.
#[derive(Debug)]
pub(super) struct BackendKind;

/// What a backend listens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndpointKind {
    Tcp,
    Unix,
}

/// An address of an upstream.
#[derive(Debug)]
pub(super) struct Address(pub(super) UpstreamAddress);

/// What a probe asks for.
#[derive(Debug)]
pub(super) struct ProbePath(Uri);

/// The name or the IP address of a server, which Crossbar writes apart from the port.
#[derive(Debug)]
pub(super) struct ServerHost(pub(super) String);

/// What a `Host` header may hold.
#[derive(Debug)]
pub(super) struct HostName(HeaderValue);

impl Raw for Address {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Json::Text(text) = json else {
            walk.wrong_kind("text: an address such as \"ws://127.0.0.1:3000/socket\"", json);
            return None;
        };
        match UpstreamAddress::parse(text) {
            Ok(mut address) => {
                if let UpstreamPlace::Unix(path) = &mut address.place {
                    *path = walk.surroundings.node_dir.join(&*path);
                }
                Some(Self(address))
            }
            Err(fault) => {
                walk.fault(format!("{} {fault}", quoted_place(text)));
                None
            }
        }
    }
}

inline_schema!(Address, "Address", |_generator| json_schema!({
    "type": "string",
    "pattern": "^((ws|wss|http|https|rs|rss)://[^/?#@]+(/[^?#]*)?|(rs\\+)?unix:[^?#]+)$",
}));

impl Raw for ProbePath {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_place(json, "a path such as \"/health\"", walk, |text| {
            if text.starts_with('/') && !text.contains('#') { text.parse().ok().map(Self) } else { None }
        })
    }
}

inline_schema!(
    ProbePath,
    "ProbePath",
    |_generator| json_schema!({ "type": "string", "pattern": "^/[^#]*$" })
);

impl Raw for ServerHost {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_place(json, "a host such as \"127.0.0.1\"", walk, |text| {
            let is_host = !text.is_empty() && !text.contains(['/', '?', '#', '@']);
            is_host.then(|| Self(text.to_owned()))
        })
    }
}

inline_schema!(
    ServerHost,
    "ServerHost",
    |_generator| json_schema!({ "type": "string", "pattern": "^[^/?#@]+$" })
);

impl Raw for HostName {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_place(json, "a host such as \"app.example\", with its port if it has one", walk, |text| {
            let authority = http::uri::Authority::try_from(text).ok()?;
            if authority.as_str().contains('@') { None } else { HeaderValue::from_str(text).ok().map(Self) }
        })
    }
}

inline_schema!(HostName, "HostName", |_generator| json_schema!({ "type": "string", "pattern": "^[^/@]+$" }));

pub(super) fn checked_upstreams(
    at: &str,
    upstream: Option<Located<RawUpstream>>,
    upstreams: Option<Located<RawUpstreams<RawUpstream>>>,
    backend: Option<Located<RawBackend>>,
    walk: &mut Walk<'_>,
) -> Option<Among<OnwardOptions>> {
    let several = upstreams.iter().flat_map(|upstreams| upstreams.value.0.iter().map(|(_, each)| each));
    let named = upstream.iter().chain(several).flat_map(|upstream| upstream.value.addresses.iter());
    let named = named.flat_map(|addresses| &addresses.value);
    let named = named.chain(backend.iter().filter_map(|backend| backend.value.url.as_ref()));
    for Located { path, .. } in named.filter(|address| address.value.0.is_raw()) {
        walk.fault_at(
            path,
            "is an address of RawSocket, which WAMP routers have: join one by the `upstream` of a path of \"type\": \"websocket\"",
        );
    }
    let is_named = upstream.is_some() || upstreams.is_some();
    match (either(upstream, upstreams, walk), backend) {
        (Some(_), Some(Located { path, .. })) => {
            walk.fault_at(path, "the server is named as `upstream` already, keep one");
            None
        }
        (Some(raw), None) => checked(raw, |raw| {
            let (upstream, host) = raw.value.check(walk)?;
            Some(OnwardOptions { upstream, host })
        }),
        (None, Some(Located { path, value })) => {
            value.check(&path, walk).map(|upstream| Among::One(OnwardOptions { upstream, host: None }))
        }
        (None, None) => {
            if !is_named
                && !["upstream", "upstreams", "backend", "host"]
                    .iter()
                    .any(|key| walk.has_fault_below(&format!("{at}.{key}")))
            {
                walk.fault_at(
                    at,
                    "names no server: write `upstream`, such as {\"addresses\": [\"http://127.0.0.1:3000\"]}",
                );
            }
            None
        }
    }
}

impl RawUpstream {
    /// A server as Crossbar names it, at `path` in the configuration.
    pub(super) fn at(path: String, address: UpstreamAddress) -> Located<Self> {
        let located = |value| Located { path: path.clone(), value };
        let addresses = Located { path: path.clone(), value: vec![located(Address(address))] };
        let value = Self {
            addresses: Some(addresses),
            choice: None,
            probe: None,
            connect_timeout: None,
            response_timeout: None,
            max_connections: None,
            host: None,
            ca_certificates: None,
            certificate: None,
            key: None,
            chain_certificates: None,
        };
        Located { path, value }
    }

    pub(super) fn check(self, walk: &mut Walk<'_>) -> Option<(UpstreamOptions, Option<HeaderValue>)> {
        let Located { path, value } = self.addresses?;
        if value.is_empty() && !walk.has_fault_below(&path) {
            walk.fault_at(&path, "the list is empty: write where the server is");
        }
        let mut addresses: Vec<UpstreamAddress> = Vec::new();
        for Located { path, value: Address(address) } in value {
            if addresses.iter().any(|other| other.is_same(&address)) {
                walk.fault_at(path, "stands there twice, keep one");
            }
            addresses.push(address);
        }
        let authorities = self.ca_certificates.map(|Located { path, value: files }| {
            if files.is_empty() {
                walk.fault_at(
                    &path,
                    "the list is empty: name the files of the authorities, or leave the key out",
                );
            }
            let paths = checked_authorities(&files, walk);
            if !addresses.iter().any(|address| address.has_tls) {
                walk.warn_at(path, "has no effect: no address is of wss://, https:// or rss://");
            }
            paths
        });
        let asked = self.probe.as_ref().and_then(|probe| probe.path.as_ref());
        if let (Some(asked), true) = (asked, addresses.iter().any(UpstreamAddress::is_raw)) {
            walk.fault_at(&asked.path, "is asked for by HTTP, which an address of RawSocket does not have: leave it out, and a connection counts");
        }
        if let (Some(choice), [_]) = (&self.choice, &*addresses) {
            walk.warn_at(&choice.path, "has no effect: there is one address");
        }
        let shown = Shown { certificate: self.certificate, key: self.key, chain: self.chain_certificates };
        if let (Some(path), false) = (shown.path(), addresses.iter().any(|address| address.has_tls)) {
            walk.warn_at(path.to_owned(), "has no effect: no address is of wss://, https:// or rss://");
        }
        let certificate = shown.check(walk);
        if addresses.is_empty() {
            return None;
        }
        let default = UpstreamOptions::new(addresses);
        let host = self.host.map(|host| host.0);
        let options = UpstreamOptions {
            probe: self.probe.map(|probe| probe.check(host.clone())),
            choosing: self.choice.map_or(default.choosing, |choice| choice.value),
            connect_timeout: self.connect_timeout.map_or(default.connect_timeout, |limit| limit.0),
            response_timeout: self.response_timeout.map_or(default.response_timeout, |limit| limit.0),
            max_connections: self.max_connections.map_or(default.max_connections, Whole::get),
            authorities,
            certificate,
            ..default
        };
        Some((options, host))
    }
}

impl RawProbe {
    fn check(self, host: Option<HeaderValue>) -> ProbeOptions {
        let default = ProbeOptions::default();
        ProbeOptions {
            path: self.path.map(|path| path.value.0),
            interval: self.interval.map_or(default.interval, |interval| interval.0),
            timeout: self.timeout.map_or(default.timeout, |limit| limit.0),
            failures: self.failures.map_or(default.failures, Whole::get),
            host,
        }
    }
}

impl RawBackend {
    fn check(self, at: &str, walk: &mut Walk<'_>) -> Option<UpstreamOptions> {
        let url = self.url.map(|url| url.value.0);
        let Some(endpoint) = self.endpoint else {
            if url.is_none() && !walk.has_fault_below(at) {
                walk.fault_at(at, "names no server: write its `url`, such as \"ws://127.0.0.1:3000/socket\"");
            }
            return url.map(|address| UpstreamOptions::new(vec![address]));
        };
        let place = match endpoint.kind? {
            EndpointKind::Tcp => {
                let (Some(host), Some(port)) = (endpoint.host, endpoint.port) else {
                    if !walk.has_fault_below(at) {
                        walk.fault_at(at, "the `endpoint` needs `host` and `port`");
                    }
                    return None;
                };
                UpstreamPlace::Tcp(host.0, port.value.get())
            }
            EndpointKind::Unix => {
                let Some(path) = endpoint.path else {
                    if !walk.has_fault_below(at) {
                        walk.fault_at(at, "the `endpoint` needs the `path` of its socket");
                    }
                    return None;
                };
                UpstreamPlace::Unix(path.value.path)
            }
        };
        // The URL says how the server is spoken to, and the endpoint where it is.
        let address = match url {
            Some(url) => UpstreamAddress { place, ..url },
            None => UpstreamAddress { place, has_tls: false, speaks: Speaks::WebSocket, path: String::new() },
        };
        let default = UpstreamOptions::new(vec![address]);
        let connect_timeout =
            endpoint.timeout.map(|seconds| std::time::Duration::from_secs(u64::from(seconds.get::<u32>())));
        Some(UpstreamOptions {
            connect_timeout: connect_timeout.unwrap_or(default.connect_timeout),
            ..default
        })
    }
}
