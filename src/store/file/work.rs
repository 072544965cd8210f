//! Work for the writer: lines of the log, and what becomes of them if they do not get into the file.

use std::{mem, sync::mpsc};

use super::line::{self, LineKind};
use crate::{
    cookie::{MaxAge, TrackingId},
    store::{
        CookieRecord, StoreError,
        index::{Evicted, Index},
        owed::Owed,
    },
    time::Timestamp,
};

/// A line on its way to the file, and what to do if it does not get there.
#[derive(Debug)]
pub(super) struct LogWork {
    pub(super) bytes: Vec<u8>,
    undo: Option<Undo>,
    pub(super) compaction: Option<Asker>,
    /// The records that have made room for this one. Their lines come first.
    evicted: Vec<TrackingId>,
}

/// What a compaction asked for has done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The size before, in bytes.
    pub bytes_before: u64,
    /// The size after, in bytes.
    pub bytes_after: u64,
    /// How many lines there were.
    pub lines_before: u64,
    /// How many there are.
    pub lines_after: u64,
}

/// Where the caller that asked for a compaction waits for it.
pub(super) type Asker = mpsc::SyncSender<Result<Compacted, StoreError>>;

/// How to take a change back that was not written. A revocation is not taken back.
#[derive(Debug)]
pub(super) enum Undo {
    Revoke(TrackingId),
    Create(TrackingId),
    Authenticate(TrackingId, Timestamp),
    Replace { id: TrackingId, next: TrackingId, now: Timestamp },
}

impl LogWork {
    pub(super) fn new(id: &TrackingId, record: &CookieRecord, change: LineKind, undo: Option<Undo>) -> Self {
        // Most lines have no authentication and fit.
        let mut bytes = Vec::with_capacity(384);
        line::write(id, record, change, &mut bytes);
        Self { bytes, undo, compaction: None, evicted: Vec::new() }
    }

    /// The same behind the lines of records that have made room for it.
    pub(super) fn behind(mut self, evicted: Vec<Evicted>) -> Self {
        if evicted.is_empty() {
            return self;
        }
        let own = mem::take(&mut self.bytes);
        for Evicted { id, left, at } in evicted {
            let (record, change) = match left {
                Some(record) => (record, LineKind::Modified),
                None => (CookieRecord::new(at, MaxAge::DEFAULT), LineKind::Deleted(at)),
            };
            line::write(&id, &record, change, &mut self.bytes);
            self.evicted.push(id);
        }
        self.bytes.extend_from_slice(&own);
        self
    }

    /// How many lines it has.
    pub(super) fn lines(&self) -> u64 {
        // A change that evicts has a line of its own.
        if self.bytes.is_empty() { 0 } else { self.evicted.len() as u64 + 1 }
    }

    /// Nothing to write: answered when everything before it has been written.
    pub(super) const fn empty() -> Self {
        Self { bytes: Vec::new(), undo: None, compaction: None, evicted: Vec::new() }
    }

    /// Takes the change of this line out of the index. What the store did not acknowledge counts against the client:
    /// the record or the authentication goes.
    pub(super) fn take_back(&self, index: &mut Index) {
        match &self.undo {
            None | Some(Undo::Revoke(_)) => {}
            Some(Undo::Create(id)) => drop(index.remove(id)),
            Some(Undo::Authenticate(id, now)) => drop(index.authenticate(id, None, *now)),
            Some(Undo::Replace { id, next, now }) => {
                index.remove(next);
                index.authenticate(id, None, *now);
            }
        }
    }

    /// Notes the IDs whose records the file has otherwise than the index.
    pub(super) fn owe(&self, owed: &Owed) {
        for id in &self.evicted {
            owed.add(id);
        }
        match &self.undo {
            None => {}
            Some(Undo::Revoke(id) | Undo::Create(id) | Undo::Authenticate(id, _)) => owed.add(id),
            Some(Undo::Replace { id, next, .. }) => {
                owed.add(id);
                owed.add(next);
            }
        }
    }

    /// Asks for a compaction, whether it is due or not.
    pub(super) const fn compaction(asker: Asker) -> Self {
        Self { bytes: Vec::new(), undo: None, compaction: Some(asker), evicted: Vec::new() }
    }
}
