//! What a configuration becomes when the gateway starts: realms, stores and policies, running and shared.

mod assembly;
mod janitor;
mod process;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use self::assembly::Assembly;
use crate::{
    admin::{AdminSocket, ManagedStore},
    auth::LoginFiles,
    config::{Config, TransportConfig},
    cookie::PublicIdKeyError,
    edge::{Edge, ServicePlace, TargetOptions},
    health::Health,
    memory,
    policy::{PolicyEngineError, PolicyGate, PolicyLoadError, Recorder, Reloader},
    server::{BindError, Entrance, Server},
    store::StoreOpenError,
    tls::{Certificates, TlsLoadError},
};

/// A gateway that runs, except for its listeners.
#[derive(Debug)]
pub struct Gateway {
    node_dir: PathBuf,
    transports: Vec<RunningTransport>,
    stores: Vec<ManagedStore>,
    policies: Arc<Reloader>,
    default_policy: Option<Arc<PolicyGate>>,
    certificates: Arc<Certificates>,
    logins: Arc<LoginFiles>,
    health: Health,
}

/// A transport of the configuration, with what it serves.
#[derive(Debug)]
pub struct RunningTransport {
    pub(crate) config: TransportConfig,
    pub(crate) edge: Arc<Edge>,
    entrance: Option<Arc<Entrance>>,
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

impl Gateway {
    /// Starts realms, opens stores and loads policies. Needs a tokio runtime.
    pub fn start(config: Config) -> Result<Self, StartError> {
        memory::set_limit(config.max_memory.unwrap_or_else(memory::half_of_the_machine));
        let mut assembly = Assembly::new(&config)?;
        for transport in &config.transports {
            assembly.add_services(&transport.edge)?;
        }
        let transports = config.transports.into_iter().map(|config| {
            let edge = assembly.edge(&config.edge)?;
            let entrance = assembly.entrance(&config)?.map(Arc::new);
            Ok(RunningTransport { edge: Arc::new(edge), entrance, config })
        });
        let transports = transports.collect::<Result<_, StartError>>()?;
        assembly.finish();
        let Assembly { stores, reloader, default_policy, certificates, logins, health, .. } = assembly;
        Ok(Self {
            node_dir: config.node_dir,
            transports,
            stores,
            policies: Arc::new(reloader),
            default_policy,
            certificates: Arc::new(certificates),
            logins: Arc::new(logins),
            health,
        })
    }

    /// The node directory; it need not exist.
    pub fn node_dir(&self) -> &Path {
        &self.node_dir
    }

    /// The gateway's socket for commands in the node directory, which tells of this gateway and serves its stores until `shutdown`.
    pub fn serve_commands(
        &self,
        socket: AdminSocket,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        socket.run(self.stores.clone(), self.health.clone(), shutdown)
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

    /// The certificates of the endpoints with TLS, to be read anew.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// The files from which logins come, to be read anew.
    pub fn logins(&self) -> &Arc<LoginFiles> {
        &self.logins
    }

    /// Binds the endpoints of all transports; either all of them or none. Needs a tokio runtime.
    pub fn bind(&self) -> Result<Server, BindError> {
        let sites = self.transports.iter();
        Server::bind(
            sites.map(|site| (site.config.listener.clone(), site.entrance.clone(), Arc::clone(&site.edge))),
        )
    }

    /// Serves until `shutdown` is cancelled and the connections have ended, and drops expired records meanwhile.
    pub async fn serve(self, server: Server, shutdown: CancellationToken) {
        self.health.serve_until(shutdown.clone());
        let stores = self.stores.iter().map(|store| Arc::clone(&store.clients.store)).collect();
        let janitor = tokio::spawn(janitor::run(stores, shutdown.clone()));
        server.run(shutdown).await;
        // The janitor holds the stores, which are written to the end when the last holder goes.
        drop(janitor.await);
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
