//! Listeners: accept, permit, hand over to a connection; and the drain at the end.

mod entrance;
mod inherited;
mod listener;
mod options;
mod post;
mod proxy_header;
#[cfg(test)]
mod tests;

use std::{future::ready, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use listener::{BindError, Listener};
pub use options::{Endpoint, ListenerOptions, SocketAccess};

pub(crate) use entrance::Entrance;
pub(crate) use post::{Post, Posts, Serving};
pub(crate) use proxy_header::REASONS as PROXY_REASONS;

use self::inherited::Inherited;
use crate::{
    connection, descriptors,
    edge::TurnedAway,
    memory::{self, Charge},
    ration::Ration,
    stream::Incoming,
};

/// How long open connections have to end once the gateway has told them. With the closing handshake's own limit this keeps
/// the whole drain below ten seconds, beside the time that the operator has it take to tell all of them.
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
    posts: Posts,
}

/// One listener, with what is behind it.
#[derive(Debug)]
pub(crate) struct Site {
    listener: Listener,
    post: Arc<Post>,
}

impl Server {
    /// Binds every endpoint; either all of them or none. Needs a tokio runtime.
    pub(crate) fn bind<'a>(
        sites: impl IntoIterator<Item = (&'a ListenerOptions, Arc<Post>)>,
        posts: Posts,
    ) -> Result<Self, BindError> {
        let mut inherited = Inherited::take();
        // How many connections the operator has asked for.
        let (mut chosen, mut wanted) = (0, 0_usize);
        let bind = |(options, post): (&ListenerOptions, _)| {
            let listener = Listener::bind(&options.endpoint, &mut inherited)?;
            let max = options.max_connections;
            chosen += max.unwrap_or(0);
            wanted = wanted.saturating_add(max.unwrap_or(ListenerOptions::DEFAULT_MAX_CONNECTIONS));
            Ok(Site { listener, post })
        };
        let sites: Vec<Site> = sites.into_iter().map(bind).collect::<Result<_, _>>()?;
        tell_of_few_descriptors(chosen, wanted);
        inherited.warn_of_rest();
        Ok(Self { sites, posts })
    }

    /// Where the server listens, as URLs, in the order of the endpoints.
    pub fn urls(&self) -> Vec<String> {
        self.sites.iter().map(Site::url).collect()
    }

    /// Serves until `shutdown` is cancelled, then drains: no new connections, and 8 seconds for the open ones after the last of them has been
    /// told, which takes no time or the configuration's `drain_seconds`.
    ///
    /// Transports that serve nothing but probes and metrics go on until the others are drained, so that monitoring hears of it.
    pub async fn run(self, shutdown: CancellationToken) {
        for site in self.sites {
            site.open(&self.posts);
        }
        shutdown.cancelled().await;
        let is_for_probes = |post: &Arc<Post>| post.serving().edge.is_for_probes();
        let (posts, spread) = self.posts.drain();
        let (probes, others): (Vec<_>, Vec<_>) = posts.into_iter().partition(is_for_probes);
        let stop_accepting = async |posts: &[Arc<Post>]| {
            for post in posts {
                post.stop_accepting.cancel();
            }
            for post in posts {
                post.stop_accepting().await;
            }
        };
        let end = async |posts: &[Arc<Post>]| {
            for post in posts {
                post.end();
            }
            for post in posts {
                post.connections.wait().await;
            }
        };
        let open = || others.iter().map(|post| post.connections.len()).sum::<usize>();
        stop_accepting(&others).await;
        info!(open = open(), seconds = spread.as_secs(), "draining");
        if !spread.is_zero() {
            let mut ending = JoinSet::new();
            for post in &others {
                let post = Arc::clone(post);
                ending.spawn(async move { post.end_over(spread).await });
            }
            ending.join_all().await;
        }
        if timeout(DRAIN_TIMEOUT, end(&others)).await.is_err() {
            warn!(open = open(), "gave up waiting for connections to end");
        }
        stop_accepting(&probes).await;
        // A probe whose answer is under way gets it; one that keeps its connection open does not hold up the end.
        let _ = timeout(LAST_PROBES, end(&probes)).await;
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
    /// Binds one more endpoint while the gateway runs. Needs a tokio runtime.
    pub(crate) fn bind(endpoint: &Endpoint, post: Arc<Post>) -> Result<Self, BindError> {
        Ok(Self { listener: Listener::bind(endpoint, &mut Inherited::default())?, post })
    }

    /// Accepts connections from now on, unless the gateway ends.
    pub(crate) fn open(self, posts: &Posts) {
        let post = Arc::clone(&self.post);
        if posts.add(Arc::clone(&post)) {
            post.accepting.spawn(self.accept());
        }
    }

    /// Where a client finds it.
    pub(crate) fn url(&self) -> String {
        let serving = self.post.serving();
        let url = self.listener.url(serving.entrance.as_ref().is_some_and(|entrance| entrance.is_tls()));
        match url.strip_prefix("http") {
            Some(rest) if serving.edge.is_raw_socket_alone() => format!("rs{rest}"),
            _ => url,
        }
    }

    /// Tells a client that there is no room, if few others are being told.
    fn turn_away(
        &self,
        incoming: Incoming,
        why: TurnedAway,
        serving: &Serving,
        turning_away: &Arc<Semaphore>,
    ) {
        serving.edge.count_turned_away(&incoming, &why);
        let Ok(permit) = Arc::clone(turning_away).try_acquire_owned() else { return };
        let (entrance, edge) = (serving.entrance.clone(), Arc::clone(&serving.edge));
        self.post.connections.spawn(async move {
            match entrance {
                Some(entrance) => entrance.turn_away(incoming, why, &edge).await,
                None => edge.turn_away(incoming, why).await,
            }
            drop(permit);
        });
    }

    async fn accept(self) {
        let turning_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
        tokio::select! {
            biased;
            () = self.post.stop_accepting.cancelled() => {}
            () = self.accept_all(&turning_away) => {}
        }
        if let Some(rest) = self.listener.hand_over() {
            // The time is up, in all cases: nothing tells whether one more is on its way.
            drop(timeout(rest, self.accept_all(&turning_away)).await);
        }
        let Self { listener, post } = self;
        drop(listener);
        post.has_stopped_accepting();
    }

    /// Accepts and serves connections; never ends.
    async fn accept_all(&self, turning_away: &Arc<Semaphore>) {
        let failures = Ration::new(1, ACCEPT_LINES);
        let mut watch = pin!(self.listener.watch());
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut watch => continue,
            };
            match accepted {
                Ok(incoming) => self.serve(incoming, turning_away),
                Err(error) => {
                    if let Some(line) = failures.line() {
                        let (left_out, remedy) = (line.left_out, descriptors::remedy(&error));
                        warn!(%error, left_out, "accept failed{remedy}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection that was accepted, or tells its client that there is no room.
    fn serve(&self, incoming: Incoming, turning_away: &Arc<Semaphore>) {
        let serving = self.post.serving();
        let Some(permit) = self.post.enter(&serving) else {
            self.turn_away(incoming, TurnedAway::full(), &serving, turning_away);
            return;
        };
        let Some(descriptor) = descriptors::take() else {
            self.turn_away(incoming, TurnedAway::no_descriptors(), &serving, turning_away);
            return;
        };
        let Some(memory) = Charge::new(memory::CONNECTION) else {
            self.turn_away(incoming, TurnedAway::no_memory(), &serving, turning_away);
            return;
        };
        let seat = match serving.edge.enter(incoming.peer) {
            Ok(seat) => seat,
            Err(refused) => {
                self.turn_away(incoming, refused, &serving, turning_away);
                return;
            }
        };
        let (edge, shutdown) = (Arc::clone(&serving.edge), self.post.wave());
        let held = (permit, descriptor, memory, seat, edge.count());
        match serving.entrance.clone() {
            None => {
                let arrival = ready(Some((incoming, None)));
                self.post.connections.spawn(connection::run(arrival, edge, shutdown, held));
            }
            Some(entrance) => {
                let (door, draining) = (Arc::clone(&edge), shutdown.clone());
                // It ends with the entrance: a connection keeps no configuration of TLS from before a reload. Boxed, since the
                // connection would have room for it twice, and until the end of its handshake.
                let arrival = Box::pin(async move { entrance.admit(incoming, &door, &draining).await });
                self.post.connections.spawn(connection::run(arrival, edge, shutdown, held));
            }
        }
    }
}
