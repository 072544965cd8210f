//! What comes of reading the configuration again.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Reads the configuration again; the error says everything that is wrong. May block for as long as a policy compiles.
pub type ReloadCommand = Arc<dyn Fn() -> Result<ReloadReport, String> + Send + Sync>;

/// What a reload has done. `Display` has a line for each thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What goes by the new configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// How many sessions were ended, because the new configuration does not have what they joined by.
    #[serde(default)]
    pub ended: usize,
    /// What goes by the old configuration until the gateway is started again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    /// What is unwise about the new configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for changed in &self.changed {
            writeln!(f, "changed: {changed}")?;
        }
        if self.ended > 0 {
            writeln!(
                f,
                "ended: {} sessions whose principal, role, method, path or realm is gone",
                self.ended
            )?;
        }
        for left in &self.needs_restart {
            writeln!(f, "needs a restart: {left}")?;
        }
        if self.changed.is_empty() && self.needs_restart.is_empty() {
            writeln!(f, "nothing has changed")?;
        }
        Ok(())
    }
}
