//! Which component decides, and how it is run: what it may take, and what it is given.
//!
//! `config` and the testkit read files into these types. Their defaults stand here and nowhere else.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use http::HeaderName;

/// Time for a decision: a fast policy takes microseconds, one in a slow language a few milliseconds.
const DEFAULT_DEADLINE: Duration = Duration::from_millis(20);
/// Memory for a decision, in bytes: some tool chains start with 16 MiB and one page.
pub(super) const DEFAULT_MAX_MEMORY: usize = 32 * 1024 * 1024;
/// Decisions at once: they are short, and run on the connections' own threads.
const DEFAULT_MAX_CONCURRENT: usize = 16;

/// What files may give a decision as its time, in milliseconds.
pub(crate) const DEADLINES: RangeInclusive<u64> = 1..=10_000;
/// What files may give a decision as its memory, in bytes.
pub(crate) const MEMORIES: RangeInclusive<u64> = 65_536..=1 << 30;

/// A policy whose component is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// The component's file.
    pub component: PathBuf,
    /// What the component's bytes must hash to.
    pub sha256: Option<[u8; 32]>,
    /// How the component is run.
    pub options: PolicyOptions,
}

/// How a component is run.
#[derive(Clone, PartialEq, Eq)]
pub struct PolicyOptions {
    /// The policy's configuration: a JSON object as text. Default `{}`.
    pub config: String,
    /// The request headers that the policy sees. Default none.
    pub headers: Vec<HeaderName>,
    /// How long a decision may take; one that goes on is stopped at most some 5 ms later. Default 20 ms.
    pub deadline: Duration,
    /// How much memory a decision may take, in bytes. Default 32 MiB.
    pub max_memory: usize,
    /// How many decisions may run at once; more wait. A policy keeps as many warm instances. Default 16.
    pub max_concurrent: usize,
    /// What the component may import beyond `log`. Default nothing.
    pub grants: Grants,
    /// How long its instances live. Default for one decision.
    pub instances: Instances,
    /// Whether it is to choose upstreams: a component that cannot is not used. Default no.
    pub routes: bool,
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

impl PolicyFile {
    /// A component that is run with the defaults, whatever its bytes are.
    pub fn new(component: impl Into<PathBuf>) -> Self {
        Self { component: component.into(), sha256: None, options: PolicyOptions::default() }
    }
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            config: "{}".to_owned(),
            headers: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            max_memory: DEFAULT_MAX_MEMORY,
            max_concurrent: DEFAULT_MAX_CONCURRENT,
            grants: Grants::default(),
            instances: Instances::default(),
            routes: false,
        }
    }
}

impl std::fmt::Debug for PolicyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the configuration, in which the operator may have put secrets.
        f.debug_struct("PolicyOptions")
            .field("headers", &self.headers)
            .field("deadline", &self.deadline)
            .field("max_memory", &self.max_memory)
            .field("max_concurrent", &self.max_concurrent)
            .field("grants", &self.grants)
            .field("instances", &self.instances)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
