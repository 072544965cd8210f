//! Routers behind the gateway: a client of a `websocket` path is a session of theirs, with the identity that the gateway has found.
//!
//! ```text
//! Remote::join        a client's identity -> an address -> WebSocket or RawSocket -> HELLO, CHALLENGE, WELCOME
//! RouterSession::run  messages pass both ways until the client or the router ends the session, or the gateway does
//! ```
//!
//! Each client has a connection of its own to the router, so that a router sees sessions and not a gateway. What a client has written in
//! its HELLO reaches no router: the gateway writes a HELLO of its own.

mod fault;
mod hello;
mod join;
mod options;
mod session;
mod token;

use std::sync::Arc;

use tokio::sync::watch;

pub use self::{
    hello::Announced,
    options::{Account, Login, Proof, RemoteOptions, RemoteRealm, TokenLogin},
    session::RouterSession,
};
use crate::{
    identity::{Standing, Standings},
    realm::{Roles, Rules},
    stream::PeerAddr,
    upstream::{Affinity, Among, Upstream, UpstreamAddress, UpstreamMetrics},
    wamp::Uri,
    wire::Traffic,
};

/// A router behind a path.
#[derive(Debug)]
pub struct Router {
    options: RemoteOptions,
    upstream: Upstream,
    traffic: Arc<Traffic>,
    wire: Arc<crate::wire::WireOptions>,
    /// Whether RawSocket is spoken at any of its addresses.
    has_raw: bool,
}

/// A realm of a router. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ways: Among<Way>,
    /// Which path it stands behind.
    place: Standing,
    realm: Uri,
    roles: Roles,
    /// What sessions go by. It outlives this realm: sessions from before a reload watch it.
    rules: Arc<watch::Sender<Arc<Rules>>>,
}

/// A router by which a client joins a realm.
#[derive(Debug, Clone)]
pub struct Way {
    router: Arc<Router>,
    /// What the router calls the realm.
    name: Uri,
}

impl Router {
    /// Where it is.
    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The router behind a path of a transport.
    pub fn new(options: &RemoteOptions, metrics: &UpstreamMetrics, transport: &str, path: &str) -> Self {
        Self {
            upstream: Upstream::new(&options.upstream, metrics, transport, path),
            // What monitoring is shown of it is counted message by message.
            traffic: Arc::new(Traffic::default()),
            wire: Arc::new(options.wire.clone()),
            has_raw: options.upstream.addresses.iter().any(UpstreamAddress::is_raw),
            options: options.clone(),
        }
    }
}

impl Remote {
    /// The reasons that monitoring sees from the start, of clients that cannot join.
    pub const JOIN_REASONS: [&str; 3] = [fault::REFUSED, fault::LOGIN, fault::LOST];

    /// The same of sessions that end.
    pub const SESSION_REASONS: [&str; 6] =
        [fault::LOST, fault::SILENT, fault::NONSENSE, fault::STUCK, fault::ABORTED, fault::SHUT_DOWN];

    /// The realms of the routers of a path, which are the same at each of them. `place` is the path; a realm of `before` that stands there
    /// is the one that a new one takes the place of.
    pub fn all(routers: &Among<Arc<Router>>, place: Standing, before: &[Self]) -> Vec<Self> {
        let new = |options: &RemoteRealm| {
            let RemoteRealm { realm, roles, .. } = options.clone();
            let ways = routers.map(|_, router| {
                let same = router.options.realms.iter().find(|other| other.realm == realm);
                let name = same.unwrap_or(options).name.clone();
                Way { router: Arc::clone(router), name }
            });
            let known = before.iter().find(|other| other.0.place == place && other.0.realm == realm);
            let rules = known.map_or_else(
                || Arc::new(watch::Sender::new(Arc::new(Rules::of(&roles, None)))),
                |known| Arc::clone(&known.0.rules),
            );
            Self(Arc::new(Inner { ways, place, realm, roles, rules }))
        };
        routers.all().next().into_iter().flat_map(|router| &router.options.realms).map(new).collect()
    }

    /// From here on sessions go by what the configuration says now, those from before a reload as well.
    pub fn take_effect(&self, standings: &Arc<Standings>) {
        self.0.rules.send_replace(Arc::new(Rules::of(&self.0.roles, Some(Arc::clone(standings)))));
    }

    /// The configuration no longer has the realm: its sessions end.
    pub fn close(&self) {
        self.0.rules.send_replace(Arc::new(Rules::of(&Roles::Listed(Vec::new()), None)));
    }

    /// Whether one has taken the place of the other.
    pub fn succeeds(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.rules, &other.0.rules)
    }

    /// The routers that it is a realm of.
    pub fn routers(&self) -> impl Iterator<Item = &Arc<Router>> {
        self.0.ways.all().map(|way| &way.router)
    }

    /// How clients join it: by the only router, or by the one that the policy chooses.
    pub fn ways(&self) -> &Among<Way> {
        &self.0.ways
    }

    /// The realm, as clients call it.
    pub fn uri(&self) -> &Uri {
        &self.0.realm
    }

    /// What sessions go by now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.borrow())
    }

    fn watch(&self) -> watch::Receiver<Arc<Rules>> {
        self.0.rules.subscribe()
    }
}

impl Way {
    /// To which address of the router a client belongs, where that matters.
    pub fn affinity(&self, public_id: Option<&str>, peer: PeerAddr) -> Affinity {
        self.router.upstream.affinity(public_id, peer)
    }
}
