//! The client at the other end of a connection, and the steps that make it a session.

use std::{future::pending, sync::Arc};

use serde_json::{Map, Value};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Ending;
use crate::{
    auth::{self, Applicant, Plan, Refusal, Step},
    edge::{Peer, Upgrade},
    gateway::WebSocketService,
    identity::Identity,
    outbox::Outbox,
    policy::Decision,
    realm::{Attachment, Channel, Realm},
    session,
    socket::{Received, Socket},
    time::Timestamp,
    tracking::Tracked,
    wamp::{
        ClientMessage, RouterMessage, Serializer, SessionId, Uri,
        batch::Framing,
        message::{HelloDetails, WelcomeDetails},
    },
};

/// A connection that speaks WAMP.
#[derive(Debug)]
pub struct Client {
    /// Names the connection in logs and towards the policy: a random number in hexadecimal.
    pub id: Box<str>,
    /// The service that it came to.
    pub service: Arc<WebSocketService>,
    /// The WebSocket.
    pub socket: Socket,
    /// How its frames are made up.
    pub framing: Framing,
    outbox: Arc<Outbox>,
    /// Whether WELCOME is on its way: only then is there a session to say GOODBYE to.
    is_welcome: bool,
    pub(super) tracked: Option<Tracked>,
    /// Whether a HELLO has come on this connection before.
    pub(super) is_known: bool,
    pub(super) peer: Peer,
    pub(super) path: Box<str>,
    pub(super) headers: http::HeaderMap,
}

/// A HELLO with what it says.
#[derive(Debug)]
pub struct Hello {
    /// The identifier that the session will have.
    pub session: SessionId,
    /// The realm that the client would like to join.
    pub realm: Option<Uri>,
    /// Everything else.
    pub details: HelloDetails,
}

impl Client {
    /// Takes over a connection whose 101 has been sent.
    pub fn new(upgrade: Upgrade) -> Self {
        let Upgrade { peer, stream, early, service, accepted, tracked, path, headers } = upgrade;
        let options = &service.config.options;
        let subprotocol = accepted.subprotocol;
        let id = format!("{:016x}", rand::random::<u64>());
        let socket = Socket::new(
            stream,
            early,
            subprotocol.serializer,
            options.max_message_size_before_welcome,
            options.max_frame_size,
        );
        let outbox = Arc::new(Outbox::new(subprotocol.serializer, options.max_unsent));
        debug!(connection = %id, %peer, public_id = tracked.as_ref().map(|t| &*t.public_id), "websocket open");
        Self {
            id: id.into(),
            socket,
            framing: subprotocol.framing(),
            outbox,
            is_welcome: false,
            tracked,
            is_known: false,
            peer,
            path: path.into(),
            headers,
            service,
        }
    }

    /// Whether the client has been welcomed and has not left.
    pub fn is_welcome(&self) -> bool {
        self.is_welcome
    }

    /// What waits to be sent in this session.
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// What messages are written with.
    pub fn serializer(&self) -> Serializer {
        self.framing.subprotocol().serializer
    }

    /// Queues a message.
    pub fn push(&self, message: &RouterMessage) {
        self.outbox.push(self.serializer().encode(message));
    }

    /// Waits for HELLO, which begins a session.
    pub async fn hello(&mut self, shutdown: &CancellationToken) -> Result<Hello, Ending> {
        let options = &self.service.config.options;
        let patience = options.hello_timeout;
        self.is_welcome = false;
        self.outbox = Arc::new(Outbox::new(self.serializer(), options.max_unsent));
        let message = tokio::select! {
            message = timeout(patience, self.message()) => message,
            () = shutdown.cancelled() => {
                return Err(Ending::Close(CloseCode::Away, "the gateway is shutting down".to_owned()));
            }
        };
        match message {
            Ok(Ok(ClientMessage::Hello { realm, details })) => {
                // Section "HELLO": a client announces the roles that it plays, at least one.
                if details.roles.is_empty() {
                    return Err(Ending::violation("HELLO.Details.roles must name at least one role"));
                }
                self.refresh();
                Ok(Hello { session: SessionId::random(), realm, details })
            }
            Ok(Ok(ClientMessage::Abort { .. })) => Err(Ending::Close(CloseCode::Normal, String::new())),
            Ok(Ok(_)) => Err(Ending::violation("the first message of a session must be HELLO")),
            Ok(Err(ending)) => Err(ending),
            Err(_) => Err(Ending::Close(CloseCode::Protocol, format!("no HELLO within {patience:?}"))),
        }
    }

    /// The realm that the client asks for.
    pub fn realm(&self, hello: &Hello) -> Result<Realm, Refusal> {
        let realms = &self.service.realms;
        let realm = match &hello.realm {
            Some(name) => realms.get(name.as_str()),
            // A client may leave the choice to the router, which has one only where there is one realm.
            None if realms.len() == 1 => realms.values().next(),
            None => None,
        };
        realm.cloned().ok_or_else(|| Refusal::NoSuchRealm(hello.realm.clone()))
    }

    /// Turns a decision into an identity, running the method that it defers to.
    pub async fn establish(
        &mut self,
        hello: &Hello,
        realm: &Realm,
        decision: Decision,
    ) -> Result<Identity, Ending> {
        let service = Arc::clone(&self.service);
        let applicant = Applicant {
            config: service.config.auth.as_ref(),
            realm: realm.uri(),
            hello: &hello.details,
            tracked: self.tracked.as_ref(),
            session: hello.session,
            key: &service.key,
            tls_exporter: None,
        };
        let has_role = |role: &str| realm.has_role(role);
        let method = match auth::plan(decision, &applicant, has_role, &mut rand::rng())? {
            Plan::Join(identity) => return Ok(identity),
            Plan::Run(method) => method,
        };
        let step = auth::begin(method, &applicant, Timestamp::now(), &mut rand::rng());
        let principal = match step {
            Ok(Step::Done(principal)) => Ok(principal),
            Ok(Step::Challenge { method, extra, pending }) => {
                let (signature, extra) = self.challenge(method, extra).await?;
                pending.finish(&signature, &extra, Timestamp::now())
            }
            Err(refusal) => Err(refusal),
        };
        match principal.and_then(|principal| principal.admit(has_role)) {
            Ok(identity) => Ok(identity),
            Err(refusal) => {
                if refusal.ends_stored_authentication(method) {
                    self.remember(None).await;
                }
                Err(refusal.into())
            }
        }
    }

    /// Sends CHALLENGE and waits for AUTHENTICATE.
    async fn challenge(
        &mut self,
        method: &'static str,
        extra: Map<String, Value>,
    ) -> Result<(String, Map<String, Value>), Ending> {
        let challenge = self.serializer().encode(&RouterMessage::Challenge { method, extra });
        session::write(&mut self.socket, self.framing, &mut vec![challenge], pending()).await?;
        match timeout(auth::ANSWER_TIMEOUT, self.message()).await {
            Ok(Ok(ClientMessage::Authenticate { signature, extra })) => Ok((signature, extra)),
            Ok(Ok(ClientMessage::Abort { .. })) => Err(Ending::Close(CloseCode::Normal, String::new())),
            Ok(Ok(_)) => Err(Ending::violation("the answer to CHALLENGE must be AUTHENTICATE or ABORT")),
            Ok(Err(ending)) => Err(ending),
            Err(_) => Err(Refusal::TooLate.into()),
        }
    }

    /// Enters the realm and tells the client who it is.
    pub async fn welcome(
        &mut self,
        hello: &Hello,
        realm: &Realm,
        identity: Identity,
    ) -> Result<Attachment, Ending> {
        let session = hello.session;
        let details = WelcomeDetails {
            realm: realm.uri().clone(),
            authid: identity.authid.own().into(),
            authrole: Arc::clone(&identity.authrole),
            authmethod: identity.authmethod,
            authprovider: identity.authprovider,
            authextra: identity.authextra.clone(),
            known: self.tracked.as_ref().map(|tracked| !tracked.is_new),
            public_id: self.tracked.as_ref().map(|tracked| Arc::clone(&tracked.public_id)),
        };
        let options = &self.service.config.options;
        self.socket.set_limits(options.max_message_size, options.max_frame_size);
        // WELCOME is queued before the realm knows of the session, so nothing of the realm can come before it.
        self.push(&RouterMessage::Welcome { session, details: Box::new(details) });
        self.is_welcome = true;
        debug!(connection = %self.id, session = session.0, authid = identity.authid.public(), role = &*identity.authrole,
              method = identity.authmethod, realm = realm.name(), "joined");
        if let Some(tracked) = &self.tracked {
            tracked.presence.has_session(session);
        }
        let attached = realm.attach(session, Arc::new(identity), self.outbox(), self.channel()).await;
        attached.map_err(|_| Ending::Refused(Refusal::NoSuchRealm(None)))
    }

    /// What others may know of the way by which the client came.
    const fn channel(&self) -> Channel {
        match self.peer {
            Peer::Tcp(_) => Channel::Tcp,
            Peer::Unix => Channel::Unix,
        }
    }

    /// The next message of a client that has not joined yet.
    async fn message(&mut self) -> Result<ClientMessage, Ending> {
        let frame = loop {
            match self.socket.receive().await? {
                Received::Message(frame) => break frame,
                Received::Ping => self.socket.flush().await?,
                Received::Pong(_) => {}
            }
        };
        let violation = |error: &dyn std::fmt::Display| Ending::violation(&error.to_string());
        let mut messages = self.framing.split(&frame).map_err(|error| violation(&error))?;
        let first = messages.next().ok_or_else(|| Ending::violation("empty frame"))?;
        if messages.next().is_some() {
            return Err(Ending::violation("a client may send one message at a time before WELCOME"));
        }
        let depth = self.service.config.options.max_nesting_depth;
        self.serializer().decode(&first, depth).map_err(|error| violation(&error))
    }
}
