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
    upstream::{Affinity, Upstream, UpstreamAddress, UpstreamMetrics},
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
    router: Arc<Router>,
    /// Which path it stands behind.
    place: Standing,
    realm: Uri,
    /// What the router calls it.
    name: Uri,
    roles: Roles,
    /// What sessions go by. It outlives this realm: sessions from before a reload watch it.
    rules: Arc<watch::Sender<Arc<Rules>>>,
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

    /// The realms of a router. `place` is the path that it stands behind; a realm of `before` that stands there is the one that a new one
    /// takes the place of.
    pub fn all(router: &Arc<Router>, place: Standing, before: &[Self]) -> Vec<Self> {
        let new = |options: &RemoteRealm| {
            let RemoteRealm { realm, name, roles } = options.clone();
            let known = before.iter().find(|other| other.0.place == place && other.0.realm == realm);
            let rules = known.map_or_else(
                || Arc::new(watch::Sender::new(Arc::new(Rules::of(&roles, None)))),
                |known| Arc::clone(&known.0.rules),
            );
            Self(Arc::new(Inner { router: Arc::clone(router), place, realm, name, roles, rules }))
        };
        router.options.realms.iter().map(new).collect()
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

    /// The router that it is a realm of.
    pub fn router(&self) -> &Arc<Router> {
        &self.0.router
    }

    /// The realm, as clients call it.
    pub fn uri(&self) -> &Uri {
        &self.0.realm
    }

    /// To which address of the router a client belongs, where that matters.
    pub fn affinity(&self, public_id: Option<&str>, peer: PeerAddr) -> Affinity {
        self.0.router.upstream.affinity(public_id, peer)
    }

    /// What sessions go by now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.borrow())
    }

    fn watch(&self) -> watch::Receiver<Arc<Rules>> {
        self.0.rules.subscribe()
    }
}
