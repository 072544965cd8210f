//! What a case expects of an authorizer.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};

use super::super::{
    Expected,
    refused::{self, Refused},
};
use crate::policy::{
    PolicyError,
    authorization::{Keeping, Ruling, Scope},
};

/// What an authorizer is expected to answer.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum ExpectedRuling {
    /// Any ruling, but no failure.
    #[default]
    Answered,
    /// It allows, on these terms.
    Allow(ExpectedTerms),
    /// It denies, on these terms.
    Deny(ExpectedTerms),
    /// A failure, or a configuration that is not accepted.
    Refused(Refused),
}

/// The terms of a ruling: what is given is compared.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedTerms {
    /// Whether the other side learns which session acted.
    pub disclose: Option<bool>,
    /// How long the answer holds, and for whom; `Some(None)`: it must not be kept.
    #[serde(deserialize_with = "given")]
    pub keep: Option<Option<ExpectedKeeping>>,
}

/// How long an answer is expected to hold: what is given is compared.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedKeeping {
    /// How long.
    pub seconds: Option<u64>,
    /// For whom.
    pub scope: Option<Scope>,
}

/// What may be written, for a message.
const FORMS: &str =
    "expect: use \"allow\", \"deny\", \"error\", or an object with one of allow, deny, error, config_error";

/// What came of a question to an authorizer, in the form of an expectation.
pub fn ruling_json(answer: &Result<Ruling, PolicyError>) -> Value {
    match answer {
        Ok(Ruling { allow, disclose, keep }) => {
            let keep =
                keep.map(|Keeping { time, scope }| json!({ "seconds": time.as_secs(), "scope": scope }));
            let terms = json!({ "disclose": disclose, "keep": keep });
            if *allow { json!({ "allow": terms }) } else { json!({ "deny": terms }) }
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

impl ExpectedTerms {
    fn hold(&self, got: &Ruling) -> bool {
        self.disclose.is_none_or(|disclose| disclose == got.disclose)
            && self.keep.as_ref().is_none_or(|keep| match (keep, got.keep) {
                (None, None) => true,
                (Some(expected), Some(got)) => {
                    expected.seconds.is_none_or(|seconds| seconds == got.time.as_secs())
                        && expected.scope.is_none_or(|scope| scope == got.scope)
                }
                _ => false,
            })
    }

    fn to_json(&self, word: &str) -> Value {
        let mut terms = serde_json::Map::new();
        if let Some(disclose) = self.disclose {
            terms.insert("disclose".to_owned(), disclose.into());
        }
        if let Some(keep) = &self.keep {
            let keep = keep.as_ref().map(|keep| {
                let mut parts = serde_json::Map::new();
                if let Some(seconds) = keep.seconds {
                    parts.insert("seconds".to_owned(), seconds.into());
                }
                if let Some(scope) = keep.scope {
                    parts.insert("scope".to_owned(), json!(scope));
                }
                parts
            });
            terms.insert("keep".to_owned(), json!(keep));
        }
        if terms.is_empty() { json!(word) } else { json!({ word: terms }) }
    }
}

impl Expected<Ruling> for ExpectedRuling {
    fn holds(&self, answer: &Result<Ruling, PolicyError>) -> bool {
        match (self, answer) {
            (Self::Answered, Ok(_)) => true,
            (Self::Allow(terms), Ok(got)) => got.allow && terms.hold(got),
            (Self::Deny(terms), Ok(got)) => !got.allow && terms.hold(got),
            (Self::Refused(refused), Err(error)) => refused.holds(Err(error)),
            _ => false,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Answered => json!("any ruling"),
            Self::Allow(terms) => terms.to_json("allow"),
            Self::Deny(terms) => terms.to_json("deny"),
            Self::Refused(refused) => refused.to_json(),
        }
    }

    fn config_error(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => refused.config_error(),
            _ => None,
        }
    }
}

impl ExpectedRuling {
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "allow" => Some(Self::Allow(ExpectedTerms::default())),
            "deny" => Some(Self::Deny(ExpectedTerms::default())),
            _ => None,
        }
    }

    fn of_member(key: &str, value: &Value) -> Option<serde_json::Result<Self>> {
        let terms = || ExpectedTerms::deserialize(value);
        Some(match key {
            "allow" => terms().map(Self::Allow),
            "deny" => terms().map(Self::Deny),
            _ => return None,
        })
    }
}

impl From<Refused> for ExpectedRuling {
    fn from(refused: Refused) -> Self {
        match refused {
            // A ruling has no reason and no message.
            Refused::Deny { .. } => Self::Deny(ExpectedTerms::default()),
            other => Self::Refused(other),
        }
    }
}

impl<'de> Deserialize<'de> for ExpectedRuling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        refused::parse(Value::deserialize(deserializer)?, FORMS, Self::of_word, Self::of_member)
            .map_err(D::Error::custom)
    }
}

/// A value that stands there, be it `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Expected as _, ExpectedRuling, Keeping, PolicyError, Ruling, Scope, json, ruling_json};

    fn answers() -> Vec<Result<Ruling, PolicyError>> {
        let keep = |seconds, scope| Some(Keeping { time: Duration::from_secs(seconds), scope });
        vec![
            Ok(Ruling { allow: true, disclose: false, keep: None }),
            Ok(Ruling { allow: true, disclose: true, keep: None }),
            Ok(Ruling { allow: true, disclose: false, keep: keep(60, Scope::Session) }),
            Ok(Ruling { allow: true, disclose: false, keep: keep(60, Scope::Role) }),
            Ok(Ruling { allow: false, disclose: false, keep: keep(1, Scope::Role) }),
            Err(PolicyError::Trap("unreachable".to_owned())),
        ]
    }

    #[test]
    fn every_answer_is_the_expectation_that_only_it_meets() {
        let answers = answers();
        for (at, answer) in answers.iter().enumerate() {
            let shown = ruling_json(answer);
            let exact: ExpectedRuling = serde_json::from_value(shown.clone()).unwrap();
            assert_eq!(exact.to_json(), shown);
            for (other, candidate) in answers.iter().enumerate() {
                assert_eq!(exact.holds(candidate), at == other, "{exact:?} {candidate:?}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_not_compared() {
        let met = |value: serde_json::Value| {
            let expected: ExpectedRuling = serde_json::from_value(value.clone()).unwrap();
            assert!(expected.to_json() == value || value.is_string() || value["config_error"] == "");
            answers().iter().map(|answer| u8::from(expected.holds(answer))).collect::<Vec<_>>()
        };
        assert_eq!(met(json!("allow")), [1, 1, 1, 1, 0, 0]);
        assert_eq!(met(json!({ "allow": { "disclose": false } })), [1, 0, 1, 1, 0, 0]);
        assert_eq!(met(json!({ "allow": { "keep": null } })), [1, 1, 0, 0, 0, 0]);
        assert_eq!(met(json!({ "allow": { "keep": { "seconds": 60 } } })), [0, 0, 1, 1, 0, 0]);
        assert_eq!(met(json!({ "allow": { "keep": { "scope": "role" } } })), [0, 0, 0, 1, 0, 0]);
        assert_eq!(met(json!("deny")), [0, 0, 0, 0, 1, 0]);
        assert_eq!(met(json!({ "error": "trapped" })), [0, 0, 0, 0, 0, 1]);
        assert_eq!(met(json!({ "config_error": "" })), [0; 6]);
        let any = ExpectedRuling::default();
        assert_eq!(answers().iter().filter(|answer| any.holds(answer)).count(), 5);
    }

    #[test]
    fn what_is_no_expectation_is_refused_with_what_is_one() {
        for (wrong, hint) in [
            (json!("maybe"), "config_error"),
            (json!({}), "config_error"),
            (json!({ "allow": {}, "deny": {} }), "config_error"),
            (
                json!({ "deny": { "reason": "wamp.error.not_authorized" } }),
                "expect.deny: unknown field `reason`",
            ),
            (json!({ "allow": { "keep": { "scope": "all" } } }), "expect.allow: unknown variant `all`"),
            (json!({ "allow": { "keep": { "minutes": 1 } } }), "unknown field `minutes`"),
        ] {
            let error = serde_json::from_value::<ExpectedRuling>(wrong).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
