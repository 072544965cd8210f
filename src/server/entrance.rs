//! What a connection passes before its first request: the header of the PROXY protocol, and TLS.
//!
//! Only endpoints that are configured for one of them have an entrance. It has the same permits as the requests behind it, and a
//! time limit for each step.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::proxy_header::{self, ProxyFault};
use crate::{
    edge::{Edge, Seat, TurnedAway},
    metrics::Stage,
    stream::{Incoming, Stream},
    tls::Acceptor,
};

/// The entrance of an endpoint.
#[derive(Debug)]
pub(crate) struct Entrance {
    tls: Option<Arc<Acceptor>>,
    /// How long a proxy has for its header; none: none is expected.
    proxy_header: Option<Duration>,
}

impl Entrance {
    /// An entrance, if connections have anything to pass.
    pub(crate) fn new(tls: Option<Arc<Acceptor>>, proxy_header: Option<Duration>) -> Option<Self> {
        (tls.is_some() || proxy_header.is_some()).then_some(Self { tls, proxy_header })
    }

    /// Whether clients speak TLS behind it.
    pub(super) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Lets a connection in; none if it is refused, leaves, or the gateway drains. The seat is the client's, where a proxy says
    /// who that is.
    pub(super) async fn admit(
        &self,
        incoming: Incoming,
        edge: &Arc<Edge>,
        shutdown: &CancellationToken,
    ) -> Option<(Incoming, Option<Seat>)> {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            admitted = self.pass(incoming, edge) => admitted,
        }
    }

    async fn pass(&self, mut incoming: Incoming, edge: &Arc<Edge>) -> Option<(Incoming, Option<Seat>)> {
        let mut seat = None;
        if let Some(limit) = self.proxy_header {
            match Self::client(&mut incoming, limit, edge).await {
                Ok(()) => {}
                Err(fault) => {
                    edge.count_refused(Stage::Connection, fault.reason(), incoming.peer, &fault);
                    return None;
                }
            }
            match edge.enter(incoming.peer) {
                Ok(taken) => seat = taken,
                Err(refused) => {
                    edge.count_turned_away(&incoming, &refused);
                    self.turn_away(incoming, refused, edge).await;
                    return None;
                }
            }
        }
        let Some(acceptor) = &self.tls else { return Some((incoming, seat)) };
        if let Err(refused) = edge.enter_tls(incoming.peer) {
            edge.count_turned_away(&incoming, &refused);
            self.turn_away(incoming, refused, edge).await;
            return None;
        }
        let Incoming { stream: Stream::Tcp(stream), peer, is_nameless, .. } = incoming else { return None };
        match acceptor.accept(stream).await {
            Ok((stream, tls)) => {
                let stream = Stream::Tls(Box::new(stream.into()));
                Some((Incoming { stream, peer, is_nameless, tls: Some(tls) }, seat))
            }
            Err((refusal, stream)) => {
                if refusal.is_told() {
                    edge.count_refused(Stage::Tls, refusal.reason(), peer, &refusal);
                } else {
                    edge.count_unseen(Stage::Tls, refusal.reason());
                }
                if let Some(stream) = stream {
                    let incoming = Incoming { stream: Stream::Tcp(stream), peer, is_nameless, tls: None };
                    edge.turn_away(incoming, TurnedAway::no_tls()).await;
                }
                None
            }
        }
    }

    /// Puts the client that a proxy speaks for in the place of the proxy.
    async fn client(incoming: &mut Incoming, limit: Duration, edge: &Edge) -> Result<(), ProxyFault> {
        if !edge.trusts(incoming.peer) {
            return Err(ProxyFault::Untrusted);
        }
        let read = timeout(limit, proxy_header::read(&mut incoming.stream)).await;
        match read.unwrap_or(Err(ProxyFault::Timeout))? {
            Some(client) => incoming.peer = client,
            None => incoming.is_nameless = true,
        }
        Ok(())
    }

    /// Turns a connection away that there is no room for.
    pub(super) async fn turn_away(&self, incoming: Incoming, why: TurnedAway, edge: &Edge) {
        if self.is_tls() {
            Edge::turn_away_tls(incoming).await;
        } else {
            edge.turn_away(incoming, why).await;
        }
    }
}
