//! What the HTTP side counts.

use http::StatusCode;

use super::connections::ConnectionMetrics;
use crate::{
    memory,
    metrics::{Counter, Counters, Readings, Refusals, Registry},
    tls::Connectors,
    upstream::UpstreamMetrics,
};

/// The statuses that answer handshakes. They are shown from the start, so that monitoring sees the first of each.
const STATUSES: [StatusCode; 9] = [
    StatusCode::SWITCHING_PROTOCOLS,
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::UPGRADE_REQUIRED,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
];

/// The metrics of all transports of a gateway, and the registry that a metrics path shows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct EdgeMetrics {
    pub(super) registry: Registry,
    pub(super) refusals: Refusals,
    handshakes: Counters<2>,
    forward_auth: Counters<3>,
    pub(super) connections: ConnectionMetrics,
    pub(super) upstreams: UpstreamMetrics,
}

/// The handshakes of one transport, by the status of their answers.
#[derive(Debug)]
pub(super) struct HandshakeCounters {
    counters: [Counter; STATUSES.len()],
    other: Counter,
}

impl EdgeMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry, refusals: &Refusals, connectors: &Connectors) -> Self {
        let handshakes = Counters::default();
        let help = "WebSocket handshakes by the HTTP status that answered them; 101 let the client in.";
        registry.register("wampgate_handshakes", help, handshakes.clone());
        let forward_auth = Counters::default();
        let help = "Questions of proxies about requests, by transport, path and what came of them.";
        registry.register("wampgate_forward_auth", help, forward_auth.clone());
        let memory = Readings::default();
        memory.add([("kind", "held".to_owned())], memory::held);
        memory.add([("kind", "limit".to_owned())], memory::limit);
        let help =
            "Memory that clients make the gateway hold, as far as it is counted, and how much that may be.";
        registry.register("wampgate_client_memory_bytes", help, memory);
        let connections = ConnectionMetrics::register(registry);
        let upstreams = UpstreamMetrics::register(registry, connectors);
        let (registry, refusals) = (registry.clone(), refusals.clone());
        Self { registry, refusals, handshakes, forward_auth, connections, upstreams }
    }

    /// The counters of upstreams.
    pub const fn upstreams(&self) -> &UpstreamMetrics {
        &self.upstreams
    }

    /// The counters of a transport.
    pub(super) fn of(&self, transport: &str) -> HandshakeCounters {
        let counter = |status: &str| {
            let labels = [("transport", transport.to_owned()), ("status", status.to_owned())];
            self.handshakes.get_or_create_owned(&labels)
        };
        HandshakeCounters {
            counters: STATUSES.map(|status| counter(status.as_str())),
            other: counter("other"),
        }
    }
}

impl EdgeMetrics {
    /// The counter of what comes of questions at a path.
    pub(super) fn of_questions(&self, transport: &str, path: &str, outcome: &'static str) -> Counter {
        self.forward_auth.get_or_create_owned(&[
            ("transport", transport.to_owned()),
            ("path", path.to_owned()),
            ("outcome", outcome.to_owned()),
        ])
    }
}

impl HandshakeCounters {
    /// Counts an answer.
    pub(super) fn count(&self, status: StatusCode) {
        let place = STATUSES.iter().position(|&known| known == status);
        place.and_then(|place| self.counters.get(place)).unwrap_or(&self.other).inc();
    }
}
