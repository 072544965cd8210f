//! What monitoring reads: counters and gauges in the text format of Prometheus.
//!
//! No label names a client: neither tracking IDs nor public IDs, addresses or authids. Which client a failure was about
//! stands in the log, with the name that the counter has here.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{policy::PolicyGate, realm::Realm};

/// The media type of what [`Metrics::render`] gives.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is measured.
#[derive(Debug, Default)]
pub struct Metrics {
    realms: Arc<HashMap<String, Realm>>,
    policies: Mutex<Vec<Arc<PolicyGate>>>,
}

impl Metrics {
    /// Measures these realms, and no policy yet.
    pub fn new(realms: Arc<HashMap<String, Realm>>) -> Self {
        Self { realms, policies: Mutex::default() }
    }

    /// Measures one more policy.
    pub fn add(&self, policy: &Arc<PolicyGate>) {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(policy));
    }

    /// Everything, as text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        family(
            &mut out,
            "wampgate_info",
            "gauge",
            "The gateway's version.",
            [(labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1)],
        );

        let sessions: BTreeMap<_, _> = self
            .realms
            .iter()
            .map(|(name, realm)| (labels(&[("realm", name)]), count(realm.sessions())))
            .collect();
        family(&mut out, "wampgate_sessions", "gauge", "Sessions that are joined.", sessions);

        // Policies of one component that are configured differently have a gate each, and one name.
        let (mut decisions, mut reloads) = (BTreeMap::new(), BTreeMap::new());
        for policy in &*self.policies.lock().unwrap_or_else(PoisonError::into_inner) {
            let name = policy.name();
            for (outcome, count) in policy.tally().decisions() {
                *decisions.entry(labels(&[("policy", name), ("outcome", outcome)])).or_default() += count;
            }
            for (outcome, count) in policy.tally().reloads() {
                *reloads.entry(labels(&[("policy", name), ("outcome", outcome)])).or_default() += count;
            }
        }
        let help = "Decisions of a policy by what came of them; from `refused` on they are failures.";
        family(&mut out, "wampgate_policy_decisions_total", "counter", help, decisions);
        let help = "New files of a policy: `replaced` it, or could not and the old one was `kept`.";
        family(&mut out, "wampgate_policy_reloads_total", "counter", help, reloads);
        out
    }
}

/// A metric with all its values.
fn family(
    out: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) {
    let mut write = |text: fmt::Arguments<'_>| {
        // A `String` takes everything.
        let _ = out.write_fmt(text);
    };
    write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    for (labels, value) in values {
        write(format_args!("{name}{labels} {value}\n"));
    }
}

/// `{name="value",…}`, with what the format asks to be escaped in a value.
fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn a_value_cannot_end_its_label() {
        assert_eq!(labels(&[("a", "x\"y\\z\n"), ("b", "")]), r#"{a="x\"y\\z\n",b=""}"#);
    }
}
