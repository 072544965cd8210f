//! What stands behind a WebSocket service: a joined session talks to a backend.
//!
//! There are two kinds: the embedded realm, and a realm of a router behind the gateway. An admission asks both the same. A session attaches
//! to the first and joins the second.

use std::{collections::HashMap, sync::Arc};

use crate::{
    identity::Identity,
    realm::{self, Asking, Client, Realm, Rules},
    remote::Remote,
    wamp::{ClientMessage, SessionId, Uri},
    wire::Outbox,
};

/// A backend. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A realm that is embedded in the gateway.
    Realm(Realm),
    /// A realm of a router behind it.
    Remote(Remote),
}

/// A session's place in its backend; dropping it leaves the backend, after what the session has sent.
#[derive(Debug)]
pub enum Attachment {
    /// In an embedded realm.
    Realm(realm::Attachment),
}

/// Room that the backend keeps for one message. The message comes apart from it, so that it stands in one place while its session
/// waits, and not in each of the futures that wait.
#[derive(Debug)]
pub enum Room<'a> {
    /// In the inbox of an embedded realm.
    Realm(realm::Room<'a>),
}

/// The backend takes no sessions and no messages any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the backend has been closed")]
pub struct BackendClosed;

/// The backends of a gateway, by the realm that a HELLO names.
#[derive(Debug, Default)]
pub struct Backends(HashMap<String, Backend>);

impl Backend {
    /// The realm's name, as a URI.
    pub fn realm(&self) -> &Uri {
        match self {
            Self::Realm(realm) => realm.uri(),
            Self::Remote(remote) => remote.uri(),
        }
    }

    /// What the backend goes by now: which roles sessions may have, and on what they may stand.
    pub fn rules(&self) -> Arc<Rules> {
        match self {
            Self::Realm(realm) => realm.rules(),
            Self::Remote(remote) => remote.rules(),
        }
    }

    /// Whether an authorizer decides about a role.
    pub fn asks_about(&self, role: &str) -> bool {
        match self {
            Self::Realm(realm) => realm.authorizers().contains_key(role),
            // The router itself decides.
            Self::Remote(_) => false,
        }
    }
}

impl Attachment {
    /// Adds a session to an embedded realm; what is for its client is pushed to `outbox`, encoded.
    pub async fn to(
        realm: &Realm,
        session: SessionId,
        identity: Arc<Identity>,
        outbox: Arc<Outbox>,
        client: Client,
    ) -> Result<Self, BackendClosed> {
        let attached = realm.attach(session, identity, outbox, client).await;
        attached.map(Self::Realm).map_err(|_| BackendClosed)
    }

    /// Waits while the backend has no room for a message of the session.
    pub async fn room(&self, message: &ClientMessage) -> Result<Room<'_>, BackendClosed> {
        match self {
            Self::Realm(attachment) => {
                attachment.room(message).await.map(Room::Realm).map_err(|_| BackendClosed)
            }
        }
    }

    /// The same for a session whose role has an authorizer, which is asked first.
    pub async fn send_asking(
        &self,
        asking: &mut Asking,
        message: ClientMessage,
    ) -> Result<(), BackendClosed> {
        match self {
            Self::Realm(attachment) => {
                attachment.send_asking(asking, message).await.map_err(|_| BackendClosed)
            }
        }
    }

    /// Leaves the backend, after what the session has sent, and waits until that is answered as far as it can be at once.
    pub async fn leave(&self) {
        match self {
            Self::Realm(attachment) => attachment.leave().await,
        }
    }
}

impl Room<'_> {
    /// Hands the message to the backend.
    pub fn send(self, message: ClientMessage) -> Result<(), BackendClosed> {
        match self {
            Self::Realm(room) => room.send(message).map_err(|_| BackendClosed),
        }
    }
}

impl Backends {
    /// The backend of the realm that a client asks for.
    ///
    /// A client may leave the choice to the gateway, which has one only where there is one realm.
    pub fn find(&self, realm: Option<&Uri>) -> Option<&Backend> {
        match realm {
            Some(name) => self.0.get(name.as_str()),
            None if self.0.len() == 1 => self.0.values().next(),
            None => None,
        }
    }
}

impl FromIterator<Backend> for Backends {
    fn from_iter<I: IntoIterator<Item = Backend>>(backends: I) -> Self {
        Self(backends.into_iter().map(|backend| (backend.realm().to_string(), backend)).collect())
    }
}
