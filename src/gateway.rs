//! What a configuration becomes when the gateway starts: realms, stores and policies, running and shared.

pub mod janitor;

use std::{
    collections::HashMap,
    mem,
    path::{Path, PathBuf},
    ptr,
    sync::Arc,
};

use http::HeaderName;

use crate::{
    admin::{self, ManagedStore},
    auth,
    config::{Config, CookieConfig, RealmOptions, Service, StoreConfig, TransportConfig, WebSocketConfig},
    cookie::{PublicIdKey, PublicIdKeyError},
    edge::Edge,
    metrics::Metrics,
    policy::{self, EngineError, LoadError, PolicyEngine, PolicyGate, Recorder, Reloader},
    realm::{Logout, Logouts, Realm, TooManyLogouts},
    store::{self, OpenError},
    time::Timestamp,
    tracking::{LogoutQueue, Tracker},
};

/// The file in the node directory that holds the key of the public IDs.
pub const PUBLIC_ID_KEY: &str = "public-id.key";

/// Decisions of the default policy at once. One takes a few microseconds on the thread that asks for it, so that
/// more than there are worker threads never run.
const DEFAULT_POLICY_CONCURRENT: usize = 64;

/// A gateway that runs, but for its listeners.
#[derive(Debug)]
pub struct Gateway {
    node_dir: PathBuf,
    transports: Vec<RunningTransport>,
    stores: Vec<ManagedStore>,
    policies: Arc<Reloader>,
    default_policy: Option<Arc<PolicyGate>>,
}

/// A transport of the configuration with its routes.
#[derive(Debug)]
pub struct RunningTransport {
    /// Its options.
    pub config: TransportConfig,
    /// Its routes.
    pub edge: Arc<Edge>,
}

/// A WebSocket service of the configuration with everything that it needs to serve a connection.
#[derive(Debug)]
pub struct WebSocketService {
    /// Its options.
    pub config: WebSocketConfig,
    /// The names of its authentication methods, for the policy; empty if no authentication is configured.
    pub methods: Vec<&'static str>,
    /// The request headers that the policy may see.
    pub policy_headers: Vec<HeaderName>,
    /// Cookie tracking, if on.
    pub tracker: Option<Arc<Tracker>>,
    /// The node's key.
    pub key: Arc<PublicIdKey>,
    /// Who decides about identities here.
    pub policy: Arc<PolicyGate>,
    /// The realms of the gateway by name.
    pub realms: Arc<HashMap<String, Realm>>,
}

/// Why a gateway cannot start with a configuration that is right in itself.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it all")]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    PublicId(#[from] PublicIdKeyError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Policy(#[from] LoadError),
}

impl Gateway {
    /// Starts realms, opens stores and loads policies. Needs a tokio runtime.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let mut parts = Parts::new(&config)?;
        let metrics = Arc::clone(&parts.metrics);
        let transports = config.transports.into_iter().map(|config| {
            let services = config.root.services();
            let path_of = |wanted: &WebSocketConfig| {
                let is_it = |service: &Service| matches!(service, Service::WebSocket(c) if ptr::eq(&raw const **c, wanted));
                services.iter().find(|(_, service)| is_it(service)).map_or("/", |(path, _)| path)
            };
            let edge = Edge::new(&config, &metrics, &mut |websocket| {
                parts.service(websocket, &config.id, path_of(websocket))
            })?;
            Ok(RunningTransport { edge: Arc::new(edge), config })
        });
        let transports = transports.collect::<Result<_, StartError>>()?;
        parts.start_logouts();
        parts.reloader.gates().for_each(|gate| metrics.add(gate));
        Ok(Self {
            node_dir: config.node_dir,
            transports,
            stores: parts.stores,
            policies: Arc::new(parts.reloader),
            default_policy: parts.default_policy,
        })
    }

    /// The node directory; it need not exist.
    pub fn node_dir(&self) -> &Path {
        &self.node_dir
    }

    /// The stores, each of them once.
    pub fn stores(&self) -> &[ManagedStore] {
        &self.stores
    }

    /// The transports, in the order of the configuration.
    pub fn transports(&self) -> &[RunningTransport] {
        &self.transports
    }

    /// Records what all policies are asked, and their answers.
    pub fn record(&self, recorder: &Arc<Recorder>) {
        for gate in self.policies.gates().chain(&self.default_policy) {
            gate.record(Arc::clone(recorder));
        }
    }

    /// The policies that come from files, to be loaded anew.
    pub fn policies(&self) -> &Arc<Reloader> {
        &self.policies
    }
}

impl RunningTransport {
    /// Whether there is something to see at `/`.
    pub fn has_page_at_root(&self) -> bool {
        matches!(self.config.root.service, Some(Service::Page | Service::Static(_)))
    }
}

/// What services share while a gateway is being put together.
struct Parts {
    node_dir: PathBuf,
    /// One tracker for each store.
    trackers: Vec<Arc<Tracker>>,
    logouts: Arc<LogoutQueue>,
    realms: Arc<HashMap<String, Realm>>,
    metrics: Arc<Metrics>,
    stores: Vec<ManagedStore>,
    durable_key: Option<Arc<PublicIdKey>>,
    passing_key: Option<Arc<PublicIdKey>>,
    engine: PolicyEngine,
    reloader: Reloader,
    default_policy: Option<Arc<PolicyGate>>,
}

impl Parts {
    fn new(config: &Config) -> Result<Self, StartError> {
        let engine = PolicyEngine::for_policies(config.policies())?;
        let logouts = Arc::new(LogoutQueue::default());
        let orders = {
            let logouts = Arc::clone(&logouts);
            Logouts::to(move |Logout { sessions, principal, spared }| {
                logouts.order(&sessions, principal, spared).map_err(|_| TooManyLogouts)
            })
        };
        let start = |realm: &RealmOptions| Realm::start_with(realm.clone(), Some(orders.clone()));
        let realms = config.realms.iter().map(|realm| (realm.name.to_string(), start(realm)));
        let realms: Arc<HashMap<_, _>> = Arc::new(realms.collect());
        Ok(Self {
            trackers: Vec::new(),
            logouts,
            node_dir: config.node_dir.clone(),
            metrics: Arc::new(Metrics::new(Arc::clone(&realms))),
            realms,
            stores: Vec::new(),
            durable_key: None,
            passing_key: None,
            reloader: Reloader::new(engine.clone()),
            engine,
            default_policy: None,
        })
    }

    fn service(
        &mut self,
        config: &WebSocketConfig,
        transport: &str,
        path: &str,
    ) -> Result<Arc<WebSocketService>, StartError> {
        let key = self.public_id_key(config.cookie.as_ref().map(|cookie| &cookie.store))?;
        let rotates = config.auth.as_ref().and_then(|auth| auth.cookie).is_some_and(|cookie| cookie.rotate);
        let tracker = match &config.cookie {
            Some(cookie) => {
                let name = admin::store_name(&cookie.store, transport, path);
                Some(self.tracker(cookie, name, &key, rotates)?)
            }
            None => None,
        };
        let policy = match &config.policy {
            Some(policy) => self.reloader.load(policy)?,
            None => self.default_policy()?,
        };
        let headers = config.policy.iter().flat_map(|policy| &policy.options.headers);
        Ok(Arc::new(WebSocketService {
            methods: auth::configured(config.auth.as_ref()).collect(),
            policy_headers: headers.cloned().collect(),
            config: config.clone(),
            key,
            tracker,
            policy,
            realms: Arc::clone(&self.realms),
        }))
    }

    fn tracker(
        &mut self,
        config: &CookieConfig,
        name: String,
        key: &Arc<PublicIdKey>,
        rotates: bool,
    ) -> Result<Arc<Tracker>, StartError> {
        let clients = self.store(&config.store, name, key)?.clients;
        let tracker = Arc::new(Tracker::new(config.options.clone(), clients).rotating(rotates));
        if !self.trackers.iter().any(|other| other.clients.is_same(&tracker.clients)) {
            self.trackers.push(Arc::clone(&tracker));
        }
        Ok(tracker)
    }

    /// From here on realms can have clients logged out, whichever store has the cookies.
    fn start_logouts(&mut self) {
        self.logouts.start(mem::take(&mut self.trackers));
    }

    /// Opens a store, or finds the one that another service has opened at the same place.
    fn store(
        &mut self,
        config: &StoreConfig,
        name: String,
        key: &Arc<PublicIdKey>,
    ) -> Result<ManagedStore, StartError> {
        if let Some(found) = self.stores.iter().find(|store| store.name == name) {
            return Ok(found.clone());
        }
        let opened = store::open_maintained(config, Timestamp::now())?;
        let store = ManagedStore::new(name, opened, Arc::clone(key));
        self.stores.push(store.clone());
        Ok(store)
    }

    /// Public IDs are stable for as long as their records: the key is kept on disk where records are.
    fn public_id_key(&mut self, store: Option<&StoreConfig>) -> Result<Arc<PublicIdKey>, StartError> {
        let is_durable = store.is_some_and(|store| !matches!(store, StoreConfig::Memory { .. }));
        let slot = if is_durable { &mut self.durable_key } else { &mut self.passing_key };
        if let Some(key) = slot {
            return Ok(Arc::clone(key));
        }
        let key = if is_durable {
            PublicIdKey::load_or_create(&self.node_dir.join(PUBLIC_ID_KEY))?
        } else {
            PublicIdKey::random()?
        };
        Ok(Arc::clone(slot.insert(Arc::new(key))))
    }

    fn default_policy(&mut self) -> Result<Arc<PolicyGate>, StartError> {
        if let Some(policy) = &self.default_policy {
            return Ok(Arc::clone(policy));
        }
        let policy = policy::default_policy(&self.engine)?;
        let gate = Arc::new(PolicyGate::new("default", Arc::new(policy), DEFAULT_POLICY_CONCURRENT));
        self.metrics.add(&gate);
        Ok(Arc::clone(self.default_policy.insert(gate)))
    }
}
