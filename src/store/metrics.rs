//! What monitoring is told of stores.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::metrics::{Counter, Counters, Labels, Readings, Registry};

/// The metrics of all stores.
#[derive(Debug, Clone, Default)]
pub struct StoreMetrics {
    ready: Readings<1>,
    failures: Counters<1>,
    evictions: Counters<2>,
}

/// The metrics of one store. A default counts as well, and no registry shows it.
#[derive(Debug, Clone, Default)]
pub struct StoreTally {
    is_impaired: Arc<AtomicBool>,
    failures: Counter,
    /// Records that made room for others in a full store.
    pub(super) evicted_for_room: Counter,
    /// Records of principals that had too many.
    pub(super) evicted_of_principal: Counter,
}

// === impl StoreMetrics ===

impl StoreMetrics {
    /// Metrics that monitoring is shown.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let Self { ready, failures, evictions } = metrics.clone();
        let help = "Whether a cookie store takes changes: 0 while its disk fails or hangs.";
        registry.register("wampgate_store_ready", help, ready);
        let help = "How often a cookie store began to refuse changes because its disk failed or hung.";
        registry.register("wampgate_store_failures", help, failures);
        let help = "Cookie records that were dropped before their time: for others, or for those of the same principal.";
        registry.register("wampgate_store_evictions", help, evictions);
        metrics
    }

    /// The metrics of the store of this name.
    pub fn of(&self, store: &str) -> StoreTally {
        let labels: Labels<1> = [("store", store.to_owned())];
        let evicted = |reason: &str| {
            let labels = [("store", store.to_owned()), ("reason", reason.to_owned())];
            self.evictions.get_or_create_owned(&labels)
        };
        let tally = StoreTally {
            is_impaired: Arc::default(),
            failures: self.failures.get_or_create_owned(&labels),
            evicted_for_room: evicted("room"),
            evicted_of_principal: evicted("principal"),
        };
        let shown = tally.clone();
        self.ready.add(labels, move || usize::from(!shown.is_impaired()));
        tally
    }
}

// === impl StoreTally ===

impl StoreTally {
    /// The store refuses changes from now on.
    pub(super) fn is_failing(&self) {
        if !self.is_impaired.swap(true, Relaxed) {
            self.failures.inc();
        }
    }

    /// Whether it refuses changes.
    pub(crate) fn is_impaired(&self) -> bool {
        self.is_impaired.load(Relaxed)
    }

    /// The store takes changes from now on.
    pub(super) fn is_well(&self) {
        self.is_impaired.store(false, Relaxed);
    }
}
