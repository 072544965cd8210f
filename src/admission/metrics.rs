//! What admissions count: logins.

use crate::{
    auth::{AuthError, Method},
    identity::ANONYMOUS,
    metrics::{Counter, Counters, Registry},
};

/// What comes of a login: the values of the metric's label.
const OUTCOMES: [Outcome; 5] =
    [Outcome::Ok, Outcome::Wrong, Outcome::Throttled, Outcome::Abandoned, Outcome::Refused];

/// The methods by name, and coming as anonymous.
const METHODS: [&str; Method::ALL.len() + 1] = {
    let mut names = [ANONYMOUS; Method::ALL.len() + 1];
    let (mut rest, mut methods) = (names.as_mut_slice(), Method::ALL.as_slice());
    while let ([slot, slots @ ..], [method, others @ ..]) = (rest, methods) {
        *slot = method.name();
        (rest, methods) = (slots, others);
    }
    names
};

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The client is who it claims to be.
    Ok,
    /// No such principal, a wrong secret, or a token that is not accepted.
    Wrong,
    /// Too many wrong ones before: the gateway did not look at it.
    Throttled,
    /// The client did not answer its challenge, or not in time.
    Abandoned,
    /// Something else was wrong: a stored login that no longer stands, something missing in HELLO, a role that the realm does not
    /// have.
    Refused,
}

/// The logins of all services of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoginMetrics {
    counters: [[Counter; OUTCOMES.len()]; METHODS.len()],
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::Throttled => "throttled",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
        }
    }
}

impl From<&AuthError> for Outcome {
    fn from(error: &AuthError) -> Self {
        match error {
            AuthError::Credentials(_) | AuthError::Token(_) => Self::Wrong,
            AuthError::TooLate => Self::Abandoned,
            AuthError::Throttled(_) => Self::Throttled,
            _ => Self::Refused,
        }
    }
}

impl LoginMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry) -> Self {
        let logins = Counters::<2>::default();
        let help = "Logins by authentication method and by what came of them; also of anonymous clients.";
        registry.register("wampgate_logins", help, logins.clone());
        Self::in_family(&logins)
    }

    fn in_family(logins: &Counters<2>) -> Self {
        let counter = |method: &str, outcome: Outcome| {
            let labels = [("method", method.to_owned()), ("outcome", outcome.name().to_owned())];
            logins.get_or_create_owned(&labels)
        };
        Self { counters: METHODS.map(|method| OUTCOMES.map(|outcome| counter(method, outcome))) }
    }

    /// Counts a login by the method of this name.
    pub(super) fn count(&self, method: &str, outcome: Outcome) {
        let method = METHODS.iter().position(|&known| known == method);
        let outcome = OUTCOMES.iter().position(|&known| known == outcome);
        let counter =
            method.zip(outcome).and_then(|(method, outcome)| self.counters.get(method)?.get(outcome));
        if let Some(counter) = counter {
            counter.inc();
        }
    }
}

impl Default for LoginMetrics {
    fn default() -> Self {
        Self::in_family(&Counters::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_counts_under_its_own_name() {
        let registry = Registry::new();
        let logins = LoginMetrics::register(&registry);
        for method in METHODS {
            logins.count(method, Outcome::Ok);
            logins.count(method, (&AuthError::TooLate).into());
        }
        logins.count("no-such-method", Outcome::Ok);
        let seen = registry.render();
        for method in ["anonymous", "cookie", "cryptosign", "wamp-scram", "scram", "wampcra", "ticket"] {
            for (outcome, count) in [("ok", 1), ("abandoned", 1), ("wrong", 0)] {
                let line = format!("logins_total{{method=\"{method}\",outcome=\"{outcome}\"}} {count}\n");
                assert!(seen.contains(&line), "{line} is missing in {seen}");
            }
        }
    }
}
