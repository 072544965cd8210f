//! WAMP over WebSocket: on a path of a web transport, or as a transport of its own.

mod patterns;
mod pings;
mod testee;

use std::{collections::HashSet, time::Duration};

pub(super) use self::{
    patterns::{HostPattern, Origin, hosts, origins},
    pings::ping_size,
    testee::{RawTesteeOptions, checked_testee},
};
use super::{
    AuthOptions, HandshakeOptions, PingOptions, RealmOptions, ServiceOptions, ServicePlace, UpstreamAddress,
    WireOptions,
    auth::{
        RawAuth, Realms, Tracking,
        cookie::{UseOfIds, warn_of_unsafe},
        role_exists,
    },
    cookie::{RawCookie, Stores},
    own_realms,
    policy::{Policies, RawPolicyRef},
    reader::{Anything, Located, Millis, MillisOrOff, Only, Walk, Whole, object, words},
    signing::Signing,
};
use crate::{handshake::AllowedHosts, identity::ANONYMOUS, wamp::Serializer};

/// The largest frame and message, as in Crossbar: 64 MiB.
pub(super) const MAX_SIZE: u64 = 64 << 20;

/// The longest wait: an hour, in milliseconds.
pub(super) const HOUR: u64 = 3_600_000;

/// Declares an object that has all the keys of a WebSocket service, and some of its own.
macro_rules! websocket_object {
    (
        $(#[doc = $doc:literal])+
        struct $name:ident { $($own:tt)* }
        misplaced { $($misplaced:tt)* }
    ) => {
        $crate::config::reader::object! {
            $(#[doc = $doc])+
            struct $name {
                $($own)*
                /// A name for the log.
                id: optional $crate::config::reader::Located<$crate::identity::Name>,
                /// The URL that Crossbar's clients are told; unused.
                url: optional $crate::config::reader::Located<String>,
                /// The serializers that the service offers, the preferred one first; each also in its batched form. Default:
                /// `json`, `msgpack`, `cbor`.
                serializers: optional
                    $crate::config::reader::Located<Vec<$crate::config::websocket::SerializerName>>,
                /// Cookie tracking. Default: off.
                cookie: optional $crate::config::cookie::RawCookie,
                /// Authentication. Default: none, every client joins as `anonymous`.
                auth: optional $crate::config::reader::Located<$crate::config::auth::RawAuth>,
                /// The policy that decides who a client is: an object, or a name out of `policies`. Default: the
                /// policy that is built in.
                policy: optional
                    $crate::config::reader::Located<$crate::config::policy::RawPolicyRef>,
                /// WebSocket options.
                options: optional $crate::config::websocket::RawWebSocketOptions,
            }
            ignores {
                "debug": bool => "the gateway logs more with `--log debug`",
            }
            misplaced { $($misplaced)* }
        }

        impl $name {
            /// Takes the keys of the service out.
            pub(in $crate::config) fn service_keys(&mut self) -> $crate::config::websocket::ServiceKeys {
                $crate::config::websocket::ServiceKeys {
                    url: self.url.take(),
                    serializers: self.serializers.take(),
                    cookie: self.cookie.take(),
                    auth: self.auth.take(),
                    policy: self.policy.take(),
                    realms: None,
                    options: self.options.take(),
                }
            }
        }
    };
}

pub(super) use websocket_object;

/// The keys of a WebSocket service, on a path or as a transport.
#[derive(Debug)]
pub(super) struct ServiceKeys {
    pub(super) url: Option<Located<String>>,
    pub(super) serializers: Option<Located<Vec<SerializerName>>>,
    pub(super) cookie: Option<RawCookie>,
    pub(super) auth: Option<Located<RawAuth>>,
    pub(super) policy: Option<Located<RawPolicyRef>>,
    /// The realms of the router behind the service; none: it has those of the gateway.
    pub(super) realms: Option<Located<Vec<RealmOptions>>>,
    pub(super) options: Option<RawWebSocketOptions>,
}

object! {
    /// Limits and switches of a WebSocket service. Times are in milliseconds, sizes in bytes.
    struct RawWebSocketOptions {
        /// The origins that browsers may come from; `*` stands for anything. Default: the service's own origin.
        allowed_origins: optional Located<Vec<Origin>>,
        /// Whether the origin `null` (a local file, a sandboxed frame) may come. Default false; true if `allowed_origins` has
        /// `*` and there is no `auth.cookie`.
        allow_null_origin: optional bool,
        /// The hosts that requests may name; `*` stands for anything. Default: any, but on loopback only pages of `localhost`,
        /// a loopback address or a name below `localhost` are of the service's own origin.
        allowed_hosts: optional Located<Vec<HostPattern>>,
        /// The largest frame, in bytes; 0: as large as a message. Default 1 MiB.
        max_frame_size: optional Whole<0, MAX_SIZE>,
        /// The largest message, in bytes. Default 1 MiB.
        max_message_size: optional Whole<1, MAX_SIZE>,
        /// The largest message before WELCOME, in bytes. Default 64 KiB.
        max_message_size_before_welcome: optional Located<Whole<1, MAX_SIZE>>,
        /// How deeply lists and dictionaries may be nested in a message. Default 128.
        max_nesting_depth: optional Whole<4, 1024>,
        /// How much unsent data, in bytes, may wait for a client for longer than 5 seconds before the gateway drops it; a burst may be 8 times that.
        /// Default 1 MiB.
        max_unsent: optional Whole<1024, { 1 << 30 }>,
        /// How long the HTTP head of the opening handshake may take. Default 5,000.
        open_handshake_timeout: optional Located<Millis<1000, HOUR>>,
        /// How long a client may take from the opening handshake to HELLO. Default 10,000.
        hello_timeout: optional Millis<10, HOUR>,
        /// How often one connection may join, a second; twice as often at once. 0: as often as it likes. Default 10.
        max_joins_per_second: optional Whole<0, 1_000_000>,
        /// How long a client may take to answer a close. Default 2,000.
        close_handshake_timeout: optional Millis<1000, HOUR>,
        /// How often the gateway pings a client; 0: never. Default 25,000.
        auto_ping_interval: optional MillisOrOff<1000, { 24 * HOUR }>,
        /// How long a client may take to answer a ping; 0 only where there are no pings. Default 8,000.
        auto_ping_timeout: optional Located<MillisOrOff<1000, HOUR>>,
        /// The size of a ping, in bytes: 12 to 125. Default 12.
        auto_ping_size: optional Located<Whole<0, MAX_SIZE>>,
        /// Whether any data from the client counts as a sign of life. Default true.
        auto_ping_restart_on_any_traffic: optional bool,
        /// Whether the gateway sends small messages at once. Default true.
        tcp_nodelay: optional bool,
        /// Whether a client must name a subprotocol; false: a client that names none speaks `wamp.2.json`. Default true.
        require_websocket_subprotocol: optional bool,
        /// Whether the gateway answers an ordinary GET with a status page. Default true.
        enable_webstatus: optional bool,
        /// Whether the `Server` header tells the version. Default false.
        show_server_version: optional bool,
        /// Crossbar's switch for RFC 6455, which the gateway always speaks.
        enable_rfc6455: optional Only<true>,
        /// Crossbar's switch for an old draft of the protocol, which the gateway does not speak.
        enable_hybi10: optional Only<false>,
        /// Crossbar's switch for checking that text is UTF-8, which the gateway always does.
        validate_utf8: optional Only<true>,
        /// Crossbar's switch for masking the server's frames, which RFC 6455 forbids.
        mask_server_frames: optional Only<false>,
        /// Crossbar's switch for refusing unmasked frames, which RFC 6455 requires.
        require_masked_client_frames: optional Only<true>,
        /// Crossbar's switch for unmasking the clients' frames, which the gateway always does.
        apply_mask: optional Only<true>,
    }
    refuses {
        "external_port" => "leave it out: the gateway compares `allowed_origins` with the origin that the browser sends, including its port",
    }
    ignores {
        "compression": Anything => "the gateway refuses every offer of compression, and clients send uncompressed",
        "auto_fragment_size": Whole<0, MAX_SIZE> => "the gateway sends each message in one piece",
        "fail_by_drop": bool => "the gateway tells a client why it ends a connection, and then drops it",
        "echo_close_codereason": bool => "the gateway always answers a close with the client's own code and reason",
        "enable_flash_policy": bool => "Flash is gone",
        "flash_policy": Anything => "Flash is gone",
    }
}

/// A serializer's name.
#[derive(Debug)]
pub(super) struct SerializerName(Serializer);

words! {
    SerializerName as "Serializer" {
        "json" => Self(Serializer::Json),
        "msgpack" => Self(Serializer::MsgPack),
        "cbor" => Self(Serializer::Cbor),
    }
    refuses {
        "json.batched" => "write \"json\", which offers both forms",
        "msgpack.batched" => "write \"msgpack\", which offers both forms",
        "cbor.batched" => "write \"cbor\", which offers both forms",
        "ubjson" => "use \"json\", \"msgpack\" or \"cbor\"",
        "ubjson.batched" => "use \"json\", \"msgpack\" or \"cbor\"",
        "flatbuffers" => "use \"json\", \"msgpack\" or \"cbor\"",
        "flatbuffers.batched" => "use \"json\", \"msgpack\" or \"cbor\"",
    }
}

/// What the services of a configuration share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) realms: Vec<RealmOptions>,
    pub(super) policies: Policies,
    pub(super) stores: Stores,
    /// How each service uses tracking IDs.
    pub(super) ids: Vec<UseOfIds>,
    /// By which names services may be reached that do not say so: those of the transport that is being checked.
    pub(super) hosts: AllowedHosts,
    /// The WebSocket services of all transports.
    pub(super) services: Vec<KnownService>,
    /// The addresses to which paths of the transport that is being checked go on, with where these stand in the configuration.
    pub(super) upstreams: Vec<(String, UpstreamAddress)>,
    /// What is signed with.
    pub(super) signing: Signing,
    /// The `id` of the transport that is being checked.
    pub(super) transport: String,
    /// Whether that transport believes a proxy.
    pub(super) trusts_proxies: bool,
    /// Whether its endpoint has TLS.
    pub(super) has_tls: bool,
}

/// A WebSocket service to which other paths may refer.
#[derive(Debug, Clone)]
pub(super) struct KnownService {
    pub(super) place: ServicePlace,
    /// Where it stands in the configuration.
    pub(super) at: String,
    pub(super) has_cookie: bool,
    /// Whether logins stand on its cookies.
    pub(super) keeps_logins: bool,
    pub(super) has_policy: bool,
    /// The realms of the router behind it; none: it has those of the gateway.
    pub(super) realms: Option<Located<Vec<RealmOptions>>>,
}

impl KnownService {
    /// Whether it has a cookie, and be it a faulty one, of which the operator hears anyway.
    pub(super) fn is_tracked(&self, walk: &Walk<'_>) -> bool {
        self.has_cookie || walk.has_fault_below(&format!("{}.cookie", self.at))
    }

    /// The realms whose roles count, if what the configuration says of them is sound.
    pub(super) fn known_realms<'s>(
        &'s self,
        own: &'s [RealmOptions],
        walk: &Walk<'_>,
    ) -> Option<&'s [RealmOptions]> {
        let behind = self.realms.as_ref();
        are_known(&self.at, behind, walk).then(|| behind.map_or(own, |realms| &realms.value))
    }

    /// Whether it has a policy, in the same way as a cookie.
    pub(super) fn asks_policy(&self, walk: &Walk<'_>) -> bool {
        self.has_policy || walk.has_fault_below(&format!("{}.policy", self.at))
    }
}

/// A service, and the time that its transport should allow for a head.
pub(super) struct CheckedService {
    pub(super) options: ServiceOptions,
    pub(super) open_handshake_timeout: Option<Located<Duration>>,
}

impl ServiceKeys {
    /// Checks a service that stands at `path`.
    pub(super) fn check(self, path: &str, shared: &mut Shared, walk: &mut Walk<'_>) -> CheckedService {
        if let Some(url) = self.url {
            walk.warn_at(url.path, "has no effect: clients find their URL themselves; leave it out");
        }
        let are_all = are_known(path, self.realms.as_ref(), walk);
        let realms = self.realms.map_or_else(|| shared.realms.clone(), |realms| realms.value);
        if self.auth.is_none()
            && self.policy.is_none()
            && !["auth", "policy"].iter().any(|key| walk.has_fault_below(&format!("{path}.{key}")))
            && are_all
            && !role_exists(ANONYMOUS, None, &realms)
        {
            walk.warn_at(
                path,
                format!("clients join with the role `{ANONYMOUS}`, which no realm has, so no client can join: add the role, or `auth`"),
            );
        }
        let is_tracked = self.cookie.is_some() || walk.has_fault_below(&format!("{path}.cookie"));
        let cookie = self.cookie.and_then(|cookie| cookie.check(&mut shared.stores, shared.has_tls, walk));
        let tracking = match &cookie {
            Some(config) => Tracking::On(config),
            None if is_tracked => Tracking::Faulty,
            None => Tracking::Off,
        };
        let own_realms = shared.realms.clone();
        let realms = Realms { joined: &realms, own: &own_realms, are_all };
        let auth = self.auth.map(|auth| auth.value.check(&auth.path, tracking, realms, walk));
        let has_credentials = auth.as_ref().is_some_and(AuthOptions::takes_cookies);
        let handshake =
            HandshakeOptions { allowed_hosts: shared.hosts.clone(), ..HandshakeOptions::default() };
        let default = ServiceOptions {
            handshake: HandshakeOptions {
                serializers: serializers(self.serializers, handshake.serializers, walk),
                ..handshake
            },
            ..ServiceOptions::default()
        };
        let (options, open_handshake_timeout) = match self.options {
            Some(raw) => raw.check(default, has_credentials, walk),
            None => (default, None),
        };
        let policy = self.policy.and_then(|policy| shared.policies.resolve(policy, walk));
        let options = ServiceOptions { cookie, auth, policy, ..options };
        warn_of_unsafe(path, &options, walk);
        shared.ids.push(UseOfIds::of(path, &options));
        CheckedService { options, open_handshake_timeout }
    }
}

/// Whether nothing is wrong with what says which realms and roles a service at `path` has: those that it seems not to have may be in what is
/// wrong. Of routers that cannot be read it is not known which ones they have.
fn are_known(path: &str, realms: Option<&Located<Vec<RealmOptions>>>, walk: &Walk<'_>) -> bool {
    if let Some(realms) = realms {
        // A list without any is a fault, or it is not clear which list counts.
        return !realms.value.is_empty() && !walk.has_fault_below(&realms.path);
    }
    let is_behind = |key: &&str| walk.has_fault_below(&format!("{path}.{key}"));
    !["upstream", "upstreams"].iter().any(is_behind) && own_realms::are_named(walk)
}

pub(super) fn serializers(
    named: Option<Located<Vec<SerializerName>>>,
    default: Vec<Serializer>,
    walk: &mut Walk<'_>,
) -> Vec<Serializer> {
    let Some(Located { path, value }) = named else { return default };
    let serializers: Vec<Serializer> = value.into_iter().map(|name| name.0).collect();
    if serializers.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(&path, "offers nothing: name a serializer, or leave `serializers` out");
    }
    if serializers.iter().collect::<HashSet<_>>().len() < serializers.len() {
        walk.fault_at(&path, "names a serializer more than once, keep one");
    }
    serializers
}

impl RawWebSocketOptions {
    fn check(
        self,
        default: ServiceOptions,
        has_credentials: bool,
        walk: &mut Walk<'_>,
    ) -> (ServiceOptions, Option<Located<Duration>>) {
        let ServiceOptions { handshake, wire, .. } = &default;
        let max_message_size = self.max_message_size.map_or(wire.max_message_size, Whole::get);
        let max_frame_size = match self.max_frame_size {
            None | Some(Whole(0)) => max_message_size,
            Some(size) => size.get::<usize>(),
        };
        let same_origin = self.allowed_origins.is_none();
        let allowed_origins = self.allowed_origins.map_or_else(Vec::new, |named| origins(named, walk));
        // Any page at all may come, so that one whose origin stays unknown is no further danger. Where cookies are credentials,
        // it may be a frame that was meant to be harmless.
        let is_open = !has_credentials && allowed_origins.iter().any(|origin| origin == "*");
        let handshake = HandshakeOptions {
            serializers: handshake.serializers.clone(),
            same_origin,
            allowed_origins,
            allow_null_origin: self.allow_null_origin.unwrap_or(is_open),
            allowed_hosts: hosts(self.allowed_hosts, &handshake.allowed_hosts, walk),
            require_websocket_subprotocol: self
                .require_websocket_subprotocol
                .unwrap_or(handshake.require_websocket_subprotocol),
        };
        let pings = PingOptions {
            interval: self.auto_ping_interval.map_or(wire.pings.interval, |interval| interval.0),
            timeout: wire.pings.timeout,
            size: self.auto_ping_size.map_or(wire.pings.size, |size| ping_size(&size, walk)),
            restart_on_any_traffic: self
                .auto_ping_restart_on_any_traffic
                .unwrap_or(wire.pings.restart_on_any_traffic),
        };
        let wire = WireOptions {
            max_frame_size,
            max_message_size,
            max_message_size_before_welcome: before_welcome(
                self.max_message_size_before_welcome,
                wire.max_message_size_before_welcome,
                max_message_size,
                walk,
            ),
            max_nesting_depth: self.max_nesting_depth.map_or(wire.max_nesting_depth, Whole::get),
            max_unsent: self.max_unsent.map_or(wire.max_unsent, Whole::get),
            close_handshake_timeout: self
                .close_handshake_timeout
                .map_or(wire.close_handshake_timeout, |timeout| timeout.0),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(wire.tcp_nodelay),
            pings: pings.answered_within(self.auto_ping_timeout, walk),
        };
        let options = ServiceOptions {
            handshake,
            wire,
            hello_timeout: self.hello_timeout.map_or(default.hello_timeout, |timeout| timeout.0),
            max_joins_per_second: self.max_joins_per_second.map_or(default.max_joins_per_second, Whole::get),
            enable_webstatus: self.enable_webstatus.unwrap_or(default.enable_webstatus),
            show_server_version: self.show_server_version.unwrap_or(default.show_server_version),
            ..default
        };
        let timeout =
            self.open_handshake_timeout.map(|Located { path, value }| Located { path, value: value.0 });
        (options, timeout)
    }
}

/// The largest message before WELCOME. A larger one than afterwards is a mistake in one of the two.
pub(super) fn before_welcome(
    wanted: Option<Located<Whole<1, MAX_SIZE>>>,
    default: usize,
    afterwards: usize,
    walk: &mut Walk<'_>,
) -> usize {
    let Some(Located { path, value }) = wanted else { return default.min(afterwards) };
    let size = value.get();
    if size > afterwards {
        walk.warn_at(
            path,
            format!("is more than a message may have afterwards, lower it or raise `max_message_size` ({afterwards})"),
        );
    }
    size
}
