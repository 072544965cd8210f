//! Policies, authenticators and authorizers under test: a component is asked within the gateway's own limits, without a gateway.
//!
//! ```no_run
//! use wampgate::{
//!     policy::Decision,
//!     testkit::{Request, TestPolicy},
//! };
//!
//! // In tests/ of the policy's crate, with wampgate among its dev-dependencies.
//! let policy = TestPolicy::load("target/wasm32-unknown-unknown/release/my_policy.wasm")?;
//! let decision = policy.decide(&Request::new().returning("pub-1").offers(["anonymous"]))?;
//! assert!(matches!(decision, Decision::Anonymous(identity) if identity.authid.as_deref() == Some("pub-1")));
//!
//! // The cases of a file, and those that every policy must survive.
//! let cases = TestPolicy::run("target/wasm32-unknown-unknown/release/my_policy.wasm", "cases.json")?;
//! cases.assert_passed();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`TestAuthenticator`] and [`TestAuthorizer`] are the same for the other kinds of components. `docs/policy-cases.md` describes the
//! file; `wampgate policy test` is the same as a command.

mod answer;
mod authenticator;
mod authorizer;
mod cases;
mod generic;
mod refused;
mod report;
mod tested;

use std::{borrow::Cow, path::Path, time::Duration};

pub use self::{
    answer::{Expectation, ExpectedDeferral, ExpectedIdentity},
    authenticator::{
        AuthenticationCase, ExpectedPrincipal, ExpectedVerdict, TestAuthenticator, verdict_json,
    },
    authorizer::{
        AuthorizationCase, ExpectedKeeping, ExpectedRuling, ExpectedTerms, TestAuthorizer, ruling_json,
    },
    cases::{Case, Cases, CasesError},
    refused::Refused,
    report::{Outcome, Report},
};
use serde_json::Value;

use self::{
    answer::Answered,
    tested::{Expected, Tested, run_case, run_generic},
};
use crate::policy::{
    Decision, PolicyEngine, PolicyEngineError, PolicyEngineOptions, PolicyError, PolicyFile, PolicyLoadError,
    PolicyOptions, WasmPolicy, choice_json,
};
pub use crate::policy::{
    answer_json,
    authentication::AuthenticationQuestion,
    authorization::{Action, AuthorizationQuestion, Matching, Scope, Session},
    question::{Certificate, Client, Connection, Cookie, Hello, Login, Request},
};

/// A component with an engine of its own.
#[derive(Debug)]
pub struct TestPolicy {
    policy: WasmPolicy,
    /// Whether the same question must get the same answer.
    is_deterministic: bool,
    /// The realm's roles, for questions that name none.
    roles: Vec<String>,
}

/// Why a component cannot be tested.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it all")]
#[non_exhaustive]
pub enum TestError {
    #[error(transparent)]
    Engine(#[from] PolicyEngineError),
    #[error(transparent)]
    Load(#[from] PolicyLoadError),
    #[error(transparent)]
    Cases(#[from] CasesError),
}

impl TestPolicy {
    /// Loads a component with the gateway's defaults.
    pub fn load(component: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::load_with(component, PolicyOptions::default())
    }

    /// Loads a component.
    pub fn load_with(component: impl AsRef<Path>, options: PolicyOptions) -> Result<Self, TestError> {
        let engine = engine(&options)?;
        let is_deterministic = is_deterministic(&options);
        let policy = WasmPolicy::load_for_test(
            &engine,
            &PolicyFile { options, ..PolicyFile::new(component.as_ref()) },
        )?;
        Ok(Self { policy, is_deterministic, roles: Vec::new() })
    }

    /// Loads a component from memory; `name` stands for it in messages.
    pub fn from_bytes(name: &str, component: &[u8], options: PolicyOptions) -> Result<Self, TestError> {
        let engine = engine(&options)?;
        let is_deterministic = is_deterministic(&options);
        let policy = WasmPolicy::from_bytes_for_test(&engine, name, component, options)?;
        Ok(Self { policy, is_deterministic, roles: Vec::new() })
    }

    /// Loads a component as a cases file says, and asks it the file's cases and the generic ones.
    pub fn run(component: impl AsRef<Path>, cases: impl AsRef<Path>) -> Result<Report, TestError> {
        let cases = Cases::read(cases.as_ref())?;
        Ok(Self::load_with(component, cases.options.clone())?.run_all(&cases))
    }

    /// Asks the policy.
    pub fn decide(&self, request: &Request) -> Result<Decision, PolicyError> {
        self.in_realm(request).with(|view| self.policy.decide(view))
    }

    /// Has the policy choose among the request's `upstreams`. What it says of a HELLO does not count.
    pub fn choose_upstream(&self, request: &Request) -> Result<String, PolicyError> {
        if let Some(fault) = request.fault_of_names() {
            return Err(PolicyError::Refused(fault));
        }
        request.with_routing(|view| self.policy.choose_upstream(view))
    }

    /// Asks what the request asks, and gives the answer as a cases file has it; the error says why it asks nothing.
    pub fn answer(&self, request: &Request) -> Result<(Value, bool), String> {
        if let Some(fault) = request.fault() {
            return Err(fault);
        }
        let answer = self.ask(request);
        Ok((Self::to_json(&answer), answer.is_ok()))
    }

    /// Gives each question that names no roles these ones, as a realm that has them would: an answer with another role fails.
    #[must_use]
    pub fn with_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Asks cases and, behind them, the generic ones. The file's options count only where the policy is
    /// loaded.
    pub fn run_all(&self, cases: &Cases) -> Report {
        let mut report = self.run_cases(&cases.cases);
        report.outcomes.extend(self.run_generic().outcomes);
        // A policy that chooses knows the upstreams of its cases.
        let mut requests = cases.cases.iter().map(|case| &case.request);
        let choice = requests.find(|request| !request.upstreams.is_empty() && request.fault().is_none());
        if let (true, Some(choice)) = (self.policy.routes(), choice) {
            let questions = generic::routing(&choice.upstreams).into_iter();
            report.outcomes.extend(run_generic(self, questions).outcomes);
        }
        report
    }

    /// Asks cases.
    pub fn run_cases(&self, cases: &[Case]) -> Report {
        let outcome = |case: &Case| match case.request.fault() {
            None => run_case(self, case),
            fault => Outcome { name: case.name.clone(), took: Duration::ZERO, fault },
        };
        let outcomes = cases.iter().map(outcome).collect();
        Report { outcomes, warnings: self.undeclared_headers(cases) }
    }

    /// Headers of the cases that the policy may need, and that it does not say it needs.
    fn undeclared_headers(&self, cases: &[Case]) -> Vec<String> {
        let mut names: Vec<&str> =
            cases.iter().flat_map(|case| &case.request.connection.headers).map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        let needs = self.policy.needs();
        names.retain(|name| needs.is_none_or(|needs| !needs.names_header(name)));
        let advice = match needs {
            Some(_) => "declare it there if the policy looks at it",
            None => {
                "build it for version 0.3.0 of the contract, which can, or see to it that the policy's `headers` name it"
            }
        };
        let what = if needs.is_some() {
            "the component's `needs` do not declare"
        } else {
            "the component cannot declare"
        };
        let warning = |name: &str| {
            format!(
                "cases have the header {name:?}, which {what}: where a gateway does not show it, nothing tells so; {advice}"
            )
        };
        names.into_iter().map(warning).collect()
    }

    /// Asks what every policy must survive: see `docs/policy-cases.md`.
    pub fn run_generic(&self) -> Report {
        run_generic(self, generic::requests().into_iter().map(|(name, request)| (name.to_owned(), request)))
    }

    /// The question as it is asked: with the realm's roles, if it names none.
    fn in_realm<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        if self.roles.is_empty() || !request.roles.is_empty() {
            return Cow::Borrowed(request);
        }
        Cow::Owned(Request { roles: self.roles.clone(), ..request.clone() })
    }
}

impl Tested for TestPolicy {
    type Question = Request;
    type Answer = Answered;

    fn ask(&self, question: &Request) -> Result<Answered, PolicyError> {
        if question.upstreams.is_empty() {
            self.decide(question).map(Answered::Decision)
        } else {
            question.with_routing(|view| self.policy.choose_upstream(view)).map(Answered::Upstream)
        }
    }

    fn configured(&self, config: String) -> Result<Self, PolicyLoadError> {
        let policy = self.policy.with_config(config)?;
        Ok(Self { policy, is_deterministic: self.is_deterministic, roles: self.roles.clone() })
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn to_json(answer: &Result<Answered, PolicyError>) -> Value {
        match answer {
            Ok(Answered::Upstream(name)) => choice_json(&Ok(name.clone())),
            Ok(Answered::Decision(decision)) => answer_json(&Ok(decision.clone())),
            Err(error) => answer_json(&Err(error.clone())),
        }
    }
}

impl Expected<Answered> for Expectation {
    fn holds(&self, answer: &Result<Answered, PolicyError>) -> bool {
        match answer {
            Ok(Answered::Upstream(name)) => self.is_upstream(name),
            Ok(Answered::Decision(decision)) => self.holds(&Ok(decision.clone())),
            Err(error) => self.holds(&Err(error.clone())),
        }
    }

    fn to_json(&self) -> Value {
        self.to_json()
    }

    fn config_error(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => refused.config_error(),
            _ => None,
        }
    }
}

/// An engine like the gateway's, with its cache of compiled code.
fn engine(options: &PolicyOptions) -> Result<PolicyEngine, PolicyEngineError> {
    let defaults = PolicyEngineOptions::default();
    PolicyEngine::new(&PolicyEngineOptions {
        max_memory: defaults.max_memory.max(options.max_memory),
        ..defaults
    })
}

fn is_deterministic(options: &PolicyOptions) -> bool {
    options.grants == crate::policy::Grants::default()
}
