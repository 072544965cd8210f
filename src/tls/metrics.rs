//! What TLS counts.

use crate::metrics::{Counter, Counters, Readings, Registry};

/// The metrics of all TLS endpoints of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TlsMetrics {
    handshakes: Counters<2>,
    reloads: Counters<2>,
    pub(super) days: Readings<2>,
}

/// What one endpoint counts.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) full: Counter,
    pub(super) resumed: Counter,
    pub(super) replaced: Counter,
    pub(super) kept: Counter,
}

impl TlsMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help =
            "TLS handshakes that have succeeded: full ones, and those that resumed an earlier session.";
        registry.register("wampgate_tls_handshakes", help, metrics.handshakes.clone());
        let help = "Changed files of certificates: new ones replaced the old ones, or could not and the old ones were kept.";
        registry.register("wampgate_certificate_reloads", help, metrics.reloads.clone());
        let help = "Whole days that a served certificate still holds; negative once it has expired.";
        registry.register("wampgate_certificate_days", help, metrics.days.clone());
        metrics
    }

    pub(super) fn of(&self, transport: &str) -> Tally {
        let counter = |counters: &Counters<2>, label, value: &str| {
            let labels = [("transport", transport.to_owned()), (label, value.to_owned())];
            counters.get_or_create_owned(&labels)
        };
        Tally {
            full: counter(&self.handshakes, "kind", "full"),
            resumed: counter(&self.handshakes, "kind", "resumed"),
            replaced: counter(&self.reloads, "outcome", "replaced"),
            kept: counter(&self.reloads, "outcome", "kept"),
        }
    }
}
