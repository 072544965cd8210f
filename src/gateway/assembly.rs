//! How a gateway is put together: each part once, shared by the services that name it.

use std::{mem, path::PathBuf, sync::Arc};

use super::{StartError, process::Process};
use crate::{
    admin::{self, ManagedStore},
    admission::{Admission, Guesses, LoginMetrics},
    auth::{AuthError, AuthOptions, LoginFiles},
    backend::{Backend, Backends},
    config::{Config, RealmOptions, TransportConfig},
    cookie::PublicIdKey,
    edge::{self, Edge, EdgeMetrics, EdgeOptions, ServicePlace},
    handshake::HandshakeError,
    health::{Cause, Health},
    metrics::{Readings, Refusals, Registry, Stage},
    policy::{self, PolicyEngine, PolicyGate, PolicyMetrics, Reloader},
    realm::{Logout, Logouts, Realm, RealmMetrics, TooManyLogouts},
    server::{self, Entrance},
    service::{ServiceOptions, WebSocketService},
    store::{self, StoreMetrics, StoreOptions},
    time::Timestamp,
    tls::{self, Acceptor, Certificates, TlsMetrics, TlsOptions},
    tracking::{LoginOptions, LogoutQueue, Tracker, TrackingOptions},
    wire::{Ending, WireMetrics},
};

/// Decisions of the default policy at once. A decision takes a few microseconds on the thread that asks for it, so there are never
/// more than there are worker threads.
const DEFAULT_POLICY_CONCURRENT: usize = 64;

/// A gateway that is being put together: what its services share.
pub(super) struct Assembly {
    node_dir: PathBuf,
    /// The WebSocket services of all transports, each with its place.
    services: Vec<(ServicePlace, Arc<WebSocketService>)>,
    /// One tracker for each store.
    trackers: Vec<Arc<Tracker>>,
    logouts: Arc<LogoutQueue>,
    backends: Arc<Backends>,
    edge_metrics: EdgeMetrics,
    pub(super) health: Health,
    wire_metrics: WireMetrics,
    login_metrics: LoginMetrics,
    /// A client has no more guesses by trying other paths.
    guesses: Arc<Guesses>,
    refusals: Refusals,
    policy_metrics: PolicyMetrics,
    store_metrics: StoreMetrics,
    pub(super) stores: Vec<ManagedStore>,
    durable_key: Option<Arc<PublicIdKey>>,
    passing_key: Option<Arc<PublicIdKey>>,
    engine: PolicyEngine,
    pub(super) reloader: Reloader,
    pub(super) default_policy: Option<Arc<PolicyGate>>,
    /// None as long as no endpoint has TLS: most gateways need no such metrics.
    tls_metrics: Option<TlsMetrics>,
    registry: Registry,
    pub(super) certificates: Certificates,
    pub(super) logins: LoginFiles,
}

impl Assembly {
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let engine = PolicyEngine::for_policies(config.policies())?;
        let logouts = Arc::new(LogoutQueue::default());
        let orders = {
            let logouts = Arc::clone(&logouts);
            Logouts::to(move |Logout { sessions, principal, spared }| {
                logouts.order(&sessions, principal, spared).map_err(|_| TooManyLogouts)
            })
        };
        // What every part registers its metrics with.
        let registry = Registry::new();
        registry.collect(Process::new());
        let health = Health::default();
        let ready = Readings::<0>::default();
        let watched = health.clone();
        ready.add([], move || usize::from(watched.report().is_ready()));
        let help = "Whether the gateway is ready for clients: 0 while it starts, drains, or a store or a policy fails.";
        registry.register("wampgate_ready", help, ready);
        let refusals = Refusals::register(&registry);
        refusals.expect(Stage::Handshake, HandshakeError::REASONS);
        refusals.expect(Stage::Join, AuthError::REASONS);
        refusals.expect(Stage::Connection, edge::CONNECTION_REASONS);
        refusals.expect(Stage::Request, edge::REQUEST_REASONS);
        refusals.expect(Stage::Handshake, edge::HANDSHAKE_REASONS);
        refusals.expect(Stage::Handshake, edge::ADDRESS_REASONS);
        refusals.expect(Stage::Join, Ending::JOIN_COMPLAINTS);
        refusals.expect(Stage::Session, Ending::SESSION_COMPLAINTS);
        let (realm_metrics, policy_metrics) =
            (RealmMetrics::register(&registry), PolicyMetrics::register(&registry));
        let start = |realm: &RealmOptions| {
            Backend::Realm(Realm::start(realm.clone(), Some(orders.clone()), &realm_metrics))
        };
        Ok(Self {
            services: Vec::new(),
            trackers: Vec::new(),
            logouts,
            node_dir: config.node_dir.clone(),
            backends: Arc::new(config.realms.iter().map(start).collect()),
            edge_metrics: EdgeMetrics::register(&registry, &refusals),
            wire_metrics: WireMetrics::register(&registry),
            health,
            login_metrics: LoginMetrics::register(&registry),
            guesses: Arc::default(),
            refusals,
            store_metrics: StoreMetrics::register(&registry),
            stores: Vec::new(),
            durable_key: None,
            passing_key: None,
            reloader: Reloader::measured(engine.clone(), policy_metrics.clone()),
            policy_metrics,
            engine,
            default_policy: None,
            tls_metrics: None,
            registry,
            certificates: Certificates::default(),
            logins: LoginFiles::default(),
        })
    }

    /// The WebSocket services of a transport. They come first: a path of any transport may name one.
    pub(super) fn add_services(&mut self, options: &EdgeOptions) -> Result<(), StartError> {
        for (path, service) in options.root.services() {
            let service = self.service(service, &options.id, &path)?;
            self.services.push((ServicePlace { transport: options.id.clone(), path }, service));
        }
        Ok(())
    }

    /// The HTTP side of a transport.
    pub(super) fn edge(&self, options: &EdgeOptions) -> Result<Edge, StartError> {
        Edge::new(options, &self.edge_metrics, &self.health, &mut |place| {
            let found = self.services.iter().find(|(other, _)| other == place);
            found.map(|(_, service)| Arc::clone(service)).ok_or_else(|| StartError::NoService(place.clone()))
        })
    }

    /// What connections of a transport pass before their first request.
    pub(super) fn entrance(&mut self, transport: &TransportConfig) -> Result<Option<Entrance>, StartError> {
        let TransportConfig { listener, edge } = transport;
        let header = listener.proxy_protocol.then_some(edge.http.head_timeout);
        if header.is_some() {
            self.refusals.expect(Stage::Connection, server::PROXY_REASONS);
        }
        let acceptor = match &listener.tls {
            Some(options) => Some(self.acceptor(options, &edge.id)?),
            None => None,
        };
        Ok(Entrance::new(acceptor, header))
    }

    fn acceptor(&mut self, options: &TlsOptions, transport: &str) -> Result<Arc<Acceptor>, StartError> {
        self.refusals.expect(Stage::Tls, tls::REASONS);
        let metrics = self.tls_metrics.get_or_insert_with(|| TlsMetrics::register(&self.registry));
        let acceptor = Arc::new(Acceptor::new(options, transport, metrics)?);
        self.certificates.add(Arc::clone(&acceptor));
        Ok(acceptor)
    }

    fn service(
        &mut self,
        options: &ServiceOptions,
        transport: &str,
        path: &str,
    ) -> Result<Arc<WebSocketService>, StartError> {
        let key = self.public_id_key(options.cookie.as_ref().map(|cookie| &cookie.store))?;
        let logins = options.auth.as_ref().and_then(|auth| auth.cookie);
        let tracker = match &options.cookie {
            Some(cookie) => {
                let name = admin::store_name(&cookie.store, transport, path);
                Some(self.tracker(cookie, name, &key, logins)?)
            }
            None => None,
        };
        let policy = match &options.policy {
            Some(policy) => self.reloader.load(policy)?,
            None => self.default_policy()?,
        };
        for source in options.auth.iter().flat_map(AuthOptions::login_files) {
            self.logins.add(source);
        }
        let shown = options.policy.iter().flat_map(|policy| &policy.options.headers).cloned().collect();
        let admission = Admission::new(policy, shown, options.auth.clone(), tracker, key);
        let admission = admission.counting(self.login_metrics.clone(), Arc::clone(&self.guesses));
        let (backends, refusals) = (Arc::clone(&self.backends), self.refusals.clone());
        Ok(Arc::new(WebSocketService::new(
            options,
            admission,
            backends,
            refusals,
            self.wire_metrics.of(transport),
        )))
    }

    fn tracker(
        &mut self,
        config: &TrackingOptions,
        name: String,
        key: &Arc<PublicIdKey>,
        logins: Option<LoginOptions>,
    ) -> Result<Arc<Tracker>, StartError> {
        let clients = self.store(&config.store, name, key)?.clients;
        let tracker = Arc::new(Tracker::new(config.cookie.clone(), clients).with_logins(logins));
        if !self.trackers.iter().any(|other| other.shares_store_with(&tracker)) {
            self.trackers.push(Arc::clone(&tracker));
        }
        Ok(tracker)
    }

    /// All services are there: realms can have clients logged out, whichever store has the cookies, and probes hear of all policies.
    pub(super) fn finish(&mut self) {
        for gate in self.reloader.gates().chain(&self.default_policy) {
            let watched = Arc::clone(gate);
            self.health.watch(Cause::Policy, gate.name(), move || watched.is_answering());
        }
        self.logouts.start(mem::take(&mut self.trackers));
    }

    /// Opens a store, or finds the one that another service has opened at the same place.
    fn store(
        &mut self,
        config: &StoreOptions,
        name: String,
        key: &Arc<PublicIdKey>,
    ) -> Result<ManagedStore, StartError> {
        if let Some(found) = self.stores.iter().find(|store| store.name() == name) {
            return Ok(found.clone());
        }
        let tally = self.store_metrics.of(&name);
        let opened = store::open_counting(config, Timestamp::now(), &tally)?;
        self.health.watch(Cause::Store, &*name, move || !tally.is_impaired());
        let store = ManagedStore::new(name, &opened, Arc::clone(key));
        self.stores.push(store.clone());
        Ok(store)
    }

    /// Public IDs are stable for as long as their records: the key is kept on disk where records are.
    fn public_id_key(&mut self, store: Option<&StoreOptions>) -> Result<Arc<PublicIdKey>, StartError> {
        let is_durable = store.is_some_and(|store| store.place().is_durable());
        let slot = if is_durable { &mut self.durable_key } else { &mut self.passing_key };
        if let Some(key) = slot {
            return Ok(Arc::clone(key));
        }
        let key = if is_durable { PublicIdKey::of_node(&self.node_dir)? } else { PublicIdKey::random()? };
        Ok(Arc::clone(slot.insert(Arc::new(key))))
    }

    fn default_policy(&mut self) -> Result<Arc<PolicyGate>, StartError> {
        if let Some(policy) = &self.default_policy {
            return Ok(Arc::clone(policy));
        }
        let policy = policy::default_policy(&self.engine)?;
        let gate = PolicyGate::new("default", Arc::new(policy), DEFAULT_POLICY_CONCURRENT);
        let gate = Arc::new(gate.counting(self.policy_metrics.tally("default")));
        Ok(Arc::clone(self.default_policy.insert(gate)))
    }
}
