//! What all policies share: wasmtime, once for fresh and once for warm instances, with one compile cache and one
//! clock.
//!
//! The settings are measured ones. A fresh instance per decision is affordable only because instances come
//! from a pool whose slots keep their pages: allocating on demand costs some 24 µs more, and giving the pages
//! back another 11 µs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

#[cfg(feature = "cache")]
use super::cache;
use super::{
    Instances, PolicyFile,
    limits::{Bounds, LEAN, ROOMY},
    options::DEFAULT_MAX_MEMORY,
    ticker::{InFlight, Ticker},
    trap,
};

/// How many decisions of all policies together may be in flight; each slot reserves address space for the largest memory
/// that a policy may have. The fewest that wasmtime divides among its threads: each thread then finds the slots that it used
/// last, whose memory is in the cache of its core, and waits for no lock.
const SLOTS: u32 = 128;

/// What a slot keeps mapped after a decision, in bytes: wiped with `memset` rather than given back to the
/// system. At least the whole memory of a good guest, which is one page of 64 KiB.
const KEEP_RESIDENT: usize = 256 * 1024;
/// The same for tables, in bytes.
const KEEP_TABLE: usize = 4 * 1024;
/// Behind each memory; a small one is free, because the bounds are checked anyway where less than 4 GiB is
/// reserved.
const GUARD: u64 = 64 * 1024;
/// A page of WebAssembly memory, in bytes.
const PAGE: usize = 64 * 1024;
/// The native stack of a guest, in bytes: deep enough for interpreters, and a quarter of what a worker thread
/// has.
const GUEST_STACK: usize = 512 * 1024;
/// The same for warm instances: interpreters that recurse for every level of the guest's program.
const ROOMY_GUEST_STACK: usize = 1024 * 1024;

/// The largest `max_memory`, in bytes: every slot reserves that much address space, 128 GiB in all.
pub const MAX_MEMORY_LIMIT: usize = 1024 * 1024 * 1024;

/// What an engine is made with.
#[derive(Debug, Clone)]
pub struct PolicyEngineOptions {
    /// The largest memory that any of its policies may have, in bytes. At most [`MAX_MEMORY_LIMIT`].
    pub max_memory: usize,
    /// Where compiled code is kept between runs; none, or without the feature `cache`: the gateway compiles at every start.
    /// A user who can write there decides what the gateway executes, so the gateway does not use a directory that others
    /// may write to.
    pub cache: Option<PathBuf>,
}

impl Default for PolicyEngineOptions {
    /// The default memory, and the user's cache directory.
    fn default() -> Self {
        #[cfg(feature = "cache")]
        let cache = cache::default_directory();
        #[cfg(not(feature = "cache"))]
        let cache = None;
        Self { max_memory: DEFAULT_MAX_MEMORY, cache }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyEngineError {
    /// The configuration asks for more memory than a slot can have.
    #[error("max_memory: {asked} bytes are more than a policy can have, use at most {MAX_MEMORY_LIMIT}")]
    MaxMemory {
        /// The configured number of bytes.
        asked: usize,
    },
    /// wasmtime does not run here.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Setup(String),
    /// The thread that keeps the deadlines cannot be started.
    #[error("cannot start the thread that keeps the policies' deadlines: {0}")]
    Ticker(#[source] std::io::Error),
}

/// The engine. A handle: clones share everything.
#[derive(Clone)]
pub struct PolicyEngine {
    /// With slots for fresh instances.
    lean: Engine,
    /// For warm instances: they are made seldom, so that allocating on demand costs nothing that counts, and
    /// those that wait take no slots from others.
    roomy: Engine,
    ticker: Arc<Ticker>,
    max_memory: usize,
    /// Where compiled code is kept between runs.
    cache: Option<PathBuf>,
}

// === impl PolicyEngine ===

impl PolicyEngine {
    /// Makes an engine.
    pub fn new(options: &PolicyEngineOptions) -> Result<Self, PolicyEngineError> {
        if options.max_memory > MAX_MEMORY_LIMIT {
            return Err(PolicyEngineError::MaxMemory { asked: options.max_memory });
        }
        let max_memory = options.max_memory.max(PAGE).next_multiple_of(PAGE);
        #[cfg(feature = "cache")]
        let cache = options.cache.as_deref().and_then(cache::open);
        #[cfg_attr(not(feature = "cache"), allow(unused_mut, reason = "only the cache changes it"))]
        let engine = |mut config: Config| {
            #[cfg(feature = "cache")]
            config.cache(cache.clone());
            Engine::new(&config).map_err(|error| PolicyEngineError::Setup(format!("{error:#}")))
        };
        let lean = engine(lean(max_memory))?;
        let roomy = engine(roomy())?;
        let ticker = Ticker::start([lean.clone(), roomy.clone()]).map_err(PolicyEngineError::Ticker)?;
        Ok(Self { lean, roomy, ticker: Arc::new(ticker), max_memory, cache: options.cache.clone() })
    }

    /// Makes an engine with room for these policies and for the default policy.
    pub fn for_policies<'a>(
        policies: impl IntoIterator<Item = &'a PolicyFile>,
    ) -> Result<Self, PolicyEngineError> {
        let mut options = PolicyEngineOptions::default();
        for policy in policies {
            options.max_memory = options.max_memory.max(policy.options.max_memory);
        }
        Self::new(&options)
    }

    /// The largest memory that a policy of this engine may have, in bytes.
    pub fn max_memory(&self) -> usize {
        self.max_memory
    }

    /// Where compiled code is kept between runs.
    pub(super) fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    pub(super) fn wasmtime(&self, instances: Instances) -> &Engine {
        match instances {
            Instances::Fresh => &self.lean,
            Instances::Warm => &self.roomy,
        }
    }

    #[allow(clippy::unused_self, reason = "asked of the engine whose instances they bound")]
    pub(super) fn bounds(&self, instances: Instances) -> Bounds {
        match instances {
            Instances::Fresh => LEAN,
            Instances::Warm => ROOMY,
        }
    }

    /// Keeps the deadlines running for as long as the guard lives.
    pub(super) fn in_flight(&self) -> InFlight<'_> {
        self.ticker.in_flight()
    }
}

impl std::fmt::Debug for PolicyEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyEngine").field("max_memory", &self.max_memory).finish_non_exhaustive()
    }
}

fn lean(max_memory: usize) -> Config {
    let per_slot = |count: usize| SLOTS.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let per_component = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        // Only counted: an instance takes its memory when it is made.
        .total_core_instances(per_slot(LEAN.core_instances))
        .total_memories(SLOTS)
        .total_tables(per_slot(2))
        .max_core_instances_per_component(per_component(LEAN.core_instances))
        .max_memories_per_component(per_component(LEAN.memories))
        .max_tables_per_component(per_component(LEAN.tables))
        .table_elements(LEAN.table_elements)
        .max_memory_size(max_memory)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_TABLE);

    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // The default of 4 GiB for each of the slots' memories would show as 528 GiB of address space.
        .memory_reservation(max_memory as u64)
        .memory_guard_size(GUARD)
        .max_wasm_stack(GUEST_STACK);
    config
}

fn roomy() -> Config {
    let mut config = common();
    // With the default of 4 GiB of address space for each memory no access needs a check, which is an eighth of what
    // an interpreter does. There are as many as wait for their next decision, and not one for every slot.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand).max_wasm_stack(ROOMY_GUEST_STACK);
    config
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Contract of one synchronous call: what concurrent guests need costs 1 µs for nothing.
        .concurrency_support(false)
        // A trap's kind alone does not tell the policy's author where to look.
        .wasm_backtrace_max_frames(trap::MAX_FRAMES);
    config
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_MAX_MEMORY, MAX_MEMORY_LIMIT, PolicyEngine, PolicyEngineError, PolicyEngineOptions};

    #[test]
    fn more_memory_than_a_slot_can_have_is_refused_with_the_bound() {
        let options = PolicyEngineOptions { max_memory: MAX_MEMORY_LIMIT + 1, cache: None };
        let error = PolicyEngine::new(&options).expect_err("too much");
        assert!(matches!(error, PolicyEngineError::MaxMemory { .. }));
        assert!(error.to_string().contains("use at most 1073741824"), "{error}");
    }

    #[test]
    fn odd_and_largest_sizes_work() {
        for max_memory in [0, 1, 65_537, DEFAULT_MAX_MEMORY + 1, MAX_MEMORY_LIMIT] {
            let engine =
                PolicyEngine::new(&PolicyEngineOptions { max_memory, cache: None }).expect("an engine");
            assert!(engine.max_memory() >= max_memory);
            assert_eq!(engine.max_memory() % 65_536, 0);
        }
    }
}
