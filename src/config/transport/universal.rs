//! Crossbar's `universal` transport: WebSocket, web and RawSocket at one endpoint.

use super::{
    super::{
        PathTree, RawSocketOptions, TargetOptions,
        endpoint::RawEndpoint,
        reader::{Located, Walk, Whole, object, quoted},
        service::{HeadTimeouts, RawPaths},
        websocket::{KnownService, Shared},
    },
    Checked, RawPerAddress, RawWebOptions, checked_endpoint, http_options, per_address,
    raw_socket::RawRawSocketPart,
    transport_hosts,
};
use crate::identity::Name;

object! {
    /// WebSocket, web and RawSocket at one endpoint: the first octet of a connection tells which of them it is.
    struct RawUniversal {
        /// A name for the log. Default: the transport's place in the list, from 0.
        id: optional Located<Name>,
        /// Where the transport listens: an object such as {"type": "tcp", "port": 8080}.
        endpoint: required Located<RawEndpoint>,
        /// WAMP over RawSocket.
        rawsocket: optional Located<RawRawSocketPart>,
        /// Services of type "websocket" by path component.
        websocket: optional Located<RawPaths>,
        /// Services by path, as a `web` transport has them.
        web: optional RawWebPart,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
    refuses {
        "mqtt" => "the gateway does not speak MQTT, leave it out",
    }
}

object! {
    /// HTTP at the endpoint of a `universal` transport.
    struct RawWebPart {
        /// The services by path component; `/` for the root.
        paths: optional RawPaths,
        /// Limits and switches for requests.
        options: optional RawWebOptions,
    }
}

impl RawUniversal {
    /// Collects the WebSocket services.
    pub(super) fn collect(&self, transport: &str, found: &mut Vec<KnownService>, walk: &Walk<'_>) {
        let web = self.web.as_ref().and_then(|web| web.paths.as_ref());
        let websocket = self.websocket.as_ref().map(|websocket| &websocket.value);
        for paths in web.into_iter().chain(websocket) {
            paths.collect(transport, "", found, walk);
        }
    }

    pub(super) fn check(self, shared: &mut Shared, walk: &mut Walk<'_>) -> Checked {
        let (endpoint, entrance) = checked_endpoint(self.endpoint, walk);
        let at = endpoint.as_ref().and_then(|endpoint| endpoint.path.strip_suffix(".endpoint"));
        let at = at.unwrap_or_default().to_owned();
        if self.rawsocket.is_none()
            && self.websocket.is_none()
            && self.web.is_none()
            && !at.is_empty()
            && !walk.has_fault_below(&at)
        {
            walk.fault_at(&at, "serves nothing: add `rawsocket`, `websocket` or `web`");
        }
        shared.has_tls = entrance.wants_tls;
        let RawWebPart { paths, mut options } = self.web.unwrap_or(RawWebPart { paths: None, options: None });
        shared.hosts = transport_hosts(options.as_mut(), endpoint.as_ref(), walk);
        let proxies = options.as_ref().and_then(|options| options.trusted_proxies.as_ref());
        shared.trusts_proxies = proxies.is_some_and(|proxies| !proxies.is_empty());
        let mut timeouts = HeadTimeouts::new();
        let mut root = paths.map(|paths| paths.check("", shared, &mut timeouts, walk)).unwrap_or_default();
        if let Some(Located { path, value }) = self.websocket {
            let websocket = value.check("", shared, &mut timeouts, walk);
            if websocket.targets().iter().any(|(_, target)| !matches!(target, TargetOptions::WebSocket(_))) {
                walk.fault_at(
                    &path,
                    "has services of type \"websocket\" alone, move others to `paths` of `web`",
                );
            }
            add(&mut root, websocket, &path, walk);
        }
        let raw_socket = self.rawsocket.map(|Located { path, value }| {
            let checked = value.check(&path, shared, walk);
            if let Some(proxies) = checked.trusted_proxies {
                walk.fault_at(proxies.path, "belongs in `options` of `web`, for all parts of the transport");
            }
            RawSocketOptions {
                service: checked.service,
                handshake_timeout: checked.open_handshake_timeout.map(|timeout| timeout.value),
            }
        });
        let max_connections = self.max_connections.map(Whole::get);
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            http: http_options(options, &timeouts, walk),
            per_address: per_address(self.per_address, max_connections),
            hosts: shared.hosts.clone(),
            root,
            may_be_elsewhere: true,
            raw_socket,
        }
    }
}

/// Adds the services of one tree to another.
fn add(root: &mut PathTree, more: PathTree, path: &str, walk: &mut Walk<'_>) {
    if let Some(target) = more.target
        && root.target.replace(target).is_some()
    {
        walk.fault_at(path, "`/` stands in `paths` of `web` as well, keep one");
    }
    for (name, child) in more.children {
        if root.children.insert(name.clone(), child).is_some() {
            walk.fault_at(path, format!("{} stands in `paths` of `web` as well, keep one", quoted(&name)));
        }
    }
}
