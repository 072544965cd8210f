//! What transports must not do together, and what no upstream may see of them.

use std::{fs, net::IpAddr};

use super::super::{
    Endpoint, HttpOptions, PathTree, PolicyFile, ServiceOptions, ServicePlace, TargetOptions,
    TransportConfig, UpstreamAddress, UpstreamPlace,
    endpoint::Entrance,
    places::resolve,
    reader::{Located, Walk},
};
use crate::cookie::CookieName;

/// No upstream sees a tracking cookie, whichever path has handed it out: browsers send it to all paths, and to all ports.
pub(super) fn keep_cookies_from_upstreams(transports: &mut [TransportConfig]) {
    let mut names: Vec<CookieName> = Vec::new();
    for (_, service) in transports.iter().flat_map(|transport| transport.edge.root.services()) {
        let name = service.cookie.iter().map(|tracking| tracking.cookie.name.clone());
        names.extend(name.filter(|name| !names.contains(name)).collect::<Vec<_>>());
    }
    for transport in transports {
        transport.edge.root.each_proxied(&mut |proxied| proxied.cookies.clone_from(&names));
    }
}

/// The policies of paths with several upstreams choose among them. A file that chooses at one path is the same component at the others.
pub(super) fn let_policies_choose(transports: &mut [TransportConfig]) {
    let mut choosing: Vec<PolicyFile> = Vec::new();
    for (transport, (path, target)) in transports.iter().flat_map(|transport| {
        transport.edge.root.targets().into_iter().map(move |target| (&transport.edge.id, target))
    }) {
        let own = || ServicePlace { transport: transport.clone(), path: path.clone() };
        let place = match target {
            TargetOptions::Proxied(proxied) if !proxied.upstreams.names().is_empty() => {
                proxied.service.clone()
            }
            TargetOptions::WebSocket(service)
                if service.upstream.as_ref().is_some_and(|upstream| !upstream.names().is_empty()) =>
            {
                own()
            }
            _ => continue,
        };
        let there = transports.iter().find(|transport| transport.edge.id == place.transport);
        let service = there.and_then(|there| there.edge.services().find(|(path, _)| *path == place.path));
        choosing.extend(service.and_then(|(_, service)| service.policy.clone()));
    }
    for transport in transports {
        let raw = transport.edge.raw_socket.as_mut().map(|raw| &mut *raw.service);
        let mut choose = |service: &mut ServiceOptions| {
            if let Some(policy) = service.policy.as_mut().filter(|policy| choosing.contains(policy)) {
                policy.options.routes = true;
            }
        };
        if let Some(raw) = raw {
            choose(raw);
        }
        transport.edge.root.each_service(&mut choose);
    }
}

/// Without a proxy that may speak for others no connection would get in.
pub(super) fn check_proxy_protocol(entrance: &Entrance, http: &HttpOptions, walk: &mut Walk<'_>) {
    if let Some(path) = &entrance.proxy_protocol
        && http.trusted_proxies.is_empty()
    {
        walk.fault_at(
            path,
            "only `trusted_proxies` may send such a header, and there are none: name the proxy there",
        );
    }
}

/// A client that is sent back to where it comes from never arrives.
pub(super) fn check_redirects(endpoint: &Located<Endpoint>, root: &PathTree, walk: &mut Walk<'_>) {
    let Endpoint::Tcp { port, .. } = endpoint.value else { return };
    if root.targets().iter().any(|(_, target)| **target == TargetOptions::Https(port)) {
        let message = format!(
            "a \"redirect\" here sends clients to port {port}, from which they come: move it to another endpoint, or set its `https_port` to \
             that of the endpoint with `tls`"
        );
        walk.fault_at(&endpoint.path, message);
    }
}

/// A request that goes on to the transport from which it comes never arrives.
pub(super) fn check_upstreams(
    endpoint: &Located<Endpoint>,
    upstreams: Vec<(String, UpstreamAddress)>,
    walk: &mut Walk<'_>,
) {
    for (at, address) in upstreams {
        let is_itself = match (&address.place, &endpoint.value) {
            (UpstreamPlace::Unix(socket), Endpoint::Unix { path, .. }) => socket == path,
            (UpstreamPlace::Tcp(host, port), Endpoint::Tcp { interface, port: own, .. }) => {
                let reaches =
                    |host: IpAddr| host == *interface || interface.is_unspecified() && host.is_loopback();
                let is_local = match host.parse() {
                    Ok(host) => reaches(host),
                    Err(_) => host == "localhost" && (interface.is_loopback() || interface.is_unspecified()),
                };
                port == own && is_local
            }
            _ => false,
        };
        if is_itself {
            walk.fault_at(at, "goes on to this transport itself: requests would go round and round");
        }
    }
}

/// Metrics are for the operator.
pub(super) fn warn_of_public_metrics(endpoint: &Located<Endpoint>, root: &PathTree, walk: &mut Walk<'_>) {
    let is_public = matches!(endpoint.value, Endpoint::Tcp { interface, .. } if !interface.is_loopback());
    if is_public && root.targets().iter().any(|(_, target)| **target == TargetOptions::Metrics) {
        walk.warn_at(
            &endpoint.path,
            "every client that reaches this transport can read its \"metrics\": give them a transport of their own, with \"interface\": \"127.0.0.1\"",
        );
    }
}

pub(super) fn clash(one: &Endpoint, other: &Endpoint) -> bool {
    match (one, other) {
        (Endpoint::Unix { path: one, .. }, Endpoint::Unix { path: other, .. }) => {
            resolve(one) == resolve(other)
        }
        (
            Endpoint::Tcp { interface: at, port: one, shared: one_shared, .. },
            Endpoint::Tcp { interface: other_at, port: other, shared: other_shared, .. },
        ) => overlap(*at, *other_at) && one == other && *one != 0 && !(*one_shared && *other_shared),
        _ => false,
    }
}

/// Whether a port of one interface is one of the other. `::` has the IPv4 addresses as well, unless the system separates them.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let covers = |all: IpAddr, one: IpAddr| {
        all.is_unspecified() && (all.is_ipv4() == one.is_ipv4() || all.is_ipv6() && !is_ipv6_apart())
    };
    one == other || covers(one, other) || covers(other, one)
}

/// Whether sockets of IPv6 leave IPv4 alone on this machine.
fn is_ipv6_apart() -> bool {
    fs::read("/proc/sys/net/ipv6/bindv6only").is_ok_and(|value| value.trim_ascii() == b"1")
}
