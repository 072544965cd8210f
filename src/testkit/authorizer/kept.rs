//! Whether an answer that the gateway may keep is the answer to every question that it would be kept for.

use serde_json::{Map, Value, json};

use super::{TestAuthorizer, ruling_json};
use crate::policy::authorization::{Action, AuthorizationQuestion, Ruling, Scope, Session};

/// Asks what the gateway would answer from its memory: the same question with other options, and for the whole role by another
/// session of it.
pub(super) fn check(
    authorizer: &TestAuthorizer,
    question: &AuthorizationQuestion,
    answer: &Ruling,
) -> Result<(), String> {
    let Some(keep) = answer.keep else { return Ok(()) };
    let mut others =
        vec![("with no options", Map::new()), ("with other options", other_options(question.action))]
            .into_iter()
            .map(|(what, options)| (what, AuthorizationQuestion { options, ..question.clone() }))
            .collect::<Vec<_>>();
    let kept_for = match keep.scope {
        Scope::Session => "the session",
        Scope::Role => {
            let session = other_session(&question.session);
            others.push(("by another session of the role", question.clone().by(session)));
            "the role"
        }
    };
    for (what, other) in others {
        let got = authorizer.authorize(&other);
        if !matches!(got, Ok(got) if (got.allow, got.disclose) == (answer.allow, answer.disclose)) {
            let (kept, got) = (ruling_json(&Ok(*answer)), ruling_json(&got));
            return Err(format!(
                "it may be kept for {kept_for}, and the same question {what} gets another answer: {kept} and then {got}"
            ));
        }
    }
    Ok(())
}

/// The options that the gateway tells of such a message, none of them as usual.
fn other_options(action: Action) -> Map<String, Value> {
    let options = match action {
        Action::Publish => {
            json!({ "acknowledge": true, "exclude_me": false, "disclose_me": true, "retain": true })
        }
        Action::Call => {
            json!({ "disclose_me": true, "receive_progress": true, "progress": true, "timeout": 1 })
        }
        Action::Subscribe => json!({ "get_retained": true }),
        Action::Register => json!({
            "concurrency": 1,
            "force_reregister": true,
            "disclose_caller": true,
            "forward_timeout": true,
        }),
    };
    match options {
        Value::Object(options) => options,
        _ => Map::new(),
    }
}

/// A session that shares no more than the realm and the role.
fn other_session(session: &Session) -> Session {
    Session {
        realm: session.realm.clone(),
        authrole: session.authrole.clone(),
        id: "1000000000000001".to_owned(),
        authid: "another-of-the-role".to_owned(),
        authmethod: "wampcra".to_owned(),
        authprovider: "file".to_owned(),
        public_id: Some("another-public-id".to_owned()),
        connection: "c2".to_owned(),
        peer: "198.51.100.7:40000".to_owned(),
    }
}
