//! `auth.cookie`: clients that a cookie remembers, and what the method needs to be useful and safe.

use std::time::Duration;

use crate::{
    config::{
        AuthOptions, CookieAuthOptions, ServiceOptions, TrackingOptions,
        reader::{Located, Walk, Whole, object},
    },
    store::StorePlace,
};

/// Ten years in seconds: as long as a cookie may live.
const TEN_YEARS: u64 = 315_360_000;

object! {
    /// Joins a client as the principal that authenticated with the same cookie before.
    struct RawCookieAuth {
        /// How long an authentication is valid, in seconds. Default: as long as the cookie.
        max_age: optional Located<Whole<1, TEN_YEARS>>,
        /// How long it stays valid while the client is away, in seconds. Default: as long as the cookie.
        idle_timeout: optional Located<Whole<1, TEN_YEARS>>,
        /// Whether a client gets a new cookie ID after a login. Default true.
        rotate: optional bool,
    }
    misplaced {
        "name" => "belongs in `cookie` of the service, beside `auth`",
        "length" => "belongs in `cookie` of the service, beside `auth`",
        "store" => "belongs in `cookie` of the service, beside `auth`",
        "type" => "leave it out: the principals are those of the other methods",
    }
}

/// What a service has beside `auth.cookie`.
pub(super) struct Beside<'a> {
    /// The cookie tracking; none: it is off, or faulty.
    pub(super) tracking: Option<&'a TrackingOptions>,
    /// Whether there is a `cookie` at all.
    pub(super) is_tracked: bool,
    /// Whether another method is configured that verifies something, even a faulty one.
    pub(super) has_verifier: bool,
    pub(super) has_anonymous: bool,
}

impl RawCookieAuth {
    /// Checks the method, which stands at `path`.
    pub(super) fn check(self, path: &str, beside: &Beside<'_>, walk: &mut Walk<'_>) -> CookieAuthOptions {
        if !beside.is_tracked {
            walk.fault_at(
                path,
                "works only with cookie tracking, which remembers authentications: add `cookie` to the service, or leave this out",
            );
        }
        if !beside.has_verifier && beside.has_anonymous {
            walk.warn_at(
                path,
                "has nothing to remember: `anonymous` verifies nothing; add a method such as `ticket`, or leave this out",
            );
        } else if !beside.has_verifier {
            walk.fault_at(
                path,
                "cannot work alone: it remembers authentications by other methods; add one such as `ticket`",
            );
        }
        if let Some(tracking) = beside.tracking {
            self.warn_of_times(tracking, walk);
        }
        let seconds = |time: Option<Located<Whole<1, TEN_YEARS>>>| {
            time.map(|Located { value, .. }| Duration::from_secs(value.0))
        };
        CookieAuthOptions {
            max_age: seconds(self.max_age),
            idle_timeout: seconds(self.idle_timeout),
            rotate: self.rotate.unwrap_or(CookieAuthOptions::default().rotate),
        }
    }

    fn warn_of_times(&self, tracking: &TrackingOptions, walk: &mut Walk<'_>) {
        let lifetime = tracking.cookie.max_age;
        for Located { path, value } in [&self.max_age, &self.idle_timeout].into_iter().flatten() {
            if value.0 > u64::from(lifetime.as_seconds()) {
                let lifetime = lifetime.as_seconds();
                walk.warn_at(path, format!("the cookie itself lives only {lifetime} seconds: raise `cookie.max_age`, or leave this out"));
            }
        }
        if let Some(Located { path, value }) = &self.idle_timeout {
            let noted = lifetime.coarseness().as_secs();
            if value.0 < noted {
                walk.warn_at(path, format!("the store notes visits only every {noted} seconds, so that it may forget clients that were away for less: use more, or a shorter `cookie.max_age`"));
            }
        }
    }
}

/// Warns of settings that make cookie authentication unsafe. The service stands at `path`.
pub(in crate::config) fn warn_of_unsafe(path: &str, service: &ServiceOptions, walk: &mut Walk<'_>) {
    if !service.auth.as_ref().is_some_and(AuthOptions::takes_cookies) {
        return;
    }
    let options = format!("{path}.options");
    if service.handshake.allowed_origins.iter().any(|origin| names_every_host(origin)) {
        walk.warn_at(
            format!("{options}.allowed_origins"),
            "lets every web page connect in the name of its visitors, since cookies are credentials here: name your own origins, or leave it out for pages of the same origin",
        );
    }
    if service.handshake.allow_null_origin {
        walk.warn_at(
            format!("{options}.allow_null_origin"),
            "lets a sandboxed frame of any web page connect in the name of its visitors: leave it out, which means false beside `auth.cookie`",
        );
    }
    let has_policy =
        service.policy.as_ref().is_some_and(|policy| names_clients_by_id(&policy.options.config));
    if has_policy && authenticates_by_cookie(service) {
        walk.warn_at(
            format!("{path}.policy.config.authid"),
            "makes the cookie's ID the authid, which applications show and log, although it is a credential beside `auth.cookie`: use \"public-id\"",
        );
    }
}

/// How a service uses its clients' tracking IDs.
#[derive(Debug)]
pub(in crate::config) struct UseOfIds {
    path: String,
    /// The store's place, if other services can share the store.
    store: Option<StorePlace>,
    /// Whether IDs become the authids of anonymous clients, as in the default policy's first two cases.
    as_authids: bool,
    as_logins: bool,
}

impl UseOfIds {
    /// The use in a service that stands at `path`.
    pub(in crate::config) fn of(path: &str, service: &ServiceOptions) -> Self {
        let only_anonymous = |auth: &AuthOptions| {
            let (anonymous, guessing) = (auth.anonymous.clone(), auth.guessing);
            *auth == AuthOptions { anonymous, guessing, ..AuthOptions::default() }
        };
        let place = service.cookie.as_ref().map(|cookie| cookie.store.place());
        Self {
            path: path.to_owned(),
            store: place.filter(StorePlace::is_shared),
            as_authids: service.policy.is_none() && service.auth.as_ref().is_none_or(only_anonymous),
            as_logins: authenticates_by_cookie(service),
        }
    }
}

/// Warns if one service uses IDs as names while another one shares its store and uses them as credentials.
pub(in crate::config) fn warn_of_shared_ids(uses: &[UseOfIds], walk: &mut Walk<'_>) {
    for one in uses.iter().filter(|one| one.as_authids && one.store.is_some()) {
        let Some(other) = uses.iter().find(|other| other.as_logins && other.store == one.store) else {
            continue;
        };
        let other = &other.path;
        walk.warn_at(
            one.path.as_str(),
            format!("makes the cookie's ID the authid, which applications show and log, while {other} shares the store and accepts the ID as a login: use another store, or a policy that names clients by their public ID"),
        );
    }
}

fn authenticates_by_cookie(service: &ServiceOptions) -> bool {
    service.auth.as_ref().is_some_and(|auth| auth.cookie.is_some())
}

/// Whether a pattern leaves the whole host open, including its last label.
fn names_every_host(pattern: &str) -> bool {
    let host = pattern.split_once("://").map_or(pattern, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    !host.is_empty() && host.bytes().all(|byte| matches!(byte, b'*' | b'.'))
}

/// Reads the default policy's option `authid`, which policies modeled on it share.
fn names_clients_by_id(config: &str) -> bool {
    let config: Option<serde_json::Value> = serde_json::from_str(config).ok();
    config.is_some_and(|config| config.get("authid").is_some_and(|authid| authid == "cookie-id"))
}
