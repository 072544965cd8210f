//! What came out of the cases.

use std::{fmt, time::Duration};

/// The outcome of all cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order in which they were asked.
    pub outcomes: Vec<Outcome>,
    /// What is no fault of the policy, and may go wrong where it runs.
    pub warnings: Vec<String>,
}

/// The outcome of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The case's name; a generic one's begins with `generic: `.
    pub name: String,
    /// How long the decision took, the second time it was asked.
    pub took: Duration,
    /// What is wrong, if anything is.
    pub fault: Option<String>,
}

impl Report {
    /// Whether there is nothing to complain about.
    pub fn passed(&self) -> bool {
        self.failures() == 0
    }

    /// How many cases failed.
    pub fn failures(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fault.is_some()).count()
    }

    /// Panics with the failures: the last line of a test.
    ///
    /// # Panics
    ///
    /// If a case failed.
    #[track_caller]
    pub fn assert_passed(&self) {
        let failed = self.outcomes.iter().filter(|outcome| outcome.fault.is_some());
        let failed: Vec<String> = failed.map(ToString::to_string).collect();
        assert!(
            failed.is_empty(),
            "{} of {} cases failed:\n{}",
            failed.len(),
            self.outcomes.len(),
            failed.join("\n")
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            writeln!(f, "{outcome}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write!(f, "{} cases, {} failed", self.outcomes.len(), self.failures())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            None => write!(f, "ok    {} ({:.1?})", self.name, self.took),
            Some(fault) => write!(f, "FAIL  {}: {fault}", self.name),
        }
    }
}
