//! Each client goes on to the upstream of its role, or of the country from which it comes.
//!
//! | who comes | decision |
//! |---|---|
//! | a client that offers a configured method other than `anonymous` (`cookie` only with a login on the record) | that method |
//! | a client that may not come as `anonymous`, or does not offer to | deny, `wamp.error.no_auth_method` |
//! | all others | none: a random authid and the role of anonymous clients |
//!
//! | who goes on | upstream |
//! |---|---|
//! | a client with one of the `roles` | that of its role |
//! | a client whose header says one of the `countries` | that of the country |
//! | all others | `otherwise` |
//!
//! The header is one that a proxy in front of the gateway writes, such as `cf-ipcountry`. Let no client reach the gateway without that proxy: it
//! could choose its upstream itself.

mod config;
#[cfg(any(target_family = "wasm", test))]
mod heap;

use config::Config;
use contract::{
    exports::wampgate::authid::{
        policy::{self, Decision, JoinRequest},
        routing::{self, RoutingRequest},
    },
    wampgate::authid::types::{Denial, Requirements},
};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "routing-policy" });
}

/// The policy, as the contract sees it.
#[derive(Debug)]
pub struct RegionsPolicy;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(RegionsPolicy with_types_in contract);

impl policy::Guest for RegionsPolicy {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        Config::parse(&config).map(|_| ())
    }

    /// It looks at the header with the country, if there is one.
    fn needs(config: String) -> Requirements {
        let header = Config::parse(&config).ok().and_then(|config| config.header);
        Requirements { headers: header.into_iter().collect(), grants: Vec::new() }
    }

    fn decide(_config: String, request: JoinRequest) -> Result<Decision, String> {
        Ok(decide(request))
    }
}

impl routing::Guest for RegionsPolicy {
    fn choose_upstream(config: String, request: RoutingRequest) -> Result<String, String> {
        let config = Config::parse(&config).map_err(|faults| faults.join("; "))?;
        let chosen = choose(&config, &request);
        // The gateway would refuse the name as well. Here the operator hears whose fault it is.
        if request.upstreams.iter().any(|name| name == chosen) {
            Ok(chosen.to_owned())
        } else {
            Err(format!("the path has no upstream {chosen:?}, which the policy's `config` names"))
        }
    }
}

fn decide(request: JoinRequest) -> Decision {
    let JoinRequest { cookie, hello, methods, .. } = request;
    let has_login = cookie.is_some_and(|record| record.authentication.is_some());
    // Without a HELLO a client offers what it brings along.
    let offered =
        hello.map_or_else(|| vec!["cookie".to_owned(), "anonymous".to_owned()], |hello| hello.authmethods);
    // `cookie` can vouch only for a client that has logged in with this cookie before.
    let usable = |method: &&String| {
        *method != "anonymous" && methods.contains(method) && (*method != "cookie" || has_login)
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

fn choose<'c>(config: &'c Config, request: &RoutingRequest) -> &'c str {
    let of_role = config.roles.get(&request.client.authrole);
    let said = |header: &String| {
        let lines = &request.connection.headers;
        // A header that stands there twice has been written by two, of whom one may be the client.
        let mut values = lines.iter().filter(|(name, _)| name == header).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let of_country = || config.countries.get(config.header.as_ref().and_then(said)?);
    of_role.or_else(of_country).unwrap_or(&config.otherwise)
}
