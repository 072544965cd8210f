//! How a procedure is asked about a client, and in which forms it answers: those of Crossbar.io's dynamic authenticators.

use serde_json::{Map, Value, json};

use super::{
    AuthenticationRequest, Credential, Verdict,
    answer::{self, RawVerdict},
    request,
};
use crate::{
    identity::ANONYMOUS,
    policy::{
        ContractError, PolicyError,
        bindings::{
            authenticator::exports::wampgate::authid::authentication as wit, v0_3::wampgate::authid::types,
        },
        procedure::{ProcedureGate, Said},
        subject::Subject as _,
        text::clean,
        world::World as _,
    },
    wamp::SessionId,
};

/// What an authenticator raises for a principal that does not exist. No client that claims to be one learns it.
const NO_SUCH_PRINCIPAL: &str = "wamp.error.no_such_principal";
/// Bytes of a message of its own that are told to the client.
const MESSAGE_BYTES: usize = 1000;

/// Asks a procedure about a client whose session will have this identifier.
pub(crate) async fn ask(
    gate: &ProcedureGate,
    question: &AuthenticationRequest<'_>,
    session: SessionId,
) -> Result<Verdict, PolicyError> {
    request::check_size(question)?;
    let arguments = arguments(question, session, gate.options().config.as_deref());
    let judge = |said| answer::check(read(said, question)?, question);
    gate.decide(question, question.realm, (None, arguments), judge, super::Authenticator::kind).await
}

/// `(realm, authid, details)`. The details have no credential but the ticket, which the procedure is to judge.
fn arguments(question: &AuthenticationRequest<'_>, session: SessionId, config: Option<&str>) -> Vec<Value> {
    let connection = &question.connection;
    let mut headers = Map::new();
    headers.insert("host".to_owned(), connection.host.into());
    if let Some(origin) = connection.origin {
        headers.insert("origin".to_owned(), origin.into());
    }
    for (name, value) in connection.headers {
        headers.insert((*name).to_owned(), (*value).into());
    }
    let certificate = question
        .certificate
        .as_ref()
        .map(|shown| json!({ "subject": shown.subject, "names": shown.names, "sha256": shown.sha256 }));
    let transport = json!({
        // A WebSocket has agreed on a subprotocol before its client says HELLO.
        "type": if connection.subprotocol.is_empty() { "rawsocket" } else { "websocket" },
        "protocol": connection.subprotocol,
        "peer": connection.peer,
        "is_secure": connection.tls,
        "http_headers_received": headers,
        "client_cert": certificate,
    });
    let mut details = Map::new();
    let mut tell = |name: &str, value: Value| details.insert(name.to_owned(), value);
    tell("session", session.0.into());
    tell("authid", question.authid.into());
    tell("authmethod", question.method.into());
    tell("authextra", object(question.authextra));
    tell("transport", transport);
    tell("public_id", question.whom().public_id.into());
    match question.credential {
        Credential::Ticket(ticket) => drop(tell("ticket", ticket.into())),
        Credential::Remembered => drop(tell("remembered", true.into())),
        Credential::None | Credential::PublicKey(_) => {}
    }
    if let Some(config) = config {
        tell("config", object(config));
    }
    vec![question.realm.into(), question.authid.into(), Value::Object(details)]
}

/// A JSON object that the gateway has as text.
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

/// What the procedure has said, in the terms of the contract, which checks it.
fn read(said: Said, question: &AuthenticationRequest<'_>) -> Result<RawVerdict, PolicyError> {
    let is_remembered = matches!(question.credential, Credential::Remembered);
    let mut principal = match said {
        // The login that the cookie remembers is over, in whatever words.
        Said::Error { .. } if is_remembered => return Ok(wit::Verdict::Unknown(None)),
        Said::Error { uri, .. } if uri.as_str() == NO_SUCH_PRINCIPAL && question.method != ANONYMOUS => {
            return Ok(wit::Verdict::Unknown(None));
        }
        Said::Error { uri, message } => {
            let message = clean(&message, question.whom().tracking_id, MESSAGE_BYTES);
            return Ok(wit::Verdict::Deny(types::Denial { reason: uri.as_str().to_owned(), message }));
        }
        Said::Result(Value::Null) => return Ok(wit::Verdict::Unknown(None)),
        Said::Result(Value::String(role)) => Map::from_iter([("role".to_owned(), role.into())]),
        Said::Result(Value::Object(principal)) => principal,
        Said::Result(_) => {
            return Err(unfit("an authenticator returns a role, an object with `role`, or nothing"));
        }
    };
    let known = wit::Principal {
        authid: text(&mut principal, "authid", "`authid` of the answer is no text")?,
        authrole: text(&mut principal, "role", "`role` of the answer is no text")?
            .ok_or_else(|| unfit("the answer names no `role`"))?,
        realm: text(&mut principal, "realm", "`realm` of the answer is no text")?,
        authextra: match principal.remove("extra") {
            None | Some(Value::Null) => None,
            Some(extra @ Value::Object(_)) => Some(extra.to_string()),
            Some(_) => return Err(unfit("`extra` of the answer is no object")),
        },
    };
    if is_remembered || !is_challenged(question) {
        return Ok(wit::Verdict::Accept(known));
    }
    Ok(wit::Verdict::Secret(wit::Known {
        principal: known,
        secret: secret(&mut principal, question.method)?,
    }))
}

/// Whether the client has still to prove who it is when the procedure has answered.
fn is_challenged(question: &AuthenticationRequest<'_>) -> bool {
    question.method != ANONYMOUS
        && !matches!(question.credential, Credential::Ticket(_) | Credential::Remembered)
}

/// What the client's answer is verified against.
fn secret(members: &mut Map<String, Value>, method: &str) -> Result<wit::Secret, PolicyError> {
    match method {
        "wampcra" => {
            let key = needed(members, "secret", "the answer has no `secret`, a text")?;
            let salting = match text(members, "salt", "`salt` of the answer is no text")? {
                None => None,
                Some(salt) => Some(wit::Salting {
                    salt,
                    iterations: number(members, "iterations")?.unwrap_or(1000),
                    keylen: number(members, "keylen")?.unwrap_or(32),
                }),
            };
            Ok(wit::Secret::Wampcra(wit::SharedKey { key, salting }))
        }
        "cryptosign" => {
            let keys = match members.remove("pubkey").or_else(|| members.remove("authorized_keys")) {
                Some(Value::String(key)) => vec![key],
                Some(Value::Array(keys)) => {
                    let keys = keys.into_iter().map(|key| match key {
                        Value::String(key) => Ok(key),
                        _ => Err(unfit("`pubkey` of the answer is no text, and no list of texts")),
                    });
                    keys.collect::<Result<_, _>>()?
                }
                _ => return Err(unfit("the answer has no `pubkey`, a text or a list of texts")),
            };
            Ok(wit::Secret::Cryptosign(keys))
        }
        _ => {
            let iterations = number(members, "iterations")?
                .ok_or_else(|| unfit("the answer has no `iterations`, a number"))?;
            let kdf = match needed(members, "kdf", "the answer has no `kdf`, a text")?.as_str() {
                "pbkdf2" => wit::Derivation::Pbkdf2(iterations),
                "argon2id-13" | "argon2id13" => {
                    let memory = number(members, "memory")?
                        .ok_or_else(|| unfit("the answer has no `memory`, a number"))?;
                    wit::Derivation::Argon2id13(wit::Argon2id { iterations, memory })
                }
                _ => return Err(unfit("`kdf` of the answer is neither \"argon2id-13\" nor \"pbkdf2\"")),
            };
            Ok(wit::Secret::Scram(wit::ScramCredential {
                kdf,
                salt: needed(members, "salt", "the answer has no `salt`, a text")?,
                stored_key: needed(members, "stored-key", "the answer has no `stored-key`, a text")?,
                server_key: needed(members, "server-key", "the answer has no `server-key`, a text")?,
            }))
        }
    }
}

fn text(
    members: &mut Map<String, Value>,
    name: &str,
    otherwise: &'static str,
) -> Result<Option<String>, PolicyError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(unfit(otherwise)),
    }
}

fn needed(
    members: &mut Map<String, Value>,
    name: &str,
    otherwise: &'static str,
) -> Result<String, PolicyError> {
    text(members, name, otherwise)?.ok_or_else(|| unfit(otherwise))
}

fn number(members: &mut Map<String, Value>, name: &str) -> Result<Option<u32>, PolicyError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(number) => {
            let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| unfit("a number of the answer's secret is none, or out of range"))
        }
    }
}

fn unfit(rule: &'static str) -> PolicyError {
    ContractError::Unfit(rule).into()
}

#[cfg(test)]
mod tests;
