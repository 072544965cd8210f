//! What the wires count: messages and bytes.
//!
//! Bytes are counted with each system call that moves them, and messages with the call before which they were sent or read:
//! a message that comes with others costs no atomic operation of its own.

use std::sync::Arc;

use crate::metrics::{Counter, Counters, Registry};

/// The traffic of all transports of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WireMetrics {
    messages: Counters<2>,
    bytes: Counters<2>,
    left_out: Counters<1>,
}

/// The traffic of the wires of one transport.
#[derive(Debug, Default)]
pub struct Traffic {
    pub(super) received: Flow,
    pub(super) sent: Flow,
    /// Messages that were longer than their clients take.
    pub(super) left_out: Counter,
}

/// One direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    messages: Counter,
    bytes: Counter,
}

impl WireMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "WAMP messages, by direction.";
        registry.register("wampgate_messages", help, metrics.messages.clone());
        let help = "Bytes of WAMP, frames included and TLS not, by direction.";
        registry.register("wampgate_bytes", help, metrics.bytes.clone());
        let help =
            "Messages that RawSocket clients were not sent, since they are longer than the clients take.";
        registry.register("wampgate_messages_left_out", help, metrics.left_out.clone());
        metrics
    }

    /// The counters of a transport.
    pub fn of(&self, transport: &str) -> Arc<Traffic> {
        let flow = |direction: &str| {
            let labels = [("transport", transport.to_owned()), ("direction", direction.to_owned())];
            Flow {
                messages: self.messages.get_or_create_owned(&labels),
                bytes: self.bytes.get_or_create_owned(&labels),
            }
        };
        Arc::new(Traffic { received: flow("received"), sent: flow("sent"), left_out: Counter::default() })
    }

    /// The counters of a transport's RawSocket, whose clients say how long a message they take.
    pub fn of_raw_socket(&self, transport: &str) -> Arc<Traffic> {
        let left_out = self.left_out.get_or_create_owned(&[("transport", transport.to_owned())]);
        let traffic = self.of(transport);
        let Traffic { received, sent, .. } = &*traffic;
        Arc::new(Traffic { received: received.clone(), sent: sent.clone(), left_out })
    }
}

impl Flow {
    pub(super) fn bytes(&self, count: usize) {
        self.bytes.inc_by(count as u64);
    }

    pub(super) fn messages(&self, count: usize) {
        if count > 0 {
            self.messages.inc_by(count as u64);
        }
    }
}
