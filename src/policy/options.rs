//! How a policy is run: what it may take, and what it is given.

use std::time::Duration;

use super::engine::DEFAULT_MAX_MEMORY;
use crate::config::PolicyConfig;

/// Time for a decision if nothing else is configured.
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(20);

/// How a component is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOptions {
    /// The policy's configuration: a JSON object as text.
    pub config: String,
    /// How long a decision may take; one that goes on is stopped at most some 5 ms later.
    pub deadline: Duration,
    /// How much memory a decision may take, in bytes.
    pub max_memory: usize,
    /// What it may import beyond `log`.
    pub grants: Grants,
    /// How long its instances live.
    pub instances: Instances,
    /// How many warm instances are kept at most.
    pub max_warm: usize,
}

/// What a policy may import beyond `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grants {
    /// `wampgate:authid/clock`: the time.
    pub clock: bool,
    /// `wampgate:authid/random`: randomness.
    pub random: bool,
    /// `wasi:…@0.2`, for tool chains that cannot do without: no files, no network, no environment; what is written
    /// goes to the log; clocks and random numbers are real.
    pub wasi: bool,
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instances {
    /// For one decision: nothing passes from one client to the next.
    #[default]
    Fresh,
    /// For many decisions: for languages whose runtime takes long to set up. The policy itself must keep
    /// its clients apart.
    Warm,
}

/// Warm instances of one policy if nothing else is configured: as many as decisions at once.
const DEFAULT_MAX_WARM: usize = 16;

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            config: "{}".to_owned(),
            deadline: DEFAULT_DEADLINE,
            max_memory: DEFAULT_MAX_MEMORY,
            grants: Grants::default(),
            instances: Instances::default(),
            max_warm: DEFAULT_MAX_WARM,
        }
    }
}

impl From<&PolicyConfig> for PolicyOptions {
    fn from(config: &PolicyConfig) -> Self {
        Self {
            config: config.config.clone(),
            deadline: config.deadline,
            max_memory: config.max_memory,
            grants: config.grants,
            instances: config.instances,
            max_warm: config.max_concurrent,
        }
    }
}
