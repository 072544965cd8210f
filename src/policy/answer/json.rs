//! Decisions and errors as JSON: for the record of a gateway and for cases of a test.

use serde_json::{Map, Value, json};

use crate::policy::{AnonymousIdentity, Decision, Denial, PolicyError};

/// What came of a question, in the form of an expectation that only this outcome meets. It shows an authid, which may
/// be the tracking ID.
pub fn answer_json(answer: &Result<Decision, PolicyError>) -> Value {
    match answer {
        Ok(Decision::None) => json!("none"),
        Ok(Decision::Anonymous(AnonymousIdentity { authid, authrole, authextra })) => {
            let identity = identity_json(authid.as_deref(), authrole.as_deref(), authextra.as_ref());
            json!({ "anonymous": identity })
        }
        Ok(Decision::Defer(method)) => json!({ "defer": method }),
        Ok(Decision::DeferAs { method, authrole }) => {
            json!({ "defer": { "method": method, "authrole": &**authrole } })
        }
        Ok(Decision::Deny(Denial { reason, message })) => {
            json!({ "deny": { "reason": reason.as_str(), "message": message } })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// The same of the choice of an upstream.
pub fn choice_json(answer: &Result<String, PolicyError>) -> Value {
    match answer {
        Ok(name) => json!({ "upstream": name }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// An identity without what it leaves out.
pub(crate) fn identity_json(
    authid: Option<&str>,
    authrole: Option<&str>,
    authextra: Option<&Map<String, Value>>,
) -> Value {
    let fields = [
        ("authid", authid.map(|text| json!(text))),
        ("authrole", authrole.map(|text| json!(text))),
        ("authextra", authextra.map(|extra| json!(extra))),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}
