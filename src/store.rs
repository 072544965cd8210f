//! Cookie stores: where the records of tracked clients live.
//!
//! One trait, [`CookieStore`], and one conformance suite (`tests/store`) for all its implementations.

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
}

impl CookieRecord {
    /// A record for an ID that is handed out now.
    pub const fn new(now: Timestamp, max_age: MaxAge) -> Self {
        Self { created: now, last_seen: now, max_age, authentication: None }
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
    /// The medium failed; nothing is acknowledged any more until the operator has acted.
    #[error("the cookie store failed: {0}")]
    Io(Arc<str>),
}

/// A place for cookie records.
///
/// *Atomic*: each call. *Blocking*: [`look_up`](Self::look_up) answers from memory or from mapped pages and is
/// called on the connection's own task; the writing calls hand their work over and return a [`Commit`] at once.
/// *Durable*: when the `Commit` resolves, the change is as durable as the store promises. *Errors*: after
/// [`StoreError::Io`] nothing more is acknowledged. Time is an argument; no store reads a clock for its answers.
pub trait CookieStore: Send + Sync + fmt::Debug {
    /// The live record of an ID; nothing for an unknown or an expired one. Notes that the client was seen.
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError>;

    /// Adds a record; [`StoreError::Exists`] if the ID has a live one.
    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit;

    /// Sets or (with nothing) drops the authentication of a live record. An unknown ID is no error: the record
    /// may have expired or been revoked meanwhile, and is not brought back.
    fn authenticate(&self, id: &TrackingId, authentication: Option<Authentication>, now: Timestamp)
    -> Commit;

    /// Removes a record for good.
    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit;

    /// Drops up to `limit` expired records; how many it dropped.
    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Calls back with every live record, in no particular order, without holding up other calls for long.
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
}

impl Future for Commit {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(outcome) => Poll::Ready(outcome.take().unwrap_or(Ok(()))),
            Self::Waiting(receiver) => Pin::new(receiver).poll(cx).map(|answer| {
                // The writer is gone without an answer: whether the change was written is unknown, so it counts as lost.
                answer.unwrap_or_else(|_| Err(StoreError::Io(Arc::from("the writer has stopped"))))
            }),
        }
    }
}
