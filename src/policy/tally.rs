//! What came of a policy's decisions, counted: which policy failed, how, and how often.

use std::time::Duration;

use super::{ContractError, Decision, PolicyError};
use crate::metrics::{Counter, Counters, Family, Gauge, Gauges, Labels, Registry, Timings};

/// What can come of a decision. The names are those of the metric's label and of the log's `failure`.
const OUTCOMES: [&str; 13] = [
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
    "no-such-role",
    "overloaded",
    "penalty",
];

/// The metrics of all policies of a gateway, by policy. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PolicyMetrics {
    decisions: Counters<2>,
    durations: Family<Labels<1>, Timings>,
    waiting: Gauges<1>,
    reloads: Counters<2>,
}

/// Counters of one policy, since the gateway started.
#[derive(Debug, Default)]
pub struct Tally {
    decisions: [Counter; OUTCOMES.len()],
    durations: Timings,
    waiting: Gauge,
    replaced: Counter,
    kept: Counter,
}

impl PolicyMetrics {
    /// Metrics that monitoring is shown.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Decisions of a policy by what came of them; from `refused` on they are failures.";
        registry.register("wampgate_policy_decisions", help, metrics.decisions.clone());
        let help =
            "How long a policy's component takes for a decision, in seconds, without the time in the queue.";
        registry.register("wampgate_policy_decision_seconds", help, metrics.durations.clone());
        let help = "Decisions that wait because the policy makes as many at once as it may.";
        registry.register("wampgate_policy_waiting", help, metrics.waiting.clone());
        let help = "New files of a policy: `replaced` it, or could not and the old one was `kept`.";
        registry.register("wampgate_policy_reloads", help, metrics.reloads.clone());
        metrics
    }

    /// The counters of a policy. Policies of one name share them.
    pub fn tally(&self, policy: &str) -> Tally {
        let counter = |family: &Counters<2>, outcome: &str| {
            family.get_or_create_owned(&[("policy", policy.to_owned()), ("outcome", outcome.to_owned())])
        };
        let own: Labels<1> = [("policy", policy.to_owned())];
        Tally {
            decisions: OUTCOMES.map(|outcome| counter(&self.decisions, outcome)),
            durations: self.durations.get_or_create_owned(&own),
            waiting: self.waiting.get_or_create_owned(&own),
            replaced: counter(&self.reloads, "replaced"),
            kept: counter(&self.reloads, "kept"),
        }
    }
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
            count.inc();
        }
    }

    /// Counts how long the component took.
    pub(super) fn time(&self, took: Duration) {
        self.durations.note(took);
    }

    /// How many decisions wait.
    pub(super) const fn waiting(&self) -> &Gauge {
        &self.waiting
    }

    /// Counts a new file that decides from now on, or one that cannot.
    pub(super) fn count_reload(&self, is_replaced: bool) {
        let count = if is_replaced { &self.replaced } else { &self.kept };
        count.inc();
    }

    /// How many decisions came to what.
    pub fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(&self.decisions).map(|(name, count)| (name, count.get()))
    }

    /// How many new files decide (`replaced`), and how many could not (`kept`: the old one goes on).
    pub fn reloads(&self) -> [(&'static str, u64); 2] {
        [("replaced", self.replaced.get()), ("kept", self.kept.get())]
    }
}

impl Decision {
    /// Its name in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous(_) => "anonymous",
            Self::None => "none",
            Self::Defer(_) | Self::DeferAs { .. } => "defer",
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
            Self::Contract(ContractError::NoSuchRole(_)) => "no-such-role",
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
    use crate::{
        identity::Name,
        policy::{AnonymousIdentity, ContractError, Denial},
    };

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
            Err(ContractError::NoSuchRole(Name::known("guest")).into()),
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
