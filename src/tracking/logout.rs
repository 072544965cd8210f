//! Logging out: a client's IDs are revoked for good, and everything that is open with them is closed.

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{Family, Parting, Tracked, Tracker};
use crate::{
    cookie::{PublicIdKey, TrackingId},
    store::StoreError,
    time::Timestamp,
    wamp::Uri,
};

/// A cookie that somebody is here with, for whoever may have to revoke it.
#[derive(Clone)]
pub struct Visit {
    /// Who tracks it.
    pub tracker: Arc<Tracker>,
    /// The ID.
    pub id: TrackingId,
}

/// Somebody is to be logged out who does not ask for it.
#[derive(Debug)]
pub struct Logout {
    /// The cookies of those sessions that are here.
    pub visits: Vec<Visit>,
    /// A realm and an authid: whatever cookies are authenticated as that, or belong to the client whose public ID it is,
    /// here or not.
    pub principal: Option<(Uri, String)>,
    /// A client that stays: whose session has ordered this.
    pub spared: Option<Visit>,
}

/// Where a realm leaves its orders. Without a bound: only those who may kill sessions fill it.
pub type LogoutOrders = mpsc::UnboundedSender<Logout>;

impl Tracker {
    /// Logs a client out: by the ID of this connection, and by those on which it has logged in beside it.
    pub async fn log_out(&self, tracked: &Tracked, now: Timestamp) -> Result<(), StoreError> {
        let mut ids = tracked.family.as_ref().map(Family::logins).unwrap_or_default();
        ids.push(tracked.id.clone());
        self.log_out_all(&ids, now).await
    }

    /// Revokes these IDs and all that came before or after them, and closes their connections.
    ///
    /// When this returns, the records are as gone as the store promises. Connections are closed in any case; an error
    /// says that a record may come back when the gateway is started again.
    async fn log_out_all(&self, ids: &[TrackingId], now: Timestamp) -> Result<(), StoreError> {
        self.end(ids, Parting::LoggedOut, now).await
    }

    pub(super) async fn end(
        &self,
        ids: &[TrackingId],
        why: Parting,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let line = self.clients.lines(ids, now);
        // All of them are handed over before the first is waited for: they share what it costs to make them durable.
        let commits: Vec<_> = line.iter().map(|id| self.clients.store.revoke(id, now)).collect();
        let mut outcome = Ok(());
        for commit in commits {
            outcome = outcome.and(commit.await);
        }
        for id in &line {
            self.clients.connections.part_from_all(id, why);
        }
        outcome
    }

    /// The IDs of whoever has a name in a realm: those that are authenticated as that, and those of the client whose public
    /// ID it is. Reads the whole store: call it where blocking is allowed.
    fn ids_of(&self, realm: &Uri, authid: &str, now: Timestamp) -> Result<Vec<TrackingId>, StoreError> {
        // To make every record's public ID takes longer than all the rest.
        let may_be_public = PublicIdKey::may_have_made(authid);
        self.clients.find(now, |id, record| {
            let is_theirs = record.authentication.as_ref().is_some_and(|authentication| {
                authentication.authid == authid && authentication.authrealm == realm.as_str()
            });
            is_theirs || (may_be_public && *self.clients.public_id(id, record) == *authid)
        })
    }
}

/// Carries out the orders of the realms until the last realm is gone. `trackers` has one for each store.
pub async fn carry_out(mut orders: mpsc::UnboundedReceiver<Logout>, trackers: Vec<Arc<Tracker>>) {
    while let Some(Logout { visits, principal, spared }) = orders.recv().await {
        let now = Timestamp::now();
        for tracker in &trackers {
            let is_here = |visit: &&Visit| visit.tracker.clients.is_same(&tracker.clients);
            let mut ids: Vec<TrackingId> =
                visits.iter().filter(is_here).map(|visit| visit.id.clone()).collect();
            if let Some((realm, authid)) = principal.clone() {
                let scanning = Arc::clone(tracker);
                let found = tokio::task::spawn_blocking(move || scanning.ids_of(&realm, &authid, now)).await;
                match found {
                    Ok(Ok(found)) => ids.extend(found),
                    Ok(Err(error)) => warn!(%error, "logout: the store could not be searched"),
                    Err(error) => warn!(%error, "logout: the search did not end"),
                }
            }
            let name = |id: &TrackingId| tracker.clients.name(id, now);
            // By name, which all IDs of a client have in common, those of its other tabs included.
            if let Some(spared) = spared.as_ref().filter(is_here).and_then(|visit| name(&visit.id)) {
                ids.retain(|id| name(id).as_ref() != Some(&spared));
            }
            match tracker.log_out_all(&ids, now).await {
                Ok(()) => debug!(cookies = ids.len(), "logged out"),
                Err(error) => warn!(%error, "logout not recorded"),
            }
        }
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visit(..)")
    }
}
