//! The writer's side of the LMDB store: batches become transactions.

mod eviction;

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use heed::{MdbError, RwTxn};

use self::eviction::PassedOver;
use super::{ranks::Principal, tables::Tables};
use crate::{
    cookie::TrackingId,
    store::{
        Authentication, CookieRecord, Replacement, StoreError, SyncMode,
        group::{BatchSink, Queued},
        index::Limits,
        owed::Owed,
        rules,
    },
    time::Timestamp,
};

/// `sync: interval`: for how long a power failure may take a change back.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How often the writer looks whether the files are still in their place while nothing is written.
const PLACE_CHECK: Duration = Duration::from_secs(1);

/// Where a purge learns that a step has been committed. A purge blocks its thread, so it does not use the future that
/// other changes have.
pub(super) type Done = mpsc::SyncSender<()>;

/// A change on its way into a transaction.
#[derive(Debug)]
pub(super) enum Work {
    See {
        id: TrackingId,
        now: Timestamp,
    },
    Create {
        id: TrackingId,
        record: CookieRecord,
    },
    Replace {
        id: TrackingId,
        next: Replacement,
        now: Timestamp,
    },
    Authenticate {
        id: TrackingId,
        authentication: Option<Arc<Authentication>>,
        now: Timestamp,
    },
    Revoke {
        id: TrackingId,
    },
    /// Drops the records that these keys of the expiry index belong to, if they have expired by then.
    DropRecords {
        keys: Vec<Vec<u8>>,
        settled: Timestamp,
        done: Done,
    },
    /// Drops keys of the expiry index whose records are gone.
    DropKeys {
        keys: Vec<Vec<u8>>,
        done: Done,
    },
}

/// What a transaction changes, for monitoring; counted once it is committed.
#[derive(Debug, Clone, Copy)]
struct Changes {
    created: u64,
    expired: u64,
    revoked: u64,
}

impl Changes {
    const NONE: Self = Self { created: 0, expired: 0, revoked: 0 };
}

/// Owns the environment's write transactions.
#[derive(Debug)]
pub(super) struct LmdbWriter {
    tables: Tables,
    max_size: usize,
    limits: Limits,
    sync: SyncMode,
    unsynced_since: Option<Instant>,
    /// Revocations that could not be written while the disk failed.
    owed: Arc<Owed>,
    /// Up to where all records that could go have a connection.
    passed_over: RefCell<Option<PassedOver>>,
    /// What the transaction under way changes.
    changes: Cell<Changes>,
    /// Why the environment may lack what was acknowledged, if that is so.
    lost: Option<Arc<str>>,
}

impl LmdbWriter {
    pub(super) const fn new(
        tables: Tables,
        max_size: usize,
        limits: Limits,
        sync: SyncMode,
        owed: Arc<Owed>,
    ) -> Self {
        Self {
            tables,
            max_size,
            limits,
            sync,
            unsynced_since: None,
            owed,
            passed_over: RefCell::new(None),
            changes: Cell::new(Changes::NONE),
            lost: None,
        }
    }

    fn commit_all(&self, batch: &mut [Queued<Work>]) -> heed::Result<()> {
        self.changes.set(Changes::NONE);
        let mut txn = self.tables.env.write_txn()?;
        for item in batch {
            item.outcome = self.apply(&mut txn, &item.work)?;
        }
        self.tables.note_use(&mut txn)?;
        let records = self.tables.records.len(&txn)?;
        txn.commit()?;
        self.tables.note_commit();
        self.tell(records);
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Changes)) {
        let mut changes = self.changes.get();
        change(&mut changes);
        self.changes.set(changes);
    }

    /// Tells monitoring what was committed, and how many records there are now.
    fn tell(&self, records: u64) {
        let Changes { created, expired, revoked } = self.changes.replace(Changes::NONE);
        let tally = &self.limits.tally;
        tally.created.inc_by(created);
        tally.expired.inc_by(expired);
        tally.revoked.inc_by(revoked);
        tally.has_records(records);
    }

    /// Why a commit has failed.
    fn failed(&self, error: &heed::Error) -> Arc<str> {
        if matches!(error, heed::Error::Io(_)) {
            self.tables.note_failure();
        }
        self.tables.failure(error)
    }

    /// Writes the revocations that could not be written. Also without any this is a change, so that it shows whether the
    /// disk takes one.
    fn settle_owed(&self) -> Result<(), Arc<str>> {
        let owed = self.owed.all();
        self.changes.set(Changes::NONE);
        let settled = self.tables.env.write_txn().and_then(|mut txn| {
            self.tables.touch(&mut txn)?;
            for id in owed.iter() {
                let record = self.tables.get(&txn, id)?;
                self.tables.remove(&mut txn, id.expose().as_bytes(), record.as_ref())?;
                self.count(|changes| changes.revoked += u64::from(record.is_some()));
            }
            let records = self.tables.records.len(&txn)?;
            txn.commit()?;
            Ok(records)
        });
        let records = settled.map_err(|error| self.failed(&error))?;
        self.tables.note_commit();
        self.tell(records);
        self.owed.settle(&owed);
        Ok(())
    }

    fn apply(&self, txn: &mut RwTxn<'_>, work: &Work) -> heed::Result<Result<(), StoreError>> {
        match work {
            Work::See { id, now } => {
                self.tables.settle(*now);
                self.change(txn, id, *now, |record| rules::seen(record, *now))?;
            }
            Work::Create { id, record } => return self.create(txn, id, record),
            Work::Replace { id, next, now } => return self.replace(txn, id, next, *now),
            Work::Authenticate { id, authentication, now } => {
                self.tables.settle(*now);
                self.change(txn, id, *now, |record| {
                    rules::authenticated(record, authentication.as_ref(), *now)
                })?;
            }
            Work::Revoke { id } => {
                let record = self.tables.get(txn, id)?;
                self.tables.remove(txn, id.expose().as_bytes(), record.as_ref())?;
                self.count(|changes| changes.revoked += u64::from(record.is_some()));
            }
            Work::DropRecords { keys, settled, .. } => {
                let dropped = self.tables.drop_records(txn, keys, *settled)?;
                self.count(|changes| changes.expired += dropped);
            }
            Work::DropKeys { keys, .. } => {
                for key in keys {
                    self.tables.expiry.delete(txn, key)?;
                }
            }
        }
        Ok(Ok(()))
    }

    fn create(
        &self,
        txn: &mut RwTxn<'_>,
        id: &TrackingId,
        record: &CookieRecord,
    ) -> heed::Result<Result<(), StoreError>> {
        let now = record.created;
        let settled = self.tables.settle(now);
        let key = id.expose().as_bytes();
        if let Some(old) = self.tables.get(txn, id)? {
            if !old.is_expired(now) {
                return Ok(Err(StoreError::Exists));
            }
            self.tables.remove(txn, key, Some(&old))?;
            self.count(|changes| changes.expired += 1);
        }
        self.make_room_for_login(txn, record.authentication.as_deref(), now)?;
        if !self.make_room(txn, settled)? {
            return Ok(Err(StoreError::MapFull { max_size: self.max_size }));
        }
        self.tables.put(txn, key, None, record)?;
        self.count(|changes| changes.created += 1);
        Ok(Ok(()))
    }

    fn replace(
        &self,
        txn: &mut RwTxn<'_>,
        id: &TrackingId,
        next: &Replacement,
        now: Timestamp,
    ) -> heed::Result<Result<(), StoreError>> {
        let settled = self.tables.settle(now);
        let Some(record) = self.tables.get(txn, id)?.filter(|record| !record.is_expired(now)) else {
            return Ok(Err(StoreError::Outdated));
        };
        let replacing = match rules::replaced(id, &record, next, now) {
            Ok(replacing) => replacing,
            Err(error) => return Ok(Err(error)),
        };
        let taken = self.tables.get(txn, &next.id)?;
        let live = taken.as_ref().filter(|found| !found.is_expired(now));
        let is_half_done = live.is_some_and(|found| replacing.is_half_done(found));
        if live.is_some() && !is_half_done {
            return Ok(Err(StoreError::Exists));
        }
        let (key, next_key) = (id.expose().as_bytes(), next.id.expose().as_bytes());
        if let Some(before) = &replacing.before {
            self.tables.put(txn, key, Some(&record), before)?;
        }
        if !is_half_done {
            self.tables.remove(txn, next_key, taken.as_ref())?;
            self.count(|changes| {
                changes.expired += u64::from(taken.is_some());
                changes.created += 1;
            });
            self.make_room_for_login(txn, replacing.next.authentication.as_deref(), now)?;
            if !self.make_room(txn, settled)? {
                let before = self.tables.get(txn, id)?;
                self.tables.remove(txn, key, before.as_ref())?;
                self.limits.tally.evicted_for_room.inc();
            }
            self.tables.put(txn, next_key, None, &replacing.next)?;
        }
        Ok(Ok(()))
    }

    /// Puts a live record in its changed state, if it changes. No change moves the moment when it expires.
    fn change(
        &self,
        txn: &mut RwTxn<'_>,
        id: &TrackingId,
        now: Timestamp,
        change: impl Fn(&CookieRecord) -> Option<CookieRecord>,
    ) -> heed::Result<()> {
        let record = self.tables.get(txn, id)?.filter(|record| !record.is_expired(now));
        let Some(record) = record else { return Ok(()) };
        let Some(changed) = change(&record) else { return Ok(()) };
        let login = changed.authentication.as_deref();
        if Principal::of(login) != Principal::of(record.authentication.as_deref()) {
            self.make_room_for_login(txn, login, now)?;
        }
        self.tables.put(txn, id.expose().as_bytes(), Some(&record), &changed)
    }

    fn sync(&mut self) -> Result<(), Arc<str>> {
        self.unsynced_since = None;
        self.tables.env.force_sync().map_err(|error| {
            let reason = self.tables.failure(&error);
            // The gateway cannot know which pages the kernel has dropped.
            let path = self.tables.path();
            self.lost =
                Some(Arc::from(format!("{reason}; {path} may be damaged by that: restart the gateway")));
            reason
        })
    }
}

impl BatchSink for LmdbWriter {
    type Work = Work;

    fn weigh(work: &Work) -> usize {
        let texts = match work {
            Work::Authenticate { authentication: Some(a), .. } => a.authextra.len() + a.authid.len(),
            Work::DropRecords { keys, .. } | Work::DropKeys { keys, .. } => keys.iter().map(Vec::len).sum(),
            _ => 0,
        };
        size_of::<Queued<Work>>() + texts
    }

    fn commit(&mut self, batch: &mut [Queued<Work>]) -> Result<(), Arc<str>> {
        // Writing to a file that is cut would make pages of nothing but zeros out of what is missing.
        self.tables.check_place()?;
        match self.commit_all(batch) {
            Err(error) if is_full(&error) => {
                // In a transaction of its own each change takes the fewest pages, and only those fail that
                // must.
                for item in &mut *batch {
                    match self.commit_all(std::slice::from_mut(item)) {
                        Err(error) if is_full(&error) => {
                            item.outcome = Err(StoreError::MapFull { max_size: self.max_size });
                        }
                        outcome => outcome.map_err(|error| self.failed(&error))?,
                    }
                }
            }
            outcome => outcome.map_err(|error| self.failed(&error))?,
        }
        // Nothing is acknowledged that went into a file that is not in its place.
        self.tables.check_place()?;
        for item in batch {
            if let Work::DropRecords { done, .. } | Work::DropKeys { done, .. } = &item.work {
                // The receiver is gone if the purge was given up meanwhile.
                let _ = done.try_send(());
            }
        }
        if self.sync == SyncMode::Interval {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn abandon(&mut self, work: &Work) {
        // Its transaction was not committed, so no look-up has seen it. But a revocation counts in any case.
        if let Work::Revoke { id } = work {
            self.owed.add(id);
        }
    }

    fn recover(&mut self) -> Result<(), Arc<str>> {
        if let Some(reason) = &self.lost {
            return Err(Arc::clone(reason));
        }
        self.tables.check_place()?;
        self.settle_owed()
    }

    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>> {
        self.tables.check_place()?;
        if self.owed.is_any() {
            self.settle_owed()?;
        }
        let Some(since) = self.unsynced_since else { return Ok(Some(PLACE_CHECK)) };
        let left = SYNC_INTERVAL.saturating_sub(since.elapsed());
        if left.is_zero() {
            self.sync()?;
            return Ok(Some(PLACE_CHECK));
        }
        Ok(Some(left))
    }

    fn close(&mut self) -> Result<(), Arc<str>> {
        if self.sync == SyncMode::Never {
            return Ok(());
        }
        // LMDB reads its first pages for that.
        self.tables.check_length().map_err(|error| Arc::from(error.to_string()))?;
        self.sync()
    }
}

fn is_full(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::MapFull))
}
