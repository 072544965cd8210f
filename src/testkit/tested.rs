//! A component under test, of whatever kind, and what it is tested by: cases, and questions that it must survive.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Case, Outcome, Report};
use crate::policy::{PolicyError, PolicyLoadError, PolicyLoadFault};

/// A component under test, of whatever kind.
pub(super) trait Tested: Sized {
    type Question;
    type Answer: PartialEq;

    /// Asks it, within the gateway's limits.
    fn ask(&self, question: &Self::Question) -> Result<Self::Answer, PolicyError>;

    /// The same with another configuration.
    fn configured(&self, config: String) -> Result<Self, PolicyLoadError>;

    /// Whether the same question must get the same answer.
    fn is_deterministic(&self) -> bool;

    /// What must hold beside a good answer.
    fn also(&self, _question: &Self::Question, _answer: &Self::Answer) -> Result<(), String> {
        Ok(())
    }

    /// What came of a question, for a message.
    fn to_json(answer: &Result<Self::Answer, PolicyError>) -> Value;
}

/// What a case expects.
pub(super) trait Expected<A> {
    /// Whether an answer is as expected. An expected error of the configuration is no answer's business.
    fn holds(&self, answer: &Result<A, PolicyError>) -> bool;

    /// What is expected, as a cases file has it.
    fn to_json(&self) -> Value;

    /// The error of the configuration that is expected in place of an answer.
    fn config_error(&self) -> Option<&str>;
}

/// Asks a component what a case asks.
pub(super) fn run_case<T: Tested, E: Expected<T::Answer>>(
    tested: &T,
    case: &Case<T::Question, E>,
) -> Outcome {
    let outcome = |took, fault| Outcome { name: case.name.clone(), took, fault };
    let at_once = |fault| outcome(Duration::ZERO, fault);
    let expected = || case.expect.to_json();
    let own = case.config.as_ref().map(|config| tested.configured(Value::Object(config.clone()).to_string()));
    let tested = match (&own, case.expect.config_error()) {
        (None, Some(_)) => {
            return at_once(Some("config_error is about a `config`: give the case one".to_owned()));
        }
        (Some(Ok(_)), Some(_)) => {
            return at_once(Some(format!("expected {}, and the configuration was accepted", expected())));
        }
        (Some(Err(PolicyLoadError { fault: PolicyLoadFault::Config(errors), .. })), Some(part))
            if errors.iter().any(|error| error.contains(part)) =>
        {
            return at_once(None);
        }
        (Some(Err(error)), _) => {
            return at_once(Some(format!("expected {}, got {}", expected(), error.fault)));
        }
        (Some(Ok(configured)), None) => configured,
        (None, None) => tested,
    };
    let (answer, took, stable) = ask_twice(tested, &case.request);
    let fault = if case.expect.holds(&answer) {
        stable.err()
    } else {
        Some(format!("expected {}, got {}", expected(), T::to_json(&answer)))
    };
    outcome(took, fault)
}

/// Asks a component what every one of its kind must survive.
pub(super) fn run_generic<T: Tested>(
    tested: &T,
    questions: impl Iterator<Item = (String, T::Question)>,
) -> Report {
    let outcomes = questions.map(|(name, question)| {
        let (answer, took, stable) = ask_twice(tested, &question);
        let fault = match answer {
            // An error of the component's own refuses the client, and that may be the right thing to do.
            Ok(_) | Err(PolicyError::Refused(_)) => stable.err(),
            Err(failure) => Some(failure.to_string()),
        };
        Outcome { name: format!("generic: {name}"), took, fault }
    });
    Report { outcomes: outcomes.collect(), warnings: Vec::new() }
}

/// The answer, how long the second one took, and whether both are the same and what must hold beside them holds.
#[allow(clippy::type_complexity, reason = "three outcomes of one step")]
fn ask_twice<T: Tested>(
    tested: &T,
    question: &T::Question,
) -> (Result<T::Answer, PolicyError>, Duration, Result<(), String>) {
    let first = tested.ask(question);
    let begun = Instant::now();
    let second = tested.ask(question);
    let took = begun.elapsed();
    let stable = if tested.is_deterministic() && first != second {
        let (first, second) = (T::to_json(&first), T::to_json(&second));
        Err(format!("the same question got {first} and then {second}"))
    } else {
        first.as_ref().map_or(Ok(()), |answer| tested.also(question, answer))
    };
    (first, took, stable)
}
