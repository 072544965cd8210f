//! What monitoring is told of stores.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::metrics::{Counter, Counters, Family, Gauge, Gauges, Labels, Readings, Registry, Timings};

/// The metrics of all stores.
#[derive(Debug, Clone, Default)]
pub struct StoreMetrics {
    ready: Readings<1>,
    failures: Counters<1>,
    evictions: Counters<2>,
    records: Gauges<1>,
    created: Counters<1>,
    expired: Counters<1>,
    revoked: Counters<1>,
    queued: Gauges<1>,
    commits: Family<Labels<1>, Timings>,
    answers: Family<Labels<1>, Timings>,
    reconnects: Counters<1>,
    cache_hits: Counters<1>,
    revocations: Counters<2>,
}

/// The metrics of one store. A default counts as well, and no registry shows it.
#[derive(Debug, Clone, Default)]
pub struct StoreTally {
    is_impaired: Arc<AtomicBool>,
    failures: Counter,
    /// How many records there are, expired ones included.
    pub(super) records: Gauge,
    pub(super) created: Counter,
    /// Records that were dropped once they had expired.
    pub(super) expired: Counter,
    pub(super) revoked: Counter,
    /// How many bytes of changes wait to be written.
    queued: Gauge,
    commits: Timings,
    /// Records that made room for others in a full store.
    pub(super) evicted_for_room: Counter,
    /// Records of principals that had too many.
    pub(super) evicted_of_principal: Counter,
    answers: Timings,
    /// Attempts to connect to a store elsewhere again.
    pub(super) reconnects: Counter,
    /// Look-ups that were answered without asking a store elsewhere.
    pub(super) cache_hits: Counter,
    /// Messages to other gateways.
    pub(super) revocations_told: Counter,
    /// Cookies that other gateways have revoked.
    pub(super) revocations_heard: Counter,
}

// === impl StoreMetrics ===

impl StoreMetrics {
    /// Metrics that monitoring is shown.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let Self { ready, failures, evictions, records, created, expired, revoked, queued, commits, .. } =
            metrics.clone();
        let Self { answers, reconnects, cache_hits, revocations, .. } = metrics.clone();
        let help = "Whether a cookie store takes changes: 0 while its disk fails or hangs, or Redis cannot be reached or takes none.";
        registry.register("wampgate_store_ready", help, ready);
        let help = "How often a cookie store began to refuse changes because its disk failed or hung, or Redis was away or took none.";
        registry.register("wampgate_store_failures", help, failures);
        let help = "Cookie records that were dropped before their time: for others, or for those of the same principal.";
        registry.register("wampgate_store_evictions", help, evictions);
        let help = "Cookie records in a store, with those that have expired and are still to be dropped.";
        registry.register("wampgate_cookies", help, records);
        let help = "Cookie records that a store was given for new clients, or in place of earlier ones.";
        registry.register("wampgate_cookies_created", help, created);
        let help = "Cookie records that a store dropped because they had expired.";
        registry.register("wampgate_cookies_expired", help, expired);
        registry.register("wampgate_cookies_revoked", "Cookie records that were revoked.", revoked);
        let help = "Memory of the changes that wait to be written to a cookie store, in bytes.";
        registry.register("wampgate_store_queue_bytes", help, queued);
        let help = "How long a cookie store takes to make a group of changes durable, in seconds.";
        registry.register("wampgate_store_commit_seconds", help, commits);
        let help = "How long a Redis store takes to answer, failures included, in seconds.";
        registry.register("wampgate_store_answer_seconds", help, answers);
        let help = "Attempts to connect to a Redis store again.";
        registry.register("wampgate_store_reconnects", help, reconnects);
        let help = "Look-ups in a Redis store that the gateway answered itself, since it had asked less than a second before.";
        registry.register("wampgate_store_cache_hits", help, cache_hits);
        let help = "Revocations between gateways: messages that this one has sent, cookies of which it has received one.";
        registry.register("wampgate_store_revocations", help, revocations);
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
            records: self.records.get_or_create_owned(&labels),
            created: self.created.get_or_create_owned(&labels),
            expired: self.expired.get_or_create_owned(&labels),
            revoked: self.revoked.get_or_create_owned(&labels),
            queued: self.queued.get_or_create_owned(&labels),
            commits: self.commits.get_or_create_owned(&labels),
            evicted_for_room: evicted("room"),
            evicted_of_principal: evicted("principal"),
            ..StoreTally::default()
        };
        let shown = tally.clone();
        self.ready.add(labels, move || usize::from(!shown.is_impaired()));
        tally
    }

    /// The metrics of the store of this name that other gateways share: it neither counts its records nor writes them.
    pub fn of_shared(&self, store: &str) -> StoreTally {
        let labels: Labels<1> = [("store", store.to_owned())];
        let of_kind = |counters: &Counters<2>, name: &'static str, kind: &str| {
            let labels = [("store", store.to_owned()), (name, kind.to_owned())];
            counters.get_or_create_owned(&labels)
        };
        let tally = StoreTally {
            failures: self.failures.get_or_create_owned(&labels),
            created: self.created.get_or_create_owned(&labels),
            revoked: self.revoked.get_or_create_owned(&labels),
            evicted_of_principal: of_kind(&self.evictions, "reason", "principal"),
            answers: self.answers.get_or_create_owned(&labels),
            reconnects: self.reconnects.get_or_create_owned(&labels),
            cache_hits: self.cache_hits.get_or_create_owned(&labels),
            revocations_told: of_kind(&self.revocations, "direction", "sent"),
            revocations_heard: of_kind(&self.revocations, "direction", "received"),
            ..StoreTally::default()
        };
        self.ready.watch(labels, &tally.is_impaired, |is_impaired| i64::from(!is_impaired.load(Relaxed)));
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

    /// So many records are there now.
    pub(super) fn has_records(&self, records: u64) {
        self.records.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// So many bytes of changes wait to be written.
    pub(super) fn queues(&self, bytes: usize) {
        self.queued.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A group of changes has become durable, and took so long.
    pub(super) fn committed(&self, took: Duration) {
        self.commits.note(took);
    }

    /// A store elsewhere has answered, and took so long.
    pub(super) fn answered(&self, took: Duration) {
        self.answers.note(took);
    }

    /// The store takes changes from now on.
    pub(super) fn is_well(&self) {
        self.is_impaired.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::{
        DEFAULT_MAX_COOKIES, DEFAULT_MAX_PER_PRINCIPAL, DEFAULT_MAX_SIZE, StoreOptions, SyncMode,
        open_counting,
        testing::{at, id, record},
    };

    fn options(folder: &tempfile::TempDir) -> [(&'static str, StoreOptions); 3] {
        let path = |name| -> PathBuf { folder.path().join(name) };
        let (max_cookies, max_per_principal) = (DEFAULT_MAX_COOKIES, DEFAULT_MAX_PER_PRINCIPAL);
        let (max_size, sync) = (DEFAULT_MAX_SIZE, SyncMode::Always);
        [
            ("memory", StoreOptions::Memory { max_cookies, max_per_principal }),
            ("file", StoreOptions::File { path: path("file"), max_cookies, max_per_principal, sync }),
            ("lmdb", StoreOptions::Lmdb { path: path("lmdb"), max_size, max_per_principal, sync }),
        ]
    }

    #[test]
    fn every_store_tells_what_became_of_its_records() {
        let folder = tempfile::tempdir().unwrap();
        for (name, options) in options(&folder) {
            let (registry, now) = (Registry::new(), at(1_000_000));
            let metrics = StoreMetrics::register(&registry);
            let value = |metric: &str| {
                let line = format!("wampgate_{metric}{{store=\"{name}\"}} ");
                let text = registry.render();
                let found = text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok());
                found.unwrap_or_else(|| panic!("no {line} in {text}"))
            };
            let store = open_counting(&options, now, &metrics.of(name)).unwrap().store;
            for (number, seconds) in [1, 1000, 1000].into_iter().enumerate() {
                store.create(&id(number), record(now.as_millis(), seconds)).wait().unwrap();
            }
            assert_eq!((value("cookies"), value("cookies_created_total")), (3, 3), "{name}");
            let later = at(now.as_millis() + 10_000);
            store.revoke(&id(1), later).wait().unwrap();
            store.revoke(&id(1), later).wait().unwrap();
            assert_eq!(store.purge(later, 10).unwrap(), 1, "{name}");
            assert_eq!((value("cookies"), value("cookies_created_total")), (1, 3), "{name}");
            assert_eq!((value("cookies_expired_total"), value("cookies_revoked_total")), (1, 1), "{name}");
            let commits = value("store_commit_seconds_count");
            assert!(if name == "memory" { commits == 0 } else { commits >= 4 }, "{name}: {commits}");
            drop(store);
            assert_eq!(value("store_queue_bytes"), 0, "{name}");
            if name == "memory" {
                assert_eq!(value("cookies"), 0);
                continue;
            }
            // What was there before is counted as being there, and as nothing else.
            let tally = metrics.of(name);
            let store = open_counting(&options, later, &tally).unwrap().store;
            // A file may still have the record that has expired.
            store.purge(later, 10).unwrap();
            assert_eq!((value("cookies"), value("cookies_created_total")), (1, 3), "{name}");
        }
    }
}
