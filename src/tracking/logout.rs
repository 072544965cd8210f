//! Logging out: the gateway revokes a client's IDs for good, and closes every connection that is open with them.

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use rustc_hash::FxHashSet;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Tracked, Tracker};
use crate::{
    cookie::{PublicIdKey, TrackingId},
    ration::Ration,
    store::{Parting, Reach, StoreError},
    time::Timestamp,
    wamp::{SessionId, Uri},
};

/// How many orders may wait. A privileged client gives one with each call that kills sessions; each may read all stores.
const MAX_ORDERS: usize = 256;

/// Lines about orders that were not carried out. A client that may give orders can give them as often as it likes.
static NOT_SEARCHED: Ration = Ration::SPARING;
static NOT_RECORDED: Ration = Ration::SPARING;

/// The orders of the realms to log clients out, for the whole gateway. They are carried out one after the other.
#[derive(Debug, Default)]
pub struct LogoutQueue(OnceLock<Working>);

#[derive(Debug)]
struct Working {
    /// One for each store.
    trackers: RwLock<Trackers>,
    orders: mpsc::Sender<Order>,
}

type Trackers = Arc<[Arc<Tracker>]>;

/// The queue is full; the order was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyOrders;

/// Clients that are to be logged out without asking for it.
#[derive(Debug)]
struct Order {
    trackers: Trackers,
    /// The cookies of those that are connected, tracker by tracker.
    connected: Vec<Connected>,
    /// A realm and an authid: all cookies that are authenticated as that, or belong to the client whose public ID it is,
    /// connected or not.
    principal: Option<(Uri, String)>,
}

/// What an order means for the connections of one tracker's store.
#[derive(Default)]
struct Connected {
    ids: Vec<TrackingId>,
    /// The cookie of the client that stays.
    spared: Option<TrackingId>,
}

impl LogoutQueue {
    /// Carries out orders from now on, until the queue is dropped, for the clients of these `trackers`: one for each store.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, on which the work is done.
    pub fn start(&self, trackers: Vec<Arc<Tracker>>) {
        let working = self.0.get_or_init(|| {
            let (orders, waiting) = mpsc::channel(MAX_ORDERS);
            tokio::spawn(carry_out(waiting));
            Working { trackers: RwLock::new(Arc::default()), orders }
        });
        *working.trackers.write().unwrap_or_else(PoisonError::into_inner) = trackers.into();
    }

    /// Orders that the clients of these sessions be logged out, and those that are known under a name in a realm; but
    /// not the client of the session that is `spared`.
    ///
    /// When this returns, it is settled which cookies are meant: the sessions may end. Takes one pass over the open
    /// connections.
    pub fn order(
        &self,
        sessions: &[SessionId],
        principal: Option<(Uri, String)>,
        spared: Option<SessionId>,
    ) -> Result<(), TooManyOrders> {
        // Before the start there are no connections.
        let Some(Working { trackers, orders }) = self.0.get() else { return Ok(()) };
        let place = orders.try_reserve().map_err(|_| TooManyOrders)?;
        let sessions: FxHashSet<SessionId> = sessions.iter().copied().collect();
        let trackers = Arc::clone(&trackers.read().unwrap_or_else(PoisonError::into_inner));
        let connected = trackers.iter().map(|tracker| tracker.connected(&sessions, spared)).collect();
        place.send(Order { trackers, connected, principal });
        Ok(())
    }
}

impl Tracker {
    /// Logs a client out: by the ID of this connection, and by those on which the same principal has logged in beside it.
    ///
    /// Connections on which another principal has logged in go on. A client that has planted its own ID in a browser logs
    /// itself out, and not the browser's user.
    pub async fn log_out(&self, tracked: &Tracked, now: Timestamp) -> Result<(), StoreError> {
        // Without a login of its own the client has the one on its cookie, whether it has used it or not.
        let on_cookie = tracked.record.authentication.as_ref();
        let on_cookie = on_cookie.map(|login| self.mark(&login.authrealm, &login.authid));
        let principal = tracked.presence.principal().or(on_cookie);
        let mut ids = match (&tracked.family, principal) {
            (Some(family), Some(principal)) => family.logins(principal),
            _ => Vec::new(),
        };
        ids.push(tracked.id.clone());
        self.end(&ids, Parting::LoggedOut, Reach::Principal(principal), now).await
    }

    /// Revokes these IDs and all that came before or after them, and ends the connections that this reaches.
    pub(super) async fn end(
        &self,
        ids: &[TrackingId],
        why: Parting,
        reach: Reach,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clients.revoke_lines(ids, why, reach, now).await.map(drop)
    }

    /// The cookies with which these sessions are connected here.
    fn connected(&self, sessions: &FxHashSet<SessionId>, spared: Option<SessionId>) -> Connected {
        let mut connected = Connected::default();
        self.clients.connections.each_session(|session, id| {
            if sessions.contains(&session) {
                connected.ids.push(id.clone());
            }
            if Some(session) == spared {
                connected.spared = Some(id.clone());
            }
        });
        connected
    }

    /// Takes out all IDs of the client that has the spared one: those with the same name, which the IDs of its other tabs
    /// have as well.
    async fn spare(&self, ids: &mut Vec<TrackingId>, spared: &TrackingId, now: Timestamp) {
        let Some(spared) = self.clients.name(spared, now).await else { return };
        self.clients.leave_out(ids, &spared, now).await;
    }

    /// The IDs of the clients that have a name in a realm: those that are authenticated as that, and those of the client
    /// whose public ID it is. Reads the whole store, unless that has an index: call it where blocking is allowed.
    fn ids_of(&self, realm: &Uri, authid: &str, now: Timestamp) -> Result<Vec<TrackingId>, StoreError> {
        // Making every record's public ID would take longer than all the rest.
        let may_be_public = PublicIdKey::may_have_made(authid);
        if !may_be_public && let Some(found) = self.clients.store.find_logins(realm.as_str(), authid, now) {
            return found;
        }
        self.clients.find(now, |id, record| {
            let is_theirs = record.authentication.as_ref().is_some_and(|authentication| {
                authentication.authid == authid && authentication.authrealm == realm.as_str()
            });
            is_theirs || (may_be_public && *self.clients.public_id(id, record) == *authid)
        })
    }
}

async fn carry_out(mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { trackers, connected, principal }) = orders.recv().await {
        let now = Timestamp::now();
        for (tracker, Connected { mut ids, spared }) in trackers.iter().zip(connected) {
            if let Some((realm, authid)) = principal.clone() {
                let scanning = Arc::clone(tracker);
                let found = tokio::task::spawn_blocking(move || scanning.ids_of(&realm, &authid, now)).await;
                match found {
                    Ok(Ok(found)) => ids.extend(found),
                    Ok(Err(error)) => {
                        complain(&NOT_SEARCHED, &error, "logout: the store could not be searched");
                    }
                    Err(error) => complain(&NOT_SEARCHED, &error, "logout: the search did not end"),
                }
            }
            if let Some(spared) = &spared {
                tracker.spare(&mut ids, spared, now).await;
            }
            match tracker.end(&ids, Parting::LoggedOut, Reach::All, now).await {
                Ok(()) if ids.is_empty() => {}
                Ok(()) => info!(cookies = ids.len(), "clients were logged out by another one"),
                Err(error) => complain(&NOT_RECORDED, &error, "logout not recorded"),
            }
        }
    }
}

fn complain(ration: &Ration, error: &dyn fmt::Display, what: &str) {
    if let Some(line) = ration.line() {
        warn!(%error, left_out = line.left_out, "{what}");
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connected({})", self.ids.len())
    }
}

#[cfg(test)]
mod tests;
