//! People join with an invitation, which expires; who is invited stands in the configuration.
//!
//! | method | who comes | answer |
//! |---|---|---|
//! | `ticket` | a name of the list with its invitation as the ticket, in time | accept, with the name's role |
//! | `wampcra` | a name of the list, in time | its invitation as the secret, against which the gateway verifies |
//! | either of them, remembered by a cookie | a name of the list, whether its invitation has expired or not | the same |
//! | either of them | any other client | unknown |
//!
//! The invitation is for the first login. Where the gateway remembers logins (`auth.cookie`), the cookie of a client that
//! has come in time stands for it afterwards, for as long as the name is in the list.

mod config;
mod day;
#[cfg(any(target_family = "wasm", test))]
mod heap;

use config::{Config, Invited};
use contract::{
    exports::wampgate::authid::authentication::{
        AuthenticationRequest, Credential, Guest, Known, Principal, Secret, SharedKey, Verdict,
    },
    wampgate::authid::types::Requirements,
};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "authenticator" });
}

/// The authenticator, as the contract sees it.
#[derive(Debug)]
pub struct Invitations;

// The exports have names that only a wasm linker takes; the unit tests go without them.
#[cfg(target_family = "wasm")]
contract::export!(Invitations with_types_in contract);

impl Guest for Invitations {
    fn check_config(config: String) -> Result<(), Vec<String>> {
        Config::parse(&config).map(|_| ())
    }

    /// It looks at no header.
    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn authenticate(config: String, request: AuthenticationRequest) -> Result<Verdict, String> {
        let config = Config::parse(&config).map_err(|faults| faults.join("; "))?;
        authenticate(&config, &request)
    }
}

fn authenticate(config: &Config, request: &AuthenticationRequest) -> Result<Verdict, String> {
    let AuthenticationRequest { method, authid, credential, now, .. } = request;
    let invited = authid.as_deref().and_then(|authid| config.find(authid));
    let in_time = invited.filter(|invited| invited.counts(*now));
    match (credential, method.as_str()) {
        (Credential::Ticket(ticket), _) => Ok(match in_time {
            Some(invited) if is_same(ticket, &invited.invitation) => Verdict::Accept(principal(invited)),
            _ => Verdict::Unknown(None),
        }),
        (Credential::Remembered, _) => Ok(match invited {
            Some(invited) => Verdict::Accept(principal(invited)),
            None => Verdict::Unknown(None),
        }),
        (Credential::None, "wampcra") => Ok(match in_time {
            Some(invited) => Verdict::Secret(known(invited)),
            // Its challenge looks like that of the first in the list.
            None => Verdict::Unknown(config.invited.first().map(|(_, invited)| known(invited))),
        }),
        _ => Err(format!("it knows principals of `ticket` and `wampcra`, and not of `{method}`")),
    }
}

fn principal(invited: &Invited) -> Principal {
    Principal { authid: None, authrole: invited.role.clone(), realm: None, authextra: None }
}

fn known(invited: &Invited) -> Known {
    let secret = SharedKey { key: invited.invitation.clone(), salting: None };
    Known { principal: principal(invited), secret: Secret::Wampcra(secret) }
}

/// Whether two texts are the same, in a time that does not tell how much of them is.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && core::hint::black_box(differences) == 0
}
