//! What a connection reads from its cookie's record, and what it leaves there.

use tracing::{debug, warn};

use super::client::Client;
use crate::{
    auth,
    identity::Identity,
    realm::Realm,
    store::{Authentication, StoreError},
    time::Timestamp,
    tracking::Closed,
};

impl Client {
    /// Where the connection learns that its cookie was revoked, if it has one.
    pub fn revoked(&self) -> Option<Closed> {
        self.tracked.as_ref().map(|tracked| tracked.presence.closed())
    }

    /// Looks up what the cookie's record says by now: another connection may have logged in or out since the
    /// handshake, or this one in an earlier session.
    ///
    /// The rest of the record stays as the handshake found it: when the client was seen before that is what a
    /// policy asks for. From the second HELLO on, the client has been there all the time.
    pub(super) fn refresh(&mut self) {
        let is_known = std::mem::replace(&mut self.is_known, true);
        let (Some(tracked), Some(tracker)) = (&mut self.tracked, &self.service.tracker) else { return };
        let now = Timestamp::now();
        let found = tracker.authentication(&tracked.id, now);
        if is_known {
            tracked.record.last_seen = now;
        }
        // A record that is gone, or that cannot be read, vouches for nobody.
        tracked.record.authentication = found
            .inspect_err(|error| {
                warn!(connection = %self.id, public_id = &*tracked.public_id, %error, "cookie record not read");
            })
            .ok()
            .flatten()
            // Crossbar.io's files hold what anonymous clients left as well, and that stands for nothing.
            .filter(|stored| auth::Method::parse(&stored.authmethod).is_some());
    }

    /// Notes that the client was there until now, where it counts how long a client stays away.
    pub(super) fn note_departure(&self) {
        let is_noted = self.service.config.auth.as_ref().and_then(|auth| auth.cookie?.idle_timeout).is_some();
        if let (Some(tracked), Some(tracker), true) = (&self.tracked, &self.service.tracker, is_noted)
            // Looking a record up is what notes a sighting.
            && let Err(error) = tracker.clients.store.look_up(&tracked.id, Timestamp::now())
        {
            warn!(connection = %self.id, public_id = &*tracked.public_id, %error, "departure not noted");
        }
    }

    /// Keeps on the cookie's record what a method has verified.
    pub async fn record(&self, realm: &Realm, identity: &Identity) {
        if let Some(authentication) = auth::remembered(identity, realm.name(), Timestamp::now()) {
            self.remember(Some(authentication)).await;
        }
    }

    /// Whether the client has a cookie that could be revoked.
    pub fn is_tracked(&self) -> bool {
        self.tracked.is_some()
    }

    /// Revokes the client's cookie for good, and ends whatever else is open with it.
    pub async fn log_out(&self) -> Result<(), StoreError> {
        let (Some(tracked), Some(tracker)) = (&self.tracked, &self.service.tracker) else { return Ok(()) };
        let done = tracker.log_out(tracked, Timestamp::now()).await;
        match &done {
            Ok(()) => debug!(connection = %self.id, public_id = &*tracked.public_id, "logged out"),
            Err(error) => {
                warn!(connection = %self.id, public_id = &*tracked.public_id, %error, "logout not recorded");
            }
        }
        done
    }

    pub(super) async fn remember(&self, authentication: Option<Authentication>) {
        let (Some(tracked), Some(tracker)) = (&self.tracked, &self.service.tracker) else { return };
        let now = Timestamp::now();
        let written = match authentication {
            Some(authentication) => tracker.remember(tracked, authentication, now).await,
            None => tracker.clients.store.authenticate(&tracked.id, None, now).await,
        };
        if let Err(error) = written {
            // The session is good without it; only the next visit will not know of this one.
            warn!(connection = %self.id, public_id = &*tracked.public_id, %error, "authentication not recorded");
        }
    }
}
