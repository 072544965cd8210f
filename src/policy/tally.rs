//! What came of a policy's decisions, counted: which policy failed, how, and how often.

use std::time::Duration;

use super::{ContractError, PolicyError};
use crate::metrics::{Counter, Counters, Family, Gauge, Gauges, Labels, Registry, Timings};

/// What can come of a question beside its answers. The names are those of the metric's label and of the log's `failure`.
const FAILURES: [&str; 10] = [
    "refused",
    "trap",
    "deadline",
    "memory",
    "host-calls",
    "contract",
    "no-such-role",
    "unreachable",
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
#[derive(Debug)]
pub struct Tally {
    /// What its answers are called.
    answers: &'static [&'static str],
    /// One for each of them, and one for each of [`FAILURES`].
    decisions: Box<[Counter]>,
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

    /// The counters of a policy with these answers. Policies of one name share them.
    pub(crate) fn tally(&self, policy: &str, answers: &'static [&'static str]) -> Tally {
        let counter = |family: &Counters<2>, outcome: &str| {
            family.get_or_create_owned(&[("policy", policy.to_owned()), ("outcome", outcome.to_owned())])
        };
        let own: Labels<1> = [("policy", policy.to_owned())];
        Tally {
            answers,
            decisions: outcomes(answers).map(|outcome| counter(&self.decisions, outcome)).collect(),
            durations: self.durations.get_or_create_owned(&own),
            waiting: self.waiting.get_or_create_owned(&own),
            replaced: counter(&self.reloads, "replaced"),
            kept: counter(&self.reloads, "kept"),
        }
    }
}

impl Tally {
    /// Counters by themselves, for a policy with these answers.
    pub(super) fn of(answers: &'static [&'static str]) -> Self {
        Self {
            answers,
            decisions: outcomes(answers).map(|_| Counter::default()).collect(),
            durations: Timings::default(),
            waiting: Gauge::default(),
            replaced: Counter::default(),
            kept: Counter::default(),
        }
    }

    /// Counts a decision by its name: that of its answer, or of its failure.
    pub(super) fn count(&self, outcome: &'static str) {
        if let Some(place) = outcomes(self.answers).position(|name| name == outcome)
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
        outcomes(self.answers).zip(&self.decisions).map(|(name, count)| (name, count.get()))
    }

    /// How many new files decide (`replaced`), and how many could not (`kept`: the old one goes on).
    pub fn reloads(&self) -> [(&'static str, u64); 2] {
        [("replaced", self.replaced.get()), ("kept", self.kept.get())]
    }
}

/// All that can come of a question to a policy with these answers.
fn outcomes(answers: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    answers.iter().copied().chain(FAILURES)
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
            Self::Unreachable(_) => "unreachable",
            Self::Overloaded => "overloaded",
            Self::Penalty => "penalty",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FAILURES, PolicyError, Tally};
    use crate::{identity::Name, policy::ContractError};

    #[test]
    fn every_outcome_counts_once_under_its_own_name() {
        let failures = [
            PolicyError::Refused(String::new()),
            PolicyError::Trap(String::new()),
            PolicyError::Deadline(Duration::ZERO),
            PolicyError::Memory(0),
            PolicyError::HostCalls,
            ContractError::Types(String::new()).into(),
            ContractError::NoSuchRole(Name::known("guest")).into(),
            PolicyError::Unreachable(""),
            PolicyError::Overloaded,
            PolicyError::Penalty,
        ];
        let tally = Tally::of(&["yes", "no"]);
        tally.count("yes");
        tally.count("no");
        for failure in &failures {
            tally.count(failure.kind());
        }
        let counted: Vec<_> = tally.decisions().collect();
        assert_eq!(counted[..2], [("yes", 1), ("no", 1)]);
        assert_eq!(counted[2..], FAILURES.map(|name| (name, 1)));
    }
}
