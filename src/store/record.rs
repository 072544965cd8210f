//! What a store keeps for a tracking ID.

use std::sync::Arc;

use crate::{
    cookie::{MaxAge, TrackingId},
    time::Timestamp,
};

/// What a store keeps for one tracking ID.
#[derive(Debug, Clone, PartialEq)]
pub struct CookieRecord {
    /// When the ID was handed out.
    pub created: Timestamp,
    /// When the client was last seen; coarse, so that a rejoin writes nothing most of the time.
    pub last_seen: Timestamp,
    /// How long the record lives, counted from `created`.
    pub max_age: MaxAge,
    /// What the last successful authentication left, if any.
    pub authentication: Option<Arc<Authentication>>,
    /// What the ID has replaced, if it has replaced one. Never changes.
    pub lineage: Option<Arc<Lineage>>,
}

/// Where an ID comes from that was handed out in place of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The public ID of the client's first ID. Others know the client by it, whichever ID it has.
    pub public_id: Arc<str>,
    /// The ID that was replaced.
    pub predecessor: TrackingId,
}

/// What replaces an ID after its client has authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The next ID. Drawn at the login, so that a logout knows it before it is handed out.
    pub id: TrackingId,
    /// Since when it is in use; none: it has not been handed out. [`UNUSED`](Self::UNUSED) while it has been, and its
    /// client has not come with it yet.
    pub since: Option<Timestamp>,
}

impl Succession {
    /// The moment of a successor that was handed out and has not been used: the end of the year 9999, the last moment that
    /// all stores can write.
    pub const UNUSED: Timestamp = Timestamp::from_millis(253_402_300_799_999);

    /// Whether it is this ID, handed out and not used yet.
    pub fn is_unused_as(&self, id: &TrackingId) -> bool {
        self.since == Some(Self::UNUSED) && self.id == *id
    }
}

/// What is to stand in place of an ID from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The next ID.
    pub id: TrackingId,
    /// The client's public ID, which stays the same.
    pub public_id: Arc<str>,
    /// How long the next record lives.
    pub max_age: MaxAge,
}

/// What an authentication leaves on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Authentication {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authrealm: String,
    /// A JSON object, as text.
    pub authextra: String,
    /// When it happened.
    pub at: Timestamp,
    /// What replaces the ID that this stands on, if it is to be replaced.
    pub succession: Option<Succession>,
}

impl CookieRecord {
    /// A record for an ID that is handed out now.
    pub const fn new(now: Timestamp, max_age: MaxAge) -> Self {
        Self { created: now, last_seen: now, max_age, authentication: None, lineage: None }
    }

    /// The first moment at which the record no longer counts.
    pub const fn expires(&self) -> Timestamp {
        self.created.plus_seconds(self.max_age.as_seconds() as u64)
    }

    /// What replaces the record's ID, or is to replace it.
    pub fn succession(&self) -> Option<&Succession> {
        self.authentication.as_ref()?.succession.as_ref()
    }

    /// Whether a sighting at this moment is worth a note: the last one lies a 24th of the record's lifetime away, at
    /// least a minute and at most a day.
    pub fn is_sighting_due(&self, now: Timestamp) -> bool {
        is_apart(self.last_seen, now, self.max_age)
    }

    /// Whether the record's time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires()
    }
}

/// In either direction: a sighting from the future is corrected like an old one.
pub(super) fn is_apart(noted: Timestamp, now: Timestamp, max_age: MaxAge) -> bool {
    u128::from(noted.as_millis().abs_diff(now.as_millis())) >= max_age.coarseness().as_millis()
}
