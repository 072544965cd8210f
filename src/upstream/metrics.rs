//! What monitoring sees of upstreams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use super::{
    UpstreamAddress,
    among::name_in,
    choice::Choice,
    end::End,
    member::{AddressState, Member, Members, UnderWay},
};
use crate::{
    descriptors::Descriptor,
    metrics::{Counter, Counters, Gauge, Gauges, Readings, Registry},
    tls::Connectors,
};

/// What comes of a dial: the values of the metric's label.
pub(super) const OUTCOMES: [&str; 10] =
    ["ok", "turned-down", "full", "descriptors", "unreachable", "late", "tls", "silent", "lost", "nonsense"];

/// Bytes from clients, and to them.
const DIRECTIONS: [&str; 2] = ["received", "sent"];

const PROBE_OUTCOMES: [&str; 2] = ["ok", "failed"];

/// The metrics of all upstreams of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UpstreamMetrics {
    series: Arc<Series>,
    out: Readings<2>,
    members: Members,
    /// What all upstreams have besides: TLS, which is read anew when its files change.
    pub(super) connectors: Connectors,
}

/// What is counted by upstream. Each series is there as long as a configuration has the upstream, or something goes through it still.
#[derive(Debug, Default)]
struct Series {
    open: Gauges<2>,
    dials: Counters<3>,
    ends: Counters<3>,
    bytes: Counters<3>,
    probes: Counters<3>,
    /// Those that are there, by transport and path.
    known: Mutex<HashMap<(String, String), Weak<Inner>>>,
}

/// Counts what goes through one upstream. Cheap to clone, and the same after a reload.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    series: Arc<Series>,
    place: (String, String),
    probes: OnceLock<ProbeTally>,
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
        let Self { series, out, members, connectors: _ } = &metrics;
        let Series { open, dials, ends, bytes, probes, known: _ } = &**series;
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

    /// The addresses of the upstream at a path, as they are: what was known of one before a reload is known still.
    pub(super) fn members(
        &self,
        transport: &str,
        path: &str,
        addresses: &[UpstreamAddress],
    ) -> Box<[Arc<Member>]> {
        self.members.of(transport, path, addresses)
    }

    /// The counters of the upstream at a path: those of before a reload, if it was there.
    pub fn of(&self, transport: &str, path: &str) -> Tally {
        let place = (transport.to_owned(), path.to_owned());
        let mut known = self.series.known();
        if let Some(inner) = known.get(&place).and_then(Weak::upgrade) {
            return Tally(inner);
        }
        let series = &self.series;
        let counter = |family: &Counters<3>, name, value: &str| {
            family.get_or_create_owned(&labels(&place, name, value))
        };
        let inner = Arc::new(Inner {
            open: series.open.get_or_create_owned(&whole(&place)),
            dials: OUTCOMES.map(|outcome| counter(&series.dials, "outcome", outcome)),
            ends: End::NAMES.map(|how| counter(&series.ends, "how", how)),
            bytes: DIRECTIONS.map(|direction| counter(&series.bytes, "direction", direction)),
            series: Arc::clone(series),
            place: place.clone(),
            probes: OnceLock::new(),
        });
        known.insert(place, Arc::downgrade(&inner));
        Tally(inner)
    }

    /// The addresses that connections or requests use now, each with its transport and its path: also those that no configuration has any
    /// more.
    pub fn in_use(&self) -> Vec<(String, String, AddressState)> {
        self.members.in_use()
    }

    /// Shows how many addresses are left out.
    pub(super) fn watch(&self, transport: &str, path: &str, choice: &Arc<Choice>) {
        let labels = [("transport", transport.to_owned()), ("path", path.to_owned())];
        self.out.watch(labels, choice, |choice: &Choice| i64::try_from(choice.out()).unwrap_or(i64::MAX));
    }
}

/// The labels of an upstream.
fn whole((transport, path): &(String, String)) -> [(&'static str, String); 2] {
    [("transport", transport.clone()), ("path", path.clone())]
}

/// The labels of one of its series.
fn labels(place: &(String, String), name: &'static str, value: &str) -> [(&'static str, String); 3] {
    let [transport, path] = whole(place);
    [transport, path, (name, value.to_owned())]
}

impl Series {
    // Held for a few instructions each time a configuration takes effect, or an upstream goes.
    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Weak<Inner>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing has the upstream any more: monitoring no longer sees it.
impl Drop for Inner {
    fn drop(&mut self) {
        let Self { series, place, .. } = self;
        let mut known = series.known();
        // The same upstream may have come back meanwhile, and counts on in the same series.
        if known.get(place).is_none_or(|other| other.strong_count() > 0) {
            return;
        }
        known.remove(place);
        series.open.remove(&whole(place));
        let families: [(&Counters<3>, &'static str, &[&str]); 4] = [
            (&series.dials, "outcome", &OUTCOMES),
            (&series.ends, "how", &End::NAMES),
            (&series.bytes, "direction", &DIRECTIONS),
            (&series.probes, "outcome", &PROBE_OUTCOMES),
        ];
        for (family, name, values) in families {
            for value in values {
                family.remove(&labels(place, name, value));
            }
        }
    }
}

impl Tally {
    /// The name of the upstream, if its path has several.
    pub fn upstream(&self) -> Option<&str> {
        self.0.upstream()
    }

    /// The counters of its probes.
    pub(super) fn probes(&self) -> ProbeTally {
        let Inner { series, place, probes, .. } = &*self.0;
        let counter = |outcome| series.probes.get_or_create_owned(&labels(place, "outcome", outcome));
        let made = || {
            let [ok, failed] = PROBE_OUTCOMES.map(counter);
            ProbeTally { ok, failed }
        };
        probes.get_or_init(made).clone()
    }

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

impl Inner {
    fn upstream(&self) -> Option<&str> {
        name_in(&self.place.1)
    }
}

impl Place {
    /// The name of the upstream, if its path has several.
    pub fn upstream(&self) -> Option<&str> {
        self.counted.upstream()
    }

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
