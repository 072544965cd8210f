//! The writer's side of the LMDB store: batches become transactions.

use std::{
    cell::RefCell,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use heed::{MdbError, RwTxn};

use super::{
    ranks::{self, Principal},
    record,
    tables::{Tables, pages},
};
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

/// The share of the map that new records leave free: 1 / 8, or [`MIN_RESERVE`]. Each change of a page takes a copy of it, a deletion as well,
/// and LMDB lists pages that are free again in pages.
const RESERVE: u64 = 8;

/// What new records leave free at least, in bytes: the pages that some changes in one transaction take copies of.
const MIN_RESERVE: u64 = 384 * 1024;

/// How many of a principal's records with an open connection are passed over in search of one that may go.
const MAX_PASSED_OVER: usize = 1024;

/// How many records go for one that comes.
const EVICTED_EACH: usize = 2;

/// How long the writer remembers which records it has passed over because they had a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How many expired records make room for one new one in a full map: enough that pages become free.
const ROOM: usize = 256;

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
    /// Why the environment may lack what was acknowledged, if that is so.
    lost: Option<Arc<str>>,
}

#[derive(Debug)]
struct PassedOver {
    key: Vec<u8>,
    since: Instant,
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
            lost: None,
        }
    }

    fn commit_all(&self, batch: &mut [Queued<Work>]) -> heed::Result<()> {
        let mut txn = self.tables.env.write_txn()?;
        for item in batch {
            item.outcome = self.apply(&mut txn, &item.work)?;
        }
        self.tables.note_use(&mut txn)?;
        txn.commit()?;
        self.tables.note_length();
        Ok(())
    }

    /// Writes the revocations that could not be written. Also without any this is a change, so that it shows whether the
    /// disk takes one.
    fn settle_owed(&self) -> Result<(), Arc<str>> {
        let owed = self.owed.all();
        let settled = self.tables.env.write_txn().and_then(|mut txn| {
            self.tables.touch(&mut txn)?;
            for id in owed.iter() {
                let record = self.tables.get(&txn, id)?;
                self.tables.remove(&mut txn, id.expose().as_bytes(), record.as_ref())?;
            }
            txn.commit()
        });
        settled.map_err(|error| self.tables.failure(&error))?;
        self.tables.note_length();
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
            }
            Work::DropRecords { keys, settled, .. } => self.tables.drop_records(txn, keys, *settled)?,
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
        }
        self.make_room_for_login(txn, record.authentication.as_deref(), now)?;
        if !self.make_room(txn, settled)? {
            return Ok(Err(StoreError::MapFull { max_size: self.max_size }));
        }
        self.tables.put(txn, key, None, record)?;
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

    /// Makes room for a record that comes, if it must; whether there is room.
    fn make_room(&self, txn: &mut RwTxn<'_>, settled: Timestamp) -> heed::Result<bool> {
        if !self.is_full(txn)? {
            return Ok(true);
        }
        let expired = self.tables.expired(txn, settled, ROOM)?;
        self.tables.drop_records(txn, &expired, settled)?;
        for key in &expired {
            self.tables.expiry.delete(txn, key)?;
        }
        Ok(!expired.is_empty() || self.evict(txn)?)
    }

    /// Drops the records without an authentication that were seen longest ago; whether there were any. Those with an open
    /// connection stay.
    ///
    /// Where records are gone, pages are less full than before, and only rarely free. So this drops two for one that comes:
    /// then the number of pages falls, and never more go than it takes.
    fn evict(&self, txn: &mut RwTxn<'_>) -> heed::Result<bool> {
        let passed = self.passed_over.take().filter(|passed| passed.since.elapsed() < LOOK_AGAIN);
        let begin = passed.as_ref().map_or(&ranks::BEGIN[..], |passed| &passed.key);
        let look =
            |from: &[u8]| ranks::search(self.tables.ranks, txn, from, |id| self.is_open(id), EVICTED_EACH);
        let mut search = look(begin)?;
        if search.found.is_empty() && begin != ranks::BEGIN {
            // Some may have left meanwhile.
            search = look(&ranks::BEGIN)?;
        }
        let since = passed.map_or_else(Instant::now, |passed| passed.since);
        if let Some(key) = search.passed {
            self.passed_over.replace(Some(PassedOver { key, since }));
        }
        for key in &search.found {
            let id = ranks::id_in(key);
            let found = self.tables.get_by_key(txn, id)?;
            self.tables.remove(txn, id, found.as_ref())?;
            // Usually gone with the record.
            self.tables.ranks.delete(txn, key)?;
            self.limits.tally.evicted_for_room.inc();
        }
        Ok(!search.found.is_empty())
    }

    /// Makes room for one more record of a principal: its record that was seen longest ago goes. If all have open
    /// connections, the records stay, and the oldest login goes.
    fn make_room_for_login(
        &self,
        txn: &mut RwTxn<'_>,
        login: Option<&Authentication>,
        now: Timestamp,
    ) -> heed::Result<()> {
        let (Some(login), limit) = (login, self.limits.per_principal) else { return Ok(()) };
        let principal = Principal::of(Some(login));
        let count = ranks::records_of(self.tables.ranks, txn, principal)? as usize;
        if limit == 0 || count < limit {
            return Ok(());
        }
        // More than one where the bound has been lowered.
        let mut too_many = (count - limit).saturating_add(1);
        let mut oldest = None;
        let keys = ranks::longest_unseen(self.tables.ranks, txn, principal, count.min(MAX_PASSED_OVER))?;
        for key in &keys {
            let id = ranks::id_in(key);
            let Some(found) = self.tables.get_by_key(txn, id)? else { continue };
            if self.is_open(id) {
                oldest = oldest.or(Some((id, found)));
                continue;
            }
            self.limits.tally.evicted_of_principal.inc();
            self.tables.remove(txn, id, Some(&found))?;
            too_many -= 1;
            if too_many == 0 {
                return Ok(());
            }
        }
        let Some((id, found)) = oldest else { return Ok(()) };
        self.limits.tally.evicted_of_principal.inc();
        let left = CookieRecord { authentication: None, last_seen: now, ..found.clone() };
        self.tables.put(txn, id, Some(&found), &left)
    }

    fn is_open(&self, id: &[u8]) -> bool {
        record::parse_id(id).is_some_and(|id| self.limits.open.is_open(&id))
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

    /// Whether the pages in use leave no more than the reserve. Pages that are free again do not count.
    fn is_full(&self, txn: &RwTxn<'_>) -> heed::Result<bool> {
        let Tables { records, expiry, ranks, .. } = &self.tables;
        let used = pages(*records, txn)? + pages(*expiry, txn)? + pages(*ranks, txn)?;
        let max_size = self.max_size as u64;
        let reserve = (max_size / RESERVE).max(MIN_RESERVE).min(max_size / 2);
        Ok(used > max_size - reserve)
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
                        outcome => outcome.map_err(|error| self.tables.failure(&error))?,
                    }
                }
            }
            outcome => outcome.map_err(|error| self.tables.failure(&error))?,
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
        if self.sync == SyncMode::Never { Ok(()) } else { self.sync() }
    }
}

fn is_full(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::MapFull))
}
