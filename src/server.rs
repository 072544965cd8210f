//! Listeners: accept, permit, hand over to a connection; and the drain at the end.

mod entrance;
mod inherited;
mod listener;
mod options;
mod proxy_header;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use listener::{BindError, Listener};
pub use options::{Endpoint, ListenerOptions, SocketAccess};

pub(crate) use entrance::Entrance;
pub(crate) use proxy_header::REASONS as PROXY_REASONS;

use self::inherited::Inherited;
use crate::{
    connection, descriptors,
    edge::{Edge, TurnedAway},
    memory::{self, Charge},
    ration::Ration,
    stream::Incoming,
};

/// How long open connections have to end once the gateway drains. With the closing handshake's own limit this keeps
/// the whole drain below ten seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long probes have for their last answers, at the end of the drain.
const LAST_PROBES: Duration = Duration::from_millis(200);

/// How long a listener pauses after a failed accept (mostly: no file descriptor is left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often the operator hears of failed accepts.
const ACCEPT_LINES: Duration = Duration::from_secs(1);

/// How many clients a listener tells at once that there is no room. Further ones are closed without a word: they take
/// descriptors that nothing else counts.
const MAX_TURNED_AWAY: usize = 16;

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
    entrance: Option<Arc<Entrance>>,
    edge: Arc<Edge>,
}

impl Server {
    /// Binds every endpoint; either all of them or none. Needs a tokio runtime.
    pub(crate) fn bind(
        sites: impl IntoIterator<Item = (ListenerOptions, Option<Arc<Entrance>>, Arc<Edge>)>,
    ) -> Result<Self, BindError> {
        let mut inherited = Inherited::take();
        // How many connections the operator has asked for.
        let mut chosen: usize = 0;
        let bind = |(options, entrance, edge): (ListenerOptions, _, _)| {
            let listener = Listener::bind(&options.endpoint, &mut inherited)?;
            chosen += options.max_connections.unwrap_or(0);
            let max_connections = options.max_connections.unwrap_or(ListenerOptions::DEFAULT_MAX_CONNECTIONS);
            Ok(Site { listener, max_connections, entrance, edge })
        };
        let sites: Vec<Site> = sites.into_iter().map(bind).collect::<Result<_, _>>()?;
        tell_of_few_descriptors(chosen, sites.iter().map(|site| site.max_connections).sum());
        inherited.warn_of_rest();
        Ok(Self { sites })
    }

    /// Where the server listens, as URLs, in the order of the endpoints.
    pub fn urls(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.listener.url(site.is_tls())).collect()
    }

    /// Serves until `shutdown` is cancelled, then drains: no new connections, and 8 seconds for the open ones.
    ///
    /// Transports that serve nothing but probes and metrics go on until the others are drained, so that monitoring hears of it.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        let (probes, end) = (TaskTracker::new(), CancellationToken::new());
        let mut accepting = JoinSet::new();
        for site in self.sites {
            if site.edge.is_for_probes() {
                probes.spawn(site.accept(probes.clone(), end.clone()));
            } else {
                accepting.spawn(site.accept(connections.clone(), shutdown.clone()));
            }
        }
        shutdown.cancelled().await;
        accepting.join_all().await;
        connections.close();
        info!(open = connections.len(), "draining");
        if timeout(DRAIN_TIMEOUT, connections.wait()).await.is_err() {
            warn!(open = connections.len(), "gave up waiting for connections to end");
        }
        end.cancel();
        probes.close();
        // A probe whose answer is under way gets it; one that keeps its connection open does not hold up the end.
        let _ = timeout(LAST_PROBES, probes.wait()).await;
    }
}

/// Each connection takes a descriptor. An operator who has asked for so many connections is warned; defaults are only an upper bound.
fn tell_of_few_descriptors(chosen: usize, wanted: usize) {
    let (possible, limit) = (descriptors::for_clients(), descriptors::limit());
    if chosen > possible {
        warn!(
            max_connections = chosen,
            possible,
            limit,
            "the process may open fewer files than `max_connections` allows; {}",
            descriptors::REMEDY
        );
    } else if wanted > possible {
        info!(
            possible,
            limit,
            "the limit of open files bounds how many connections there may be; {}",
            descriptors::REMEDY
        );
    }
}

impl Site {
    fn is_tls(&self) -> bool {
        self.entrance.as_ref().is_some_and(|entrance| entrance.is_tls())
    }

    /// Tells a client that there is no room, if few others are being told.
    fn turn_away(
        &self,
        incoming: Incoming,
        why: TurnedAway,
        turning_away: &Arc<Semaphore>,
        connections: &TaskTracker,
    ) {
        self.edge.count_turned_away(&incoming, &why);
        let Ok(permit) = Arc::clone(turning_away).try_acquire_owned() else { return };
        let entrance = self.entrance.clone();
        connections.spawn(async move {
            match entrance {
                Some(entrance) => entrance.turn_away(incoming, why).await,
                None => Edge::turn_away(incoming, why).await,
            }
            drop(permit);
        });
    }

    async fn accept(self, connections: TaskTracker, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let turning_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
        let failures = Ration::new(1, ACCEPT_LINES);
        let mut watch = pin!(self.listener.watch());
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
                () = &mut watch => continue,
            };
            let incoming = match accepted {
                Ok(incoming) => incoming,
                Err(error) => {
                    if let Some(line) = failures.line() {
                        let (left_out, remedy) = (line.left_out, descriptors::remedy(&error));
                        warn!(%error, left_out, "accept failed{remedy}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                self.turn_away(incoming, TurnedAway::full(), &turning_away, &connections);
                continue;
            };
            let Some(descriptor) = descriptors::take() else {
                self.turn_away(incoming, TurnedAway::no_descriptors(), &turning_away, &connections);
                continue;
            };
            let Some(memory) = Charge::new(memory::CONNECTION) else {
                self.turn_away(incoming, TurnedAway::no_memory(), &turning_away, &connections);
                continue;
            };
            let seat = match self.edge.enter(incoming.peer) {
                Ok(seat) => seat,
                Err(refused) => {
                    self.turn_away(incoming, refused, &turning_away, &connections);
                    continue;
                }
            };
            let (edge, shutdown) = (Arc::clone(&self.edge), shutdown.clone());
            let held = (permit, descriptor, memory, seat, edge.count());
            let Some(entrance) = self.entrance.clone() else {
                connections.spawn(async move {
                    connection::run(incoming, edge, shutdown).await;
                    drop(held);
                });
                continue;
            };
            connections.spawn(async move {
                // Boxed, since a handshake needs more than the connection behind it.
                let admitted = Box::pin(entrance.admit(incoming, &edge, &shutdown)).await;
                if let Some((incoming, seat)) = admitted {
                    connection::run(incoming, edge, shutdown).await;
                    drop(seat);
                }
                drop(held);
            });
        }
    }
}
