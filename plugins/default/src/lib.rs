//! The policy that wampgate ships with: who a client is, from its cookie and what it offers.
//!
//! | authentication configured | with cookie tracking | without |
//! |---|---|---|
//! | none at all, or only `anonymous` | anonymous, authid = tracking ID | none: a random authid each time |
//! | further methods | the first method that the client offers and that is configured | the same |
//! | `cookie`, and the cookie has authenticated before, and the client offers it | `cookie` | – |
//! | `anonymous` beside others, and the client comes as anonymous | anonymous, authid = public ID | none |
//! | nothing fits | deny, `wamp.error.no_auth_method` | the same |
//!
//! It imports nothing, and for an ordinary HELLO its heap stays inside the first memory page.

mod config;
mod decide;
#[cfg(target_family = "wasm")]
mod heap;

use config::Config;
use contract::exports::wampgate::authid::policy::{Decision, Guest, JoinRequest};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit/0.2.0", world: "authid-policy" });
}

/// The policy, as the contract sees it.
#[derive(Debug)]
pub struct DefaultPolicy;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(DefaultPolicy with_types_in contract);

impl Guest for DefaultPolicy {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        Config::parse(&config).map(|_| ()).map_err(|fault| vec![fault])
    }

    fn decide(config: String, request: JoinRequest) -> Result<Decision, String> {
        Ok(decide::decide(Config::parse(&config)?, &request))
    }
}
