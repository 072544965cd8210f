//! Only returning visitors keep their name.
//!
//! | who comes | decision |
//! |---|---|
//! | any client, to one of the `closed_realms` of the configuration | deny, `wamp.error.no_such_realm` |
//! | a client that offers a configured method other than `anonymous` | that method |
//! | a client that may not come as `anonymous`, or does not offer to | deny, `wamp.error.no_auth_method` |
//! | a returning visitor | anonymous, authid = public ID |
//! | all others | none: a random authid each time |

#[cfg(any(target_family = "wasm", test))]
mod heap;

use contract::{
    exports::wampgate::authid::policy::{Decision, Guest, JoinRequest},
    wampgate::authid::types::{Denial, Identity, Requirements},
};
use serde_json::{Map, Value};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "wit", world: "authid-policy" });
}

/// The policy, as the contract sees it.
#[derive(Debug)]
pub struct ReturningPolicy;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(ReturningPolicy with_types_in contract);

impl Guest for ReturningPolicy {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        tell_panics();
        closed_realms(&config).map(|_| ()).map_err(|fault| vec![fault])
    }

    /// Name each request header that `decide` looks at: the gateway then does not run the policy without it.
    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn decide(config: String, request: JoinRequest) -> Result<Decision, String> {
        tell_panics();
        Ok(decide(&closed_realms(&config)?, request))
    }
}

/// Lets the gateway's log have what a panic says: without this it tells only that the policy trapped, and where.
#[cfg(target_family = "wasm")]
fn tell_panics() {
    use std::{panic, sync::Once};

    use contract::wampgate::authid::log::{Level, log};

    static TELLS: Once = Once::new();
    TELLS.call_once(|| panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string()))));
}

/// On the host, tests show panics themselves.
#[cfg(not(target_family = "wasm"))]
fn tell_panics() {}

fn decide(closed: &[String], request: JoinRequest) -> Decision {
    let JoinRequest { cookie, hello, methods, .. } = request;
    let (realm, offered) = hello.map_or((None, Vec::new()), |hello| (hello.realm, hello.authmethods));

    if realm.is_some_and(|realm| closed.contains(&realm)) {
        return deny("wamp.error.no_such_realm", "this realm is closed");
    }
    // `cookie` can vouch only for a client that has logged in with this cookie before.
    let logged_in = cookie.as_ref().is_some_and(|record| record.authentication.is_some());
    let usable = |method: &&String| {
        *method != "anonymous" && methods.contains(method) && (*method != "cookie" || logged_in)
    };
    if let Some(method) = offered.iter().find(usable) {
        return Decision::Defer(method.clone());
    }
    // An empty list means "anonymous": on the configuration's side as on the client's.
    let includes_anonymous = |list: &[String]| list.is_empty() || list.iter().any(|name| name == "anonymous");
    if !includes_anonymous(&methods) || !includes_anonymous(&offered) {
        return deny("wamp.error.no_auth_method", "offer a configured authentication method");
    }
    match cookie {
        Some(record) if !record.is_new => {
            Decision::Anonymous(Identity { authid: Some(record.public_id), authrole: None, authextra: None })
        }
        _ => Decision::None,
    }
}

fn deny(reason: &str, message: &str) -> Decision {
    Decision::Deny(Denial { reason: reason.to_owned(), message: message.to_owned() })
}

/// Reads `{"closed_realms": ["..."]}`; the error says what to write instead.
fn closed_realms(config: &str) -> Result<Vec<String>, String> {
    let object: Map<String, Value> =
        serde_json::from_str(config).map_err(|_| "use a JSON object".to_owned())?;
    if let Some(key) = object.keys().find(|key| *key != "closed_realms") {
        return Err(format!("unknown key \"{key}\": this policy knows only \"closed_realms\""));
    }
    let realms = match object.get("closed_realms") {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    realms.ok_or_else(|| "closed_realms: use a list of realms, such as [\"staff\"]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::closed_realms;

    #[test]
    fn escapes_in_a_realm_are_read() {
        assert_eq!(closed_realms(r#"{"closed_realms":["st\u0061ff"]}"#).unwrap_or_default(), ["staff"]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "null", "{", "{} x"] {
            assert_eq!(closed_realms(text), Err("use a JSON object".to_owned()), "{text}");
        }
    }
}
