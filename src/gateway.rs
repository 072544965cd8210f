//! What a configuration becomes when the gateway starts: realms, stores and policies, running and shared; and how the gateway goes
//! over to another one while it runs.

mod assembly;
mod changes;
mod console;
mod foundation;
mod janitor;
mod process;
mod reload;
mod upstreams;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio_util::sync::CancellationToken;

use self::{assembly::Assembly, foundation::Foundation};
use crate::{
    admin::{AdminSocket, Commanded, ManagedStore, ReloadCommand, ReloadReport},
    auth::LoginFiles,
    config::{Config, RealmOptions, TransportConfig},
    cookie::PublicIdKeyError,
    edge::{Console, ServicePlace, TargetOptions},
    identity::Standing,
    memory,
    policy::{PolicyEngineError, PolicyLoadError, Recorder, Reloader},
    realm::Realm,
    remote::Remote,
    server::{BindError, Post, Server},
    service::Slot,
    store::StoreOpenError,
    tls::{Acceptor, Certificates, TlsLoadError},
};

/// A gateway that runs, except for its listeners.
#[derive(Debug)]
pub struct Gateway {
    running: Arc<Running>,
}

/// A way to have a gateway go by another configuration. It does not keep the gateway running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reconfigurer(Weak<Running>);

/// What the gateway and those that reconfigure it share.
struct Running {
    foundation: Foundation,
    /// Locked for as long as a configuration takes the place of another one.
    state: Mutex<State>,
}

/// What goes with a configuration.
struct State {
    config: Config,
    realms: Vec<Realm>,
    /// The realms of routers behind the gateway.
    remotes: Vec<Remote>,
    transports: Vec<Arc<RunningTransport>>,
    /// Whether the transports listen.
    is_bound: bool,
}

/// A transport of the configuration, with what it serves.
#[derive(Debug)]
pub struct RunningTransport {
    config: TransportConfig,
    post: Arc<Post>,
    /// Where connections of its WebSocket services find them, by path; and the line of the service that is there now.
    slots: BTreeMap<String, (Arc<Slot>, u64)>,
    /// What its sessions stand on.
    standing: Standing,
    acceptor: Option<Arc<Acceptor>>,
}

/// Why a gateway cannot start with a configuration that is right in itself.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it all")]
#[non_exhaustive]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error(transparent)]
    PublicId(#[from] PublicIdKeyError),
    #[error(transparent)]
    Engine(#[from] PolicyEngineError),
    #[error(transparent)]
    Policy(#[from] PolicyLoadError),
    #[error("TLS: {0}")]
    Tls(#[from] TlsLoadError),
    #[error("no WebSocket service stands at {} of the transport {}, where a \"forward-auth\" path expects it", .0.path, .0.transport)]
    NoService(ServicePlace),
}

/// Why the gateway goes on by the configuration that it has.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it all")]
#[non_exhaustive]
pub enum ReloadError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the gateway ends")]
    Ended,
}

impl Gateway {
    /// Starts realms, opens stores and loads policies. Needs a tokio runtime.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_after(config, &|| false)
    }

    /// The same, but for as long as it `may_wait` it waits for another gateway that still has one of the stores, because it drains. Blocks
    /// meanwhile.
    pub fn start_after(config: Config, may_wait: &dyn Fn() -> bool) -> Result<Self, StartError> {
        memory::set_limit(config.max_memory.unwrap_or_else(memory::half_of_the_machine));
        let foundation = Foundation::new(&config)?;
        foundation.posts.spread_end(config.drain);
        let mut assembly = Assembly::new(&config, &foundation, None)?;
        assembly.may_wait = Some(may_wait);
        assembly.authorize();
        let transports = match assembly.transports(&config, false) {
            Ok(transports) => transports,
            Err(ReloadError::Start(error)) => return Err(error),
            Err(ReloadError::Bind(_) | ReloadError::Ended) => Vec::new(),
        };
        let transports = assembly.take_effect(&config, transports);
        let Assembly { realms, remotes, .. } = assembly;
        let state = State { config, realms, remotes, transports, is_bound: false };
        let running = Arc::new(Running { foundation, state: Mutex::new(state) });
        let console: Arc<dyn Console> = Arc::clone(&running) as _;
        running.foundation.console.lead_to(Arc::downgrade(&console));
        Ok(Self { running })
    }

    /// The node directory; it need not exist.
    pub fn node_dir(&self) -> &Path {
        &self.running.foundation.node_dir
    }

    /// The gateway's socket for commands in the node directory, which tells of this gateway and serves its stores until `shutdown`.
    pub fn serve_commands(
        &self,
        socket: AdminSocket,
        reload: Option<ReloadCommand>,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let Foundation { stores, health, .. } = &self.running.foundation;
        socket.run(Commanded { stores: stores.clone(), health: health.clone(), reload }, shutdown)
    }

    /// The stores, each of them once.
    pub fn stores(&self) -> Vec<ManagedStore> {
        self.running.foundation.stores.all()
    }

    /// The transports, in the order of the configuration.
    pub fn transports(&self) -> Vec<Arc<RunningTransport>> {
        self.running.state().transports.clone()
    }

    /// Records what all policies are asked, and their answers. A gateway has one recorder, the first.
    pub fn record(&self, recorder: &Arc<Recorder>) {
        let foundation = &self.running.foundation;
        let recorder = foundation.recorder.get_or_init(|| Arc::clone(recorder));
        for gate in foundation.gates() {
            gate.record(recorder);
        }
    }

    /// The policies that come from files, to be loaded anew.
    pub fn policies(&self) -> &Arc<Reloader> {
        &self.running.foundation.policies
    }

    /// The certificates of the endpoints with TLS, to be read anew.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.running.foundation.certificates
    }

    /// A way to have the gateway go by another configuration.
    pub fn reconfigurer(&self) -> Reconfigurer {
        Reconfigurer(Arc::downgrade(&self.running))
    }

    /// The files from which logins come, to be read anew.
    pub fn logins(&self) -> &Arc<LoginFiles> {
        &self.running.foundation.logins
    }

    /// Binds the endpoints of all transports; either all of them or none. Needs a tokio runtime.
    pub fn bind(&self) -> Result<Server, BindError> {
        let mut state = self.running.state();
        let transports = state.transports.iter();
        let sites = transports.map(|site| (&site.config.listener, Arc::clone(&site.post)));
        let server = Server::bind(sites, self.running.foundation.posts.clone())?;
        state.is_bound = true;
        Ok(server)
    }

    /// Serves until `shutdown` is cancelled and the connections have ended, and drops expired records meanwhile.
    pub async fn serve(self, server: Server, shutdown: CancellationToken) {
        let Foundation { health, stores, .. } = &self.running.foundation;
        health.serve_until(shutdown.clone());
        let janitor = tokio::spawn(janitor::run(stores.clone(), shutdown.clone()));
        let probes = &self.running.foundation.probes;
        let ended = shutdown.clone();
        let no_more_probes = async {
            ended.cancelled().await;
            probes.end();
        };
        tokio::join!(server.run(shutdown), no_more_probes);
        // The janitor holds the stores, which are written to the end when the last holder goes.
        drop(janitor.await);
    }
}

impl Reconfigurer {
    /// Has the gateway go by another configuration. What can fail is done first, so that a fault leaves everything as it is. Blocks
    /// for as long as new stores are read and new policies compile: not for a connection's task. Needs a tokio runtime.
    ///
    /// Of two calls at once the later one waits for the other.
    pub fn reconfigure(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        self.0.upgrade().ok_or(ReloadError::Ended)?.reconfigure(config)
    }
}

impl Running {
    // A reload that has crashed has changed nothing here, so that a poisoned state is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A realm with its options.
    fn realm(&self, name: &str) -> Option<(&Realm, &RealmOptions)> {
        let realm = self.realms.iter().find(|realm| realm.uri().as_str() == name)?;
        Some((realm, self.config.realms.iter().find(|options| options.name.as_str() == name)?))
    }
}

impl RunningTransport {
    /// What the configuration says about it.
    pub fn config(&self) -> &TransportConfig {
        &self.config
    }

    /// Whether there is something to see at `/`.
    pub fn has_page_at_root(&self) -> bool {
        matches!(self.config.edge.root.target, Some(TargetOptions::Page | TargetOptions::Static(_)))
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("node_dir", &self.foundation.node_dir).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
