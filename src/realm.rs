//! Realms: where sessions meet. A realm has one owner, a task that runs its broker and its dealer, and no locks.

use std::sync::Arc;

use crate::{
    config::RealmConfig,
    identity::Identity,
    outbox::Outbox,
    wamp::{ClientMessage, SessionId},
};

/// A way to a realm. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Realm {
    name: Arc<str>,
}

/// A session's place in a realm; dropping it leaves the realm.
#[derive(Debug)]
pub struct Attachment {
    session: SessionId,
}

/// The realm's owner has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the realm has been closed")]
pub struct RealmClosed;

impl Realm {
    /// Starts the owner of a realm.
    pub fn start(config: RealmConfig) -> Self {
        Self { name: Arc::from(config.name.as_str()) }
    }

    /// The realm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether sessions may have this role.
    pub fn has_role(&self, role: &str) -> bool {
        let _ = role;
        false
    }

    /// Adds a session; what is for its client is pushed to `outbox`, encoded.
    pub async fn attach(
        &self,
        session: SessionId,
        identity: Arc<Identity>,
        outbox: Arc<Outbox>,
    ) -> Result<Attachment, RealmClosed> {
        let _ = (identity, outbox);
        Ok(Attachment { session })
    }
}

impl Attachment {
    /// The session.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Hands a message of the session to the realm, waiting while the realm's inbox is full.
    ///
    /// Takes the messages of broker and dealer; the session's own (HELLO, GOODBYE, …) never reach a realm.
    pub async fn send(&self, message: ClientMessage) -> Result<(), RealmClosed> {
        let _ = message;
        Err(RealmClosed)
    }
}
