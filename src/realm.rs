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

mod authorization;
mod broker;
mod caller;
mod dealer;
mod deliveries;
mod encoded;
mod features;
mod holdings;
mod identifiers;
mod inbox;
mod listing;
mod logout;
mod member;
mod meta;
mod metrics;
mod options;
mod owner;
mod permissions;
mod router;
mod rules;
mod table;
mod turn;

use std::sync::Arc;

use tokio::sync::{SemaphorePermit, oneshot};

pub(crate) use self::authorization::Decider;
pub use self::{
    authorization::{Asking, Authorizers, RoleAuthorizer},
    caller::Caller,
    inbox::RealmClosed,
    listing::{Listed, Listing},
    logout::{Logout, Logouts, TooManyLogouts},
    member::{Channel, Client, Transport},
    metrics::RealmMetrics,
    options::{
        AuthorizerOptions, HistoryOptions, Permission, RealmOptions, RoleOptions, Roles, SessionLimits,
    },
    rules::Rules,
};
use self::{
    features::features,
    inbox::{Arrival, Inbox, SessionKey},
    owner::Owner,
    permissions::{Permissions, Ruling},
};
use crate::{
    identity::{Identity, Standings},
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

/// Room that a realm keeps for one message of a session.
#[derive(Debug)]
pub struct Room<'a> {
    attachment: &'a Attachment,
    /// How many slots of the inbox the message takes.
    number: u32,
    slots: SemaphorePermit<'a>,
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
        let rules = Arc::new(Rules::new(Permissions::new(&options.roles)));
        let features = features(!options.histories.is_empty());
        let (inbox, arrivals) = Inbox::new(options.name.clone(), Arc::clone(&rules), features);
        let gate = Arc::clone(&inbox.gate);
        let counters = metrics.of(options.name.as_str(), &gate);
        let owner = Owner::new(options, arrivals, gate, rules, logouts, counters);
        (Self { inbox: Arc::new(inbox) }, owner)
    }

    /// The realm's name as a URI.
    pub fn uri(&self) -> &Uri {
        &self.inbox.name
    }

    /// What the realm goes by now.
    pub fn rules(&self) -> Arc<Rules> {
        self.inbox.rules.load_full()
    }

    /// What decides about the roles that have an authorizer.
    pub(crate) fn authorizers(&self) -> Arc<Authorizers> {
        self.inbox.authorizers.load_full()
    }

    /// Has these decide from now on, each about its role. The realm's rules name the same ones, before or soon.
    pub(crate) fn authorize_by(&self, authorizers: Authorizers) {
        self.inbox.authorizers.store(Arc::new(authorizers));
    }

    /// Goes by these options and standings from now on, but for its name and its histories. Sessions that have lost their ground are
    /// ended; the answer is how many.
    ///
    /// No session joins by the old rules any more once this returns, and messages that are sent afterwards count by the new ones.
    pub(crate) fn reconfigure(
        &self,
        options: &RealmOptions,
        standings: Arc<Standings>,
    ) -> oneshot::Receiver<usize> {
        let rules = Rules { permissions: Permissions::new(&options.roles), standings: Some(standings) };
        let rules = Arc::new(rules);
        // First: an admission that reads the old rules attaches behind the change, and is judged there.
        self.inbox.rules.store(Arc::clone(&rules));
        let (done, ended) = oneshot::channel();
        self.inbox.send_now(Arrival::Reconfigure { rules, limits: options.per_session, done });
        ended
    }

    /// Ends the realm with all of its sessions; the answer is how many.
    pub(crate) fn close(&self) -> oneshot::Receiver<usize> {
        let (done, ended) = oneshot::channel();
        self.inbox.send_now(Arrival::Close { done });
        ended
    }

    /// Ends a session for the operator; the answer is whether there was one.
    pub(crate) fn kill(&self, session: SessionId) -> oneshot::Receiver<bool> {
        let (done, killed) = oneshot::channel();
        self.inbox.send_now(Arrival::Kill { session, done });
        killed
    }

    /// The newest sessions whose number, authid, role or method `wanted` is a part of, `most` of them.
    pub(crate) fn list(&self, wanted: &str, most: usize) -> oneshot::Receiver<Listing> {
        let (done, listing) = oneshot::channel();
        self.inbox.send_now(Arrival::List { wanted: wanted.to_owned(), most, done });
        listing
    }

    /// What the realm can do, for WELCOME.
    pub fn features(&self) -> RouterFeatures {
        self.inbox.features.clone()
    }

    /// Whether both are ways to the same realm.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inbox, &other.inbox)
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
    /// Waits while the realm's inbox has no room for a message of the session.
    pub async fn room(&self, message: &ClientMessage) -> Result<Room<'_>, RealmClosed> {
        let number = Arrival::slots_of(message);
        let slots = self.inbox.room(number).await?;
        Ok(Room { attachment: self, number, slots })
    }

    /// Hands a message to the realm for a session whose role has an authorizer, which is asked first.
    pub async fn send_asking(&self, asking: &mut Asking, message: ClientMessage) -> Result<(), RealmClosed> {
        let authorizer = self.inbox.authorizers.load().get(asking.role()).cloned();
        let ruling = match authorizer {
            Some(authorizer) => asking.rule(&authorizer, &message).await,
            None => None,
        };
        self.room(&message).await?.send_ruled(message, ruling)
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

// === impl Room ===

impl Room<'_> {
    /// Hands the message to the realm.
    ///
    /// Takes the messages for broker and dealer. The session's own (HELLO, GOODBYE, …) are a protocol violation here, as
    /// is an answer to an invocation that was never sent: the session gets ABORT, and its outbox is closed.
    pub fn send(self, message: ClientMessage) -> Result<(), RealmClosed> {
        self.send_ruled(message, None)
    }

    fn send_ruled(self, message: ClientMessage, ruling: Option<Ruling>) -> Result<(), RealmClosed> {
        let Self { attachment: Attachment { key, inbox }, number, slots } = self;
        inbox.put(slots, Arrival::Message { key: *key, slots: number, ruling, message })
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.inbox.send_now(Arrival::Detach { key: self.key, done: None });
    }
}
