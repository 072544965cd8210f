//! What an admission reads from the record of a visitor's cookie, and what it leaves there.

use http::HeaderMap;
use tracing::{debug, warn};

use super::{Admission, Facts, Visitor};
use crate::{
    auth::{self, AuthError},
    identity::Identity,
    ration::Ration,
    store::{Authentication, StoreError},
    time::Timestamp,
    tracking::Tracked,
    wamp::{SessionId, Uri},
};

/// Lines about what a store has not done for a client. A client causes them as often as it likes while its store is in trouble.
static NOT_READ: Ration = Ration::SPARING;
static NOT_WRITTEN: Ration = Ration::SPARING;
static NOT_LOGGED_OUT: Ration = Ration::SPARING;

/// Why a request makes no visitor.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MeetError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client is new, and may not get a record.
    #[error("the client would need a new record")]
    New,
}

impl Admission {
    /// Tracks a request's cookie, where the service does that.
    pub(super) async fn track(
        &self,
        facts: &Facts<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Tracked>, MeetError> {
        let Some(tracker) = &self.tracker else { return Ok(None) };
        let has_tls = facts.tls.is_some();
        if facts.may_be_new {
            return Ok(Some(tracker.admit(headers, has_tls, now).await?));
        }
        let known = tracker.recognize(headers, has_tls, now).await?;
        known.map(Some).ok_or(MeetError::New)
    }

    /// Looks up what the cookie's record says by now, when a visitor says HELLO: another connection may have logged in or out
    /// since the handshake, or this one in an earlier session.
    ///
    /// The rest of the record stays as the handshake found it: when the client was seen before that is what a
    /// policy asks for. From the second HELLO on, the client has been there all the time.
    pub async fn greet(&self, visitor: &mut Visitor) {
        let was_greeted = std::mem::replace(&mut visitor.is_greeted, true);
        let (Some(tracked), Some(tracker)) = (&mut visitor.tracked, &self.tracker) else { return };
        let now = Timestamp::now();
        let found = tracker.authentication(tracked, now).await;
        if was_greeted {
            tracked.record.last_seen = now;
        } else if let Err(error) = tracker.confirm(tracked, now).await {
            // The ID before goes on for longer. That is the client's own, and the store has said that it is in trouble.
            debug!(connection = %visitor.id, public_id = &*tracked.public_id, %error, "cookie record not read");
        }
        // A record that is gone, or that cannot be read, vouches for no login.
        tracked.record.authentication = found
            .inspect_err(|error| complain(&NOT_READ, &visitor.id, tracked, error, "cookie record not read"))
            .ok()
            .flatten()
            .filter(|stored| stands_for_a_principal(stored));
    }

    /// Keeps on the cookie's record what a method has verified.
    pub async fn remember(&self, visitor: &Visitor, realm: &Uri, identity: &Identity) {
        let now = Timestamp::now();
        if let Some(authentication) = auth::remembered(identity, realm.as_str(), now) {
            // Boxed, so that writing does not make the future of a join larger that has nothing to write.
            Box::pin(self.write(visitor, Some(authentication), now)).await;
        }
    }

    /// Notes who a visitor has proved to be. Call it before anything that takes its time: whatever revokes the login meanwhile has to find
    /// it, also while the store does not answer.
    pub fn proves(&self, visitor: &Visitor, realm: &Uri, identity: &Identity) {
        let (Some(tracked), Some(tracker)) = (&visitor.tracked, &self.tracker) else { return };
        // What a client has not proved may be another one's as well: the cookie, or what a policy makes of a request.
        let principal = auth::Method::parse(identity.authmethod)
            .map(|_| tracker.mark(realm.as_str(), identity.authid.public()));
        tracked.presence.has_logged_in(principal);
    }

    /// Drops the login from the cookie's record.
    pub(super) async fn forget(&self, visitor: &Visitor) {
        // Boxed as above.
        Box::pin(self.write(visitor, None, Timestamp::now())).await;
    }

    async fn write(&self, visitor: &Visitor, authentication: Option<Authentication>, now: Timestamp) {
        let (Some(tracked), Some(tracker)) = (&visitor.tracked, &self.tracker) else { return };
        let written = match authentication {
            Some(authentication) => tracker.remember(tracked, authentication, now).await,
            None => tracker.forget(tracked, now).await,
        };
        // The session is good without it; only the next visit will not know of this one.
        if let Err(error) = written {
            complain(&NOT_WRITTEN, &visitor.id, tracked, &error, "authentication not recorded");
        }
    }
}

/// What becomes of a visitor after its admission takes nothing of the service but its tracker.
impl Visitor {
    /// Notes which session the visitor begins. Call it before a backend knows of the session.
    pub fn begins(&self, session: SessionId) {
        if let Some(tracked) = &self.tracked {
            tracked.presence.has_session(session);
        }
    }

    /// Takes back the record that a new visitor has got, if it has guessed wrong: guesses must not fill a store.
    pub fn is_refused(&self, refusal: &AuthError) {
        if let (Some(tracked), Some(tracker), true) = (&self.tracked, &self.tracker, refusal.is_wrong_guess())
        {
            tracker.withdraw(tracked, Timestamp::now());
        }
    }

    /// Takes back the record that a new visitor has got whose request comes to nothing.
    pub fn withdraw(&self) {
        if let (Some(tracked), Some(tracker)) = (&self.tracked, &self.tracker) {
            tracker.withdraw(tracked, Timestamp::now());
        }
    }

    /// Revokes the visitor's cookie for good, and ends whatever else is open with it.
    pub async fn log_out(&self) -> Result<(), StoreError> {
        let (Some(tracked), Some(tracker)) = (&self.tracked, &self.tracker) else { return Ok(()) };
        let done = tracker.log_out(tracked, Timestamp::now()).await;
        match &done {
            Ok(()) => debug!(connection = %self.id, public_id = &*tracked.public_id, "logged out"),
            Err(error) => complain(&NOT_LOGGED_OUT, &self.id, tracked, error, "logout not recorded"),
        }
        done
    }

    /// Notes that a visitor was there until now, where it counts how long a client stays away.
    pub fn depart(&self) {
        if let (Some(tracked), Some(tracker)) = (&self.tracked, &self.tracker) {
            tracker.depart(tracked, Timestamp::now());
        }
    }
}

/// Tells the operator what a store has not done for a client. A store that fails has said so itself, once.
fn complain(ration: &Ration, connection: &str, tracked: &Tracked, error: &StoreError, what: &str) {
    let public_id = &*tracked.public_id;
    if error.is_told() {
        debug!(connection, public_id, %error, "{what}");
    } else if let Some(line) = ration.line() {
        warn!(connection, public_id, %error, left_out = line.left_out, "{what}");
    }
}

/// Whether a stored login has proved anything. Crossbar.io's files hold what anonymous clients left as well.
pub(super) fn stands_for_a_principal(stored: &Authentication) -> bool {
    auth::Method::parse(&stored.authmethod).is_some()
}
