//! Transports: an endpoint, its limits, and what is served there.

mod checks;
mod raw_socket;
mod requests;
mod universal;

use std::{borrow::Cow, mem};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use self::{
    checks::{
        check_proxy_protocol, check_redirects, check_upstreams, clash, keep_cookies_from_upstreams,
        let_policies_choose, warn_of_public_metrics,
    },
    raw_socket::{NO_COOKIE, RawRawSocketTransport},
    requests::{RawPerAddress, RawWebOptions, http_options, per_address, transport_hosts},
    universal::RawUniversal,
};
use super::{
    AddressOptions, EdgeOptions, Endpoint, HttpOptions, ListenerOptions, LoadOptions, PathTree,
    RawSocketOptions, Secret, ServiceOptions, ServicePlace, TargetOptions, TransportConfig, TrustedProxy,
    console::{self, Reach},
    endpoint::{Entrance, RawEndpoint},
    reader::{Json, Located, Raw, Walk, Whole, choice, entry, object, quoted},
    service::{HTTPS_PORT, HeadTimeouts, RawPaths},
    websocket::{KnownService, Shared, websocket_object},
};
use crate::{handshake::AllowedHosts, identity::Name};

/// A transport, with the path at which it stands.
#[derive(Debug)]
pub(super) struct RawTransport(TransportChoice, String);

choice! {
    /// A transport: an endpoint and what is served there.
    enum TransportChoice {
        Web(RawWeb) = "web",
        WebSocket(RawWebSocketTransport) = "websocket",
        RawSocket(RawRawSocketTransport) = "rawsocket",
        Universal(RawUniversal) = "universal",
        Redirect(RawRedirectTransport) = "redirect",
        Admin(RawConsoleTransport) = "admin",
    }
    refuses {
        "mqtt" => "use \"websocket\" or \"web\"",
        "flashpolicy" => "Flash is gone, leave this transport out",
        "websocket.testee" => "use \"web\", with a path of type \"websocket-testee\"",
        "stream.testee" => "the gateway is not a test peer, use \"websocket\" or \"web\"",
    }
}

const ON_THE_PATH: &str = "write it on a path of type \"websocket\"";

object! {
    /// HTTP: services by path, WAMP over WebSocket among them.
    struct RawWeb {
        /// A name for the log. Default: the transport's place in the list, from 0.
        id: optional Located<Name>,
        /// Where the transport listens: an object such as {"type": "tcp", "port": 8080}.
        endpoint: required Located<RawEndpoint>,
        /// The services by path component; `/` for the root.
        paths: required RawPaths,
        /// Limits and switches for requests.
        options: optional RawWebOptions,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
    misplaced {
        "cookie" => ON_THE_PATH,
        "auth" => ON_THE_PATH,
        "policy" => ON_THE_PATH,
        "serializers" => ON_THE_PATH,
    }
}

websocket_object! {
    /// WAMP over WebSocket at any path.
    struct RawWebSocketTransport {
        /// Where the transport listens: an object such as {"type": "tcp", "port": 8080}.
        endpoint: required Located<RawEndpoint>,
        /// Limits and switches for requests.
        http_options: optional RawWebOptions,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
    misplaced {
        "paths" => "a transport with `paths` is of \"type\": \"web\", with the \"websocket\" service among them",
    }
}

object! {
    /// Sends browsers that come by http to the same host and path by https: for port 80.
    struct RawRedirectTransport {
        /// A name for the log. Default: the transport's place in the list, from 0.
        id: optional Located<Name>,
        /// Where the transport listens: an object such as {"type": "tcp", "port": 80}.
        endpoint: required Located<RawEndpoint>,
        /// The port of https. Default 443.
        https_port: optional Whole<1, 65_535>,
        /// Limits and switches for requests.
        options: optional RawWebOptions,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
}

object! {
    /// The operator's page, at a listener of its own.
    struct RawConsoleTransport {
        /// A name for the log. Default: the transport's place in the list, from 0.
        id: optional Located<Name>,
        /// Where the transport listens: an object such as {"type": "tcp", "port": 9091}. Default: port 9091 of 127.0.0.1, whatever
        /// `run --port` and `--interface` say.
        endpoint: optional Located<RawEndpoint>,
        /// What the page's user has to know, at least 16 characters. The page needs it wherever it can be reached from beyond this machine.
        /// Default none.
        token: optional Located<Secret>,
        /// Limits and switches for requests.
        options: optional RawWebOptions,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
}

impl Raw for RawTransport {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        refuse_stray_cookies(json, walk);
        let path = walk.path().to_owned();
        TransportChoice::read(json, walk).map(|choice| Self(choice, path))
    }
}

/// Reports `cookie` on a transport whose handshake cannot carry a cookie. That deserves a fault of its own beside the one
/// about the unsupported transport.
fn refuse_stray_cookies(json: &Json, walk: &mut Walk<'_>) {
    let Json::Object(pairs) = json else { return };
    let entries = pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let Some(Json::Text(kind)) = entry(&entries, "type") else { return };
    match kind.as_str() {
        "mqtt" if entry(&entries, "cookie").is_some() => {
            walk.at_key("cookie", |walk| walk.fault(NO_COOKIE));
        }
        "universal" => {
            if let Some(Json::Object(pairs)) = entry(&entries, "mqtt")
                && pairs.iter().any(|(key, _)| key == "cookie")
            {
                walk.at_key("mqtt", |walk| walk.at_key("cookie", |walk| walk.fault(NO_COOKIE)));
            }
        }
        _ => {}
    }
}

impl JsonSchema for RawTransport {
    fn schema_name() -> Cow<'static, str> {
        "Transport".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        TransportChoice::json_schema(generator)
    }
}

/// A transport, with the paths of the values that must be unique.
struct Checked {
    id: Option<Located<Name>>,
    endpoint: Option<Located<Endpoint>>,
    entrance: Entrance,
    max_connections: Option<usize>,
    http: HttpOptions,
    per_address: AddressOptions,
    hosts: AllowedHosts,
    root: PathTree,
    /// Whether the caller may give it another port or interface.
    may_be_elsewhere: bool,
    raw_socket: Option<RawSocketOptions>,
}

/// Checks all transports of a configuration.
pub(super) fn transports(
    raw: Vec<RawTransport>,
    shared: &mut Shared,
    walk: &mut Walk<'_>,
) -> Vec<TransportConfig> {
    let mut transports: Vec<TransportConfig> = Vec::new();
    let mut ids: Vec<Located<Name>> = Vec::new();
    let mut endpoints: Vec<Located<Endpoint>> = Vec::new();
    // The TCP endpoints that the caller may place elsewhere.
    let mut wanted = 0;
    shared.services = services(&raw, walk);
    for (place, RawTransport(choice, at)) in raw.into_iter().enumerate() {
        shared.transport = choice.id(place);
        let checked = match choice {
            TransportChoice::Web(web) => web.check(shared, walk),
            TransportChoice::WebSocket(websocket) => websocket.check(shared, walk),
            TransportChoice::RawSocket(raw_socket) => raw_socket.check(shared, walk),
            TransportChoice::Universal(universal) => universal.check(shared, walk),
            TransportChoice::Redirect(redirect) => redirect.check(walk),
            TransportChoice::Admin(admin) => admin.check(&at, walk),
        };
        let id = shared.transport.clone();
        if let Some(id) = checked.id {
            if ids.iter().any(|other| other.value == id.value) {
                walk.fault_at(
                    &id.path,
                    format!("another transport has the `id` {}, use another one", quoted(&id.value)),
                );
            }
            ids.push(id);
        }
        let Some(endpoint) = checked.endpoint else { continue };
        // Endpoints that the caller has made equal get a message of their own.
        let is_from_file = !checked.may_be_elsewhere || !is_endpoint_wanted(walk);
        if is_from_file
            && let Some(other) = endpoints.iter().find(|other| clash(&other.value, &endpoint.value))
        {
            let message = format!("{} listens there already, use another endpoint", other.path);
            walk.fault_at(&endpoint.path, message);
        }
        warn_of_public_metrics(&endpoint, &checked.root, walk);
        check_proxy_protocol(&checked.entrance, &checked.http, walk);
        check_redirects(&endpoint, &checked.root, walk);
        check_upstreams(&endpoint, mem::take(&mut shared.upstreams), walk);
        let reach = Reach {
            endpoint: &endpoint,
            entrance: &checked.entrance,
            http: &checked.http,
            hosts: &checked.hosts,
            root: &checked.root,
            has_raw_socket: checked.raw_socket.is_some(),
        };
        console::check(&reach, walk);
        transports.push(TransportConfig {
            listener: ListenerOptions {
                endpoint: endpoint.value.clone(),
                max_connections: checked.max_connections,
                tls: checked.entrance.tls,
                proxy_protocol: checked.entrance.proxy_protocol.is_some(),
            },
            edge: EdgeOptions {
                id,
                http: checked.http,
                per_address: checked.per_address,
                hosts: checked.hosts,
                root: checked.root,
                raw_socket: checked.raw_socket,
            },
        });
        wanted += usize::from(checked.may_be_elsewhere && matches!(endpoint.value, Endpoint::Tcp { .. }));
        endpoints.push(endpoint);
    }
    check_wanted(wanted, walk);
    keep_cookies_from_upstreams(&mut transports);
    let_policies_choose(&mut transports);
    transports
}

/// The WebSocket services of all transports, to which other paths refer.
fn services(raw: &[RawTransport], walk: &Walk<'_>) -> Vec<KnownService> {
    let mut found = Vec::new();
    for (place, RawTransport(choice, _)) in raw.iter().enumerate() {
        let id = choice.id(place);
        match choice {
            TransportChoice::Web(web) => {
                if let Some(paths) = &web.paths {
                    paths.collect(&id, "", &mut found, walk);
                }
            }
            TransportChoice::WebSocket(websocket) => found.push(KnownService {
                place: ServicePlace { transport: id, path: "/".to_owned() },
                at: websocket.endpoint.as_ref().map_or_else(String::new, |endpoint| {
                    endpoint.path.trim_end_matches(".endpoint").to_owned()
                }),
                has_cookie: websocket.cookie.is_some(),
                keeps_logins: websocket.auth.as_ref().is_some_and(|auth| auth.value.cookie.is_some()),
                has_policy: websocket.policy.is_some(),
                realms: None,
            }),
            TransportChoice::Universal(universal) => universal.collect(&id, &mut found, walk),
            TransportChoice::RawSocket(_) | TransportChoice::Redirect(_) | TransportChoice::Admin(_) => {}
        }
    }
    found
}

impl TransportChoice {
    /// The transport's `id`, or its place in the list.
    fn id(&self, place: usize) -> String {
        let id = match self {
            Self::Web(web) => &web.id,
            Self::WebSocket(websocket) => &websocket.id,
            Self::RawSocket(raw_socket) => &raw_socket.id,
            Self::Universal(universal) => &universal.id,
            Self::Redirect(redirect) => &redirect.id,
            Self::Admin(admin) => &admin.id,
        };
        id.as_ref().map_or_else(|| place.to_string(), |id| id.value.to_string())
    }
}

impl RawWeb {
    fn check(mut self, shared: &mut Shared, walk: &mut Walk<'_>) -> Checked {
        let (endpoint, entrance) = checked_endpoint(self.endpoint, walk);
        shared.has_tls = entrance.wants_tls;
        shared.hosts = transport_hosts(self.options.as_mut(), endpoint.as_ref(), walk);
        let proxies = self.options.as_ref().and_then(|options| options.trusted_proxies.as_ref());
        shared.trusts_proxies = proxies.is_some_and(|proxies| !proxies.is_empty());
        let mut timeouts = HeadTimeouts::new();
        let max_connections = self.max_connections.map(Whole::get);
        let root = self.paths.map(|paths| paths.check("", shared, &mut timeouts, walk)).unwrap_or_default();
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            http: http_options(self.options, &timeouts, walk),
            per_address: per_address(self.per_address, max_connections),
            hosts: shared.hosts.clone(),
            root,
            may_be_elsewhere: true,
            raw_socket: None,
        }
    }
}

impl RawWebSocketTransport {
    fn check(mut self, shared: &mut Shared, walk: &mut Walk<'_>) -> Checked {
        let parts = self.service_keys();
        let max_connections = self.max_connections.map(Whole::get);
        let (endpoint, entrance) = checked_endpoint(self.endpoint, walk);
        shared.has_tls = entrance.wants_tls;
        shared.hosts = transport_hosts(self.http_options.as_mut(), endpoint.as_ref(), walk);
        let path = endpoint.as_ref().and_then(|endpoint| endpoint.path.strip_suffix(".endpoint"));
        let service = parts.check(path.unwrap_or_default(), shared, walk);
        let root = PathTree::of(TargetOptions::WebSocket(Box::new(service.options)));
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            per_address: per_address(self.per_address, max_connections),
            http: http_options(self.http_options, service.open_handshake_timeout.as_slice(), walk),
            hosts: shared.hosts.clone(),
            root,
            may_be_elsewhere: true,
            raw_socket: None,
        }
    }
}

impl RawConsoleTransport {
    /// The transport at a path of the configuration.
    fn check(mut self, at: &str, walk: &mut Walk<'_>) -> Checked {
        let (endpoint, entrance) = if let Some(Located { path, value }) = self.endpoint {
            // Not by `checked_endpoint`: the caller means the port for clients.
            let (endpoint, entrance) = value.check(walk);
            (endpoint.map(|value| Located { path, value }), entrance)
        } else {
            let (path, value) = (format!("{at}.endpoint"), console::default_endpoint());
            (Some(Located { path, value }), Entrance::default())
        };
        let hosts = transport_hosts(self.options.as_mut(), endpoint.as_ref(), walk);
        let max_connections = self.max_connections.map(Whole::get);
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            http: http_options(self.options, &[], walk),
            per_address: per_address(self.per_address, max_connections),
            hosts,
            root: PathTree::of(TargetOptions::Console(console::checked(self.token, walk))),
            may_be_elsewhere: false,
            raw_socket: None,
        }
    }
}

impl RawRedirectTransport {
    fn check(mut self, walk: &mut Walk<'_>) -> Checked {
        let (endpoint, entrance) = checked_endpoint(self.endpoint, walk);
        let hosts = transport_hosts(self.options.as_mut(), endpoint.as_ref(), walk);
        let max_connections = self.max_connections.map(Whole::get);
        let port = self.https_port.map_or(HTTPS_PORT, Whole::get);
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            http: http_options(self.options, &[], walk),
            per_address: per_address(self.per_address, max_connections),
            hosts,
            root: PathTree::of(TargetOptions::Https(port)),
            may_be_elsewhere: true,
            raw_socket: None,
        }
    }
}

fn checked_endpoint(
    raw: Option<Located<RawEndpoint>>,
    walk: &mut Walk<'_>,
) -> (Option<Located<Endpoint>>, Entrance) {
    let Some(Located { path, value }) = raw else { return (None, Entrance::default()) };
    let (mut endpoint, entrance) = value.check(walk);
    if let Some(Endpoint::Tcp { interface, port, .. }) = &mut endpoint {
        *interface = walk.surroundings.options.interface.unwrap_or(*interface);
        *port = walk.surroundings.options.port.unwrap_or(*port);
    }
    (endpoint.map(|value| Located { path, value }), entrance)
}

fn is_endpoint_wanted(walk: &Walk<'_>) -> bool {
    let LoadOptions { port, interface, .. } = walk.surroundings.options;
    port.is_some() || interface.is_some()
}

/// Reports a port or an interface that the caller wants, if it is not clear for which endpoint.
fn check_wanted(tcp: usize, walk: &mut Walk<'_>) {
    let LoadOptions { port, interface, .. } = walk.surroundings.options;
    let wanted = match (port, interface) {
        (None, None) => return,
        (Some(_), None) => "a port",
        (None, Some(_)) => "an interface",
        (Some(_), Some(_)) => "a port and an interface",
    };
    if tcp != 1 && !walk.has_fault_below("transports") {
        let message = format!(
            "{tcp} transports listen at TCP ports, so that {wanted} cannot be given from outside: write it in the file"
        );
        walk.fault_at("transports", message);
    }
}
