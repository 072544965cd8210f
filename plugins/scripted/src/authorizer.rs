//! The answers of an authorizer.

use serde_json::{Map, Value};

use crate::{
    Scripted,
    contract::{
        exports::wampgate::authid::authorization::{
            Action, AuthorizationRequest, Guest, Keeping, Ruling, Scope,
        },
        wampgate::authid::{
            log::{Level, log},
            types::Requirements,
        },
    },
    number, script, text,
};

impl Guest for Scripted {
    fn check_config(_config: String) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn needs(_config: String) -> Requirements {
        Requirements { headers: Vec::new(), grants: Vec::new() }
    }

    fn authorize(config: String, request: AuthorizationRequest) -> Result<Ruling, String> {
        let action = match request.action {
            Action::Call => "call",
            Action::Register => "register",
            Action::Publish => "publish",
            Action::Subscribe => "subscribe",
        };
        let known: Map<String, Value> = serde_json::from_str(&config).unwrap_or_default();
        let function = if known.contains_key(action) { action } else { "authorize" };
        let question = format!("{request:?}");
        let answer = script(&config, function, &question)?;
        log(Level::Info, &format!("asked: {question}"));
        let is = |key| answer.get(key) == Some(&Value::Bool(true));
        let keep = answer.get("seconds").map(|_| Keeping {
            seconds: number(&answer, "seconds"),
            scope: if text(&answer, "scope").as_deref() == Some("role") {
                Scope::Role
            } else {
                Scope::Session
            },
        });
        Ok(Ruling { allow: is("allow"), disclose: is("disclose"), keep })
    }
}
