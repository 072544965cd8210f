//! How a procedure is asked about an action, and in which forms it answers: those of Crossbar.io's dynamic authorizers.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Action, AuthorizationRequest, Keeping, Matching, Ruling, Scope};
use crate::{
    policy::{
        ContractError, PolicyError,
        procedure::{ProcedureGate, Said},
        world::World as _,
    },
    wamp::SessionId,
};

/// How long an answer holds that its procedure lets be kept.
const KEPT: Keeping = Keeping { time: Duration::from_mins(10), scope: Scope::Role };

/// Asks a procedure about an action of a session. The procedure is told what WELCOME had as the session's `authextra`, and what
/// the session's client speaks WAMP over.
pub(crate) async fn ask(
    gate: &ProcedureGate,
    question: &AuthorizationRequest<'_>,
    session: SessionId,
    authextra: Option<&Map<String, Value>>,
    transport: &str,
) -> Result<Ruling, PolicyError> {
    let about = (Some(session), arguments(question, session, authextra, transport));
    gate.decide(question, question.session.realm, about, read, super::Authorizer::kind).await
}

/// `(session, uri, action, options)`.
fn arguments(
    question: &AuthorizationRequest<'_>,
    session: SessionId,
    authextra: Option<&Map<String, Value>>,
    transport: &str,
) -> Vec<Value> {
    let who = question.session;
    let session = json!({
        "session": session.0,
        "realm": who.realm,
        "authid": who.authid,
        "authrole": who.authrole,
        "authmethod": who.authmethod,
        "authprovider": who.authprovider,
        "authextra": authextra,
        "transport": { "type": transport, "peer": who.peer },
        "public_id": who.public_id,
    });
    let action = match question.action {
        Action::Call => "call",
        Action::Register => "register",
        Action::Publish => "publish",
        Action::Subscribe => "subscribe",
    };
    let mut options: Map<String, Value> = serde_json::from_str(question.options).unwrap_or_default();
    if matches!(question.action, Action::Register | Action::Subscribe) {
        let matching = match question.matching {
            Matching::Exact => "exact",
            Matching::Prefix => "prefix",
            Matching::Wildcard => "wildcard",
        };
        options.insert("match".to_owned(), matching.into());
    }
    vec![session, question.uri.into(), action.into(), Value::Object(options)]
}

fn read(said: Said) -> Result<Ruling, PolicyError> {
    let answer = match said {
        Said::Result(Value::Bool(allow)) => return Ok(Ruling { allow, disclose: false, keep: None }),
        Said::Result(Value::Object(answer)) => answer,
        Said::Result(_) => return Err(unfit("an authorizer returns true, false, or an object with `allow`")),
        Said::Error { uri, .. } => {
            // Its message may be about the client, and may hold what the client has sent.
            return Err(PolicyError::Refused(format!("the procedure raised {uri}")));
        }
    };
    let mut answered = Ruling { allow: false, disclose: false, keep: None };
    let mut is_complete = false;
    for (key, value) in answer {
        match (key.as_str(), value) {
            ("allow", Value::Bool(allow)) => {
                is_complete = true;
                answered.allow = allow;
            }
            ("disclose", Value::Bool(disclose)) => answered.disclose = disclose,
            ("cache", Value::Bool(cache)) => answered.keep = cache.then_some(KEPT),
            // The gateway validates no payloads, and must not seem to.
            ("validate", Value::Null) => {}
            _ => {
                return Err(unfit(
                    "the answer has `allow`, `disclose` and `cache`, each true or false, and nothing else",
                ));
            }
        }
    }
    if is_complete { Ok(answered) } else { Err(unfit("the answer has no `allow`")) }
}

fn unfit(rule: &'static str) -> PolicyError {
    ContractError::Unfit(rule).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::Uri;

    #[test]
    fn an_answer_is_what_crossbar_takes_and_nothing_else() {
        let allowed = Ruling { allow: true, disclose: false, keep: None };
        for (answer, expected) in [
            (json!(true), allowed),
            (json!(false), Ruling { allow: false, ..allowed }),
            (json!({ "allow": true, "cache": false, "validate": null }), allowed),
            (json!({ "allow": true, "disclose": true }), Ruling { disclose: true, ..allowed }),
            (json!({ "allow": false, "cache": true }), Ruling { allow: false, keep: Some(KEPT), ..allowed }),
        ] {
            assert_eq!(read(Said::Result(answer.clone())).unwrap(), expected, "{answer}");
        }
        for nonsense in [
            json!(null),
            json!(1),
            json!("true"),
            json!([true]),
            json!({}),
            json!({ "allow": 1 }),
            json!({ "disclose": true }),
            json!({ "allow": true, "cache": "yes" }),
            json!({ "allow": true, "validate": {} }),
            json!({ "allow": true, "other": true }),
        ] {
            assert!(read(Said::Result(nonsense.clone())).is_err(), "{nonsense}");
        }
        let raised = Said::Error { uri: Uri::known("com.example.error"), message: "hunter2".to_owned() };
        let refused = read(raised).unwrap_err().to_string();
        assert!(refused.contains("com.example.error") && !refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn the_procedure_is_told_what_the_client_speaks_over() {
        let question = crate::policy::authorization::AuthorizationQuestion::call("com.example.procedure");
        for transport in ["websocket", "rawsocket"] {
            let arguments = question.with(|question| arguments(question, SessionId(7), None, transport));
            assert_eq!(arguments[0]["transport"]["type"], transport);
            assert_eq!(arguments[0]["session"], 7);
        }
    }
}
