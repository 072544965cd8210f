//! What realms count.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::inbox::Gate;
use crate::metrics::{Counter, Counters, Labels, Readings, Registry};

/// The metrics of all realms of a gateway, by realm. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RealmMetrics {
    sessions: Readings<1>,
    inbox: Readings<1>,
    publications: Counters<1>,
    events: Counters<1>,
    calls: Counters<1>,
}

/// The counters of one realm. Its owner counts in plain numbers, and adds them up here once for each batch of messages.
#[derive(Debug, Clone, Default)]
pub(super) struct RealmCounters {
    pub(super) publications: Counter,
    pub(super) events: Counter,
    pub(super) calls: Counter,
}

/// What the owner has counted since it last added it up.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) publications: u64,
    pub(super) events: u64,
    pub(super) calls: u64,
}

// === impl RealmMetrics ===

impl RealmMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let Self { sessions, inbox, publications, events, calls } = metrics.clone();
        registry.register("wampgate_sessions", "Sessions that are joined.", sessions);
        let help = "How full a realm's inbox is, in slots of one message or 4 KiB; senders wait at 4096.";
        registry.register("wampgate_realm_inbox_slots", help, inbox);
        registry.register(
            "wampgate_publications",
            "Publications of clients that reached a realm.",
            publications,
        );
        registry.register("wampgate_events", "Events for subscribers, one for each receiver.", events);
        registry.register("wampgate_calls", "Calls of clients that reached a realm.", calls);
        metrics
    }

    /// The counters of a realm, whose sessions and inbox are read through `gate`.
    pub(super) fn of(&self, realm: &str, gate: &Arc<Gate>) -> RealmCounters {
        let labels: Labels<1> = [("realm", realm.to_owned())];
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.sessions.watch(labels.clone(), gate, move |gate| whole(gate.sessions.load(Relaxed)));
        self.inbox.watch(labels.clone(), gate, move |gate| whole(gate.used()));
        RealmCounters {
            publications: self.publications.get_or_create_owned(&labels),
            events: self.events.get_or_create_owned(&labels),
            calls: self.calls.get_or_create_owned(&labels),
        }
    }
}

// === impl Counted ===

impl Counted {
    /// Adds everything up, and begins anew.
    pub(super) fn flush(&mut self, counters: &RealmCounters) {
        let Self { publications, events, calls } = std::mem::take(self);
        let pairs =
            [(publications, &counters.publications), (events, &counters.events), (calls, &counters.calls)];
        for (count, counter) in pairs {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}
