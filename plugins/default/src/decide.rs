//! The decision table.

use crate::{
    config::{Config, TrackedAuthid},
    contract::{
        exports::wampgate::authid::policy::{Decision, JoinRequest},
        wampgate::authid::types::{CookieRecord, Denial, Identity},
    },
};

const ANONYMOUS: &str = "anonymous";
const COOKIE: &str = "cookie";

/// Decides about one HELLO.
pub(crate) fn decide(config: Config, request: &JoinRequest) -> Decision {
    let cookie = request.cookie.as_ref();
    let offered = request.hello.as_ref().map_or(&[][..], |hello| &hello.authmethods);
    let offers = |method: &str| {
        // WAMP, "Session Establishment": a client that offers nothing comes as anonymous.
        if offered.is_empty() { method == ANONYMOUS } else { offered.iter().any(|offer| offer == method) }
    };
    let configured = |method: &str| request.methods.iter().any(|name| name == method);

    // Cases 1 and 2: nothing here can be stolen with the ID but the name itself.
    if request.methods.iter().all(|name| name == ANONYMOUS) {
        return if offers(ANONYMOUS) { join(cookie, config.authid) } else { deny(&request.methods) };
    }

    // A login that the cookie remembers needs no challenge, wherever in its list the client offers it.
    let authenticated = cookie.is_some_and(|record| record.authentication.is_some());
    if authenticated && configured(COOKIE) && offers(COOKIE) {
        return Decision::Defer(COOKIE.to_owned());
    }

    // Case 3: the client's own order decides between the methods that are configured. Beside other methods
    // the ID may stand for a login, so that it is a credential here and not a name.
    if offered.is_empty() && configured(ANONYMOUS) {
        return join(cookie, TrackedAuthid::PublicId);
    }
    match offered.iter().find(|offer| *offer != COOKIE && configured(offer)) {
        Some(first) if first == ANONYMOUS => join(cookie, TrackedAuthid::PublicId),
        Some(first) => Decision::Defer(first.clone()),
        None => deny(&request.methods),
    }
}

fn join(cookie: Option<&CookieRecord>, name: TrackedAuthid) -> Decision {
    let Some(record) = cookie else { return Decision::None };
    let authid = match name {
        TrackedAuthid::CookieId => &record.id,
        TrackedAuthid::PublicId => &record.public_id,
    };
    Decision::Anonymous(Identity { authid: Some(authid.clone()), authrole: None, authextra: None })
}

/// Says what would have been accepted, and does not repeat what the client sent.
fn deny(methods: &[String]) -> Decision {
    let message = if methods.is_empty() {
        "no authentication is configured here: offer \"anonymous\" or nothing".to_owned()
    } else {
        format!(
            "none of the offered authentication methods can be used here; configured: {}",
            methods.join(", ")
        )
    };
    Decision::Deny(Denial { reason: "wamp.error.no_auth_method".to_owned(), message })
}

#[cfg(test)]
mod tests;
