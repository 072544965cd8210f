//! The servers and routers behind a gateway, as a configuration has them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{RunningTransport, State};
use crate::{
    remote::{Remote, Router},
    upstream::{AddressState, Choosing, Probe, Upstream, UpstreamMetrics, UpstreamState},
};

/// What asks the addresses of all of them.
pub(super) fn probes(transports: &[Arc<RunningTransport>], remotes: &[Remote]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for transport in transports {
        let edge = Arc::clone(&transport.post.serving().edge);
        probes.extend(edge.upstreams().into_iter().flat_map(Upstream::probes));
    }
    probes.extend(routers(remotes).flat_map(|router| router.upstream().probes()));
    probes
}

/// What the operator sees of all of them, and of those that no configuration has any more and clients use still.
pub(super) fn view(state: &State, metrics: &UpstreamMetrics) -> Value {
    let mut rows = Vec::new();
    for transport in &state.transports {
        let edge = Arc::clone(&transport.post.serving().edge);
        rows.extend(edge.upstreams().into_iter().map(|upstream| row(&upstream.state())));
    }
    rows.extend(routers(&state.remotes).map(|router| row(&router.upstream().state())));
    let is_configured = |transport: &str, path: &str, name: &str| {
        let has = |row: &Value| {
            let addresses = row["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
            row["transport"] == transport
                && row["path"] == path
                && addresses.iter().any(|address| address["address"] == name)
        };
        rows.iter().any(has)
    };
    let in_use = metrics.in_use().into_iter();
    let left = in_use.filter(|(transport, path, state)| !is_configured(transport, path, &state.name));
    let left: Vec<_> = left
        .map(|(transport, path, state)| {
            let addresses = vec![address(&state)];
            json!({
                "transport": transport, "path": path, "choice": null, "probed": false, "configured": false,
                "addresses": addresses,
            })
        })
        .collect();
    rows.extend(left);
    rows.into()
}

/// The routers, each of them once: a router has several realms, one behind the other.
fn routers(remotes: &[Remote]) -> impl Iterator<Item = &Arc<Router>> {
    let is_next = |(remote, before): &(&Remote, Option<&Remote>)| {
        let first = |remote: &Remote| remote.routers().next().map(Arc::as_ptr);
        before.is_none_or(|before| first(before) != first(remote))
    };
    let before = std::iter::once(None).chain(remotes.iter().map(Some));
    remotes.iter().zip(before).filter(is_next).flat_map(|(remote, _)| remote.routers())
}

fn address(address: &AddressState) -> Value {
    json!({
        "address": address.name,
        "clients": address.under_way,
        "out": address.out.as_ref().map(|out| json!({ "since": out.since.to_text(), "why": out.why })),
    })
}

fn row(upstream: &UpstreamState<'_>) -> Value {
    json!({
        "transport": upstream.transport,
        "path": upstream.path,
        "choice": match upstream.choosing {
            Choosing::RoundRobin => "round-robin",
            Choosing::LeastConnections => "least-connections",
            Choosing::Sticky => "sticky",
        },
        "probed": upstream.is_probed,
        "configured": true,
        "addresses": upstream.addresses.iter().map(address).collect::<Vec<_>>(),
    })
}
