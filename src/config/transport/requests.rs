//! What a transport lets requests be, and what one address may have of it.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use schemars::json_schema;

use super::super::{
    AddressOptions, Endpoint, HttpOptions, ListenerOptions, TrustedProxy,
    reader::{Json, Located, Millis, Raw, Walk, Whole, checked_place, inline_schema, object},
    websocket::{HostPattern, hosts},
};
use crate::handshake::AllowedHosts;

/// Default of `hsts_max_age`: one year, as in Crossbar.
const DEFAULT_HSTS_MAX_AGE: u32 = 31_536_000;

object! {
    /// What one address may have of a transport; 0: as much as there is. An IPv6 address counts with its network of 64 bits, a client
    /// behind one of the `trusted_proxies` with its own address. 127.0.0.1, `::1` and Unix sockets are not limited.
    struct RawPerAddress {
        /// How many connections may be open at once; behind a trusted proxy also how many requests at `proxy` paths. Default 2,000, and at most
        /// half of the transport's `max_connections`.
        max_connections: optional Whole<0, 10_000_000>,
        /// WebSocket handshakes a second in the long run, and as many TLS handshakes; 20 times as many at once. Default 100.
        handshakes_per_second: optional Whole<0, 1_000_000>,
        /// New clients with a cookie a second in the long run; 200 times as many at once. Default 10.
        new_records_per_second: optional Whole<0, 1_000_000>,
    }
}

object! {
    /// Limits and switches for requests.
    struct RawWebOptions {
        /// Whether the gateway logs requests. Default false.
        access_log: optional bool,
        /// Whether replies have `Strict-Transport-Security`, which makes browsers come over TLS alone: for endpoints with `tls`, and for
        /// those behind a proxy with TLS. Default false.
        hsts: optional bool,
        /// The age in that header, in seconds. Default 31,536,000 (one year).
        hsts_max_age: optional Located<Whole<0, 4_294_967_295>>,
        /// The largest HTTP head, in bytes. Default 16,384.
        max_head_size: optional Whole<8192, 1_048_576>,
        /// The largest number of headers. Default 64.
        max_headers: optional Whole<8, 1024>,
        /// How long an HTTP head may take to arrive, in milliseconds, also after an earlier request; from one of the
        /// `trusted_proxies` at least three minutes. Default 5,000.
        head_timeout: optional Millis<10, 3_600_000>,
        /// The hosts that requests may name; `*` stands for anything. Concerns all but probes; a WebSocket service may have
        /// `allowed_hosts` of its own. Default: any, but on loopback only pages and files that are asked for by `localhost`, a
        /// loopback address, a name below `localhost` or a name in the `allowed_hosts` of a WebSocket service.
        allowed_hosts: optional Located<Vec<HostPattern>>,
        /// Proxies whose `X-Forwarded-For` the gateway believes: addresses, networks such as "10.0.0.0/8", or "unix" for
        /// peers on a Unix socket. Do not list a network with clients, which could claim any address. Default none.
        trusted_proxies: optional Vec<TrustedProxy>,
    }
    refuses {
        "client_timeout" => "use `head_timeout`, in milliseconds, which also ends idle connections",
    }
    ignores {
        "display_tracebacks": bool => "the gateway runs no Python, so that there are no tracebacks",
    }
}

impl Raw for TrustedProxy {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_place(json, "an address, a network such as \"10.0.0.0/8\", or \"unix\"", walk, |text| {
            if text == "unix" {
                return Some(Self::Unix);
            }
            let network =
                text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
            // The author of `10.1.2.3/8` means another network, or one address.
            (network.trunc() == network).then_some(Self::Network(network))
        })
    }
}

inline_schema!(
    TrustedProxy,
    "TrustedProxy",
    |_generator| json_schema!({ "type": "string", "pattern": r"^(unix|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)$" })
);

/// By default one address leaves half of a transport to the others.
pub(super) fn per_address(raw: Option<RawPerAddress>, max_connections: Option<usize>) -> AddressOptions {
    let default = AddressOptions::default();
    let max_connections = max_connections.unwrap_or(ListenerOptions::DEFAULT_MAX_CONNECTIONS);
    let half = u32::try_from(max_connections / 2).unwrap_or(u32::MAX).max(1);
    let default = AddressOptions { max_connections: default.max_connections.min(half), ..default };
    let Some(raw) = raw else { return default };
    AddressOptions {
        max_connections: raw.max_connections.map_or(default.max_connections, Whole::get),
        handshakes_per_second: raw.handshakes_per_second.map_or(default.handshakes_per_second, Whole::get),
        new_records_per_second: raw.new_records_per_second.map_or(default.new_records_per_second, Whole::get),
    }
}

/// By which names a transport may be reached, and its services where they do not say so themselves.
pub(super) fn transport_hosts(
    options: Option<&mut RawWebOptions>,
    endpoint: Option<&Located<Endpoint>>,
    walk: &mut Walk<'_>,
) -> AllowedHosts {
    let default = match endpoint {
        Some(Located { value: Endpoint::Tcp { interface, .. }, .. }) if interface.is_loopback() => {
            AllowedHosts::Loopback
        }
        _ => AllowedHosts::Any,
    };
    hosts(options.and_then(|options| options.allowed_hosts.take()), &default, walk)
}

/// The gateway knows a request's path only after it has the head, so that one time counts for all paths of a transport:
/// the transport's own, or else the longest that one of its WebSocket services asks for.
pub(super) fn http_options(
    raw: Option<RawWebOptions>,
    timeouts: &[Located<Duration>],
    walk: &mut Walk<'_>,
) -> HttpOptions {
    let default = HttpOptions::default();
    let longest = timeouts.iter().map(|timeout| timeout.value).max();
    let Some(raw) = raw else {
        return HttpOptions { head_timeout: longest.unwrap_or(default.head_timeout), ..default };
    };
    if let Some(Millis(own)) = raw.head_timeout {
        for timeout in timeouts.iter().filter(|timeout| timeout.value != own) {
            let millis = own.as_millis();
            walk.fault_at(
                &timeout.path,
                format!("the transport's `head_timeout` is {millis}, keep one of the two"),
            );
        }
    }
    let hsts = raw.hsts.unwrap_or(false);
    if let (Some(age), false) = (&raw.hsts_max_age, hsts) {
        walk.warn_at(&age.path, "has no effect without \"hsts\": true");
    }
    HttpOptions {
        max_head_size: raw.max_head_size.map_or(default.max_head_size, Whole::get),
        max_headers: raw.max_headers.map_or(default.max_headers, Whole::get),
        head_timeout: raw.head_timeout.map(|own| own.0).or(longest).unwrap_or(default.head_timeout),
        access_log: raw.access_log.unwrap_or(default.access_log),
        trusted_proxies: raw.trusted_proxies.unwrap_or_default(),
        hsts_max_age: hsts.then(|| raw.hsts_max_age.map_or(DEFAULT_HSTS_MAX_AGE, |age| age.value.get())),
    }
}
