//! Each client owns the URIs that begin with its public ID, and shares some with all others.
//!
//! | URI | who | answer |
//! |---|---|---|
//! | begins with `own`, the client's public ID and a dot, such as `com.example.user.7f3a.` | the client itself | everything |
//! | the same | any other client | call and subscribe, if the configuration has `"readable": true` |
//! | begins with one of `shared` | all clients | everything |
//! | any other | | nothing |
//!
//! A pattern counts as the URIs that it covers: `com.example.user.` with `"match": "prefix"` is more than any client owns. Callers and
//! publishers are disclosed, so that others can rely on who speaks.

mod config;
#[cfg(any(target_family = "wasm", test))]
mod heap;

use config::Config;
use contract::{
    exports::wampgate::authid::authorization::{
        Action, AuthorizationRequest, Guest, Keeping, Matching, Ruling, Scope,
    },
    wampgate::authid::types::Requirements,
};

/// How long an answer may be kept, in seconds: neither the configuration nor a client's public ID changes while it is connected.
const KEPT: u32 = 3600;

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "authorizer" });
}

/// The authorizer, as the contract sees it.
#[derive(Debug)]
pub struct OwnTopics;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(OwnTopics with_types_in contract);

impl Guest for OwnTopics {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        Config::parse(&config).map(|_| ())
    }

    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn authorize(config: String, request: AuthorizationRequest) -> Result<Ruling, String> {
        let config = Config::parse(&config).map_err(|faults| faults.join("; "))?;
        let AuthorizationRequest { session, action, uri, matching, .. } = request;
        let (allow, scope) = decide(&config, session.public_id.as_deref(), action, &uri, matching);
        Ok(Ruling { allow, disclose: true, keep: Some(Keeping { seconds: KEPT, scope }) })
    }
}

/// Whether a client may do it, and for whom that holds.
fn decide(
    config: &Config,
    public_id: Option<&str>,
    action: Action,
    uri: &str,
    matching: Matching,
) -> (bool, Scope) {
    let is_shared = config.shared.iter().any(|prefix| covers(prefix, uri, matching));
    if is_shared {
        return (true, Scope::Role);
    }
    if !uri.starts_with(config.own.as_str()) {
        return (false, Scope::Role);
    }
    let own = public_id.map(|public_id| format!("{}{public_id}.", config.own));
    if own.is_some_and(|own| covers(&own, uri, matching)) {
        return (true, Scope::Session);
    }
    let reads = matches!(action, Action::Call | Action::Subscribe);
    (config.readable && reads, Scope::Session)
}

/// Whether all that a pattern matches begins with a prefix that ends in a dot.
fn covers(prefix: &str, pattern: &str, matching: Matching) -> bool {
    match matching {
        Matching::Exact | Matching::Prefix => pattern.starts_with(prefix),
        // The components of the prefix must stand there; an empty one would match others.
        Matching::Wildcard => {
            pattern.starts_with(prefix) && !prefix.trim_end_matches('.').split('.').any(str::is_empty)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Config, Matching, decide};

    fn may(action: Action, uri: &str, matching: Matching) -> bool {
        let config = r#"{"own": "com.example.user.", "shared": ["com.example.public."], "readable": true}"#;
        decide(&Config::parse(config).expect("a configuration"), Some("7f3a"), action, uri, matching).0
    }

    #[test]
    fn a_client_owns_what_begins_with_its_public_id() {
        for action in [Action::Call, Action::Register, Action::Publish, Action::Subscribe] {
            assert!(may(action, "com.example.user.7f3a.inbox", Matching::Exact));
            assert!(may(action, "com.example.user.7f3a.", Matching::Prefix));
            assert!(may(action, "com.example.user.7f3a..state", Matching::Wildcard));
            assert!(may(action, "com.example.public.news", Matching::Exact));
            assert!(!may(action, "com.example.other", Matching::Exact));
            assert!(!may(action, "com.example.", Matching::Prefix), "it would cover all users");
        }
    }

    #[test]
    fn what_others_own_can_be_read_and_no_more() {
        assert!(may(Action::Call, "com.example.user.9b2c.status", Matching::Exact));
        assert!(may(Action::Subscribe, "com.example.user.", Matching::Prefix));
        assert!(!may(Action::Register, "com.example.user.9b2c.status", Matching::Exact));
        assert!(!may(Action::Register, "com.example.user.7f3", Matching::Prefix), "a part of the ID");
        assert!(!may(Action::Publish, "com.example.user.7f3ab.x", Matching::Exact), "the ID of another");
        assert!(!may(Action::Register, "com.example.user..x", Matching::Wildcard));
    }
}
