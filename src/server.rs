//! Listeners: accept, permit, hand over to a connection; and the drain at the end.

mod listener;

use std::{sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

pub use listener::{BindError, Listener};

use crate::{
    connection,
    edge::{Edge, Stream},
    gateway::{Gateway, janitor},
};

/// How long open connections have to end once the gateway drains. With the closing handshake's own limit this keeps
/// the whole drain below ten seconds.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// After a failed accept (mostly: no file descriptor left) the listener pauses for this long rather than spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client gets that the transport has no room for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 33\r\n\r\ntoo many connections, come later\n";

/// A gateway with its sockets bound, ready to serve.
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    listeners: Vec<Listener>,
}

impl Server {
    /// Binds every transport's endpoint; either all of them or none.
    pub fn bind(gateway: Gateway) -> Result<Self, BindError> {
        let listeners = gateway
            .transports()
            .iter()
            .map(|t| Listener::bind(&t.config.endpoint))
            .collect::<Result<_, _>>()?;
        Ok(Self { gateway, listeners })
    }

    /// Where the gateway listens, as URLs, in the order of the transports.
    pub fn urls(&self) -> Vec<String> {
        self.listeners.iter().map(Listener::url).collect()
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves until `shutdown` is cancelled, then drains: no new connections, and [`DRAIN_TIMEOUT`] for the open ones.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        let mut accepting = JoinSet::new();
        for (listener, transport) in self.listeners.into_iter().zip(self.gateway.transports()) {
            accepting.spawn(accept(
                listener,
                Arc::clone(&transport.edge),
                transport.config.max_connections,
                connections.clone(),
                shutdown.clone(),
            ));
        }
        let stores = self.gateway.stores().iter().map(|store| Arc::clone(&store.clients.store)).collect();
        let janitor = tokio::spawn(janitor::run(stores, shutdown));
        accepting.join_all().await;
        connections.close();
        info!(open = connections.len(), "draining");
        if timeout(DRAIN_TIMEOUT, connections.wait()).await.is_err() {
            warn!(open = connections.len(), "gave up waiting for connections to end");
        }
        // It has a part in the stores, which are written to the end when the last part goes.
        drop(janitor.await);
    }
}

async fn accept(
    listener: Listener,
    edge: Arc<Edge>,
    max_connections: usize,
    connections: TaskTracker,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            debug!(?peer, "refused: too many connections");
            connections.spawn(refuse(stream));
            continue;
        };
        let (edge, shutdown) = (Arc::clone(&edge), shutdown.clone());
        connections.spawn(async move {
            connection::run(stream, peer, edge, shutdown).await;
            drop(permit);
        });
    }
}

async fn refuse(mut stream: Stream) {
    // Best effort: the answer fits into an empty socket buffer, and a client that is gone does not matter.
    drop(timeout(ACCEPT_PAUSE, stream.write_all(FULL)).await);
    drop(timeout(ACCEPT_PAUSE, stream.shutdown()).await);
}
