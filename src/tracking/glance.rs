//! A look at a client whose request is answered without a cookie: forward-auth.
//!
//! Whether an ID counts is judged as in a handshake: an expired, revoked or replayed one does not, and a login that is over ends.
//! What a handshake hands out waits for one: no record is made, and no ID is replaced. The visit counts as a sighting.

use http::HeaderMap;

use super::{
    Tracked, Tracker,
    rotation::{Standing, standing},
};
use crate::{store::StoreError, time::Timestamp};

impl Tracker {
    /// The client whose cookie a request has, if the store knows it. Its `connections` are the ones that are open beside the
    /// request.
    pub async fn glance(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<Tracked>, StoreError> {
        let Some(found) = self.find(headers, now).await? else { return Ok(None) };
        self.retire_predecessor(&found.id, &found.record, now).await?;
        let latest = match standing(&found.record, self.rotates(), now) {
            Standing::Replayed => {
                self.end_replayed(found, now).await?;
                return Ok(None);
            }
            // Another tab has the next ID already, and may have logged out or in with it.
            Standing::Replaced(_) => {
                let Some(latest) = self.latest(&found.id, now).await? else { return Ok(None) };
                Some(latest)
            }
            Standing::Current | Standing::Unclaimed | Standing::Due(_) => None,
        };
        let presence = found.presence;
        if presence.is_revoked() {
            return Ok(None);
        }
        let (id, record) = latest.unwrap_or((found.id, found.record));
        let connections = self.clients.connections.count(&id);
        let before =
            record.lineage.as_ref().map_or(0, |line| self.clients.connections.count(&line.predecessor));
        let connections = connections.saturating_add(before);
        let mut tracked = Tracked {
            public_id: self.clients.public_id(&id, &record),
            id,
            record,
            is_new: false,
            is_exclusive: false,
            is_successor: false,
            connections,
            set_cookie: None,
            presence,
            family: None,
        };
        // A client with an open connection has not been away.
        if connections > 0 {
            tracked.record.last_seen = now;
        }
        self.check_login(tracked, now).await.map(Some)
    }
}

#[cfg(test)]
mod tests;
