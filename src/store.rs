//! Cookie stores: where the records of tracked clients live.
//!
//! One trait, [`CookieStore`], and one conformance suite (`tests/store`) for all its implementations:
//! [`MemoryStore`], [`FileStore`], [`LmdbStore`] and [`RedisStore`]. [`open`] makes the one that a configuration names.

mod attempts;
mod commit;
mod error;
mod options;
mod record;
mod revocations;
mod rules;

mod disk;
mod exclusive;
mod group;
mod index;
mod metrics;
mod owed;
mod subscribers;

mod file;
mod lmdb;
mod memory;
mod open;
mod redis;

#[cfg(test)]
pub(crate) mod testing;

use std::fmt;

pub use self::{
    attempts::{Attempt, HearsAttempts, SharedAttempts},
    commit::{Commit, Lookup, StoreAnswer},
    error::{StoreError, StoreOpenError},
    file::{
        Compacted, FileStore, LineFormat, MAX_LINE, Repaired, StoreTextError, read_lines, repair, write_line,
    },
    lmdb::LmdbStore,
    memory::MemoryStore,
    metrics::{StoreMetrics, StoreTally},
    open::{OpenedStore, open, open_counting},
    options::{
        DEFAULT_MAX_COOKIES, DEFAULT_MAX_OUTAGE, DEFAULT_MAX_PER_PRINCIPAL, DEFAULT_MAX_SIZE, DEFAULT_PREFIX,
        DEFAULT_REDIS_TIMEOUT, Durability, OnError, RedisOptions, RedisUrl, RedisUrlError, StoreOptions,
        StorePlace, SyncMode,
    },
    record::{Authentication, CookieRecord, Lineage, Replacement, Succession},
    redis::RedisStore,
    revocations::{LocalRevocations, OpenConnections, Parting, Reach, Revocation, Revocations},
};
pub(crate) use self::{commit::block_on, redis::digest_text};
pub use crate::{
    cookie::{MaxAge, PrincipalMark, TrackingId, TrackingIdError},
    time::Timestamp,
};

/// A place for cookie records.
///
/// *Atomic*: each call is, also across a crash. Calls on one ID take effect in the order in which they were made.
///
/// *Blocking*: no call that a connection makes blocks its task. [`look_up`](Self::look_up) gives a [`Lookup`]. A store
/// on this machine answers from memory or from mapped pages, so that the answer is there at once; a store elsewhere
/// answers later. [`create`](Self::create), [`replace`](Self::replace), [`authenticate`](Self::authenticate) and
/// [`revoke`](Self::revoke) hand their work over and return a [`Commit`] at once. [`purge`](Self::purge) and
/// [`scan`](Self::scan) take as long as they need, in steps between which other calls get their turn: call them where
/// blocking is allowed.
///
/// *Durable*: when the `Commit` resolves, the change is as durable as the store promises. Dropping a `Commit` withdraws
/// nothing. A look-up may see a change before it is durable, but never after the store reported it as failed. No caller
/// waits for a [sighting](Self::seen), and a crash may lose it. A store that is dropped writes what it was handed.
///
/// *Errors*: after [`StoreError::Io`] from a writing call the store acknowledges nothing more until its medium works
/// again, which it tries every second. Until then every change fails in the same way, and look-ups go on. What the store
/// did not acknowledge counts against the client: the record or the authentication is gone. A revocation counts in any
/// case. [`StoreError::Stalled`] says that the medium hangs; the change may still be made. Every other
/// error concerns its own call only.
///
/// *Time* is an argument; no store reads a clock for its answers. So a clock that jumps a year either way and comes back
/// loses no record: answers follow the clock as it is, dropping for good does not follow a leap of more than 30 days
/// until an hour has passed, and a record from the future counts. A store that is opened compares the clock with the time
/// of its last use, so that a start is no different.
pub trait CookieStore: Send + Sync + fmt::Debug {
    /// The live record of an ID; nothing for an unknown or an expired one. Changes nothing.
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup;

    /// Notes that the client of a live record was seen, if that [is due](CookieRecord::is_sighting_due).
    ///
    /// A caller that has the record asks this itself first, which spares the call in nearly all cases.
    fn seen(&self, id: &TrackingId, now: Timestamp);

    /// Adds a record; [`StoreError::Exists`] if the ID has a live one. The record's `created` is the present
    /// moment.
    ///
    /// In a full store expired records make room first, then the least recently seen unauthenticated ones without an open
    /// connection. Authenticated ones never do: [`StoreError::Full`].
    ///
    /// A record that comes with an authentication makes room as one that [gets](Self::authenticate) it.
    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit;

    /// Puts another ID in place of one that has a live record.
    ///
    /// Either both of these happen or neither:
    ///
    /// - The next ID gets a record that is made now, with the authentication that the record before it has at this
    ///   moment, and with a lineage that names the ID before it.
    /// - An authenticated record before it notes since when it is replaced ([`Succession`]), which counts as a sighting.
    ///   A record without an authentication stays as it is.
    ///
    /// Only the ID that an authenticated record names as its successor may replace it; any free ID may replace another
    /// record.
    ///
    /// A full store makes room as for [`create`](Self::create), and a principal with too many records as for
    /// [`authenticate`](Self::authenticate). Where a store cannot make room, the next record takes the place of the one
    /// before it, which is then gone.
    ///
    /// [`StoreError::Replaced`] if another call came first; like a success, it comes when that call's change is durable.
    /// [`StoreError::Outdated`] if the record is gone, or names no successor or another one: look it up again.
    /// [`StoreError::Exists`] if another client has the next ID.
    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit;

    /// Sets or (with nothing) drops the authentication of a live record, which counts as a sighting.
    ///
    /// If the principal has as many records as it may have, the one of them goes that was seen longest ago. One with an open
    /// connection does not go; if all have one, the oldest loses its authentication.
    ///
    /// An unknown ID is no error: the record may have expired or been revoked meanwhile, and this call does not bring it
    /// back. The same identity again changes nothing until another sighting is due.
    fn authenticate(&self, id: &TrackingId, authentication: Option<Authentication>, now: Timestamp)
    -> Commit;

    /// Removes a record for good. An unknown ID is no error.
    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit;

    /// Drops up to `limit` expired records; how many it dropped.
    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Calls back with every live record, in no particular order, without holding up other calls for long.
    ///
    /// It may or may not meet a record that comes or goes meanwhile.
    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError>;

    /// The IDs of the live records with a login of this principal, from an index; nothing if the store has none, and only a
    /// [`scan`](Self::scan) finds them. Takes as long as it needs: call it where blocking is allowed.
    fn find_logins(
        &self,
        _authrealm: &str,
        _authid: &str,
        _now: Timestamp,
    ) -> Option<Result<Vec<TrackingId>, StoreError>> {
        None
    }
}
