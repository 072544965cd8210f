//! What the gateway says to a router to become a session there: HELLO, made from scratch, and the answer to CHALLENGE.

use serde_json::{Map, Value, json};

use super::{Account, Login, Proof};
use crate::{
    auth::{self, Salting, Secret},
    identity::Identity,
    time::Timestamp,
    wamp::{Dictionary, RouterFeatures, SessionId, Uri},
};

/// The roles of clients (section "Client: Role and Feature Announcement").
const ROLES: [&str; 4] = ["caller", "callee", "publisher", "subscriber"];

/// How many features one role may have, and how long a feature's name may be: twice as many and as long as the specification has.
const MOST_FEATURES: usize = 64;
const LONGEST_FEATURE: usize = 64;

/// Features of routers that do not pass the gateway: their messages are none that it knows.
const NOT_PASSED: [&str; 1] = ["acknowledge_event_received"];

/// The most rounds of a key's derivation that a router may ask for: a thread of the gateway is busy with them.
const MOST_ITERATIONS: u64 = 1_000_000;

/// What a client has announced in its HELLO, for the one that the gateway makes.
#[derive(Debug, Clone)]
pub struct Announced(Map<String, Value>);

/// What WELCOME says.
#[derive(Debug)]
pub(super) struct Welcomed {
    pub(super) session: SessionId,
    pub(super) features: RouterFeatures,
}

impl Announced {
    /// Reads HELLO.Details.roles. A role that is none is left out, and so is what is no feature's name.
    pub fn read(roles: &Dictionary) -> Self {
        let said: Value = serde_json::from_str(&roles.to_json()).unwrap_or_default();
        let said = |role: &&str| said.get(role).map(features);
        let known = ROLES.iter().filter_map(|role| Some((*role, said(role)?)));
        let mut known: Vec<_> = known.collect();
        if known.is_empty() {
            known = ROLES.iter().map(|role| (*role, Vec::new())).collect();
        }
        Self(known.into_iter().map(|(role, features)| (role.to_owned(), announced(features))).collect())
    }
}

/// The features of a role that are on.
fn features(role: &Value) -> Vec<String> {
    let is_name = |name: &str| {
        name.len() <= LONGEST_FEATURE
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let on = role.get("features").and_then(Value::as_object).into_iter().flatten();
    let on = on.filter(|(name, value)| **value == Value::Bool(true) && is_name(name));
    on.take(MOST_FEATURES).map(|(name, _)| name.clone()).collect()
}

fn announced(features: Vec<String>) -> Value {
    let features: Map<_, _> = features.into_iter().map(|name| (name, true.into())).collect();
    Map::from_iter([("features".to_owned(), features.into())]).into()
}

/// What a client can do with a router, out of WELCOME.Details.
pub(super) fn router_features(welcome: &Map<String, Value>) -> RouterFeatures {
    let of = |role: &str| -> Vec<String> {
        let role = welcome.get("roles").and_then(|roles| roles.get(role));
        let features = role.map(features).unwrap_or_default();
        features.into_iter().filter(|name| !NOT_PASSED.contains(&name.as_str())).collect()
    };
    let (broker, dealer) = (of("broker"), of("dealer"));
    RouterFeatures::new(broker.iter().map(String::as_str), dealer.iter().map(String::as_str))
}

impl Login {
    /// Under which authid the gateway joins for a client.
    pub(super) fn authid<'a>(&'a self, identity: &'a Identity) -> &'a str {
        match self {
            // Other sessions of the router see it, so that it is never a credential.
            Self::Ticket(_) | Self::Token(_) | Self::Proxy => identity.authid.public(),
            Self::Account(account) => &account.authid,
        }
    }

    /// HELLO.Details for a realm.
    pub(super) fn hello(
        &self,
        identity: &Identity,
        realm: &Uri,
        Announced(roles): Announced,
    ) -> Map<String, Value> {
        let mut details = Map::from_iter([
            ("roles".to_owned(), roles.into()),
            ("authmethods".to_owned(), vec![self.method()].into()),
            ("authid".to_owned(), self.authid(identity).into()),
        ]);
        if matches!(self, Self::Proxy) {
            // Crossbar.io goes by these alone. What its own proxies tell beside them, cookies and headers, every session could read there.
            let told = json!({
                "proxy_realm": realm.as_str(),
                "proxy_authid": self.authid(identity),
                "proxy_authrole": identity.authrole.as_str(),
                "proxy_authmethod": identity.authmethod,
                "proxy_authprovider": identity.authprovider,
                "proxy_authextra": identity.authextra.clone().unwrap_or_default(),
            });
            details.insert("authextra".to_owned(), told);
        }
        details
    }

    /// The answer to a CHALLENGE; none: the router asks for something else than was offered.
    pub(super) fn answer(
        &self,
        (method, extra): (&str, &Map<String, Value>),
        identity: &Identity,
        realm: &Uri,
    ) -> Option<String> {
        if method != self.method() {
            return None;
        }
        match self {
            Self::Token(token) => token.ticket(identity, realm, Timestamp::now()),
            // The router has nothing to ask.
            Self::Proxy => None,
            Self::Ticket(ticket) | Self::Account(Account { proof: Proof::Ticket(ticket), .. }) => {
                Some(ticket.expose().to_owned())
            }
            Self::Account(Account { proof: Proof::WampCra(secret), .. }) => sign(secret, extra),
        }
    }

    /// Whether a router has to let the client in under the very authid that the gateway asks for.
    pub(super) const fn names_the_client(&self) -> bool {
        !matches!(self, Self::Account(_))
    }

    /// Whether a text has the secret in it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Ticket(secret)
            | Self::Account(Account { proof: Proof::Ticket(secret) | Proof::WampCra(secret), .. }) => {
                text.contains(secret.expose())
            }
            // How every token begins that is JSON.
            Self::Token(_) => text.contains("eyJ"),
            Self::Proxy => false,
        }
    }

    const fn method(&self) -> &'static str {
        match self {
            Self::Ticket(_) | Self::Token(_) | Self::Account(Account { proof: Proof::Ticket(_), .. }) => {
                "ticket"
            }
            Self::Proxy => "anonymous-proxy",
            Self::Account(Account { proof: Proof::WampCra(_), .. }) => "wampcra",
        }
    }
}

/// The answer to a challenge of `wampcra`, whose key is derived where the router says so.
fn sign(secret: &Secret, extra: &Map<String, Value>) -> Option<String> {
    let challenge = extra.get("challenge")?.as_str()?;
    let Some(salt) = extra.get("salt").and_then(Value::as_str) else {
        return Some(auth::sign(secret, challenge));
    };
    // The specification's defaults.
    let number = |key: &str, default: u64| extra.get(key).map_or(Some(default), Value::as_u64);
    let iterations = number("iterations", 1000).filter(|rounds| (1..=MOST_ITERATIONS).contains(rounds))?;
    let key_length = number("keylen", 32).filter(|length| (1..=64).contains(length))?;
    let salting = Salting {
        salt: salt.to_owned(),
        iterations: u32::try_from(iterations).ok()?,
        key_length: u8::try_from(key_length).ok()?,
    };
    Some(auth::sign(&salting.derive(secret.expose()), challenge))
}

#[cfg(test)]
mod tests;
