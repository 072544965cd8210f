//! All sessions read what is open, and each one speaks there under its own name.
//!
//! | what a session wants | which URIs | answer |
//! |---|---|---|
//! | call, subscribe | those that begin with one of the `open` prefixes of the configuration | allow |
//! | register, publish | those that go on with the session's authid and a dot, such as `com.example.chat.ann.` | allow, and the others learn who it is |
//! | anything | all others | deny |
//!
//! A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers nothing
//! that does not.

#[cfg(any(target_family = "wasm", test))]
mod heap;

use contract::{
    exports::wampgate::authid::authorization::{Action, AuthorizationRequest, Guest, Keeping, Ruling, Scope},
    wampgate::authid::types::Requirements,
};
use serde_json::{Map, Value};

/// How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
const KEPT: u32 = 3600;

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "wit", world: "authorizer" });
}

/// The authorizer, as the contract sees it.
#[derive(Debug)]
pub struct OpenTopics;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(OpenTopics with_types_in contract);

impl Guest for OpenTopics {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        tell_panics();
        open(&config).map(|_| ()).map_err(|fault| vec![fault])
    }

    /// An authorizer is shown no request headers.
    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn authorize(config: String, request: AuthorizationRequest) -> Result<Ruling, String> {
        tell_panics();
        Ok(authorize(&open(&config)?, &request))
    }
}

/// Lets the gateway's log have what a panic says: without this it tells only that the authorizer trapped, and where.
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

fn authorize(open: &[String], request: &AuthorizationRequest) -> Ruling {
    let AuthorizationRequest { session, action, uri, .. } = request;
    let mut behind = open.iter().filter_map(|prefix| uri.strip_prefix(prefix.as_str()));
    let (allow, scope) = match action {
        // The answer is the same for every session of the role.
        Action::Call | Action::Subscribe => (behind.next().is_some(), Scope::Role),
        Action::Register | Action::Publish => {
            (behind.any(|rest| begins_with_name(rest, &session.authid)), Scope::Session)
        }
    };
    let disclose = allow && scope == Scope::Session;
    Ruling { allow, disclose, keep: Some(Keeping { seconds: KEPT, scope }) }
}

/// Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands for any.
fn begins_with_name(rest: &str, name: &str) -> bool {
    !name.is_empty()
        && !name.contains('.')
        && rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

/// Reads `{"open": ["..."]}`; the error says what to write instead.
fn open(config: &str) -> Result<Vec<String>, String> {
    let object: Map<String, Value> =
        serde_json::from_str(config).map_err(|_| "use a JSON object".to_owned())?;
    if let Some(key) = object.keys().find(|key| *key != "open") {
        return Err(format!("unknown key \"{key}\": this authorizer knows only \"open\""));
    }
    let prefixes = match object.get("open") {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().filter(|prefix| is_prefix(prefix)).map(str::to_owned))
            .collect(),
        Some(_) => None,
    };
    prefixes.ok_or_else(|| {
        "open: use a list of prefixes that end in a dot and have no empty part, such as [\"com.example.chat.\"]".to_owned()
    })
}

/// Whether a text is components, each with a dot behind it.
fn is_prefix(text: &str) -> bool {
    text.strip_suffix('.').is_some_and(|components| !components.split('.').any(str::is_empty))
}

#[cfg(test)]
mod tests {
    use super::{begins_with_name, is_prefix, open};

    #[test]
    fn escapes_in_a_prefix_are_read() {
        assert_eq!(open(r#"{"open": ["com.\u0061."]}"#), Ok(vec!["com.a.".to_owned()]));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "null", "{", "{} x"] {
            assert_eq!(open(text), Err("use a JSON object".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_components_each_with_a_dot() {
        assert!(is_prefix("a.") && is_prefix("com.example."));
        for text in ["", ".", "a", "a..", ".a.", "a..b."] {
            assert!(!is_prefix(text), "{text}");
        }
    }

    #[test]
    fn a_name_is_one_whole_component() {
        assert!(begins_with_name("ann.", "ann") && begins_with_name("ann.x.y", "ann"));
        for (rest, name) in [("ann", "ann"), ("anna.", "ann"), ("", ""), (".x", ""), ("a.b.c", "a.b")] {
            assert!(!begins_with_name(rest, name), "{rest} {name}");
        }
    }
}
