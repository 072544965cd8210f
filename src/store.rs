//! Cookie stores: where the records of tracked clients live.
//!
//! One trait, [`CookieStore`], and one conformance suite (`tests/store`) for all its implementations:
//! [`MemoryStore`], [`FileStore`] and [`LmdbStore`]. [`open`] makes the one that a configuration names.

mod commit;
mod error;
mod options;
mod record;
mod revocations;
mod rules;

mod exclusive;
mod group;
mod index;

mod file;
mod lmdb;
mod memory;
mod open;

use std::fmt;

use crate::{cookie::TrackingId, time::Timestamp};

pub(crate) use self::commit::block_on;
pub use self::{
    commit::{Answer, Commit, Lookup},
    error::{OpenError, StoreError},
    file::{Compacted, FileStore, Format, MAX_LINE, Repaired, Unreadable, read_lines, repair, write_line},
    lmdb::LmdbStore,
    memory::MemoryStore,
    open::{OpenedStore, open},
    options::{DEFAULT_MAX_COOKIES, DEFAULT_MAX_SIZE, StoreOptions, StorePlace, SyncMode},
    record::{Authentication, CookieRecord, Lineage, Replacement, Succession},
    revocations::{LocalRevocations, OpenConnections, Parting, Revocation, Revocations},
};

/// A place for cookie records.
///
/// *Atomic*: each call is, also across a crash; calls on one ID take effect in the order in which they were
/// made.
///
/// *Blocking*: no call blocks that a connection makes on its own task. [`look_up`](Self::look_up) gives a [`Lookup`]:
/// a store on this machine answers from memory or from mapped pages, so that the answer is there at once; a store
/// elsewhere answers later. [`create`](Self::create), [`replace`](Self::replace),
/// [`authenticate`](Self::authenticate) and [`revoke`](Self::revoke) hand their work over and return a [`Commit`] at
/// once. [`purge`](Self::purge) and
/// [`scan`](Self::scan) take as long as they must, in steps between which others get their turn: call them
/// where blocking is allowed.
///
/// *Durable*: when the `Commit` resolves, the change is as durable as the store promises. Dropping a `Commit`
/// withdraws nothing. A change may be seen before it is durable, never after it was reported as failed. A
/// [sighting](Self::seen) is not waited for, and may be lost in a crash. Dropping a store writes what was handed
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
    /// The live record of an ID; nothing for an unknown or an expired one. Changes nothing.
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup;

    /// Notes that the client of a live record was seen, if that [is due](CookieRecord::is_sighting_due).
    ///
    /// A caller that has the record asks that itself first: in nearly all cases it spares the call.
    fn seen(&self, id: &TrackingId, now: Timestamp);

    /// Adds a record; [`StoreError::Exists`] if the ID has a live one. The record's `created` is the present
    /// moment.
    ///
    /// In a full store expired records make room first, then the least recently seen unauthenticated ones;
    /// authenticated ones never: [`StoreError::Full`].
    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit;

    /// Puts another ID in place of one that has a live record.
    ///
    /// Both of this happens, or nothing:
    ///
    /// - The next ID gets a record that is made now, with the authentication that the record before it has at this
    ///   moment, and with a lineage that names the ID before it.
    /// - Where there is an authentication, the record before notes since when it is replaced ([`Succession`]), which
    ///   counts as a sighting. One without an authentication stays as it is.
    ///
    /// An authenticated record is replaced only by the ID that it names as its successor, any other by any free ID.
    ///
    /// In a full store room is made as for [`create`](Self::create); where there is none to be made, the next record
    /// takes the place of the one before it, which is gone then.
    ///
    /// [`StoreError::Replaced`] if another call came first; like a success it comes when that is durable.
    /// [`StoreError::Outdated`] if the record is gone, or names no successor or another one: the caller has to look it
    /// up again. [`StoreError::Exists`] if the next ID is taken by another client.
    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit;

    /// Sets or (with nothing) drops the authentication of a live record, which counts as a sighting.
    ///
    /// An unknown ID is no error: the record may have expired or been revoked meanwhile, and is not brought
    /// back. The same identity again, before another sighting would be due, changes nothing.
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
