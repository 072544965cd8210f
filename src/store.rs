//! Cookie stores: where the records of tracked clients live.
//!
//! One trait, [`CookieStore`], and one conformance suite (`tests/store`) for all its implementations:
//! [`MemoryStore`], [`FileStore`] and [`LmdbStore`]. [`open`] makes the one that a configuration names.

mod exclusive;
mod file;
mod group;
mod index;
mod lmdb;
mod memory;
mod open;
mod rules;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{
    cookie::{MaxAge, TrackingId},
    time::Timestamp,
};

pub use self::{
    file::{Compacted, FileStore, Format, MAX_LINE, Repaired, Unreadable, read_lines, repair, write_line},
    lmdb::LmdbStore,
    memory::MemoryStore,
    open::{OpenError, Opened, open, open_maintained, same_place},
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

/// Where a record comes from whose ID was handed out in place of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The public ID of the client's first ID: who is known by it stays known by it.
    pub public_id: Arc<str>,
    /// The ID that was replaced.
    pub predecessor: TrackingId,
}

/// What replaces an ID after somebody has authenticated with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The next ID. Drawn at the login, so that connections which come at the same moment are all given the same one.
    pub id: TrackingId,
    /// Since when it is in use; none: it has not been handed out.
    pub since: Option<Timestamp>,
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

    /// Whether the record's time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires()
    }
}

/// Why a store could not do as asked. No message names an ID.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The ID is taken; draw another one.
    #[error("the tracking ID exists already")]
    Exists,
    /// Everything in the store is in use and none of it may be evicted.
    #[error("the cookie store is full ({limit} records): raise `max_cookies`")]
    Full {
        /// The configured bound.
        limit: usize,
    },
    /// The map of an LMDB store is full, and nothing in it has expired.
    #[error("the cookie store is full ({max_size} bytes): raise `max_size`")]
    MapFull {
        /// The configured bound in bytes.
        max_size: usize,
    },
    /// More changes wait for the disk than the store holds in memory; it may catch up.
    #[error("the cookie store's disk does not keep up: find out what slows it down, or relax `sync`")]
    Busy,
    /// An authentication that no store takes. Nothing was changed.
    #[error("the authentication cannot be recorded: {0}")]
    Unfit(&'static str),
    /// The medium failed; nothing is acknowledged any more until the operator has acted.
    #[error("the cookie store failed: {0}")]
    Io(Arc<str>),
}

/// A place for cookie records.
///
/// *Atomic*: each call is, also across a crash; calls on one ID take effect in the order in which they were
/// made.
///
/// *Blocking*: [`look_up`](Self::look_up) answers from memory or from mapped pages and is called on the
/// connection's own task. [`create`](Self::create), [`authenticate`](Self::authenticate) and
/// [`revoke`](Self::revoke) hand their work over and return a [`Commit`] at once. [`purge`](Self::purge) and
/// [`scan`](Self::scan) take as long as they must, in steps between which others get their turn: call them
/// where blocking is allowed.
///
/// *Durable*: when the `Commit` resolves, the change is as durable as the store promises. Dropping a `Commit`
/// withdraws nothing. A change may be seen before it is durable, never after it was reported as failed. A
/// noted sighting is not waited for, and may be lost in a crash. Dropping a store writes what was handed
/// over.
///
/// *Errors*: after [`StoreError::Io`] from a writing call nothing is acknowledged any more: every further
/// change fails in the same way until the operator has acted and the store is opened anew. Look-ups go on.
/// What was not acknowledged counts against the client: the record or the authentication is gone. Every other
/// error concerns its own call only.
///
/// *Time* is an argument; no store reads a clock for its answers, so a clock that jumps a year either way and
/// comes back loses no record: answers follow the clock as it is, dropping for good does not follow a leap of
/// more than 30 days until an hour has passed, and a record from the future counts. A clock that is wrong
/// when a store is opened is believed.
pub trait CookieStore: Send + Sync + fmt::Debug {
    /// The live record of an ID as it was before this call; nothing for an unknown or an expired one.
    ///
    /// Notes that the client was seen, if the last note lies a 24th of the record's lifetime back (at least a
    /// minute, at most a day).
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError>;

    /// Adds a record; [`StoreError::Exists`] if the ID has a live one. The record's `created` is the present
    /// moment.
    ///
    /// In a full store expired records make room first, then the least recently seen unauthenticated ones;
    /// authenticated ones never: [`StoreError::Full`].
    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit;

    /// Sets or (with nothing) drops the authentication of a live record, which counts as a sighting.
    ///
    /// An unknown ID is no error: the record may have expired or been revoked meanwhile, and is not brought
    /// back. The same identity again, within the time that `look_up` would not note either, changes nothing.
    fn authenticate(&self, id: &TrackingId, authentication: Option<Authentication>, now: Timestamp)
    -> Commit;

    /// Removes a record for good. An unknown ID is no error.
    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit;

    /// Drops up to `limit` expired records; how many it dropped.
    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Calls back with every live record, in no particular order, without holding up other calls for long.
    ///
    /// What comes or goes meanwhile may or may not be met.
    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError>;
}

/// The outcome of a writing call, once it is as durable as its store promises.
#[derive(Debug)]
#[must_use = "a change counts only once its commit has resolved"]
pub enum Commit {
    /// Known at once.
    Done(Option<Result<(), StoreError>>),
    /// Known when the group of writes that it is part of has been written.
    Waiting(oneshot::Receiver<Result<(), StoreError>>),
}

impl Commit {
    /// A call whose outcome is known at once.
    pub const fn done(outcome: Result<(), StoreError>) -> Self {
        Self::Done(Some(outcome))
    }

    /// Waits on this thread. For threads that may block, not for tasks.
    pub fn wait(self) -> Result<(), StoreError> {
        match self {
            Self::Done(outcome) => outcome.unwrap_or(Ok(())),
            Self::Waiting(receiver) => receiver.blocking_recv().unwrap_or_else(|_| Err(stopped())),
        }
    }
}

/// The writer is gone without an answer: whether the change was written is unknown, so it counts as lost.
fn stopped() -> StoreError {
    StoreError::Io(Arc::from("the writer has stopped"))
}

impl Future for Commit {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(outcome) => Poll::Ready(outcome.take().unwrap_or(Ok(()))),
            Self::Waiting(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(stopped())))
            }
        }
    }
}
