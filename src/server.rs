//! Listeners: accept, permit, hand over to a connection; and the drain at the end.

mod listener;
mod options;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use listener::{BindError, Listener};
pub use options::{Endpoint, ListenerOptions, SocketAccess};

use crate::{
    connection,
    edge::{Edge, TurnedAway},
};

/// How long open connections have to end once the gateway drains. With the closing handshake's own limit this keeps
/// the whole drain below ten seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a listener pauses after a failed accept (mostly: no file descriptor is left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bound sockets and what they serve.
#[derive(Debug)]
pub struct Server {
    sites: Vec<Site>,
}

/// One listener, with what is behind it.
#[derive(Debug)]
struct Site {
    listener: Listener,
    max_connections: usize,
    edge: Arc<Edge>,
}

impl Server {
    /// Binds every endpoint; either all of them or none. Needs a tokio runtime.
    pub(crate) fn bind(
        sites: impl IntoIterator<Item = (ListenerOptions, Arc<Edge>)>,
    ) -> Result<Self, BindError> {
        let bind = |(options, edge): (ListenerOptions, _)| {
            let listener = Listener::bind(&options.endpoint)?;
            Ok(Site { listener, max_connections: options.max_connections, edge })
        };
        Ok(Self { sites: sites.into_iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// Where the server listens, as URLs, in the order of the endpoints.
    pub fn urls(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.listener.url()).collect()
    }

    /// Serves until `shutdown` is cancelled, then drains: no new connections, and 8 seconds for the open ones.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        let mut accepting = JoinSet::new();
        for site in self.sites {
            accepting.spawn(site.accept(connections.clone(), shutdown.clone()));
        }
        accepting.join_all().await;
        connections.close();
        info!(open = connections.len(), "draining");
        if timeout(DRAIN_TIMEOUT, connections.wait()).await.is_err() {
            warn!(open = connections.len(), "gave up waiting for connections to end");
        }
    }
}

impl Site {
    async fn accept(self, connections: TaskTracker, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let incoming = match accepted {
                Ok(incoming) => incoming,
                Err(error) => {
                    warn!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                connections.spawn(Arc::clone(&self.edge).turn_away(incoming, TurnedAway::full()));
                continue;
            };
            let seat = match self.edge.enter(incoming.peer) {
                Ok(seat) => seat,
                Err(refused) => {
                    connections.spawn(Arc::clone(&self.edge).turn_away(incoming, refused));
                    continue;
                }
            };
            let (edge, shutdown) = (Arc::clone(&self.edge), shutdown.clone());
            connections.spawn(async move {
                connection::run(incoming, edge, shutdown).await;
                drop((permit, seat));
            });
        }
    }
}
