//! Realms: where sessions meet. A realm has one owner, a task that runs its broker and its dealer, and no locks.
//!
//! ```text
//! Attachment::send -> inbox -> owner -> router (permissions, broker, dealer) -> deliveries -> outboxes
//! ```
//!
//! The router and what is behind it are pure: a state, a session and a message give deliveries. Only the owner knows
//! of tasks, serializers and outboxes. Other sessions learn the *public* authid of a session's identity, never the
//! client's own, which may be a credential.
//!
//! Order (section "Ordering Guarantees"): there is one queue into the realm, one owner, and one queue out of it for each
//! session.

mod broker;
mod dealer;
mod deliveries;
mod encoded;
mod features;
mod holdings;
mod identifiers;
mod inbox;
mod logout;
mod member;
mod meta;
mod metrics;
mod options;
mod owner;
mod permissions;
mod router;
mod turn;

use std::sync::Arc;

use tokio::sync::oneshot;

use self::{
    features::features,
    inbox::{Arrival, Inbox, SessionKey},
    owner::Owner,
    permissions::Permissions,
};
pub use self::{
    inbox::RealmClosed,
    logout::{Logout, Logouts, TooManyLogouts},
    member::{Channel, Client},
    metrics::RealmMetrics,
    options::{HistoryOptions, Permission, RealmOptions, RoleOptions, Roles, SessionLimits},
};
use crate::{
    identity::Identity,
    wamp::{ClientMessage, RouterFeatures, SessionId, Uri},
    wire::Outbox,
};

/// A way to a realm. Cheap to clone; the realm ends when the last way and the last session are gone.
#[derive(Debug, Clone)]
pub struct Realm {
    inbox: Arc<Inbox>,
}

/// A session's place in a realm; dropping it leaves the realm, after what the session has sent.
///
/// Leaving always succeeds at once, however busy the realm is.
#[derive(Debug)]
pub struct Attachment {
    key: SessionKey,
    inbox: Arc<Inbox>,
}

// === impl Realm ===

impl Realm {
    /// Starts the owner of a realm which can have clients logged out, and is measured.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, on which the owner is to run.
    pub fn start(options: RealmOptions, logouts: Option<Logouts>, metrics: &RealmMetrics) -> Self {
        let (realm, owner) = Self::with_owner(options, logouts, metrics);
        tokio::spawn(owner.run());
        realm
    }

    /// A realm and the owner that has to run for it.
    fn with_owner(options: RealmOptions, logouts: Option<Logouts>, metrics: &RealmMetrics) -> (Self, Owner) {
        let permissions = Arc::new(Permissions::new(&options.roles));
        let features = features(!options.histories.is_empty());
        let (inbox, arrivals) = Inbox::new(options.name.clone(), Arc::clone(&permissions), features);
        let gate = Arc::clone(&inbox.gate);
        let counters = metrics.of(options.name.as_str(), &gate);
        let owner = Owner::new(options, arrivals, gate, permissions, logouts, counters);
        (Self { inbox: Arc::new(inbox) }, owner)
    }

    /// The realm's name as a URI.
    pub fn uri(&self) -> &Uri {
        &self.inbox.name
    }

    /// Whether sessions may have this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.inbox.permissions.has_role(role)
    }

    /// The names of the roles that sessions may have; none where they may have any.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.inbox.permissions.role_names()
    }

    /// What the realm can do, for WELCOME.
    pub fn features(&self) -> RouterFeatures {
        self.inbox.features.clone()
    }

    /// Adds a session. The realm pushes encoded messages for its client to `outbox`.
    ///
    /// Waits for room in the inbox only: the owner learns of the session later, in order. If the identifier is taken,
    /// the new session gets ABORT and its outbox is closed; the session that has the identifier does not notice. A
    /// session with a role that the realm does not have may do nothing.
    pub async fn attach(
        &self,
        session: SessionId,
        identity: Arc<Identity>,
        outbox: Arc<Outbox>,
        client: Client,
    ) -> Result<Attachment, RealmClosed> {
        let key = self.inbox.next_key(session);
        self.inbox.send(Arrival::Attach { key, identity, outbox, client }).await?;
        Ok(Attachment { key, inbox: Arc::clone(&self.inbox) })
    }
}

// === impl Attachment ===

impl Attachment {
    /// Hands a message of the session to the realm, waiting while the realm's inbox is full.
    ///
    /// Takes the messages for broker and dealer. The session's own (HELLO, GOODBYE, …) are a protocol violation here, as
    /// is an answer to an invocation that was never sent: the session gets ABORT, and its outbox is closed.
    pub async fn send(&self, message: ClientMessage) -> Result<(), RealmClosed> {
        self.inbox.send(Arrival::message(self.key, message)).await
    }

    /// Leaves the realm, after what the session has sent, and waits until the realm has acted on it: the answers are in the
    /// session's outbox then. The realm takes no message of the session any more.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        self.inbox.send_now(Arrival::Detach { key: self.key, done: Some(done) });
        // If the realm has ended, there is nothing left to wait for.
        drop(left.await);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.inbox.send_now(Arrival::Detach { key: self.key, done: None });
    }
}
