//! Named people join with a role of their own, by the login that their cookie remembers.
//!
//! | who comes | decision |
//! |---|---|
//! | a client whose last login was as one of `vips`, into the realm that it asks for now, and that offers `cookie` where that is configured | `cookie`, with the role `role` |
//! | such a client where `cookie` is not configured, or that does not offer it | anonymous, under that login's authid and with the role `role` |
//! | a client that offers a configured method other than `anonymous` | that method |
//! | a client that may not come as `anonymous`, or does not offer to | deny, `wamp.error.no_auth_method` |
//! | all others | none: a random authid and the role of anonymous clients |
//!
//! A name takes effect only through a login that the gateway has verified: what the client says of itself in
//! its HELLO does not count.

mod config;
#[cfg(any(target_family = "wasm", test))]
mod heap;

use config::Config;
use contract::{
    exports::wampgate::authid::policy::{Decision, Guest, JoinRequest},
    wampgate::authid::types::{Authentication, Deferral, Denial, Hello, Identity, Requirements},
};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "authid-policy" });
}

/// The policy, as the contract sees it.
#[derive(Debug)]
pub struct VipPolicy;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(VipPolicy with_types_in contract);

impl Guest for VipPolicy {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        Config::parse(&config).map(|_| ())
    }

    /// It looks at no header.
    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn decide(config: String, request: JoinRequest) -> Result<Decision, String> {
        let config = Config::parse(&config).map_err(|faults| faults.join("; "))?;
        Ok(decide(config, request))
    }
}

fn decide(config: Config, request: JoinRequest) -> Decision {
    let JoinRequest { cookie, hello, methods, .. } = request;
    let login = cookie.and_then(|record| record.authentication);

    if let Some(login) = &login
        && config.vips.contains(&login.authid)
        && is_for_this_realm(login, hello.as_ref())
    {
        // The login itself vouches for the client, where it may: so WELCOME tells the method by which it logged in.
        let offers_cookie =
            hello.as_ref().is_some_and(|hello| hello.authmethods.iter().any(|name| name == "cookie"));
        if offers_cookie && methods.iter().any(|name| name == "cookie") {
            return Decision::DeferAs(Deferral { method: "cookie".to_owned(), authrole: config.role });
        }
        return Decision::Anonymous(Identity {
            authid: Some(login.authid.clone()),
            authrole: Some(config.role),
            authextra: None,
        });
    }
    let offered = hello.map(|hello| hello.authmethods).unwrap_or_default();
    // `cookie` can vouch only for a client that has logged in with this cookie before.
    let usable = |method: &&String| {
        *method != "anonymous" && methods.contains(method) && (*method != "cookie" || login.is_some())
    };
    if let Some(method) = offered.iter().find(usable) {
        return Decision::Defer(method.clone());
    }
    // An empty list means "anonymous": on the configuration's side as on the client's.
    let includes_anonymous = |list: &[String]| list.is_empty() || list.iter().any(|name| name == "anonymous");
    if includes_anonymous(&methods) && includes_anonymous(&offered) {
        Decision::None
    } else {
        Decision::Deny(Denial {
            reason: "wamp.error.no_auth_method".to_owned(),
            message: "offer a configured authentication method".to_owned(),
        })
    }
}

/// A login into one realm is no pass for another one.
fn is_for_this_realm(login: &Authentication, hello: Option<&Hello>) -> bool {
    hello.and_then(|hello| hello.realm.as_deref()).is_some_and(|realm| realm == login.authrealm)
}
