//! What the operator's page shows of a gateway, and what it can do to it.
//!
//! Numbers come from the registry, in the text that monitoring gets: the page reads them as Prometheus does. What monitoring does not have
//! stands beside it. Nothing here is a tracking ID or a secret: sessions and cookies have their public names, and configurations their paths.

use std::{
    collections::{HashMap, HashSet},
    fs, iter,
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Running, RunningTransport, State, upstreams};
use crate::{
    admin::{
        self, AdminRequest, Caller, Command, CookieEntry, IdArgument, ManagedStore, Reply, Selection, Summary,
    },
    config::{EdgeOptions, ServiceOptions, TargetOptions},
    cookie::PublicIdKey,
    edge::{Console, Order},
    realm::{Listed, Realm},
    service::number_of_line,
    store::{StoreOptions, block_on},
    stream::PeerAddr,
    time::Timestamp,
    wamp::SessionId,
};

/// How many sessions of a realm a view has.
const MAX_SESSIONS: usize = 100;

/// How many cookies an order shows.
const MAX_COOKIES: u64 = 50;

/// The policy of a service that names none.
const DEFAULT_POLICY: &str = "default";

/// In what the system counts a file's size on the disk (`stat`).
const BLOCK: u64 = 512;

/// Where a session has come in.
struct Way {
    transport: String,
    path: String,
    policy: String,
    store: Option<String>,
}

impl Console for Running {
    fn view(&self, wanted: &str) -> String {
        let now = Timestamp::now();
        let (listeners, upstreams, realms, ways) = {
            let state = self.state();
            (
                listeners(&state),
                upstreams::view(&state, self.foundation.edge_metrics.upstreams()),
                state.realms.clone(),
                ways(&state),
            )
        };
        let stores = self.foundation.stores.all();
        let certificates = self.foundation.certificates.served(now);
        let health = self.foundation.health.report();
        json!({
            "at": now.to_text(),
            "version": env!("CARGO_PKG_VERSION"),
            "health": health,
            "listeners": listeners,
            "upstreams": upstreams,
            "realms": realms.iter().map(|realm| realm.uri().as_str()).collect::<Vec<_>>(),
            "sessions": sessions(&realms, &stores, &ways, wanted, now),
            "policies": self.foundation.deciding().iter().map(|deciding| json!({
                "policy": deciding.policy,
                "contract": deciding.contract,
                "sha256": deciding.sha256,
                "since": deciding.since.to_text(),
            })).collect::<Vec<_>>(),
            "stores": stores.iter().map(store).collect::<Vec<_>>(),
            "certificates": certificates.iter().map(|served| json!({
                "transport": served.transport,
                "names": served.names,
                "file": served.file.display().to_string(),
                "until": served.until.to_text(),
                "days": served.days,
            })).collect::<Vec<_>>(),
            "refusals": self.foundation.refusals.recent().iter().map(|refused| json!({
                "at": refused.at.to_text(),
                "stage": refused.stage.name(),
                "reason": refused.reason,
                "left_out": refused.left_out,
                "peer": refused.peer,
                "why": refused.why,
            })).collect::<Vec<_>>(),
            "metrics": self.foundation.registry.render(),
        })
        .to_string()
    }

    fn carry_out(&self, order: Order, peer: PeerAddr) -> Result<Value, String> {
        match order {
            Order::Kill { realm, session } => {
                let found = self.state().realms.iter().find(|found| found.uri().as_str() == realm).cloned();
                let found = found.ok_or("the gateway has no such realm any more")?;
                let is_killed = found.kill(SessionId(session)).blocking_recv().unwrap_or_default();
                if !is_killed {
                    return Err("the session has ended already".to_owned());
                }
                Caller::page(peer).tell_of_a_kill(&realm, session);
                Ok(json!({ "sessions": 1 }))
            }
            Order::Find { store, client } => {
                let store = self.store(&store)?;
                let show = || perform(&store, Command::Show(IdArgument(client.clone())), peer);
                let list = || {
                    let command = Command::List { authid: Some(client.clone()), limit: Some(MAX_COOKIES) };
                    perform(&store, command, peer)
                };
                // An authid may look like a public ID.
                let found =
                    if PublicIdKey::may_have_made(&client) { show().or_else(|_| list()) } else { list() };
                let (cookies, summary) = found?;
                Ok(json!({ "cookies": cookies, "summary": summary }))
            }
            Order::Revoke { store, client } => {
                // A tracking ID would do as well, and belongs into no page.
                if !PublicIdKey::may_have_made(&client) {
                    return Err("this is no public ID".to_owned());
                }
                let store = self.store(&store)?;
                let (_, summary) = perform(&store, Command::Revoke(Selection::Id(IdArgument(client))), peer)?;
                Ok(json!({ "summary": summary }))
            }
        }
    }
}

impl Running {
    fn store(&self, name: &str) -> Result<ManagedStore, String> {
        self.foundation.stores.find(name).ok_or_else(|| "the gateway has no such store any more".to_owned())
    }
}

/// Does what `wampgate cookies` does, and says so in the log.
fn perform(
    store: &ManagedStore,
    command: Command,
    peer: PeerAddr,
) -> Result<(Vec<CookieEntry>, Summary), String> {
    let request = AdminRequest { v: admin::VERSION, store: store.name().to_owned(), reveal: false, command };
    let (mut records, mut client) = (Vec::new(), None);
    let mut keep = |reply| {
        if let Reply::Record(record) = reply {
            records.push(*record);
        }
        Ok(())
    };
    let now = Timestamp::now();
    let outcome = admin::perform_for(store, &request, &mut iter::empty(), now, &mut keep, &mut client);
    Caller::page(peer).tell(store.name(), &request, client.as_deref(), false, &outcome);
    outcome.map(|summary| (records, summary)).map_err(|failure| failure.to_string())
}

fn listeners(state: &State) -> Value {
    let listener = |transport: &Arc<RunningTransport>| {
        let (listener, edge) = (&transport.config.listener, &transport.config.edge);
        json!({
            "transport": edge.id,
            "endpoint": listener.endpoint.to_string(),
            "tls": listener.tls.is_some(),
            "open": transport.post.open(),
            "most": transport.post.most(),
            "paths": paths(edge),
        })
    };
    state.transports.iter().map(listener).collect()
}

/// What a transport serves where.
fn paths(edge: &EdgeOptions) -> Vec<Value> {
    let wamp = |path: &str, kind: &str, service: &ServiceOptions| {
        let store = store_of(service, &edge.id, path);
        json!({ "path": path, "type": kind, "policy": policy_of(service), "store": store })
    };
    let targets = edge.root.targets().into_iter().map(|(path, target)| match target {
        TargetOptions::WebSocket(service) => wamp(&path, target.kind(), service),
        _ => json!({ "path": path, "type": target.kind() }),
    });
    let raw_socket = edge.raw_socket.iter().map(|raw| wamp("", EdgeOptions::RAW_SOCKET, &raw.service));
    targets.chain(raw_socket).collect()
}

/// The ways in, by the numbers that sessions have.
fn ways(state: &State) -> HashMap<u32, Way> {
    let mut ways = HashMap::new();
    for transport in &state.transports {
        let edge = &transport.config.edge;
        for (path, service) in edge.services() {
            let Some((_, line)) = transport.slots.get(&path) else { continue };
            let store = store_of(service, &edge.id, &path);
            let way = Way { transport: edge.id.clone(), policy: policy_of(service), store, path };
            ways.insert(number_of_line(*line), way);
        }
    }
    ways
}

fn policy_of(service: &ServiceOptions) -> String {
    service
        .policy
        .as_ref()
        .map_or_else(|| DEFAULT_POLICY.to_owned(), |policy| policy.component.display().to_string())
}

fn store_of(service: &ServiceOptions, transport: &str, path: &str) -> Option<String> {
    service.cookie.as_ref().map(|cookie| admin::store_name(&cookie.store, transport, path))
}

/// The sessions of all realms.
fn sessions(
    realms: &[Realm],
    stores: &[ManagedStore],
    ways: &HashMap<u32, Way>,
    wanted: &str,
    now: Timestamp,
) -> Value {
    let asked: Vec<_> = realms.iter().map(|realm| (realm, realm.list(wanted, MAX_SESSIONS))).collect();
    // A realm that has ended meanwhile has none.
    let lists: Vec<_> =
        asked.into_iter().map(|(realm, list)| (realm, list.blocking_recv().unwrap_or_default())).collect();
    let shown: HashSet<SessionId> =
        lists.iter().flat_map(|(_, list)| &list.newest).map(|listed| listed.session).collect();
    let mut clients: HashMap<SessionId, (Arc<str>, &str)> = HashMap::new();
    for store in stores {
        let of_store = block_on(store.clients.of_sessions(&shown, now));
        clients.extend(of_store.into_iter().map(|(session, client)| (session, (client, store.name()))));
    }
    let row = |realm: &Realm, listed: &Listed| {
        let (identity, way) = (&listed.identity, ways.get(&listed.client.service));
        let client = clients.get(&listed.session);
        json!({
            "realm": realm.uri().as_str(),
            "session": listed.session.0,
            "authid": identity.authid.public(),
            "role": identity.authrole.as_str(),
            "method": identity.authmethod,
            "provider": identity.authprovider,
            "transport": way.map(|way| &way.transport),
            "path": way.map(|way| &way.path),
            "policy": way.map(|way| &way.policy),
            "client": client.map(|(client, _)| &**client),
            "store": client.map(|(_, store)| *store).or_else(|| way.and_then(|way| way.store.as_deref())),
        })
    };
    json!({
        "all": lists.iter().map(|(_, list)| list.all).sum::<usize>(),
        "found": lists.iter().map(|(_, list)| list.found).sum::<usize>(),
        "rows": lists
            .iter()
            .flat_map(|(realm, list)| list.newest.iter().map(|listed| row(realm, listed)))
            .collect::<Vec<_>>(),
    })
}

fn store(store: &ManagedStore) -> Value {
    let (kind, size) = match store.options() {
        StoreOptions::Memory { .. } => ("memory", None),
        StoreOptions::File { path, .. } => ("file", fs::metadata(path).ok()),
        // The map is sparse: what it has on the disk is less than its length.
        StoreOptions::Lmdb { path, .. } => ("lmdb", fs::metadata(path.join("data.mdb")).ok()),
        StoreOptions::Redis(_) => ("redis", None),
    };
    json!({
        "store": store.name(),
        "type": kind,
        "bytes": size.map(|size| size.blocks() * BLOCK),
        "connected": store.clients.connections.ids(),
    })
}
