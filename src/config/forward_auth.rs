//! `forward-auth`: what a proxy is told about a request.

use std::time::Duration;

use schemars::json_schema;

use super::{
    ForwardAuthOptions, RealmOptions, Requirement, ServicePlace, Terms,
    auth::role_exists,
    identity_headers::{RawAssertion, RawIdentityHeaders, checked_headers},
    own_realms,
    reader::{
        Json, Located, Millis, Raw, Walk, checked_place, inline_schema, object, quoted, quoted_place, words,
    },
    websocket::{KnownService, Shared},
};
use crate::{identity::Name, shown::listed, wamp::Uri};

object! {
    /// Whether a request is allowed, and whose it is: for a proxy that asks before it passes a request on.
    struct RawForwardAuth {
        /// The `websocket` path whose clients it knows: a path of this transport such as "/ws", or of another one with that
        /// one's `id` before it, such as "public/ws". Default: the only one with a `cookie`.
        websocket: optional Located<String>,
        /// What a request needs: a `cookie` that the store knows, or to be `authenticated`, with a login on its cookie. Default
        /// `cookie`; with `policy`, nothing before the policy is asked.
        require: optional Requirement,
        /// The roles that are let through. Default: any, and clients without a login.
        roles: optional Located<Vec<Located<Name>>>,
        /// Whether the policy of the `websocket` path decides, without a HELLO. Default false: what the cookie's record holds
        /// decides.
        policy: optional Located<bool>,
        /// The realm whose logins and roles count. Default: the only one, or else the one that a client has logged in to.
        realm: optional Located<Uri>,
        /// The names of the headers that tell who the client is.
        headers: optional RawIdentityHeaders,
        /// A signed token beside these headers. Default: none.
        assertion: optional Located<RawAssertion>,
        /// Where a browser is sent that asks for a page and has to log in: a URL, or a path (not with Traefik). `{uri}` in it stands
        /// for the path and the query that the browser has asked for. Not with nginx, which takes no redirects here. Default: it
        /// gets 401.
        redirect: optional LoginPage,
        /// How long an answer may take, in milliseconds; then it is 503. Default 200.
        timeout: optional Millis<10, 60_000>,
    }
    misplaced {
        "cookie" => "the cookie is the one of the `websocket` path, write it there",
        "auth" => "the methods are those of the `websocket` path, write them there",
        "trusted_proxies" => "write it in the `options` of the transport",
    }
}

words! {
    Requirement as "Requirement" {
        "cookie" => Self::Cookie,
        "authenticated" => Self::Login,
    }
}

/// The URL of a page, or its path.
#[derive(Debug)]
pub(super) struct LoginPage(String);

impl Raw for LoginPage {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = "a URL or a path such as \"/login?to={uri}\", percent-encoded";
        checked_place(json, hint, walk, |text| {
            let is_place = ["/", "https://", "http://"].iter().any(|begin| text.starts_with(begin));
            let rest = text.replace(ForwardAuthOptions::URI, "");
            let is_url = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}'));
            (is_place && is_url).then(|| Self(text.to_owned()))
        })
    }
}

inline_schema!(LoginPage, "LoginPage", |_generator| json_schema!({
    "type": "string",
    "pattern": r"^(/|https?://)([!-z|~]|\{uri\})*$",
}));

impl RawForwardAuth {
    /// Checks a path that stands at `at`.
    pub(super) fn check(
        self,
        at: &str,
        shared: &mut Shared,
        walk: &mut Walk<'_>,
    ) -> Option<ForwardAuthOptions> {
        let asks_policy = self.policy.as_ref().is_some_and(|policy| policy.value);
        let default = if asks_policy { Requirement::Nothing } else { Requirement::Cookie };
        let headers = checked_headers(self.headers, self.assertion, &mut shared.signing, walk);
        let shared = &*shared;
        let raw = RawTerms {
            require: self.require,
            roles: self.roles,
            realm: self.realm,
            asks_policy: self.policy.clone(),
        };
        let service = find(at, self.websocket.as_ref(), shared, walk);
        let named = self.websocket.as_ref().map_or(at, |named| named.path.as_str());
        let terms = raw.check(at, service.map(|service| (service, named)), default, shared, walk);
        let service = service?;
        if let Some(Located { path, value: true }) = &self.policy
            && !shared.trusts_proxies
        {
            walk.warn_at(path, "asks about the proxy's own request, since the transport believes no proxy: name the proxy in its `trusted_proxies`");
        }
        Some(ForwardAuthOptions {
            service: service.place.clone(),
            terms,
            headers,
            redirect: self.redirect.map(|page| page.0),
            timeout: self
                .timeout
                .map_or(ForwardAuthOptions::TIMEOUT, |Millis(timeout): Millis<10, 60_000>| -> Duration {
                    timeout
                }),
        })
    }
}

/// What a request needs, as the file says it.
#[derive(Debug)]
pub(super) struct RawTerms {
    pub(super) require: Option<Requirement>,
    pub(super) roles: Option<Located<Vec<Located<Name>>>>,
    pub(super) realm: Option<Located<Uri>>,
    pub(super) asks_policy: Option<Located<bool>>,
}

impl RawTerms {
    /// Checks the terms of a path that stands at `at`. `service` is the path whose clients count, and where it is named; none: the path
    /// itself, on which no login is made.
    pub(super) fn check(
        self,
        at: &str,
        service: Option<(&KnownService, &str)>,
        default: Requirement,
        shared: &Shared,
        walk: &mut Walk<'_>,
    ) -> Terms {
        let asks_policy = self.asks_policy.as_ref().is_some_and(|policy| policy.value);
        let require = self.require.unwrap_or(default);
        let realms = match service {
            Some((service, _)) => service.known_realms(&shared.realms, walk),
            None => own_realms::are_named(walk).then_some(&*shared.realms),
        };
        let realm = checked_realm(at, self.realm, asks_policy, realms, walk);
        let roles = self.roles.map(|roles| checked_roles(roles, realm.as_ref(), realms, walk));
        let needs_login = require == Requirement::Login || (roles.is_some() && !asks_policy);
        match service {
            Some((service, named))
                if needs_login
                    && !service.keeps_logins
                    && !walk.has_fault_below(&format!("{}.auth", service.at)) =>
            {
                let path = &service.place.path;
                walk.fault_at(named, format!("no login stands on a cookie of {path}, so no request would pass: write \"cookie\": {{}} into its `auth`, or let any `cookie` do"));
            }
            None if needs_login && !walk.has_fault_below(&format!("{at}.websocket")) => {
                walk.fault_at(at, "no login is made here, so no client would pass: name the path where clients log in as `websocket`");
            }
            _ => {}
        }
        if let (Some((service, _)), Some(Located { path, value: true })) = (service, &self.asks_policy)
            && !service.asks_policy(walk)
        {
            let place = &service.place.path;
            walk.fault_at(path, format!("{place} has no `policy`, and the one that is built in decides about sessions only: write a policy there, or leave this out"));
        }
        Terms { require, asks_policy, roles, realm }
    }
}

/// The WebSocket service that a path names, or the only one that can be meant.
pub(super) fn find<'s>(
    at: &str,
    named: Option<&Located<String>>,
    shared: &'s Shared,
    walk: &mut Walk<'_>,
) -> Option<&'s KnownService> {
    let Some(Located { path, value }) = named else {
        let candidates: Vec<_> = shared.services.iter().filter(|service| service.is_tracked(walk)).collect();
        return match candidates[..] {
            [only] => Some(only),
            [] => {
                walk.fault_at(
                    at,
                    "no \"websocket\" path has a `cookie`, so the gateway would know no client: write one",
                );
                None
            }
            [..] => {
                let names: Vec<_> =
                    candidates.iter().map(|service| quoted(&shared.name(&service.place))).collect();
                walk.fault_at(at, format!("several \"websocket\" paths have a `cookie`: name the one whose clients count as `websocket`, out of {}", listed(&names, "and")));
                None
            }
        };
    };
    let is_meant = |service: &&KnownService| {
        let ServicePlace { transport, path } = &service.place;
        *value == format!("{transport}{path}") || (*transport == shared.transport && value == path)
    };
    let Some(found) = shared.services.iter().find(is_meant) else {
        let names: Vec<_> =
            shared.services.iter().map(|service| quoted(&shared.name(&service.place))).collect();
        let known = if names.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there is {}", listed(&names, "and"))
        };
        walk.fault_at(path, format!("{} is no \"websocket\" path: {known}", quoted_place(value)));
        return None;
    };
    if !found.is_tracked(walk) {
        walk.fault_at(
            path,
            format!(
                "{} has no `cookie`, so the gateway would know no client: write one there",
                found.place.path
            ),
        );
        return None;
    }
    Some(found)
}

impl Shared {
    /// How a path of the transport that is being checked names a service.
    fn name(&self, ServicePlace { transport, path }: &ServicePlace) -> String {
        if *transport == self.transport { path.clone() } else { format!("{transport}{path}") }
    }
}

fn checked_realm(
    at: &str,
    named: Option<Located<Uri>>,
    asks_policy: bool,
    realms: Option<&[RealmOptions]>,
    walk: &mut Walk<'_>,
) -> Option<Uri> {
    match (named, realms.unwrap_or_default()) {
        (Some(Located { path, value }), known) => {
            if realms.is_some() && !known.iter().any(|realm| realm.name == value) {
                walk.fault_at(
                    path,
                    format!("there is no realm {}, add it to `realms`", quoted(value.as_str())),
                );
            }
            Some(value)
        }
        (None, [only]) => Some(only.name.clone()),
        (None, [_, _, ..]) if asks_policy => {
            walk.fault_at(
                at,
                "there are several realms: name the one whose roles the policy gives, as `realm`",
            );
            None
        }
        (None, _) => None,
    }
}

fn checked_roles(
    Located { path, value: roles }: Located<Vec<Located<Name>>>,
    realm: Option<&Uri>,
    realms: Option<&[RealmOptions]>,
    walk: &mut Walk<'_>,
) -> Vec<Name> {
    if roles.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(&path, "lets no request through: name a role, or leave `roles` out");
    }
    for Located { path, value } in &roles {
        if realms.is_some_and(|realms| !role_exists(value, realm, realms)) {
            walk.fault_at(
                path,
                format!("no realm has the role {}: add it to the realm's `roles`", quoted(value)),
            );
        }
    }
    roles.into_iter().map(|role| role.value).collect()
}
