//! `proxy`: a path whose requests go on to a server, and handshakes of WebSocket at the same place.

use super::{
    PassedOptions, ProxiedOptions, ServicePlace, UpstreamAddress,
    among::RawUpstreams,
    cookie::RawCookie,
    identity_headers::{RawAssertion, RawIdentityHeaders},
    proxied::{RawDecider, RawProxied, RawProxiedOptions},
    reader::{Located, Millis, Size, Walk, Whole, object},
    upstream::{RawUpstream, ServerHost},
    websocket::{HostPattern, Origin, Shared},
};
use crate::{edge::Requirement, identity::Name, wamp::Uri};

object! {
    /// Requests of HTTP, and those for a WebSocket, that go on to a server behind the gateway. The gateway recognizes the client by its cookie, decides
    /// with each request whether it is let through, and tells the server who it is.
    struct RawPassed {
        /// The server.
        upstream: optional Located<RawUpstream>,
        /// In place of `upstream`: several, each with a name. The path's policy chooses the one that a client goes on to, by its export
        /// `routing`. At most 64.
        upstreams: optional Located<RawUpstreams<RawUpstream>>,
        /// The host of the server, as Crossbar names it. It is spoken to without TLS.
        host: optional Located<ServerHost>,
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
        /// A signed token beside these headers. Default: none.
        assertion: optional Located<RawAssertion>,
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

impl RawPassed {
    /// Checks a path that stands at `at` in the configuration and is served at `place`.
    pub(super) fn check(
        self,
        at: &str,
        place: ServicePlace,
        shared: &mut Shared,
        walk: &mut Walk<'_>,
    ) -> Option<ProxiedOptions> {
        let Self { websocket, cookie, policy, require, roles, realm, headers, assertion, options, .. } = self;
        let mut upstreams = self.upstreams;
        let is_named = self.upstream.is_some() || upstreams.is_some();
        let mut upstream = match (self.upstream, self.host) {
            (upstream, Some(Located { path, .. })) if is_named => {
                walk.fault_at(path, "the server is named as `upstream` already, keep one");
                upstream
            }
            (None, Some(Located { path, value: ServerHost(host) })) => {
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
            (upstream, _) => upstream,
        };
        let several = upstreams.iter_mut().flat_map(|upstreams| &mut upstreams.value.0);
        for raw in upstream.iter_mut().chain(several.map(|(_, each)| each)) {
            raw.value.response_timeout.get_or_insert(Millis(ProxiedOptions::RESPONSE_TIMEOUT));
        }
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
            upstreams,
            backend: None,
            websocket,
            cookie,
            policy,
            require,
            roles,
            realm,
            headers,
            assertion,
            options: rules,
            url: None,
            id: None,
        };
        let mut checked = raw.check(at, place, shared, walk)?;
        if let Some(timeout) = idle_timeout {
            for onward in checked.upstreams.all_mut() {
                onward.upstream.idle_timeout = timeout.0;
            }
        }
        let default = PassedOptions::default();
        let max_body_size = max_body_size.map_or(default.max_body_size, |size| size.0 as u64);
        checked.http = Some(PassedOptions { max_body_size });
        Some(checked)
    }
}
