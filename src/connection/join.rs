//! From HELLO to WELCOME.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Connection, lease::Held};
use crate::{
    admission::{Answer, Application, Hello, Verdict},
    auth::{self, AuthError},
    backend::{Attachment, Backend},
    identity::Identity,
    realm::{Asking, Channel, Client, Transport},
    remote::{Announced, Remote, RouterSession},
    service::WebSocketService,
    session::Session,
    stream::PeerAddr,
    time::Timestamp,
    upstream::Among,
    wamp::{
        ClientFeatures, ClientMessage, RouterFeatures, RouterMessage, SessionId, Uri, message::WelcomeDetails,
    },
    wire::{CloseCode, Ending, WireError},
};

/// Where a client has joined.
pub(super) enum Joined {
    /// An embedded realm.
    Here(Session),
    /// A router behind the gateway.
    Behind(Box<RouterSession>, Arc<Identity>),
}

impl Connection {
    /// A session: who the client is, and its place in the backend that it asks for.
    pub(super) async fn join(&mut self, shutdown: &CancellationToken) -> Result<Joined, Ending> {
        let (service, hello) = self.hello(shutdown).await?;
        let backend = find_backend(&service, &hello)?;
        self.joining.tell("wampgate.realm", || backend.realm().to_string());
        let session = SessionId::random();
        let features = ClientFeatures::read(&hello.details.roles).map_err(WireError::Malformed)?;
        let is_behind = matches!(backend, Backend::Remote(_));
        let announced = is_behind.then(|| Announced::read(&hello.details.roles));
        let identity = self.admit(&service, hello, &backend, session).await?;
        let rules = backend.rules();
        if !rules.admit(&identity) {
            return Err(AuthError::Reconfigured.into());
        }
        let is_asked = rules.asks() && backend.asks_about(&identity.authrole);
        drop(rules);
        service.admission.proves(&self.visitor, backend.realm(), &identity);
        // Before a router is joined, which takes its time: what revokes the login meanwhile has to find it.
        service.admission.remember(&self.visitor, backend.realm(), &identity).await;
        let joined = match (&backend, announced) {
            (Backend::Remote(remote), Some(announced)) => {
                // Boxed, so that routers do not make the future of another join larger.
                Some(Box::pin(self.join_router((&service, remote), &identity, announced, shutdown)).await?)
            }
            _ => None,
        };
        let session = joined.as_ref().map_or(session, |joined| joined.id());
        // The store and the router may have taken their time.
        if let Some(lapse) = identity.lease.lapsed(Timestamp::now) {
            return Err(AuthError::from(lapse).into());
        }
        self.visitor.begins(session);
        let realm = match (&backend, joined) {
            (Backend::Realm(realm), _) => realm,
            (Backend::Remote(remote), Some(joined)) => {
                let identity = self.welcome(session, remote.uri(), joined.features().clone(), identity)?;
                return Ok(Joined::Behind(joined, identity));
            }
            // Only a realm of the gateway's own is entered without having been joined before.
            (Backend::Remote(_), None) => return Err(AuthError::Reconfigured.into()),
        };
        let identity = self.welcome(session, realm.uri(), realm.features(), identity)?;
        let (channel, transport) = (self.channel(), self.transport());
        let client = Client { channel, transport, features, asks: is_asked, service: service.number() };
        let outbox = Arc::clone(self.wire.outbox());
        let attached = Attachment::to(realm, session, identity, outbox, client).await;
        let attachment = attached.map_err(|_| Ending::Refused(AuthError::NoSuchRealm(None)))?;
        let asking = is_asked.then(|| self.asking(session, &backend)).flatten();
        Ok(Joined::Here(Session::new(attachment, self.visitor.tracked.is_some(), asking)))
    }

    /// Joins the router behind the gateway as the client, before the client hears of it. A client that leaves meanwhile takes its place
    /// there with it.
    async fn join_router(
        &mut self,
        (service, remote): (&WebSocketService, &Remote),
        identity: &Identity,
        announced: Announced,
        shutdown: &CancellationToken,
    ) -> Result<Box<RouterSession>, Ending> {
        let serializer = self.wire.serializer();
        let way = match remote.ways() {
            Among::One(way) => way,
            ways @ Among::Named(_) => {
                let (realm, names) = (remote.uri(), ways.names());
                let admission = &service.admission;
                let chosen = admission.choose_upstream(&self.visitor, realm, identity, &names).await?;
                debug!(connection = %self.visitor.id, upstream = chosen, "a session goes on to an upstream");
                ways.named(&chosen).ok_or(AuthError::Reconfigured)?
            }
        };
        let affinity = way.affinity(self.visitor.public_id(), self.visitor.peer);
        let joined = tokio::select! {
            joined = remote.join(way, identity, announced, serializer, self.visitor.hops, affinity) => joined,
            said = self.message() => return Err(out_of_turn(said, "a client must wait for WELCOME or ABORT")),
            () = shutdown.cancelled() => return Err(Ending::Shutdown),
        };
        joined.map(Box::new).map_err(|fault| Ending::Router(Box::new(fault)))
    }

    /// What the authorizer of the session's role is told of it.
    fn asking(&self, session: SessionId, backend: &Backend) -> Option<Box<Asking>> {
        let (identity, realm) = (Arc::clone(self.joined.as_ref()?), backend.realm().clone());
        let public_id = self.visitor.tracked.as_ref().map(|tracked| Arc::clone(&tracked.public_id));
        let (connection, peer) = (&*self.visitor.id, self.visitor.peer.to_string());
        Some(Box::new(Asking::new(session, realm, identity, public_id, connection, peer, self.transport())))
    }

    /// The service that the client has come to, as the configuration has it now.
    fn service(&self) -> Result<Arc<WebSocketService>, Ending> {
        // What the handshake has done may not be what another service would have done: the client comes back, and makes a new one.
        self.slot.service().filter(|service| service.line == self.line).ok_or_else(Ending::reconfigured)
    }

    /// Waits for HELLO, which begins a session.
    async fn hello(
        &mut self,
        shutdown: &CancellationToken,
    ) -> Result<(Arc<WebSocketService>, Hello), Ending> {
        let patience = self.service()?.hello_timeout;
        let message = tokio::select! {
            message = timeout(patience, self.message()) => message,
            () = shutdown.cancelled() => return Err(Ending::Shutdown),
        };
        match message {
            Ok(Ok(ClientMessage::Hello { realm, details })) => {
                // Section "HELLO": a client announces the roles that it plays, at least one.
                if details.roles.is_empty() {
                    return Err(Ending::violation("HELLO.Details.roles must name at least one role"));
                }
                let service = self.service()?;
                if let Some(rate) = service.joins {
                    self.joins.take(rate, Instant::now()).map_err(|_| AuthError::TooOften)?;
                }
                self.joining = self.visitor.place.enter("join");
                service.admission.greet(&mut self.visitor).await;
                Ok((service, Hello { realm, details }))
            }
            Ok(said) => Err(out_of_turn(said, "the first message of a session must be HELLO")),
            Err(_) => Err(Ending::NoHello(patience)),
        }
    }

    /// Finds out who the client is, with a challenge if that is what the policy defers to.
    async fn admit(
        &mut self,
        service: &WebSocketService,
        hello: Hello,
        backend: &Backend,
        session: SessionId,
    ) -> Result<Identity, Ending> {
        let rules = backend.rules();
        let asked = Application { session, realm: backend.realm(), rules: Some(&rules), hello: None };
        let application = Application { hello: Some(&hello), ..asked };
        let verdict = service.admission.decide(&self.visitor, &application).await?;
        match verdict {
            Verdict::Admitted(identity) => Ok(identity),
            Verdict::Challenged(challenge) => {
                // A client may take its time to answer. What it has said so far is not kept meanwhile.
                drop(hello);
                self.wire.push(&RouterMessage::Challenge {
                    method: challenge.method,
                    extra: challenge.extra.clone(),
                });
                let answer = {
                    let mut span = self.visitor.place.child("challenge");
                    span.tell("wampgate.method", || challenge.method);
                    self.answer().await
                };
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(ending) => {
                        service.admission.abandon(&challenge);
                        return Err(ending);
                    }
                };
                // The client may have taken its time: what holds now decides.
                let rules = backend.rules();
                let asked = Application { rules: Some(&rules), ..asked };
                Ok(service.admission.answer(&self.visitor, challenge, &answer, &asked).await?)
            }
        }
    }

    /// Waits for AUTHENTICATE.
    async fn answer(&mut self) -> Result<Answer, Ending> {
        match timeout(auth::ANSWER_TIMEOUT, self.message()).await {
            Ok(Ok(ClientMessage::Authenticate { signature, extra })) => Ok(Answer { signature, extra }),
            Ok(said) => Err(out_of_turn(said, "the answer to CHALLENGE must be AUTHENTICATE or ABORT")),
            Err(_) => Err(AuthError::TooLate.into()),
        }
    }

    /// Tells the client who it is.
    fn welcome(
        &mut self,
        session: SessionId,
        realm: &Uri,
        features: RouterFeatures,
        identity: Identity,
    ) -> Result<Arc<Identity>, Ending> {
        let tracked = self.visitor.tracked.as_ref();
        let details = WelcomeDetails {
            realm: realm.clone(),
            authid: identity.authid.own().into(),
            authrole: identity.authrole.clone().into(),
            authmethod: identity.authmethod,
            authprovider: identity.authprovider,
            authextra: identity.authextra.clone(),
            features,
            known: tracked.map(|tracked| !tracked.is_new),
            public_id: tracked.map(|tracked| Arc::clone(&tracked.public_id)),
        };
        self.wire.open_session();
        // WELCOME is queued before the backend knows of the session, so nothing of the backend can come before it.
        self.wire.push(&RouterMessage::Welcome { session, details: Box::new(details) });
        let identity = Arc::new(identity);
        self.joined = Some(Arc::clone(&identity));
        self.tell_of_the_join(session, realm, &identity);
        self.lease = Held::begin(&self.visitor.id, &identity, self.wire.outbox());
        // What lapses from now on ends the session, and what has lapsed since the last look never reaches the backend.
        if let Some(lapse) = identity.lease.lapsed(Timestamp::now) {
            return Err(Ending::Lapsed(lapse));
        }
        Ok(identity)
    }

    /// What the client speaks.
    const fn transport(&self) -> Transport {
        if self.wire.has_close_frames() { Transport::WebSocket } else { Transport::RawSocket }
    }

    /// What the connection came in by, as other sessions may know it.
    const fn channel(&self) -> Channel {
        match self.visitor.peer {
            PeerAddr::Tcp(_) => Channel::Tcp,
            PeerAddr::Unix => Channel::Unix,
        }
    }

    /// The next message of a client that has not joined yet: it comes alone.
    async fn message(&mut self) -> Result<ClientMessage, Ending> {
        let message = self.wire.next_message().await?;
        if self.wire.has_unread() {
            return Err(Ending::violation("a client may send one message at a time before WELCOME"));
        }
        Ok(message)
    }
}

/// How a join ends whose client says something else than it should: it may only give up.
fn out_of_turn(said: Result<ClientMessage, Ending>, rule: &'static str) -> Ending {
    match said {
        Ok(ClientMessage::Abort { .. }) => Ending::Close(CloseCode::Normal, String::new()),
        Ok(_) => Ending::violation(rule),
        Err(ending) => ending,
    }
}

/// The backend of the realm that the client asks for.
fn find_backend(service: &WebSocketService, hello: &Hello) -> Result<Backend, AuthError> {
    let found = service.backends.find(hello.realm.as_ref());
    found.cloned().ok_or_else(|| AuthError::NoSuchRealm(hello.realm.clone()))
}
