//! A policy that chooses the upstream as its configuration says: the tests of the gateway ask it for every answer that there is, and for what
//! no component should do.
//!
//! ```json
//! { "choose": { "authrole": {"staff": "eu"}, "otherwise": "us" } }
//! ```
//!
//! `"choose"` may be a name as well, whichever it is, and one of `"trap!"`, `"loop!"`, `"error!"` and `"leak!"` (of the tracking ID) in
//! place of a name. `"slow!eu"` is `eu` after seconds of work. Who logs in by a method, or has, is who it is; all others are anonymous.

use core::hint::black_box;

use contract::{
    exports::wampgate::authid::{
        policy::{self, Decision, JoinRequest},
        routing::{self, RoutingRequest},
    },
    wampgate::authid::{
        log::{Level, log},
        types::Requirements,
    },
};
use serde_json::{Map, Value};

/// How often a slow choice turns a loop: a few seconds' worth.
const SLOW: u64 = 2_000_000_000;

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "routing-policy" });
}

/// The component, as the contract sees it.
#[derive(Debug)]
pub struct ScriptedPolicy;

// The exports have names that only a wasm linker takes.
#[cfg(target_family = "wasm")]
contract::export!(ScriptedPolicy with_types_in contract);

impl policy::Guest for ScriptedPolicy {
    fn check_config(_config: String) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn decide(_config: String, request: JoinRequest) -> Result<Decision, String> {
        let has_login = request.cookie.is_some_and(|cookie| cookie.authentication.is_some());
        let offered = request.hello.map_or_else(|| vec!["cookie".to_owned()], |hello| hello.authmethods);
        let usable = |name: &&String| {
            *name != "anonymous" && request.methods.contains(name) && (*name != "cookie" || has_login)
        };
        Ok(offered.iter().find(usable).map_or(Decision::None, |name| Decision::Defer(name.clone())))
    }
}

impl routing::Guest for ScriptedPolicy {
    fn choose_upstream(config: String, request: RoutingRequest) -> Result<String, String> {
        let config: Map<String, Value> = serde_json::from_str(&config).map_err(|fault| fault.to_string())?;
        let client = &request.client;
        log(
            Level::Info,
            &format!(
                "choosing for authid={} authrole={} authmethod={} authprovider={} realm={} path={} cookie={} of {}",
                client.authid,
                client.authrole,
                client.authmethod,
                client.authprovider,
                client.realm,
                request.connection.path,
                request.cookie.is_some(),
                request.upstreams.join(","),
            ),
        );
        let choice = config.get("choose").unwrap_or(&Value::Null);
        let of_role = choice.get("authrole").and_then(|roles| roles.get(&client.authrole));
        match of_role.or_else(|| choice.get("otherwise")).unwrap_or(choice).as_str() {
            Some("trap!") => {
                #[cfg(target_family = "wasm")]
                core::arch::wasm32::unreachable();
                #[cfg(not(target_family = "wasm"))]
                Err("it trapped".to_owned())
            }
            Some("loop!") => loop {
                black_box(());
            },
            Some("leak!") => Ok(request.cookie.map(|cookie| cookie.id).unwrap_or_default()),
            Some("error!") | None => Err("this policy will not choose".to_owned()),
            Some(choice) => {
                let slow = choice.strip_prefix("slow!");
                for turn in 0..slow.map_or(0, |_| SLOW) {
                    black_box(turn);
                }
                Ok(slow.unwrap_or(choice).to_owned())
            }
        }
    }
}
