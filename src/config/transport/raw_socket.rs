//! WAMP over RawSocket: a transport of its own, or a part of a `universal` one.

use std::time::Duration;

use super::{
    super::{
        HttpOptions, PathTree, PingOptions, RawSocketOptions, WireOptions,
        auth::RawAuth,
        endpoint::RawEndpoint,
        policy::RawPolicyRef,
        reader::{Located, Millis, MillisOrOff, Walk, Whole, object},
        websocket::{HOUR, MAX_SIZE, SerializerName, ServiceKeys, Shared, before_welcome, ping_size},
    },
    Checked, RawPerAddress, ServiceOptions, TrustedProxy, checked_endpoint, per_address,
};
use crate::{
    handshake::{AllowedHosts, raw_socket},
    identity::Name,
};

/// The longest message that the handshake can announce: 16 MiB.
const MAX_MESSAGE: u64 = 16 << 20;

/// What a `cookie` gets where no handshake can carry one.
pub(super) const NO_COOKIE: &str = "cookie tracking needs the HTTP handshake of a WebSocket, move `cookie` to a \"websocket\" transport or path";

/// Declares an object that has all the keys of a service for RawSocket, and some of its own.
macro_rules! raw_socket_object {
    (
        $(#[doc = $doc:literal])+
        struct $name:ident { $($own:tt)* }
    ) => {
        object! {
            $(#[doc = $doc])+
            struct $name {
                $($own)*
                /// A name for the log.
                id: optional Located<Name>,
                /// The URL that Crossbar's clients are told; unused.
                url: optional Located<String>,
                /// The serializers that the service offers. Default: `json`, `msgpack`, `cbor`.
                serializers: optional Located<Vec<SerializerName>>,
                /// The largest message from a client, in bytes. The handshake announces powers of two, so that the next one below
                /// counts. Default 1 MiB.
                max_message_size: optional Located<Whole<512, MAX_MESSAGE>>,
                /// Authentication. Default: none, every client joins as `anonymous`.
                auth: optional Located<RawAuth>,
                /// The policy that decides who a client is: an object, or a name out of `policies`. Default: the policy that is built
                /// in.
                policy: optional Located<RawPolicyRef>,
                /// RawSocket options.
                options: optional RawRawSocketOptions,
            }
            ignores {
                "debug": bool => "the gateway logs more with `--log debug`",
            }
            misplaced {
                "cookie" => NO_COOKIE,
            }
        }

        impl $name {
            /// Takes the keys of the service out.
            fn service_keys(&mut self) -> RawSocketKeys {
                RawSocketKeys {
                    url: self.url.take(),
                    serializers: self.serializers.take(),
                    max_message_size: self.max_message_size.take(),
                    auth: self.auth.take(),
                    policy: self.policy.take(),
                    options: self.options.take(),
                }
            }
        }
    };
}

raw_socket_object! {
    /// WAMP over RawSocket: for programs, without cookies and HTTP.
    struct RawRawSocketTransport {
        /// Where the transport listens: an object such as {"type": "tcp", "port": 8080}.
        endpoint: required Located<RawEndpoint>,
        /// How many connections may be open at once. Default 50,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// What one address may have.
        per_address: optional RawPerAddress,
    }
}

raw_socket_object! {
    /// WAMP over RawSocket, at the endpoint of a `universal` transport.
    struct RawRawSocketPart {}
}

object! {
    /// Limits and switches of a service for RawSocket. Times are in milliseconds, sizes in bytes.
    struct RawRawSocketOptions {
        /// The largest message before WELCOME, in bytes. Default 64 KiB.
        max_message_size_before_welcome: optional Located<Whole<1, MAX_SIZE>>,
        /// How deeply lists and dictionaries may be nested in a message. Default 128.
        max_nesting_depth: optional Whole<4, 1024>,
        /// How much unsent data, in bytes, may wait for a client for longer than 5 seconds before the gateway drops it; a burst may be 8 times that.
        /// Default 1 MiB.
        max_unsent: optional Whole<1024, { 1 << 30 }>,
        /// How long the four octets of the opening handshake may take. Default 5,000; in a `universal` transport as long as the head of
        /// an HTTP request. Whichever time is longer counts there for the first octet, which tells what is spoken.
        open_handshake_timeout: optional Located<Millis<1000, HOUR>>,
        /// How long a client may take from the opening handshake to HELLO. Default 10,000.
        hello_timeout: optional Millis<10, HOUR>,
        /// How often one connection may join, a second; twice as often at once. 0: as often as it likes. Default 10.
        max_joins_per_second: optional Whole<0, 1_000_000>,
        /// How long a client may take to close its end. Default 2,000.
        close_handshake_timeout: optional Millis<1000, HOUR>,
        /// How often the gateway pings a client; 0: never, since some clients (autobahn for Python) end the connection at a ping. The
        /// system asks a silent TCP peer whether it is there in any case, after 25 seconds. Default 0.
        auto_ping_interval: optional MillisOrOff<1000, { 24 * HOUR }>,
        /// How long a client may take to answer a ping; 0 only where there are no pings. Default 8,000.
        auto_ping_timeout: optional Located<MillisOrOff<1000, HOUR>>,
        /// The size of a ping, in bytes: 12 to 125. Default 12.
        auto_ping_size: optional Located<Whole<0, MAX_SIZE>>,
        /// Whether any data from the client counts as a sign of life. Default true.
        auto_ping_restart_on_any_traffic: optional bool,
        /// Whether the gateway sends small messages at once. Default true.
        tcp_nodelay: optional bool,
        /// Proxies that may send a header of the PROXY protocol: addresses, networks such as "10.0.0.0/8", or "unix". In a `universal`
        /// transport they stand in the options of `web`. Default none.
        trusted_proxies: optional Located<Vec<TrustedProxy>>,
    }
}

/// The keys of a service for RawSocket.
pub(super) struct RawSocketKeys {
    url: Option<Located<String>>,
    serializers: Option<Located<Vec<SerializerName>>>,
    max_message_size: Option<Located<Whole<512, MAX_MESSAGE>>>,
    auth: Option<Located<RawAuth>>,
    policy: Option<Located<RawPolicyRef>>,
    options: Option<RawRawSocketOptions>,
}

/// A service for RawSocket, and what it asks of its transport.
pub(super) struct CheckedRawSocket {
    pub(super) service: Box<ServiceOptions>,
    pub(super) open_handshake_timeout: Option<Located<Duration>>,
    pub(super) trusted_proxies: Option<Located<Vec<TrustedProxy>>>,
}

impl RawRawSocketTransport {
    pub(super) fn check(mut self, shared: &mut Shared, walk: &mut Walk<'_>) -> Checked {
        let keys = self.service_keys();
        let (endpoint, entrance) = checked_endpoint(self.endpoint, walk);
        shared.has_tls = entrance.wants_tls;
        shared.hosts = AllowedHosts::Any;
        let path = endpoint.as_ref().and_then(|endpoint| endpoint.path.strip_suffix(".endpoint"));
        let checked = keys.check(path.unwrap_or_default(), shared, walk);
        let default = HttpOptions::default();
        let http = HttpOptions {
            head_timeout: checked
                .open_handshake_timeout
                .map_or(default.head_timeout, |timeout| timeout.value),
            trusted_proxies: checked.trusted_proxies.map(|proxies| proxies.value).unwrap_or_default(),
            ..default
        };
        let max_connections = self.max_connections.map(Whole::get);
        Checked {
            id: self.id,
            endpoint,
            entrance,
            max_connections,
            http,
            per_address: per_address(self.per_address, max_connections),
            hosts: AllowedHosts::Any,
            root: PathTree::default(),
            may_be_elsewhere: true,
            // A head of the PROXY protocol has the same time.
            raw_socket: Some(RawSocketOptions { service: checked.service, handshake_timeout: None }),
        }
    }
}

impl RawRawSocketPart {
    /// Checks the part of a transport, which stands at `path`.
    pub(super) fn check(mut self, path: &str, shared: &mut Shared, walk: &mut Walk<'_>) -> CheckedRawSocket {
        self.service_keys().check(path, shared, walk)
    }
}

impl RawSocketKeys {
    /// Checks a service that stands at `path`.
    fn check(mut self, path: &str, shared: &mut Shared, walk: &mut Walk<'_>) -> CheckedRawSocket {
        if let Some(cookie) = self.auth.as_mut().and_then(|auth| auth.value.cookie.take()) {
            walk.fault_at(
                cookie.path,
                "works only with cookie tracking, which needs the HTTP handshake of a WebSocket: leave it out here",
            );
        }
        let keys = ServiceKeys {
            url: self.url,
            serializers: self.serializers,
            cookie: None,
            auth: self.auth,
            policy: self.policy,
            realms: None,
            options: None,
        };
        let mut service = keys.check(path, shared, walk).options;
        if let Some(token) = service.auth.as_ref().and_then(|auth| auth.token.as_ref())
            && (token.from.header || token.from.query.is_some() || token.from.cookie.is_some())
        {
            walk.warn_at(
                format!("{path}.auth.ticket.from"),
                "has no effect: RawSocket has no HTTP request that could bring a token; clients send it as their ticket",
            );
        }
        let max_message_size = match self.max_message_size {
            None => service.wire.max_message_size,
            Some(Located { path, value }) => {
                let wanted: usize = value.get();
                let announced = raw_socket::announced(wanted);
                if announced != wanted {
                    walk.warn_at(
                        path,
                        format!(
                            "the handshake of RawSocket announces powers of two, so that {announced} counts"
                        ),
                    );
                }
                announced
            }
        };
        let pings = PingOptions { interval: None, ..service.wire.pings };
        service.wire =
            WireOptions { max_message_size, max_frame_size: max_message_size, pings, ..service.wire };
        if let Some(raw) = self.options {
            return raw.check(service, walk);
        }
        let before_welcome = &mut service.wire.max_message_size_before_welcome;
        *before_welcome = max_message_size.min(*before_welcome);
        CheckedRawSocket { service: Box::new(service), open_handshake_timeout: None, trusted_proxies: None }
    }
}

impl RawRawSocketOptions {
    fn check(self, service: ServiceOptions, walk: &mut Walk<'_>) -> CheckedRawSocket {
        let wire = service.wire;
        let pings = PingOptions {
            interval: self.auto_ping_interval.map_or(wire.pings.interval, |interval| interval.0),
            timeout: wire.pings.timeout,
            size: self.auto_ping_size.map_or(wire.pings.size, |size| ping_size(&size, walk)),
            restart_on_any_traffic: self
                .auto_ping_restart_on_any_traffic
                .unwrap_or(wire.pings.restart_on_any_traffic),
        };
        let wire = WireOptions {
            max_message_size_before_welcome: before_welcome(
                self.max_message_size_before_welcome,
                wire.max_message_size_before_welcome,
                wire.max_message_size,
                walk,
            ),
            max_nesting_depth: self.max_nesting_depth.map_or(wire.max_nesting_depth, Whole::get),
            max_unsent: self.max_unsent.map_or(wire.max_unsent, Whole::get),
            close_handshake_timeout: self
                .close_handshake_timeout
                .map_or(wire.close_handshake_timeout, |timeout| timeout.0),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(wire.tcp_nodelay),
            pings: pings.answered_within(self.auto_ping_timeout, walk),
            ..wire
        };
        let service = ServiceOptions {
            wire,
            hello_timeout: self.hello_timeout.map_or(service.hello_timeout, |timeout| timeout.0),
            max_joins_per_second: self.max_joins_per_second.map_or(service.max_joins_per_second, Whole::get),
            ..service
        };
        let timeout =
            self.open_handshake_timeout.map(|Located { path, value }| Located { path, value: value.0 });
        CheckedRawSocket {
            service: Box::new(service),
            open_handshake_timeout: timeout,
            trusted_proxies: self.trusted_proxies,
        }
    }
}
