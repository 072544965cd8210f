//! What a case expects of an answer.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value, json};

use super::refused::{self, Refused};
use crate::policy::{Decision, PolicyError, identity_json};

/// What a policy is expected to answer.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Expectation {
    /// Any decision or choice, but no failure.
    #[default]
    Decided,
    /// [`Decision::None`].
    None,
    /// Any [`Decision::Anonymous`].
    AnyAnonymous,
    /// A [`Decision::Anonymous`] with these fields and no others.
    Anonymous(ExpectedIdentity),
    /// Any [`Decision::Defer`] or [`Decision::DeferAs`].
    AnyDefer,
    /// [`Decision::Defer`] to this method.
    Defer(String),
    /// [`Decision::DeferAs`] with this method and this role.
    DeferAs(ExpectedDeferral),
    /// The choice of any upstream.
    AnyUpstream,
    /// The choice of the upstream with this name.
    Upstream(String),
    /// A refusal or a failure.
    Refused(Refused),
}

/// What a policy has answered, whichever question it was.
#[derive(Debug, PartialEq)]
pub(super) enum Answered {
    /// A decision about a HELLO.
    Decision(Decision),
    /// The choice of an upstream.
    Upstream(String),
}

/// The identity of a [`Decision::Anonymous`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct ExpectedIdentity {
    pub authid: Option<String>,
    pub authrole: Option<String>,
    pub authextra: Option<Map<String, Value>>,
}

/// A [`Decision::DeferAs`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields carry the contract's own names")]
pub struct ExpectedDeferral {
    pub method: String,
    pub authrole: String,
}

/// What may be written, for a message.
const FORMS: &str = "expect: use \"none\", \"anonymous\", \"defer\", \"deny\", \"upstream\", \"error\", or an object with one of \
    anonymous, defer, deny, upstream, error, config_error";

impl Expectation {
    /// Whether an answer is as expected. An expected `config_error` is no answer's business.
    pub fn holds(&self, answer: &Result<Decision, PolicyError>) -> bool {
        match (self, answer) {
            (Self::Decided, Ok(_))
            | (Self::None, Ok(Decision::None))
            | (Self::AnyAnonymous, Ok(Decision::Anonymous(_)))
            | (Self::AnyDefer, Ok(Decision::Defer(_) | Decision::DeferAs { .. })) => true,
            (Self::Anonymous(expected), Ok(Decision::Anonymous(got))) => {
                (expected.authid.as_deref(), expected.authrole.as_deref(), &expected.authextra)
                    == (got.authid.as_deref(), got.authrole.as_deref(), &got.authextra)
            }
            (Self::Defer(expected), Ok(Decision::Defer(got))) => expected == got,
            (Self::DeferAs(expected), Ok(Decision::DeferAs { method, authrole })) => {
                expected.method == *method && expected.authrole == **authrole
            }
            (Self::Refused(refused), answer) => refused.holds(match answer {
                Ok(Decision::Deny(denial)) => Ok(Some(denial)),
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            }),
            _ => false,
        }
    }

    /// Whether the choice of an upstream is as expected.
    pub fn is_upstream(&self, name: &str) -> bool {
        match self {
            Self::Decided | Self::AnyUpstream => true,
            Self::Upstream(expected) => expected == name,
            _ => false,
        }
    }

    /// What is expected, as a cases file has it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Decided => json!("any decision"),
            Self::None => json!("none"),
            Self::AnyAnonymous => json!("anonymous"),
            Self::Anonymous(ExpectedIdentity { authid, authrole, authextra }) => {
                let identity = identity_json(authid.as_deref(), authrole.as_deref(), authextra.as_ref());
                json!({ "anonymous": identity })
            }
            Self::AnyDefer => json!("defer"),
            Self::Defer(method) => json!({ "defer": method }),
            Self::DeferAs(ExpectedDeferral { method, authrole }) => {
                json!({ "defer": { "method": method, "authrole": authrole } })
            }
            Self::AnyUpstream => json!("upstream"),
            Self::Upstream(name) => json!({ "upstream": name }),
            Self::Refused(refused) => refused.to_json(),
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        match word {
            "none" => Some(Self::None),
            "anonymous" => Some(Self::AnyAnonymous),
            "defer" => Some(Self::AnyDefer),
            "upstream" => Some(Self::AnyUpstream),
            _ => None,
        }
    }

    fn of_member(key: &str, value: &Value) -> Option<serde_json::Result<Self>> {
        Some(match key {
            "anonymous" => ExpectedIdentity::deserialize(value).map(Self::Anonymous),
            "defer" if value.is_object() => ExpectedDeferral::deserialize(value).map(Self::DeferAs),
            "defer" => String::deserialize(value).map(Self::Defer),
            "upstream" => String::deserialize(value).map(Self::Upstream),
            _ => return None,
        })
    }
}

impl From<Refused> for Expectation {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        refused::parse(Value::deserialize(deserializer)?, FORMS, Self::of_word, Self::of_member)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Expectation, PolicyError, json};
    use crate::{
        identity::Name,
        policy::{AnonymousIdentity, Denial, answer_json},
        wamp::Uri,
    };

    fn expectation(value: serde_json::Value) -> Expectation {
        serde_json::from_value(value).unwrap()
    }

    fn answers() -> Vec<Result<Decision, PolicyError>> {
        let anonymous = |authid: &str, authrole: Option<&str>| {
            Ok(Decision::Anonymous(AnonymousIdentity {
                authid: Name::parse(authid).ok(),
                authrole: authrole.map(|role| Name::parse(role).unwrap()),
                authextra: None,
            }))
        };
        let reason = Uri::parse("wamp.error.not_authorized").unwrap();
        vec![
            Ok(Decision::None),
            anonymous("joe", None),
            anonymous("joe", Some("admin")),
            Ok(Decision::Defer("ticket".to_owned())),
            Ok(Decision::DeferAs { method: "ticket".to_owned(), authrole: Name::known("staff") }),
            Ok(Decision::Deny(Denial { reason, message: "go away".to_owned() })),
            Err(PolicyError::Trap("unreachable".to_owned())),
        ]
    }

    #[test]
    fn every_answer_is_the_expectation_that_only_it_meets() {
        let answers = answers();
        for (at, answer) in answers.iter().enumerate() {
            let exact = expectation(answer_json(answer));
            for (other, candidate) in answers.iter().enumerate() {
                assert_eq!(exact.holds(candidate), at == other, "{exact:?} {candidate:?}");
            }
        }
    }

    #[test]
    fn words_and_parts_are_met_by_more() {
        let met = |value| {
            let expected = expectation(value);
            answers().iter().map(|answer| expected.holds(answer)).collect::<Vec<_>>()
        };
        assert_eq!(met(json!("anonymous")), [false, true, true, false, false, false, false]);
        assert_eq!(met(json!("defer")), [false, false, false, true, true, false, false]);
        let deny = [false, false, false, false, false, true, false];
        assert_eq!(met(json!("deny")), deny);
        assert_eq!(met(json!({ "deny": { "reason": "wamp.error.not_authorized" } })), deny);
        assert_eq!(met(json!({ "deny": { "message": "other" } })), [false; 7]);
        assert_eq!(met(json!("error")), [false, false, false, false, false, false, true]);
        assert_eq!(met(json!({ "error": "trapped" })), [false, false, false, false, false, false, true]);
        assert_eq!(met(json!({ "error": "deadline" })), [false; 7]);
        assert_eq!(met(json!({ "anonymous": {} })), [false; 7], "what is left out must be absent");
        assert_eq!(met(json!({ "config_error": "" })), [false; 7]);
        assert!(answers()[..6].iter().all(|answer| Expectation::Decided.holds(answer)));
    }

    #[test]
    fn what_is_no_expectation_is_refused_with_what_is_one() {
        for wrong in
            [json!("maybe"), json!(1), json!({}), json!({ "none": {} }), json!({ "defer": "a", "deny": {} })]
        {
            let error = serde_json::from_value::<Expectation>(wrong).unwrap_err().to_string();
            assert!(error.contains("config_error"), "{error}");
        }
        let error =
            serde_json::from_value::<Expectation>(json!({ "anonymous": { "role": "x" } })).unwrap_err();
        assert!(error.to_string().contains("expect.anonymous: unknown field `role`"), "{error}");
    }
}
