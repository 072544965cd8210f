//! `websocket-proxy` and `proxy`: a path whose clients go on to an upstream.

use http::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    HandshakeOptions, PassedOptions, ProxiedOptions, ServiceOptions, ServicePlace, UpstreamAddress,
    UpstreamOptions, UpstreamPlace,
    cookie::RawCookie,
    forward_auth::{RawIdentityHeaders, RawTerms, find},
    policy::RawPolicyRef,
    reader::{
        Anything, Json, Located, Millis, NodePath, Raw, Size, Walk, Whole, checked_text, inline_schema,
        object, quoted, words,
    },
    websocket::{HostPattern, Origin, Shared, hosts, origins},
};
use crate::{edge::Requirement, identity::Name, tls, upstream::AddressFault, wamp::Uri};

object! {
    /// A WebSocket that goes on to a server behind the gateway, whatever is spoken on it. The gateway tracks the client, decides whether it
    /// is let through, and tells the server who it is.
    struct RawProxied {
        /// The server.
        upstream: optional Located<RawUpstream>,
        /// The server, as Crossbar names it.
        backend: optional Located<RawBackend>,
        /// The `websocket` path whose clients these are: a path of this transport such as "/ws", or of another one with that one's `id`
        /// before it, such as "public/ws". Its cookie, logins, policy and origins count. Default: this path has its own, if any.
        websocket: optional Located<String>,
        /// Cookie tracking. Default: off. Not beside `websocket`.
        cookie: optional Located<RawCookie>,
        /// The policy that decides, without a HELLO: an object, or a name out of `policies`. Beside `websocket`: whether the policy of that
        /// path decides. Default: the policy of that path, if it has one; otherwise the cookie's record decides.
        policy: optional Located<RawDecider>,
        /// What a client needs: a `cookie` that the store knows, or to be `authenticated`, with a login on its cookie. Default: nothing.
        require: optional Requirement,
        /// The roles that are let through. Default: any, and clients without a login.
        roles: optional Located<Vec<Located<Name>>>,
        /// The realm whose logins and roles count. Default: the only one, or else the one that a client has logged in to.
        realm: optional Located<Uri>,
        /// The names of the headers that tell the server who the client is. Every handshake has all of them, empty where there is no
        /// identity, and none that the client has written.
        headers: optional RawIdentityHeaders,
        /// Options of the path.
        options: optional RawProxiedOptions,
        /// The URL that Crossbar's clients are told; unused.
        url: optional Located<String>,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    misplaced {
        "auth" => "logins are made at a \"websocket\" path: name it as `websocket`",
        "addresses" => "write it in `upstream`",
        "trusted_proxies" => "write it in the `options` of the transport",
    }
}

object! {
    /// Requests of HTTP, and those for a WebSocket, that go on to a server behind the gateway. The gateway recognizes the client by its cookie, decides
    /// with each request whether it is let through, and tells the server who it is.
    struct RawPassed {
        /// The server.
        upstream: optional Located<RawUpstream>,
        /// The host of the server, as Crossbar names it. It is spoken to without TLS.
        host: optional Located<String>,
        /// The port beside `host`. Default 80.
        port: optional Whole<1, 65_535>,
        /// What takes the place of this path in requests, beside `host`. Default: nothing.
        path: optional Located<String>,
        /// The `websocket` path whose clients these are: a path of this transport such as "/ws", or of another one with that one's `id`
        /// before it, such as "public/ws". Its cookie, logins, policy and origins count. Default: this path has its own, if any.
        websocket: optional Located<String>,
        /// Cookie tracking. A WebSocket gets a cookie that has none, a request of HTTP does not. Default: off. Not beside `websocket`.
        cookie: optional Located<RawCookie>,
        /// The policy that decides, without a HELLO: an object, or a name out of `policies`. Beside `websocket`: whether the policy of that
        /// path decides. Default: the policy of that path, if it has one; otherwise the cookie's record decides.
        policy: optional Located<RawDecider>,
        /// What a client needs: a `cookie` that the store knows, or to be `authenticated`, with a login on its cookie. Default: nothing.
        require: optional Requirement,
        /// The roles that are let through. Default: any, and clients without a login.
        roles: optional Located<Vec<Located<Name>>>,
        /// The realm whose logins and roles count. Default: the only one, or else the one that a client has logged in to.
        realm: optional Located<Uri>,
        /// The names of the headers that tell the server who the client is. Every request has all of them, empty where there is no
        /// identity, and none that the client has written.
        headers: optional RawIdentityHeaders,
        /// Options of the path.
        options: optional RawPassedOptions,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    misplaced {
        "auth" => "logins are made at a \"websocket\" path: name it as `websocket`",
        "addresses" => "write it in `upstream`",
        "backend" => "write `upstream`, or `host`, `port` and `path`",
        "trusted_proxies" => "write it in the `options` of the transport",
    }
}

object! {
    /// A server behind the gateway.
    struct RawUpstream {
        /// Where it is: `ws://10.0.0.5:3000/socket`, `wss://app.example`, `unix:/run/app.sock:/socket`. What a URL has as
        /// its path takes the place of this path. Clients go to one address after the other.
        addresses: required Located<Vec<Located<Address>>>,
        /// How long a connection to an address may take, name and TLS included, in milliseconds; then the next one is tried. Default 1,000.
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
        host: optional Located<String>,
        /// The port.
        port: optional Located<Whole<1, 65_535>>,
        /// The Unix socket.
        path: optional Located<NodePath>,
        /// How long a connection may take, in seconds. Default 1.
        timeout: optional Whole<1, 60>,
        /// The version of IP; unused.
        version: optional Anything,
    }
}

object! {
    /// Options of a path that goes on to a server behind the gateway.
    struct RawProxiedOptions {
        /// The origins that browsers may come from; `*` stands for anything. Default: the service's own origin.
        allowed_origins: optional Located<Vec<Origin>>,
        /// Whether the origin `null` (a local file, a sandboxed frame) may come. Default false.
        allow_null_origin: optional Located<bool>,
        /// The hosts that requests may name; `*` stands for anything. Default: any, but on loopback only pages of `localhost`,
        /// a loopback address or a name below `localhost` are of the service's own origin.
        allowed_hosts: optional Located<Vec<HostPattern>>,
        /// After how long the gateway pings a client on whose connection nothing passes, and gives up a side that takes nothing or does not
        /// answer, in milliseconds. Default 15,000.
        auto_ping_interval: optional Millis<1000, 3_600_000>,
    }
}

object! {
    /// Options of a path whose requests go on to a server behind the gateway.
    struct RawPassedOptions {
        /// How many bytes the body of a request may have: a number, or text such as "10MiB". Default: as many as it has.
        max_body_size: optional Size<0, { 1 << 50 }>,
        /// How long no byte of a body may come, of a request or of an answer, in milliseconds. Default 60,000.
        idle_timeout: optional Millis<1000, 86_400_000>,
        /// The origins that browsers may open a WebSocket from; `*` stands for anything. Default: the service's own origin.
        allowed_origins: optional Located<Vec<Origin>>,
        /// Whether the origin `null` (a local file, a sandboxed frame) may open a WebSocket. Default false.
        allow_null_origin: optional Located<bool>,
        /// The hosts that requests may name; `*` stands for anything. Default: any, but on loopback only `localhost`, a loopback address or
        /// a name below `localhost`.
        allowed_hosts: optional Located<Vec<HostPattern>>,
        /// After how long the gateway pings a client on whose WebSocket nothing passes, and gives up a side that takes nothing or does not
        /// answer, in milliseconds. Default 15,000.
        auto_ping_interval: optional Millis<1000, 3_600_000>,
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

/// Which policy decides: another path's, or one of its own.
#[derive(Debug)]
pub(super) enum RawDecider {
    Asked(bool),
    Own(RawPolicyRef),
}

/// An address of an upstream.
#[derive(Debug)]
pub(super) struct Address(UpstreamAddress);

/// What a `Host` header may hold.
#[derive(Debug)]
pub(super) struct HostName(HeaderValue);

impl Raw for RawDecider {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::Bool(asked) => Some(Self::Asked(*asked)),
            other => RawPolicyRef::read(other, walk).map(Self::Own),
        }
    }
}

impl JsonSchema for RawDecider {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Decider".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let policy = generator.subschema_for::<RawPolicyRef>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, policy] })
    }
}

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
            Err(fault @ AddressFault::User) => {
                // What stands there may be a secret.
                walk.fault(format!("this address {fault}"));
                None
            }
            Err(fault) => {
                walk.fault(format!("{} {fault}", quoted(text)));
                None
            }
        }
    }
}

inline_schema!(Address, "Address", |_generator| json_schema!({
    "type": "string",
    "pattern": "^((ws|wss|http|https)://[^/?#@]+(/[^?#]*)?|unix:[^?#]+)$",
}));

impl Raw for HostName {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "a host such as \"app.example\", with its port if it has one", walk, |text| {
            let authority = http::uri::Authority::try_from(text).ok()?;
            if authority.as_str().contains('@') { None } else { HeaderValue::from_str(text).ok().map(Self) }
        })
    }
}

inline_schema!(HostName, "HostName", |_generator| json_schema!({ "type": "string", "pattern": "^[^/@]+$" }));

impl RawPassed {
    /// Checks a path that stands at `at` in the configuration and is served at `place`.
    pub(super) fn check(
        self,
        at: &str,
        place: ServicePlace,
        shared: &mut Shared,
        walk: &mut Walk<'_>,
    ) -> Option<ProxiedOptions> {
        let Self { websocket, cookie, policy, require, roles, realm, headers, options, .. } = self;
        let upstream = match (self.upstream, self.host) {
            (Some(_), Some(Located { path, .. })) => {
                walk.fault_at(path, "the server is named as `upstream` already, keep one");
                None
            }
            (None, Some(Located { path, value: host })) if host.contains(['/', '?', '#', '@']) => {
                walk.fault_at(path, format!("{} is no host, such as \"127.0.0.1\"", quoted(&host)));
                None
            }
            (None, Some(Located { path, value: host })) => {
                let port = self.port.map_or(80_u16, Whole::get);
                let path_there = self.path.map(|path| path.value).unwrap_or_default();
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                match UpstreamAddress::parse(&format!("http://{host}:{port}{path_there}")) {
                    Ok(address) => Some(RawUpstream::at(path, address)),
                    Err(fault) => {
                        walk.fault_at(path, format!("with `port` and `path` behind it, this {fault}"));
                        None
                    }
                }
            }
            (upstream, None) => upstream,
        };
        let has_timeout = upstream.as_ref().is_some_and(|upstream| upstream.value.response_timeout.is_some());
        let (rules, limits) = options.map_or((None, None), |options| {
            let RawPassedOptions {
                allowed_origins,
                allow_null_origin,
                allowed_hosts,
                auto_ping_interval,
                max_body_size,
                idle_timeout,
            } = options;
            let rules =
                RawProxiedOptions { allowed_origins, allow_null_origin, allowed_hosts, auto_ping_interval };
            (Some(rules), Some((max_body_size, idle_timeout)))
        });
        let (max_body_size, idle_timeout) = limits.unwrap_or_default();
        let raw = RawProxied {
            upstream,
            backend: None,
            websocket,
            cookie,
            policy,
            require,
            roles,
            realm,
            headers,
            options: rules,
            url: None,
            id: None,
        };
        let mut checked = raw.check(at, place, shared, walk)?;
        if !has_timeout {
            checked.upstream.response_timeout = ProxiedOptions::RESPONSE_TIMEOUT;
        }
        if let Some(timeout) = idle_timeout {
            checked.upstream.idle_timeout = timeout.0;
        }
        let default = PassedOptions::default();
        let max_body_size = max_body_size.map_or(default.max_body_size, |size| size.0 as u64);
        checked.http = Some(PassedOptions { max_body_size });
        Some(checked)
    }
}

impl RawProxied {
    /// Checks a path that stands at `at` in the configuration and is served at `place`.
    pub(super) fn check(
        self,
        at: &str,
        place: ServicePlace,
        shared: &mut Shared,
        walk: &mut Walk<'_>,
    ) -> Option<ProxiedOptions> {
        let Self {
            upstream,
            backend,
            websocket,
            cookie,
            policy,
            require,
            roles,
            realm,
            headers,
            options,
            ..
        } = self;
        if let Some(url) = self.url {
            walk.warn_at(url.path, "has no effect: clients find their URL themselves; leave it out");
        }
        let upstream = checked_upstream(at, upstream, backend, walk);
        let interval = options.as_ref().and_then(|options| options.auto_ping_interval.as_ref());
        let interval = interval.map_or(ProxiedOptions::INTERVAL, |interval| interval.0);
        let terms = RawTerms { require, roles, realm, asks_policy: None };
        let (service, own, terms) = if let Some(named) = &websocket {
            if let Some(cookie) = &cookie {
                walk.fault_at(
                    &cookie.path,
                    "the cookie is the one of the `websocket` path, leave it out here",
                );
            }
            if let Some(options) = &options {
                options.refuse_rules(walk);
            }
            let asks_policy = match policy {
                Some(Located { path, value: RawDecider::Asked(asked) }) => {
                    Some(Located { path, value: asked })
                }
                Some(Located { path, value: RawDecider::Own(_) }) => {
                    walk.fault_at(
                        path,
                        "the policy is the one of the `websocket` path: write true or false, or leave it out",
                    );
                    None
                }
                None => None,
            };
            let service = find(at, Some(named), shared, walk)?;
            let asked = asks_policy
                .or_else(|| service.has_policy.then(|| Located { path: named.path.clone(), value: true }));
            let service = service.clone();
            let terms = RawTerms { asks_policy: asked, ..terms };
            let terms = terms.check(at, Some((&service, &named.path)), Requirement::Nothing, shared, walk);
            (service.place, None, terms)
        } else {
            let own = own(cookie, policy, options, shared, walk);
            let asks_policy = own.policy.is_some().then(|| Located { path: at.to_owned(), value: true });
            let terms = RawTerms { asks_policy, ..terms };
            let terms = terms.check(at, None, Requirement::Nothing, shared, walk);
            if own.cookie.is_none()
                && terms.require != Requirement::Nothing
                && !walk.has_fault_below(&format!("{at}.cookie"))
            {
                walk.fault_at(at, "`require` lets no client through without a `cookie`: write one, or name a `websocket` path that has one");
            }
            (place, Some(Box::new(own)), terms)
        };
        let headers = headers.map_or_else(Default::default, |headers| headers.check(walk));
        let (upstream, host) = upstream?;
        for address in &upstream.addresses {
            shared.upstreams.push((at.to_owned(), address.clone()));
        }
        let cookies = Vec::new();
        Some(ProxiedOptions { service, own, terms, headers, cookies, host, upstream, interval, http: None })
    }
}

/// The service that a path is by itself.
fn own(
    cookie: Option<Located<RawCookie>>,
    policy: Option<Located<RawDecider>>,
    options: Option<RawProxiedOptions>,
    shared: &mut Shared,
    walk: &mut Walk<'_>,
) -> ServiceOptions {
    let cookie = cookie.and_then(|cookie| cookie.value.check(&mut shared.stores, shared.has_tls, walk));
    let policy = policy.and_then(|Located { path, value }| match value {
        RawDecider::Own(value) => shared.policies.resolve(Located { path, value }, walk),
        RawDecider::Asked(true) => {
            walk.fault_at(
                path,
                "there is no policy to ask: write one, or name the `websocket` path that has it",
            );
            None
        }
        RawDecider::Asked(false) => None,
    });
    let default = HandshakeOptions { allowed_hosts: shared.hosts.clone(), ..HandshakeOptions::default() };
    let handshake = match options {
        None => default,
        Some(options) => HandshakeOptions {
            same_origin: options.allowed_origins.is_none(),
            allowed_origins: options.allowed_origins.map_or_else(Vec::new, |named| origins(named, walk)),
            allow_null_origin: options.allow_null_origin.is_some_and(|allowed| allowed.value),
            allowed_hosts: hosts(options.allowed_hosts, &default.allowed_hosts, walk),
            ..default
        },
    };
    ServiceOptions { cookie, policy, handshake, ..ServiceOptions::default() }
}

impl RawProxiedOptions {
    /// What the `websocket` path says cannot be said otherwise here.
    fn refuse_rules(&self, walk: &mut Walk<'_>) {
        let places = [
            self.allowed_origins.as_ref().map(|named| &named.path),
            self.allow_null_origin.as_ref().map(|named| &named.path),
            self.allowed_hosts.as_ref().map(|named| &named.path),
        ];
        for place in places.into_iter().flatten() {
            walk.fault_at(place, "the rules of the `websocket` path count here: write it there");
        }
    }
}

fn checked_upstream(
    at: &str,
    upstream: Option<Located<RawUpstream>>,
    backend: Option<Located<RawBackend>>,
    walk: &mut Walk<'_>,
) -> Option<(UpstreamOptions, Option<HeaderValue>)> {
    match (upstream, backend) {
        (Some(_), Some(Located { path, .. })) => {
            walk.fault_at(path, "the server is named as `upstream` already, keep one");
            None
        }
        (Some(raw), None) => raw.value.check(walk),
        (None, Some(Located { path, value })) => value.check(&path, walk).map(|upstream| (upstream, None)),
        (None, None) => {
            if !["upstream", "backend", "host"].iter().any(|key| walk.has_fault_below(&format!("{at}.{key}")))
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
    fn at(path: String, address: UpstreamAddress) -> Located<Self> {
        let located = |value| Located { path: path.clone(), value };
        let addresses = Located { path: path.clone(), value: vec![located(Address(address))] };
        let value = Self {
            addresses: Some(addresses),
            connect_timeout: None,
            response_timeout: None,
            max_connections: None,
            host: None,
            ca_certificates: None,
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
            if addresses.contains(&address) {
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
            let paths: Vec<_> = files.iter().map(|file| file.value.path.clone()).collect();
            for (place, what) in tls::read_authorities(&paths).err().unwrap_or_default() {
                if let Some(file) = files.get(place) {
                    walk.fault_at(&file.path, what);
                }
            }
            if !addresses.iter().any(|address| address.has_tls) {
                walk.warn_at(path, "has no effect: no address is of wss:// or https://");
            }
            paths
        });
        if addresses.is_empty() {
            return None;
        }
        let default = UpstreamOptions::new(addresses);
        let options = UpstreamOptions {
            connect_timeout: self.connect_timeout.map_or(default.connect_timeout, |limit| limit.0),
            response_timeout: self.response_timeout.map_or(default.response_timeout, |limit| limit.0),
            max_connections: self.max_connections.map_or(default.max_connections, Whole::get),
            authorities,
            ..default
        };
        Some((options, self.host.map(|host| host.0)))
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
                UpstreamPlace::Tcp(host.value, port.value.get())
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
            None => UpstreamAddress { place, has_tls: false, path: String::new() },
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
