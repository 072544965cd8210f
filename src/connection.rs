//! One connection, top to bottom.

mod console;
mod join;
mod lease;
mod relayed;

use std::{
    future::pending,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::{join::Joined, relayed::Relayed};
use crate::{
    admission::Visitor,
    edge::{Edge, EdgeOptions, RawUpgrade, Seat, TesteeUpgrade, Upgrade, Upgraded},
    identity::{ANONYMOUS, Identity},
    metrics::Stage,
    service::{Slot, WebSocketService},
    shown,
    stream::Incoming,
    time::bucket::Bucket,
    traces::Span,
    tracking::{Closed, Parting},
    wamp::{SessionId, Uri},
    wire::{Ending, Testee, Wire},
};

/// How long requests that are under way have to finish once the gateway drains.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// How often a connection looks after that whether answers of upstreams still pass.
const LOOK: Duration = Duration::from_millis(50);

/// A connection that speaks WAMP.
#[derive(Debug)]
struct Connection {
    /// Where each HELLO finds the service. What the service was at the handshake does not outlive a reload.
    slot: Arc<Slot>,
    /// Which services have made the same of the handshake.
    line: u64,
    wire: Wire,
    visitor: Visitor,
    /// Who the client is, once WELCOME is on its way: only then is there a session to say GOODBYE to.
    joined: Option<Arc<Identity>>,
    /// What ends the session when its identity lapses, if that can.
    lease: Option<Box<lease::Held>>,
    /// How often it may join.
    joins: Bucket,
    /// Lasts as long as the connection.
    span: Span,
    /// The span of the join that is under way.
    joining: Span,
    /// Its place among the connections of its address, behind a proxy.
    _seat: Option<Seat>,
}

/// What a connection has become that has left HTTP.
enum Opened {
    /// It speaks WAMP.
    Wamp(Box<Connection>),
    /// It goes on to an upstream.
    Relayed(Box<Relayed>),
}

/// Serves one connection, once it is let in, until it ends; `held` is what it has of the server's until then.
///
/// HTTP requests first, until one of them becomes a WebSocket; then one WAMP session after the other. What comes
/// before and after a session is boxed: its state is several times that of the session, in which a connection spends
/// its life. That includes what is given here: a future has room for all of its arguments until it ends.
pub fn run<A, H>(
    arrival: A,
    edge: Arc<Edge>,
    shutdown: CancellationToken,
    held: H,
) -> impl Future<Output = ()> + Send
where
    A: Future<Output = Option<(Incoming, Option<Seat>)>> + Send,
    H: Send,
{
    let opening = Box::pin(open(arrival, edge, shutdown.clone()));
    async move {
        let _held = held;
        match opening.await {
            Some((Opened::Wamp(connection), _seat)) => serve(connection, &shutdown).await,
            Some((Opened::Relayed(relayed), _seat)) => Box::pin(relayed.run(&shutdown)).await,
            None => {}
        }
    }
}

/// Serves a connection that speaks WAMP.
async fn serve(mut connection: Box<Connection>, shutdown: &CancellationToken) {
    let revoked = connection.visitor.revoked();
    let ending = loop {
        // Whatever the client is doing: a revocation ends it where it waits.
        let ending = tokio::select! {
            ending = connection.converse(shutdown) => ending,
            why = closed(revoked.as_ref()) => Ending::Revoked(why),
        };
        if !matches!(ending, Ending::Left) {
            break ending;
        }
    };
    Box::pin(connection.end(ending)).await;
}

/// HTTP, until a request becomes a WebSocket that does more than echo.
async fn open(
    arrival: impl Future<Output = Option<(Incoming, Option<Seat>)>>,
    edge: Arc<Edge>,
    shutdown: CancellationToken,
) -> Option<(Opened, Option<Seat>)> {
    let (incoming, seat) = arrival.await?;
    let upgraded = tokio::select! {
        upgraded = edge.serve(incoming) => upgraded?,
        () = expired(&shutdown, &edge) => return None,
    };
    // A connection that has left HTTP keeps no configuration from before a reload.
    drop(edge);
    let opened = match upgraded {
        Upgraded::Wamp(upgrade) => Opened::Wamp(Box::new(Connection::new(upgrade))),
        Upgraded::Relay(upgrade) => Opened::Relayed(Box::new(Relayed::new(*upgrade))),
        Upgraded::Raw(upgrade) => Opened::Wamp(Box::new(Connection::over_raw_socket(upgrade))),
        Upgraded::Testee(TesteeUpgrade { stream, early, wire, seat: _seat }) => {
            Box::pin(Testee::new(stream, early, wire).run(&shutdown)).await;
            return None;
        }
        Upgraded::Console(upgrade) => {
            Box::pin(console::run(*upgrade, &shutdown)).await;
            return None;
        }
    };
    Some((opened, seat))
}

impl Connection {
    /// Takes over a stream whose 101 has been sent.
    fn new(upgrade: Upgrade) -> Self {
        let Upgrade { stream, early, service, subprotocol, seat, visitor } = upgrade;
        let certificate = visitor.certificate().map(tracing::field::display);
        debug!(connection = %visitor.id, peer = %visitor.peer, public_id = visitor.public_id(), certificate, "websocket open");
        let (options, traffic) = (Arc::clone(&service.wire), Arc::clone(&service.traffic));
        let wire = Wire::new(stream, early, subprotocol, options, traffic);
        Self::over(wire, &service, visitor, seat)
    }

    /// Takes over a stream whose handshake of RawSocket has been answered.
    fn over_raw_socket(upgrade: RawUpgrade) -> Self {
        let RawUpgrade { stream, service, serializer, max_sent, visitor } = upgrade;
        let certificate = visitor.certificate().map(tracing::field::display);
        debug!(connection = %visitor.id, peer = %visitor.peer, certificate, "rawsocket open");
        let (options, traffic) = (Arc::clone(&service.wire), Arc::clone(&service.traffic));
        let wire = Wire::new_raw(stream, serializer, max_sent, options, traffic);
        Self::over(wire, &service, visitor, None)
    }

    fn over(wire: Wire, service: &WebSocketService, mut visitor: Visitor, seat: Option<Seat>) -> Self {
        let joins = Bucket::full(Instant::now());
        let (slot, line) = (Arc::clone(&service.slot), service.line);
        let span = begin(&mut visitor);
        let joining = Span::NONE;
        Self { slot, line, wire, visitor, joined: None, lease: None, joins, span, joining, _seat: seat }
    }

    /// One session, from HELLO to GOODBYE.
    async fn converse(&mut self, shutdown: &CancellationToken) -> Ending {
        let joined = Box::pin(self.join(shutdown)).await;
        self.note_the_join(joined.as_ref().err());
        let ending = match joined {
            Ok(Joined::Here(session)) => session.run(&mut self.wire, shutdown).await,
            Ok(Joined::Behind(session, identity)) => {
                let is_tracked = self.visitor.tracked.is_some();
                Box::pin(session.run(&mut self.wire, &identity, is_tracked, shutdown)).await
            }
            Err(ending) => return ending,
        };
        match ending {
            Ending::Left => Box::pin(self.part()).await,
            ending => ending,
        }
    }

    /// Answers a GOODBYE. The client may say HELLO again.
    async fn part(&mut self) -> Ending {
        if let Some(message) = &Ending::Left.last_words(true).message {
            self.wire.push(message);
        }
        if let Err(error) = self.wire.flush().await {
            return error.into();
        }
        self.wire.close_session();
        (self.joined, self.lease) = (None, None);
        Ending::Left
    }

    /// Tells the client what there is to tell, and closes.
    async fn end(mut self: Box<Self>, ending: Ending) {
        self.visitor.depart();
        self.tell(&ending);
        if let Some(reason) = ending.complaint() {
            self.span.refused(reason);
        }
        if let Ending::Refused(refusal) = &ending {
            self.visitor.is_refused(refusal);
        }
        let ending = match ending {
            Ending::Closed => return self.wire.finish().await,
            Ending::Logout(_) => Ending::Logout(self.visitor.log_out().await.err()),
            ending => ending,
        };
        let has_joined = self.joined.is_some();
        let words = if self.wire.has_close_frames() {
            ending.last_words(has_joined)
        } else {
            ending.last_words_in_messages(has_joined)
        };
        let Some((code, reason)) = words.close else { return };
        if let Some(message) = &words.message {
            self.wire.push(message);
        }
        // A client that stops reading does not delay the close.
        if let Ok(Ok(())) = timeout(words.patience, self.wire.flush()).await {
            self.wire.close(code, &reason).await;
        }
    }
}

/// The span of a visitor's connection.
fn begin(visitor: &mut Visitor) -> Span {
    let mut span = visitor.place.enter("connection");
    // By this number the log's lines are found.
    span.tell("wampgate.connection", || visitor.id.to_string());
    span
}

impl Connection {
    /// Ends the span of a join, if a HELLO has come.
    fn note_the_join(&mut self, refused: Option<&Ending>) {
        let mut span = mem::take(&mut self.joining);
        self.visitor.place.return_to(&self.span);
        if let Some(reason) = refused.and_then(Ending::complaint) {
            span.refused(reason);
        }
        if let Some(identity) = self.joined.as_deref().filter(|_| refused.is_none()) {
            span.tell("wampgate.method", || identity.authmethod);
            span.tell("wampgate.role", || identity.authrole.to_string());
        }
    }

    /// Tells the operator who has joined. A login stands for a person or a device, and has a line that every log shows; anonymous
    /// clients come by the thousand.
    fn tell_of_the_join(&self, session: SessionId, realm: &Uri, identity: &Identity) {
        let Visitor { id, peer, .. } = &self.visitor;
        let (public_id, session) = (self.visitor.public_id(), session.0);
        let (method, role, authid) = (identity.authmethod, &*identity.authrole, identity.authid.public());
        if method == ANONYMOUS {
            debug!(connection = %id, %peer, public_id, session, %realm, method, authid, role, "joined");
        } else {
            info!(connection = %id, %peer, public_id, session, %realm, method, authid, role, "logged in");
        }
    }

    /// Tells the operator that a client has logged out, or was logged out with others of its cookie.
    fn tell_of_the_logout(&self, how: &Ending) {
        let Visitor { id, peer, .. } = &self.visitor;
        let public_id = self.visitor.public_id();
        let identity = self.joined.as_deref();
        let method = identity.map(|identity| identity.authmethod);
        let role = identity.map(|identity| &*identity.authrole);
        let authid = identity.map(|identity| identity.authid.public());
        info!(connection = %id, %peer, public_id, method, authid, role, how = %how, "logged out");
    }

    /// Tells the operator how the connection ends.
    fn tell(&self, ending: &Ending) {
        debug!(connection = %self.visitor.id, how = %ending, "connection ends");
        if matches!(ending, Ending::Logout(_) | Ending::Revoked(Parting::Killed | Parting::LoggedOut)) {
            self.tell_of_the_logout(ending);
        }
        let Some(reason) = ending.complaint() else { return };
        let (stage, what) = if self.joined.is_some() {
            (Stage::Session, "a session was ended")
        } else {
            (Stage::Join, "a client was refused")
        };
        let line = self.slot.refusals().count(stage, reason);
        if let Some(line) = line {
            self.slot.refusals().note(stage, reason, line, &self.visitor.peer, ending);
        }
        if let Some(line) = line.filter(|_| !ending.is_told()) {
            let Visitor { id, peer, .. } = &self.visitor;
            let path = self.visitor.path();
            let path = if path.is_empty() { EdgeOptions::RAW_SOCKET } else { path };
            let (public_id, path) = (self.visitor.public_id(), shown::path(path));
            let left_out = line.left_out;
            warn!(connection = %id, %peer, public_id, %path, reason, left_out, "{what}: {ending}");
        }
    }
}

async fn closed(revoked: Option<&Closed>) -> Parting {
    match revoked {
        Some(revoked) => revoked.wait().await,
        None => pending().await,
    }
}

/// Ends what is still HTTP at the gateway's end, but no answer of an upstream that passes: its clients would get half of it.
async fn expired(shutdown: &CancellationToken, edge: &Edge) {
    shutdown.cancelled().await;
    sleep(HTTP_GRACE).await;
    while edge.is_in_transit() {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Ready;

    /// A page. How large a future is, each version of the compiler decides anew, and this bound leaves it the choice: it finds
    /// what would be kept by mistake, such as a buffer. What a connection really holds, the integration tests measure.
    const MOST: usize = 4096;

    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_lives_as_long_as_a_connection_stays_small() {
        let (task, connection) = (size(super::run::<Ready<_>, ()>), size_of::<super::Connection>());
        assert!(task + connection <= MOST, "{task} + {connection} bytes for as long as the connection lives");
    }
}
