//! Authenticators under test.

use std::path::Path;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value, json};

use super::{
    Case, Cases, Expected, Report, TestError, Tested, engine, generic, is_deterministic,
    refused::{self, Refused},
    run_case, run_generic,
};
use crate::policy::{
    PolicyError, PolicyFile, PolicyLoadError, PolicyOptions,
    authentication::{AuthenticationQuestion, Authenticator, KnownPrincipal, Verdict},
    identity_json,
};

/// What stands in a cases file of an authenticator.
pub type AuthenticationCase = Case<AuthenticationQuestion, ExpectedVerdict>;

/// An authenticator with an engine of its own.
///
/// ```no_run
/// use wampgate::{
///     policy::authentication::Verdict,
///     testkit::{AuthenticationQuestion, TestAuthenticator},
/// };
///
/// let authenticator = TestAuthenticator::load("target/wasm32-unknown-unknown/release/my_authenticator.wasm")?;
/// let verdict = authenticator.authenticate(&AuthenticationQuestion::ticket("q7Zr"))?;
/// assert!(matches!(verdict, Verdict::Unknown(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestAuthenticator {
    component: crate::policy::Wasm<Authenticator>,
    is_deterministic: bool,
    roles: Vec<String>,
}

/// What an authenticator is expected to answer.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum ExpectedVerdict {
    /// Any verdict, but no failure.
    #[default]
    Answered,
    /// [`Verdict::Accept`]; with these fields and no others, if they are given.
    Accept(Option<ExpectedPrincipal>),
    /// [`Verdict::Secret`]; with a principal with these fields and no others, if they are given.
    Secret(Option<ExpectedPrincipal>),
    /// [`Verdict::Unknown`].
    Unknown,
    /// A refusal or a failure.
    Refused(Refused),
}

/// The principal of a verdict.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct ExpectedPrincipal {
    pub authid: Option<String>,
    pub authrole: Option<String>,
    pub realm: Option<String>,
    pub authextra: Option<Map<String, Value>>,
}

/// What may be written, for a message.
const FORMS: &str = "expect: use \"accept\", \"secret\", \"unknown\", \"deny\", \"error\", or an object with one of accept, \
    secret, deny, error, config_error";

/// The methods that the generic questions are about.
const METHODS: [&str; 6] = ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign", "anonymous"];

impl TestAuthenticator {
    /// Loads a component with the gateway's defaults.
    pub fn load(component: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::load_with(component, PolicyOptions::default())
    }

    /// Loads a component.
    pub fn load_with(component: impl AsRef<Path>, options: PolicyOptions) -> Result<Self, TestError> {
        let (engine, is_deterministic) = (engine(&options)?, is_deterministic(&options));
        let file = PolicyFile { options, ..PolicyFile::new(component.as_ref()) };
        let component = crate::policy::Wasm::read(&engine, &file, true)?;
        Ok(Self { component, is_deterministic, roles: Vec::new() })
    }

    /// Loads a component from memory; `name` stands for it in messages.
    pub fn from_bytes(name: &str, component: &[u8], options: PolicyOptions) -> Result<Self, TestError> {
        let (engine, is_deterministic) = (engine(&options)?, is_deterministic(&options));
        let component = crate::policy::Wasm::make(&engine, name, component, options, true)?;
        Ok(Self { component, is_deterministic, roles: Vec::new() })
    }

    /// Loads a component as a cases file says, and asks it the file's cases and the generic ones.
    pub fn run(component: impl AsRef<Path>, cases: impl AsRef<Path>) -> Result<Report, TestError> {
        let cases = Cases::read(cases.as_ref())?;
        Ok(Self::load_with(component, cases.options.clone())?.run_all(&cases))
    }

    /// Asks, and checks the answer, as the gateway does.
    pub fn authenticate(&self, question: &AuthenticationQuestion) -> Result<Verdict, PolicyError> {
        self.ask(question)
    }

    /// Gives each question that names no roles these ones, as a realm that has them would: an answer with another role fails.
    #[must_use]
    pub fn with_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Asks cases and, behind them, the generic ones. The file's options count only where the component is loaded.
    pub fn run_all(&self, cases: &Cases<AuthenticationCase>) -> Report {
        let mut report = self.run_cases(&cases.cases);
        report.outcomes.extend(self.run_generic().outcomes);
        report
    }

    /// Asks cases.
    pub fn run_cases(&self, cases: &[AuthenticationCase]) -> Report {
        let outcomes = cases.iter().map(|case| run_case(self, case)).collect();
        Report { outcomes, warnings: Vec::new() }
    }

    /// Asks what every authenticator must survive: the clients that every policy must survive, by each method.
    pub fn run_generic(&self) -> Report {
        let questions = generic::requests().into_iter().flat_map(|(name, request)| {
            let by = METHODS.map(|method| {
                let question = AuthenticationQuestion::of(&request, method);
                let question = match method {
                    "ticket" => AuthenticationQuestion { ticket: Some(generic::ticket()), ..question },
                    "cryptosign" => AuthenticationQuestion { public_key: Some("0f".repeat(32)), ..question },
                    _ => question,
                };
                (format!("{method}, {name}"), question)
            });
            let remembered =
                AuthenticationQuestion { remembered: true, ..AuthenticationQuestion::of(&request, "ticket") };
            by.into_iter().chain([(format!("remembered, {name}"), remembered)])
        });
        // What a gateway of another version may have.
        let unknown = [
            ("an empty method", ""),
            ("an unknown method", "unknown"),
            ("a method of odd Unicode", generic::ODD),
        ]
        .map(|(name, method)| (name.to_owned(), AuthenticationQuestion::by(method)));
        run_generic(self, questions.chain(unknown))
    }
}

impl Tested for TestAuthenticator {
    type Question = AuthenticationQuestion;
    type Answer = Verdict;

    fn ask(&self, question: &AuthenticationQuestion) -> Result<Verdict, PolicyError> {
        let in_realm;
        let question = if self.roles.is_empty() || !question.roles.is_empty() {
            question
        } else {
            in_realm = AuthenticationQuestion { roles: self.roles.clone(), ..question.clone() };
            &in_realm
        };
        question.with(|view| crate::policy::authentication::decide(&self.component, view))
    }

    fn configured(&self, config: String) -> Result<Self, PolicyLoadError> {
        let component = self.component.with_config(config)?;
        Ok(Self { component, is_deterministic: self.is_deterministic, roles: self.roles.clone() })
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn to_json(answer: &Result<Verdict, PolicyError>) -> Value {
        verdict_json(answer)
    }
}

/// What came of a question to an authenticator, in the form of an expectation. It shows no secret.
pub fn verdict_json(answer: &Result<Verdict, PolicyError>) -> Value {
    match answer {
        Ok(Verdict::Accept(principal)) => json!({ "accept": principal_json(principal) }),
        Ok(Verdict::Secret(known)) => json!({ "secret": principal_json(&known.principal) }),
        Ok(Verdict::Unknown(_)) => json!("unknown"),
        Ok(Verdict::Deny(denial)) => {
            json!({ "deny": { "reason": denial.reason.as_str(), "message": denial.message } })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn principal_json(principal: &KnownPrincipal) -> Value {
    let KnownPrincipal { authid, authrole, realm, authextra } = principal;
    let mut shown = identity_json(authid.as_deref(), Some(authrole), authextra.as_ref());
    if let (Some(realm), Some(shown)) = (realm, shown.as_object_mut()) {
        shown.insert("realm".to_owned(), realm.as_str().into());
    }
    shown
}

impl ExpectedPrincipal {
    fn is(&self, got: &KnownPrincipal) -> bool {
        (self.authid.as_deref(), self.authrole.as_deref(), self.realm.as_deref(), &self.authextra)
            == (
                got.authid.as_deref(),
                Some(got.authrole.as_str()),
                got.realm.as_ref().map(crate::wamp::Uri::as_str),
                &got.authextra,
            )
    }

    fn to_json(&self) -> Value {
        let mut shown =
            identity_json(self.authid.as_deref(), self.authrole.as_deref(), self.authextra.as_ref());
        if let (Some(realm), Some(shown)) = (&self.realm, shown.as_object_mut()) {
            shown.insert("realm".to_owned(), realm.as_str().into());
        }
        shown
    }
}

impl Expected<Verdict> for ExpectedVerdict {
    fn holds(&self, answer: &Result<Verdict, PolicyError>) -> bool {
        let fits = |expected: &Option<ExpectedPrincipal>, got: &KnownPrincipal| {
            expected.as_ref().is_none_or(|expected| expected.is(got))
        };
        match (self, answer) {
            (Self::Answered, Ok(_)) | (Self::Unknown, Ok(Verdict::Unknown(_))) => true,
            (Self::Accept(expected), Ok(Verdict::Accept(got))) => fits(expected, got),
            (Self::Secret(expected), Ok(Verdict::Secret(got))) => fits(expected, &got.principal),
            (Self::Refused(refused), answer) => refused.holds(match answer {
                Ok(Verdict::Deny(denial)) => Ok(Some(denial)),
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            }),
            _ => false,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Answered => json!("any verdict"),
            Self::Accept(None) => json!("accept"),
            Self::Accept(Some(principal)) => json!({ "accept": principal.to_json() }),
            Self::Secret(None) => json!("secret"),
            Self::Secret(Some(principal)) => json!({ "secret": principal.to_json() }),
            Self::Unknown => json!("unknown"),
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

impl ExpectedVerdict {
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "accept" => Some(Self::Accept(None)),
            "secret" => Some(Self::Secret(None)),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }

    fn of_member(key: &str, value: &Value) -> Option<serde_json::Result<Self>> {
        let principal = || ExpectedPrincipal::deserialize(value).map(Some);
        Some(match key {
            "accept" => principal().map(Self::Accept),
            "secret" => principal().map(Self::Secret),
            _ => return None,
        })
    }
}

impl From<Refused> for ExpectedVerdict {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<'de> Deserialize<'de> for ExpectedVerdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        refused::parse(Value::deserialize(deserializer)?, FORMS, Self::of_word, Self::of_member)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Expected as _, ExpectedVerdict, PolicyError, Verdict, json, verdict_json};
    use crate::{
        identity::Name,
        policy::{
            Denial,
            authentication::{Known, KnownPrincipal, KnownSecret},
        },
        wamp::Uri,
    };

    fn answers() -> Vec<Result<Verdict, PolicyError>> {
        let principal = |authid: Option<&str>| KnownPrincipal {
            authid: authid.map(Name::known),
            authrole: Name::known("frontend"),
            realm: authid.map(|_| Uri::parse("realm1").unwrap()),
            authextra: None,
        };
        let secret = KnownSecret::Cryptosign(vec![[1; 32]]);
        let reason = Uri::parse("wamp.error.not_authorized").unwrap();
        vec![
            Ok(Verdict::Accept(principal(None))),
            Ok(Verdict::Accept(principal(Some("joe")))),
            Ok(Verdict::Secret(Known { principal: principal(None), secret })),
            Ok(Verdict::Unknown(None)),
            Ok(Verdict::Deny(Denial { reason, message: "go away".to_owned() })),
            Err(PolicyError::Trap("unreachable".to_owned())),
        ]
    }

    #[test]
    fn every_answer_is_the_expectation_that_only_it_meets() {
        let answers = answers();
        for (at, answer) in answers.iter().enumerate() {
            let exact: ExpectedVerdict = serde_json::from_value(verdict_json(answer)).unwrap();
            for (other, candidate) in answers.iter().enumerate() {
                assert_eq!(exact.holds(candidate), at == other, "{exact:?} {candidate:?}");
            }
        }
    }

    #[test]
    fn words_are_met_by_more_and_what_is_none_is_refused_with_what_is_one() {
        let met = |value| {
            let expected: ExpectedVerdict = serde_json::from_value(value).unwrap();
            answers().iter().map(|answer| expected.holds(answer)).collect::<Vec<_>>()
        };
        assert_eq!(met(json!("accept")), [true, true, false, false, false, false]);
        assert_eq!(met(json!("secret")), [false, false, true, false, false, false]);
        assert_eq!(met(json!("deny")), [false, false, false, false, true, false]);
        assert_eq!(met(json!({ "error": "trapped" })), [false, false, false, false, false, true]);
        assert_eq!(met(json!({ "config_error": "" })), [false; 6]);
        for wrong in [json!("maybe"), json!(1), json!({}), json!({ "unknown": {} })] {
            let error = serde_json::from_value::<ExpectedVerdict>(wrong).unwrap_err().to_string();
            assert!(error.contains("config_error"), "{error}");
        }
    }
}
