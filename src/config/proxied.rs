//! `websocket-proxy`: a path at which each WebSocket goes on to a server.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    HandshakeOptions, ProxiedOptions, ServiceOptions, ServicePlace,
    among::{RawUpstreams, needs_policy},
    cookie::RawCookie,
    forward_auth::{RawTerms, find},
    identity_headers::{RawAssertion, RawIdentityHeaders, checked_headers},
    policy::RawPolicyRef,
    reader::{Json, Located, Millis, Raw, Walk, object},
    upstream::{RawBackend, RawUpstream, checked_upstreams},
    websocket::{HostPattern, Origin, Shared, hosts, origins},
};
use crate::{edge::Requirement, identity::Name, wamp::Uri};

object! {
    /// A WebSocket that goes on to a server behind the gateway, whatever is spoken on it. The gateway tracks the client, decides whether it
    /// is let through, and tells the server who it is.
    struct RawProxied {
        /// The server.
        upstream: optional Located<RawUpstream>,
        /// In place of `upstream`: several, each with a name. The path's policy chooses the one that a client goes on to, by its export
        /// `routing`. At most 64.
        upstreams: optional Located<RawUpstreams<RawUpstream>>,
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
        /// A signed token beside these headers. Default: none.
        assertion: optional Located<RawAssertion>,
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

/// Which policy decides: another path's, or one of its own.
#[derive(Debug)]
pub(super) enum RawDecider {
    Asked(bool),
    Own(RawPolicyRef),
}

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
            upstreams,
            backend,
            websocket,
            cookie,
            policy,
            require,
            roles,
            realm,
            headers,
            assertion,
            options,
            ..
        } = self;
        if let Some(url) = self.url {
            walk.warn_at(url.path, "has no effect: clients find their URL themselves; leave it out");
        }
        let several = upstreams.as_ref().map(|upstreams| upstreams.path.clone());
        let upstreams = checked_upstreams(at, upstream, upstreams, backend, walk);
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
            let asked = asks_policy.or_else(|| {
                service.asks_policy(walk).then(|| Located { path: named.path.clone(), value: true })
            });
            let service = service.clone();
            let terms = RawTerms { asks_policy: asked, ..terms };
            let terms = terms.check(at, Some((&service, &named.path)), Requirement::Nothing, shared, walk);
            (service.place, None, terms)
        } else {
            // A faulty one is one as well.
            let asks_policy = match &policy {
                Some(Located { value: RawDecider::Asked(_), .. }) => false,
                Some(_) => true,
                None => walk.has_fault_below(&format!("{at}.policy")),
            };
            let own = own(cookie, policy, options, shared, walk);
            let asks_policy = asks_policy.then(|| Located { path: at.to_owned(), value: true });
            let terms = RawTerms { asks_policy, ..terms };
            let terms = terms.check(at, None, Requirement::Nothing, shared, walk);
            if own.cookie.is_none()
                && terms.require != Requirement::Nothing
                && !walk.has_fault_below(&format!("{at}.cookie"))
            {
                walk.fault_at(at, "`require` lets no client through without a `cookie`: write one, or name a `websocket` path that has one");
            }
            if let (Some(assertion), false) = (&assertion, terms.asks_policy)
                && !walk.has_fault_below(&format!("{at}.policy"))
            {
                walk.warn_at(
                    &assertion.path,
                    "is always empty: no login is made here, and no policy says who a client is; name the path where clients log in as `websocket`",
                );
            }
            (place, Some(Box::new(own)), terms)
        };
        if let (Some(several), false) = (&several, terms.asks_policy) {
            needs_policy(at, several, walk);
        }
        let headers = checked_headers(headers, assertion, &mut shared.signing, walk);
        let upstreams = upstreams?;
        for address in upstreams.all().flat_map(|onward| &onward.upstream.addresses) {
            shared.upstreams.push((at.to_owned(), address.clone()));
        }
        let cookies = Vec::new();
        Some(ProxiedOptions { service, own, terms, headers, cookies, upstreams, interval, http: None })
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
