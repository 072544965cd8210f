//! Authorizers under test.

mod expected;
mod generic;
mod kept;

use std::path::Path;

use serde_json::Value;

pub use self::expected::{ExpectedKeeping, ExpectedRuling, ExpectedTerms, ruling_json};
use super::{Case, Cases, Report, TestError, Tested, engine, is_deterministic, run_case, run_generic};
use crate::policy::{
    PolicyError, PolicyFile, PolicyLoadError, PolicyOptions, Wasm,
    authorization::{self, AuthorizationQuestion, Authorizer, Ruling},
};

/// What stands in a cases file of an authorizer.
pub type AuthorizationCase = Case<AuthorizationQuestion, ExpectedRuling>;

/// An authorizer with an engine of its own.
///
/// ```no_run
/// use wampgate::testkit::{AuthorizationQuestion, Matching, TestAuthorizer};
///
/// let authorizer = TestAuthorizer::load("target/wasm32-unknown-unknown/release/my_authorizer.wasm")?;
/// let everything = AuthorizationQuestion::subscribe("").matching(Matching::Prefix);
/// assert!(!authorizer.authorize(&everything)?.allow);
///
/// // The cases of a file, and those that every authorizer must survive.
/// TestAuthorizer::run("target/wasm32-unknown-unknown/release/my_authorizer.wasm", "cases.json")?.assert_passed();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestAuthorizer {
    component: Wasm<Authorizer>,
    is_deterministic: bool,
}

impl TestAuthorizer {
    /// Loads a component with the gateway's defaults.
    pub fn load(component: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::load_with(component, PolicyOptions::default())
    }

    /// Loads a component.
    pub fn load_with(component: impl AsRef<Path>, options: PolicyOptions) -> Result<Self, TestError> {
        let (engine, is_deterministic) = (engine(&options)?, is_deterministic(&options));
        let file = PolicyFile { options, ..PolicyFile::new(component.as_ref()) };
        Ok(Self { component: Wasm::read(&engine, &file, true)?, is_deterministic })
    }

    /// Loads a component from memory; `name` stands for it in messages.
    pub fn from_bytes(name: &str, component: &[u8], options: PolicyOptions) -> Result<Self, TestError> {
        let (engine, is_deterministic) = (engine(&options)?, is_deterministic(&options));
        Ok(Self { component: Wasm::make(&engine, name, component, options, true)?, is_deterministic })
    }

    /// Loads a component as a cases file says, and asks it the file's cases and the generic ones.
    pub fn run(component: impl AsRef<Path>, cases: impl AsRef<Path>) -> Result<Report, TestError> {
        let cases = Cases::read(cases.as_ref())?;
        Ok(Self::load_with(component, cases.options.clone())?.run_all(&cases))
    }

    /// Asks, and checks the answer, as the gateway does.
    pub fn authorize(&self, question: &AuthorizationQuestion) -> Result<Ruling, PolicyError> {
        self.ask(question)
    }

    /// Asks cases and, behind them, the generic ones. The file's options count only where the component is loaded.
    pub fn run_all(&self, cases: &Cases<AuthorizationCase>) -> Report {
        let mut report = self.run_cases(&cases.cases);
        report.outcomes.extend(self.run_generic().outcomes);
        report
    }

    /// Asks cases.
    pub fn run_cases(&self, cases: &[AuthorizationCase]) -> Report {
        let outcomes = cases.iter().map(|case| run_case(self, case)).collect();
        Report { outcomes, warnings: Vec::new() }
    }

    /// Asks what every authorizer must survive: see `docs/policy-cases.md`.
    pub fn run_generic(&self) -> Report {
        run_generic(self, generic::questions().into_iter())
    }
}

impl Tested for TestAuthorizer {
    type Question = AuthorizationQuestion;
    type Answer = Ruling;

    fn ask(&self, question: &AuthorizationQuestion) -> Result<Ruling, PolicyError> {
        question.with(|view| authorization::decide(&self.component, view))
    }

    fn configured(&self, config: String) -> Result<Self, PolicyLoadError> {
        let component = self.component.with_config(config)?;
        Ok(Self { component, is_deterministic: self.is_deterministic })
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn also(&self, question: &AuthorizationQuestion, answer: &Ruling) -> Result<(), String> {
        if self.is_deterministic { kept::check(self, question, answer) } else { Ok(()) }
    }

    fn to_json(answer: &Result<Ruling, PolicyError>) -> Value {
        ruling_json(answer)
    }
}
