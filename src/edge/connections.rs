//! The connections of transports, counted.

use crate::metrics::{Counter, Counters, Gauge, Gauges, Labels, Registry};

/// The connections of all transports. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionMetrics {
    all: Counters<1>,
    open: Gauges<1>,
}

/// The connections of one transport.
#[derive(Debug)]
pub(super) struct ConnectionCounters {
    all: Counter,
    open: Gauge,
}

/// A connection, counted for as long as it is open.
#[derive(Debug)]
pub struct Counted(Gauge);

impl ConnectionMetrics {
    pub(super) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help =
            "Connections that a transport has accepted; those that it turned away at once are refusals.";
        registry.register("wampgate_connections", help, metrics.all.clone());
        registry.register("wampgate_open_connections", "Connections that are open.", metrics.open.clone());
        metrics
    }

    pub(super) fn of(&self, transport: &str) -> ConnectionCounters {
        let labels: Labels<1> = [("transport", transport.to_owned())];
        ConnectionCounters {
            all: self.all.get_or_create_owned(&labels),
            open: self.open.get_or_create_owned(&labels),
        }
    }
}

impl ConnectionCounters {
    /// Counts a connection.
    pub(super) fn count(&self) -> Counted {
        self.all.inc();
        self.open.inc();
        Counted(self.open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
