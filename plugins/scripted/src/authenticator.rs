//! The answers of an authenticator.

use serde_json::{Map, Value, json};

use crate::{
    Scripted,
    contract::{
        exports::wampgate::authid::authentication::{
            Argon2id, AuthenticationRequest, Credential, Derivation, Guest, Known, Principal, Salting,
            ScramCredential, Secret, SharedKey, Verdict,
        },
        wampgate::authid::types::{Denial, Requirements},
    },
    number, object, script, text,
};

impl Guest for Scripted {
    fn check_config(_config: String) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn needs(config: String) -> Requirements {
        let config: Map<String, Value> = serde_json::from_str(&config).unwrap_or_default();
        let headers = config.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
        let headers = headers.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Requirements { headers, grants: Vec::new() }
    }

    fn authenticate(config: String, request: AuthenticationRequest) -> Result<Verdict, String> {
        let question = format!("{request:?}");
        let answer = script(&config, "authenticate", &question)?;
        if let Some(known) = object(&answer, "accept") {
            return Ok(Verdict::Accept(principal(&known, &request)));
        }
        if let Some(found) = object(&answer, "secret") {
            return Ok(Verdict::Secret(known(&found, &request)));
        }
        if let Some(like) = object(&answer, "unknown") {
            return Ok(Verdict::Unknown(
                Some(like).filter(|like| !like.is_empty()).map(|it| known(&it, &request)),
            ));
        }
        if let Some(denial) = object(&answer, "deny") {
            let part = |key| text(&denial, key).unwrap_or_default();
            return Ok(Verdict::Deny(Denial { reason: part("reason"), message: part("message") }));
        }
        Err("no such answer".to_owned())
    }
}

fn principal(answer: &Map<String, Value>, request: &AuthenticationRequest) -> Principal {
    let asked = || {
        let (kind, shown) = match &request.credential {
            Credential::None => ("none", None),
            Credential::Ticket(ticket) => ("ticket", Some(ticket.clone())),
            Credential::PublicKey(key) => ("public-key", Some(key.clone())),
            Credential::Remembered => ("remembered", None),
        };
        json!({
            "method": request.method,
            "realm": request.realm,
            "authid": request.authid,
            "credential": kind,
            "shown": shown,
            "authextra": request.authextra,
            "path": request.connection.path,
            "headers": request.connection.headers,
            "public_id": request.cookie.as_ref().map(|cookie| &cookie.public_id),
            "roles": request.roles,
        })
        .to_string()
    };
    let echoes = answer.get("echo") == Some(&Value::Bool(true));
    let tracking_id = request.cookie.as_ref().map(|cookie| cookie.id.clone());
    Principal {
        // The credential itself, where a test says so.
        authid: if text(answer, "authid").as_deref() == Some("$id") {
            tracking_id
        } else {
            text(answer, "authid")
        },
        authrole: text(answer, "authrole").unwrap_or_default(),
        realm: text(answer, "realm"),
        authextra: if echoes { Some(asked()) } else { text(answer, "authextra") },
    }
}

fn known(answer: &Map<String, Value>, request: &AuthenticationRequest) -> Known {
    let secret = if let Some(key) = text(answer, "key") {
        let salting = text(answer, "salt").map(|salt| Salting {
            salt,
            iterations: number(answer, "iterations"),
            keylen: number(answer, "keylen"),
        });
        Secret::Wampcra(SharedKey { key, salting })
    } else if let Some(keys) = answer.get("authorized_keys").and_then(Value::as_array) {
        Secret::Cryptosign(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    } else {
        let iterations = number(answer, "iterations");
        let part = |key| text(answer, key).unwrap_or_default();
        Secret::Scram(ScramCredential {
            kdf: match number(answer, "memory") {
                0 => Derivation::Pbkdf2(iterations),
                memory => Derivation::Argon2id13(Argon2id { iterations, memory }),
            },
            salt: part("salt"),
            stored_key: part("stored-key"),
            server_key: part("server-key"),
        })
    };
    Known { principal: principal(answer, request), secret }
}
