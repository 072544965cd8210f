//! What monitoring sees of upstreams.

use std::sync::Arc;

use super::{
    UpstreamAddress,
    choice::Choice,
    end::End,
    member::{Member, Members, UnderWay},
};
use crate::{
    descriptors::Descriptor,
    metrics::{Counter, Counters, Gauge, Gauges, Readings, Registry},
    tls::Connectors,
};

/// What comes of a dial: the values of the metric's label.
pub(super) const OUTCOMES: [&str; 10] =
    ["ok", "turned-down", "full", "descriptors", "unreachable", "late", "tls", "silent", "lost", "nonsense"];

/// The metrics of all upstreams of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UpstreamMetrics {
    open: Gauges<2>,
    out: Readings<2>,
    dials: Counters<3>,
    ends: Counters<3>,
    bytes: Counters<3>,
    members: Members,
    probes: Counters<3>,
    /// What all upstreams have besides: TLS, which is read anew when its files change.
    pub(super) connectors: Connectors,
}

/// Counts what goes through one upstream. Cheap to clone, and the same after a reload.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: Gauge,
    dials: [Counter; OUTCOMES.len()],
    ends: [Counter; End::NAMES.len()],
    /// From clients, and to them.
    bytes: [Counter; 2],
}

/// Counts probes.
#[derive(Debug, Clone)]
pub(super) struct ProbeTally {
    pub(super) ok: Counter,
    pub(super) failed: Counter,
}

/// A place among the connections of an upstream, as long as it is held.
#[derive(Debug)]
pub struct Place {
    counted: Arc<Inner>,
    descriptor: Option<Descriptor>,
    /// Where it is.
    under_way: Option<UnderWay>,
}

impl UpstreamMetrics {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry, connectors: &Connectors) -> Self {
        let metrics = Self { connectors: connectors.clone(), ..Self::default() };
        let Self { open, out, dials, ends, bytes, members, probes, connectors: _ } = &metrics;
        let help = "Connections to an upstream now.";
        registry.register("wampgate_upstream_connections", help, open.clone());
        let help = "Addresses of an upstream that are left out now because they have failed, or do not answer their probes.";
        registry.register("wampgate_upstream_addresses_out", help, out.clone());
        let help = "Attempts to reach an upstream for a client or a request, by what came of them.";
        registry.register("wampgate_upstream_dials", help, dials.clone());
        let help = "Connections of clients to an upstream that have ended, by how.";
        registry.register("wampgate_upstream_ends", help, ends.clone());
        let help = "Bytes of WebSocket frames and of bodies that were received from clients for an upstream, and from it for clients.";
        registry.register("wampgate_upstream_bytes", help, bytes.clone());
        let help = "WebSocket connections, sessions of routers, and requests that an address of an upstream serves now.";
        registry.register("wampgate_upstream_address_clients", help, members.under_way.clone());
        let help = "Whether an address of an upstream is left out now because it has failed, or does not answer its probes.";
        registry.register("wampgate_upstream_address_out", help, members.out.clone());
        let help = "Probes of the addresses of an upstream, by whether they were answered.";
        registry.register("wampgate_upstream_probes", help, probes.clone());
        metrics
    }

    /// The counters of the probes of the upstream at a path.
    pub(super) fn probes_of(&self, transport: &str, path: &str) -> ProbeTally {
        let place = [("transport", transport.to_owned()), ("path", path.to_owned())];
        let counter = |outcome: &str| {
            let [transport, path] = place.clone();
            self.probes.get_or_create_owned(&[transport, path, ("outcome", outcome.to_owned())])
        };
        ProbeTally { ok: counter("ok"), failed: counter("failed") }
    }

    /// The addresses of the upstream at a path, as they are: what was known of one before a reload is known still.
    pub(super) fn members(
        &self,
        transport: &str,
        path: &str,
        addresses: &[UpstreamAddress],
    ) -> Box<[Arc<Member>]> {
        self.members.of(transport, path, addresses)
    }

    /// The counters of the upstream at a path.
    pub fn of(&self, transport: &str, path: &str) -> Tally {
        let place = || [("transport", transport.to_owned()), ("path", path.to_owned())];
        let [transport, path] = place();
        let labels = |name, value: &str| [transport.clone(), path.clone(), (name, value.to_owned())];
        let counter = |family: &Counters<3>, name, value| family.get_or_create_owned(&labels(name, value));
        Tally(Arc::new(Inner {
            open: self.open.get_or_create_owned(&place()),
            dials: OUTCOMES.map(|outcome| counter(&self.dials, "outcome", outcome)),
            ends: End::NAMES.map(|how| counter(&self.ends, "how", how)),
            bytes: ["received", "sent"].map(|direction| counter(&self.bytes, "direction", direction)),
        }))
    }

    /// Shows how many addresses are left out.
    pub(super) fn watch(&self, transport: &str, path: &str, choice: &Arc<Choice>) {
        let labels = [("transport", transport.to_owned()), ("path", path.to_owned())];
        self.out.watch(labels, choice, |choice: &Choice| i64::try_from(choice.out()).unwrap_or(i64::MAX));
    }
}

impl Tally {
    /// A place among so many connections, if there is one.
    pub(super) fn enter(&self, limit: u32) -> Option<Place> {
        let before = self.0.open.inc();
        let place = Place { counted: Arc::clone(&self.0), descriptor: None, under_way: None };
        (before < i64::from(limit)).then_some(place)
    }

    pub(super) fn dialed(&self, outcome: &str) {
        let place = OUTCOMES.iter().position(|known| *known == outcome);
        place.and_then(|place| self.0.dials.get(place)).inspect(|counter| {
            counter.inc();
        });
    }

    pub(super) fn ended(&self, end: &End) {
        self.ended_by(end.name());
    }

    /// Counts the end of a connection by its [`name`](End::name).
    pub fn ended_by(&self, name: &str) {
        let place = End::NAMES.iter().position(|known| *known == name);
        place.and_then(|place| self.0.ends.get(place)).inspect(|counter| {
            counter.inc();
        });
    }

    /// Counts bytes, and begins anew.
    pub fn count(&self, received: &mut u64, sent: &mut u64) {
        for (counter, bytes) in self.0.bytes.iter().zip([received, sent]) {
            if *bytes > 0 {
                counter.inc_by(std::mem::take(bytes));
            }
        }
    }
}

impl Place {
    /// The same with the descriptor of its connection.
    pub(super) fn with(mut self, descriptor: Descriptor) -> Self {
        self.descriptor = Some(descriptor);
        self
    }

    /// The same at an address.
    pub(super) fn at(mut self, under_way: Option<UnderWay>) -> Self {
        self.under_way = under_way;
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What monitoring no longer counts no address does.
        drop(self.under_way.take());
        self.counted.open.dec();
    }
}
