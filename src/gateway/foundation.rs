//! What lives as long as the gateway, whatever its configuration says: metrics, keys, stores, policies, the way to log clients out.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{StartError, process::Process};
use crate::{
    admin::ManagedStores,
    admission::{Guesses, LoginMetrics},
    assertion::PublicKeys,
    auth::{AuthError, LoginFiles},
    config::Config,
    cookie::PublicIdKey,
    edge::{self, ConsoleLink, EdgeMetrics},
    handshake::HandshakeError,
    health::{Cause, Health, IsWell},
    identity::Standing,
    metrics::{Readings, Refusals, Registry, Stage},
    policy::{self, AnyGate, Deciding, PolicyEngine, PolicyGate, PolicyMetrics, Recorder, Reloader, Tally},
    realm::{Logout, Logouts, RealmMetrics, TooManyLogouts},
    server::Posts,
    store::{StoreMetrics, StoreOptions},
    tls::{Certificates, TlsMetrics},
    tracking::LogoutQueue,
    upstream::Probes,
    wire::{Ending, WireMetrics},
};

/// Decisions of the default policy at once. A decision takes a few microseconds on the thread that asks for it, so there are never
/// more than there are worker threads.
const DEFAULT_POLICY_CONCURRENT: usize = 64;

/// What outlives a configuration.
pub(super) struct Foundation {
    pub(super) node_dir: PathBuf,
    pub(super) logouts: Arc<LogoutQueue>,
    pub(super) orders: Logouts,
    pub(super) realm_metrics: RealmMetrics,
    pub(super) edge_metrics: EdgeMetrics,
    pub(super) wire_metrics: WireMetrics,
    pub(super) login_metrics: LoginMetrics,
    pub(super) store_metrics: StoreMetrics,
    policy_metrics: PolicyMetrics,
    /// None as long as no endpoint has TLS: most gateways need no such metrics.
    tls_metrics: OnceLock<TlsMetrics>,
    pub(super) registry: Registry,
    pub(super) health: Health,
    /// A client has no more guesses by trying other paths.
    pub(super) guesses: Arc<Guesses>,
    pub(super) refusals: Refusals,
    pub(super) stores: ManagedStores,
    durable_key: OnceLock<Arc<PublicIdKey>>,
    passing_key: OnceLock<Arc<PublicIdKey>>,
    engine: PolicyEngine,
    pub(super) policies: Arc<Reloader>,
    default_policy: OnceLock<(Arc<PolicyGate>, Deciding)>,
    pub(super) recorder: OnceLock<Arc<Recorder>>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) logins: Arc<LoginFiles>,
    /// What verifies the tokens that the gateway signs.
    pub(super) public_keys: Arc<PublicKeys>,
    pub(super) posts: Posts,
    /// Asks the addresses of servers behind the gateway.
    pub(super) probes: Probes,
    /// The operator's pages, which find the gateway by it.
    pub(super) console: Arc<ConsoleLink>,
    /// Numbers what comes and goes with configurations.
    numbers: AtomicU64,
}

impl Foundation {
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
        refusals.expect(Stage::Session, [edge::CONSOLE_REFUSED]);
        let policy_metrics = PolicyMetrics::register(&registry);
        let certificates = Arc::<Certificates>::default();
        Ok(Self {
            node_dir: config.node_dir.clone(),
            logouts,
            orders,
            realm_metrics: RealmMetrics::register(&registry),
            edge_metrics: EdgeMetrics::register(&registry, &refusals, certificates.connectors()),
            wire_metrics: WireMetrics::register(&registry),
            login_metrics: LoginMetrics::register(&registry),
            store_metrics: StoreMetrics::register(&registry),
            policies: Arc::new(Reloader::measured(engine.clone(), policy_metrics.clone())),
            policy_metrics,
            tls_metrics: OnceLock::new(),
            registry,
            health,
            guesses: Arc::default(),
            refusals,
            stores: ManagedStores::default(),
            durable_key: OnceLock::new(),
            passing_key: OnceLock::new(),
            engine,
            default_policy: OnceLock::new(),
            recorder: OnceLock::new(),
            certificates,
            logins: Arc::default(),
            public_keys: Arc::default(),
            posts: Posts::default(),
            probes: Probes::default(),
            console: Arc::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// The number of the next thing that was not there before.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// The standing of a listener that was not there before.
    pub(super) fn new_place(&self) -> Standing {
        Standing::of_place(self.number())
    }

    pub(super) fn tls_metrics(&self) -> &TlsMetrics {
        self.tls_metrics.get_or_init(|| TlsMetrics::register(&self.registry))
    }

    /// Public IDs are stable for as long as their records: the key is kept on disk where records are.
    pub(super) fn public_id_key(&self, store: Option<&StoreOptions>) -> Result<Arc<PublicIdKey>, StartError> {
        let is_durable = store.is_some_and(|store| store.place().is_durable());
        let slot = if is_durable { &self.durable_key } else { &self.passing_key };
        if let Some(key) = slot.get() {
            return Ok(Arc::clone(key));
        }
        let key = if is_durable { PublicIdKey::of_node(&self.node_dir)? } else { PublicIdKey::random()? };
        Ok(Arc::clone(slot.get_or_init(|| Arc::new(key))))
    }

    pub(super) fn default_policy(&self) -> Result<Arc<PolicyGate>, StartError> {
        if let Some((policy, _)) = self.default_policy.get() {
            return Ok(Arc::clone(policy));
        }
        let policy = policy::default_policy(&self.engine)?;
        let deciding = Deciding::from_now("default", policy.contract(), policy::DEFAULT_POLICY);
        let gate = PolicyGate::new("default", Arc::new(policy), DEFAULT_POLICY_CONCURRENT);
        let gate = gate.counting(self.policy_metrics.tally("default", policy::authid::ANSWERS));
        Ok(Arc::clone(&self.default_policy.get_or_init(|| (Arc::new(gate), deciding)).0))
    }

    /// Counts what comes of the questions to a procedure. Its callee may be a client of this gateway, so that no probe waits for it.
    pub(super) fn tally(&self, procedure: &str, answers: &'static [&'static str]) -> Tally {
        self.policy_metrics.tally(procedure, answers)
    }

    /// Probes hear of every policy and every store.
    pub(super) fn watch(&self) {
        let gates = self
            .gates()
            .into_iter()
            .map(|gate| (gate.name().to_owned(), Box::new(move || gate.is_answering()) as IsWell));
        self.health.watch(Cause::Policy, gates);
        let (shared, own): (Vec<_>, Vec<_>) = self
            .stores
            .all()
            .into_iter()
            .partition(|store| matches!(store.options(), StoreOptions::Redis(_)));
        for (cause, stores) in [(Cause::Store, own), (Cause::SharedStore, shared)] {
            let stores = stores.into_iter().map(|store| {
                let tally = store.tally().clone();
                (store.name().to_owned(), Box::new(move || !tally.is_impaired()) as IsWell)
            });
            self.health.watch(cause, stores);
        }
    }

    /// The way to each policy.
    pub(super) fn gates(&self) -> Vec<Arc<dyn AnyGate>> {
        let mut gates = self.policies.gates();
        gates.extend(self.default_policy.get().map(|(gate, _)| Arc::clone(gate) as _));
        gates
    }

    /// What decides now, for each policy.
    pub(super) fn deciding(&self) -> Vec<Deciding> {
        let mut deciding = self.policies.deciding();
        deciding.extend(self.default_policy.get().map(|(_, deciding)| deciding.clone()));
        deciding
    }
}
