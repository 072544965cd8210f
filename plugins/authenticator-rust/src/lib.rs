//! Clients whose name and ticket stand in the configuration are members.
//!
//! | who comes | answer |
//! |---|---|
//! | by another method than `ticket` and `wampcra` | an error: the operator has configured it for that method |
//! | by `ticket`, with the ticket that stands beside its name | accept, with the role `member` |
//! | by `wampcra`, with a name that has a ticket | secret: the gateway verifies that the client knows the ticket |
//! | with a cookie that remembers a login, with a name that has a ticket | accept |
//! | any other client | unknown |

#[cfg(any(target_family = "wasm", test))]
mod heap;

use contract::{
    exports::wampgate::authid::authentication::{
        AuthenticationRequest, Credential, Guest, Known, Principal, Secret, SharedKey, Verdict,
    },
    wampgate::authid::types::Requirements,
};
use serde_json::{Map, Value};

/// The role of all members: the realm must have it.
const ROLE: &str = "member";
/// The shortest ticket, in bytes: none that is shorter stands against guesses.
const SHORTEST: usize = 16;

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "wit", world: "authenticator" });
}

/// The authenticator, as the contract sees it.
#[derive(Debug)]
pub struct Members;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(Members with_types_in contract);

impl Guest for Members {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        tell_panics();
        tickets(&config).map(|_| ()).map_err(|fault| vec![fault])
    }

    /// Name each request header that `authenticate` looks at: the gateway then does not run the authenticator without it.
    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn authenticate(config: String, request: AuthenticationRequest) -> Result<Verdict, String> {
        tell_panics();
        authenticate(&tickets(&config)?, request)
    }
}

/// Lets the gateway's log have what a panic says: without this it tells only that the authenticator trapped, and where.
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

fn authenticate(tickets: &[(String, String)], request: AuthenticationRequest) -> Result<Verdict, String> {
    let AuthenticationRequest { method, authid, credential, .. } = request;
    if !matches!(method.as_str(), "ticket" | "wampcra") {
        return Err(format!("it knows principals of `ticket` and `wampcra`, and not of `{method}`"));
    }
    let ticket = tickets.iter().find(|(name, _)| Some(name) == authid.as_ref()).map(|(_, ticket)| ticket);
    Ok(match (credential, ticket) {
        (Credential::Ticket(shown), Some(ticket)) if is_same(&shown, ticket) => Verdict::Accept(member()),
        (Credential::Remembered, Some(_)) => Verdict::Accept(member()),
        (Credential::None, Some(ticket)) if method == "wampcra" => Verdict::Secret(known(ticket)),
        // The challenge must not tell which names have a ticket. Nothing opens a session with this one.
        (Credential::None, None) if method == "wampcra" => Verdict::Unknown(Some(known("unknown"))),
        _ => Verdict::Unknown(None),
    })
}

/// A member joins under the name that it claims.
fn member() -> Principal {
    Principal { authid: None, authrole: ROLE.to_owned(), realm: None, authextra: None }
}

fn known(ticket: &str) -> Known {
    Known {
        principal: member(),
        secret: Secret::Wampcra(SharedKey { key: ticket.to_owned(), salting: None }),
    }
}

/// Whether two texts are the same, in a time that does not tell how much of them is.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && core::hint::black_box(differences) == 0
}

/// Reads `{"tickets": {"name": "ticket"}}`; the error says what to write instead.
fn tickets(config: &str) -> Result<Vec<(String, String)>, String> {
    let object: Map<String, Value> =
        serde_json::from_str(config).map_err(|_| "use a JSON object".to_owned())?;
    if let Some(key) = object.keys().find(|key| *key != "tickets") {
        return Err(format!("unknown key \"{key}\": this authenticator knows only \"tickets\""));
    }
    let long = |ticket: &&str| ticket.len() >= SHORTEST;
    let tickets = match object.get("tickets") {
        None => Some(Vec::new()),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(name, ticket)| Some((name.clone(), ticket.as_str().filter(long)?.to_owned())))
            .collect(),
        Some(_) => None,
    };
    tickets.ok_or_else(|| {
        format!(
            "tickets: use an object of names, each with a ticket of {SHORTEST} characters or more, such as \
             {{\"ann\": \"q7ZrT2m9wXcK4vLb\"}}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{is_same, tickets};

    #[test]
    fn escapes_in_a_ticket_are_read() {
        let read = tickets(r#"{"tickets": {"ann": "q7ZrT2m9wXcK4v\u004cb"}}"#);
        assert_eq!(read, Ok(vec![("ann".to_owned(), "q7ZrT2m9wXcK4vLb".to_owned())]));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "null", "{", "{} x"] {
            assert_eq!(tickets(text), Err("use a JSON object".to_owned()), "{text}");
        }
    }

    #[test]
    fn only_the_same_is_the_same() {
        assert!(is_same("ticket", "ticket"));
        for other in ["", "ticke", "ticket ", "Ticket"] {
            assert!(!is_same("ticket", other), "{other}");
        }
    }
}
