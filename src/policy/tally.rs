//! What came of a policy's decisions, counted: which policy failed, how, and how often.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Decision, PolicyError};

/// What can come of a decision. The names are those of the metric's label and of the log's `failure`.
const OUTCOMES: [&str; 12] = [
    "anonymous",
    "none",
    "defer",
    "deny",
    "refused",
    "trap",
    "deadline",
    "memory",
    "host-calls",
    "contract",
    "overloaded",
    "penalty",
];

/// Counters of one policy, since the gateway started.
#[derive(Debug, Default)]
pub struct Tally {
    decisions: [AtomicU64; OUTCOMES.len()],
    replaced: AtomicU64,
    kept: AtomicU64,
}

impl Tally {
    /// Counts a decision.
    pub(super) fn count(&self, answer: &Result<Decision, PolicyError>) {
        let outcome = match answer {
            Ok(decision) => decision.kind(),
            Err(error) => error.kind(),
        };
        if let Some(place) = OUTCOMES.iter().position(|&name| name == outcome)
            && let Some(count) = self.decisions.get(place)
        {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts a new file that decides from now on, or one that cannot.
    pub(super) fn count_reload(&self, is_replaced: bool) {
        let count = if is_replaced { &self.replaced } else { &self.kept };
        count.fetch_add(1, Relaxed);
    }

    /// How many decisions came to what.
    pub fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(&self.decisions).map(|(name, count)| (name, count.load(Relaxed)))
    }

    /// How many new files decide (`replaced`), and how many could not (`kept`: the old one goes on).
    pub fn reloads(&self) -> [(&'static str, u64); 2] {
        [("replaced", self.replaced.load(Relaxed)), ("kept", self.kept.load(Relaxed))]
    }
}

impl Decision {
    /// Its name in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous(_) => "anonymous",
            Self::None => "none",
            Self::Defer(_) => "defer",
            Self::Deny(_) => "deny",
        }
    }
}

impl PolicyError {
    /// Its name in metrics and in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Trap(_) => "trap",
            Self::Deadline(_) => "deadline",
            Self::Memory(_) => "memory",
            Self::HostCalls => "host-calls",
            Self::Contract(_) => "contract",
            Self::Overloaded => "overloaded",
            Self::Penalty => "penalty",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Decision, OUTCOMES, PolicyError, Tally};
    use crate::policy::{AnonymousIdentity, ContractError, Denial};

    #[test]
    fn every_outcome_counts_once_under_its_own_name() {
        let denial = Denial { reason: crate::wamp::Uri::parse("a.b").unwrap(), message: String::new() };
        let answers = [
            Ok(Decision::Anonymous(AnonymousIdentity::default())),
            Ok(Decision::None),
            Ok(Decision::Defer("ticket".to_owned())),
            Ok(Decision::Deny(denial)),
            Err(PolicyError::Refused(String::new())),
            Err(PolicyError::Trap(String::new())),
            Err(PolicyError::Deadline(Duration::ZERO)),
            Err(PolicyError::Memory(0)),
            Err(PolicyError::HostCalls),
            Err(ContractError::Types(String::new()).into()),
            Err(PolicyError::Overloaded),
            Err(PolicyError::Penalty),
        ];
        let tally = Tally::default();
        for answer in &answers {
            tally.count(answer);
        }
        assert_eq!(tally.decisions().collect::<Vec<_>>(), OUTCOMES.map(|name| (name, 1)));
    }
}
