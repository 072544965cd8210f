//! The environment of LMDB and its tables: opened, read, and changed record by record.

use std::{
    cell::Cell,
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use heed::{
    CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, RwTxn, WithoutTls, types::Bytes,
};

use super::{
    place::EnvironmentFiles,
    ranks::{self, ByteTable},
    record::{self, expiry_key},
};
use crate::{
    cookie::TrackingId,
    store::{CookieRecord, StoreError, SyncMode, disk, rules::SettledClock},
    time::Timestamp,
};

/// The version of the layout, kept under `format` in `meta`.
const FORMAT: u64 = 2;

/// The layout without `ranks` and without checksums.
const UNRANKED: u64 = 1;

/// The key in `meta` of the moment of the last use.
const USED: &[u8] = b"used";

/// How coarsely the last use is noted.
const USE_COARSENESS_MILLIS: u64 = 60_000;

/// How many look-ups may read at the same time: one for each thread, and tokio has at most 512 for blocking
/// calls.
const MAX_READERS: u32 = 1024;

/// The smallest map that LMDB's own pages leave room in.
const MIN_SIZE: usize = 1024 * 1024;

/// The map is a multiple of the largest page size of any platform.
const SIZE_STEP: usize = 64 * 1024;

/// How many records a scan copies before it lets go of its snapshot, which keeps old pages from being used
/// again.
const SCAN_BATCH: usize = 1000;

/// The environment and its tables. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) env: Env<WithoutTls>,
    meta: ByteTable,
    pub(super) records: ByteTable,
    pub(super) expiry: ByteTable,
    pub(super) ranks: ByteTable,
    /// The clock by which records are dropped. Purges and the writer share it with the environment.
    clock: Arc<Mutex<SettledClock>>,
    path: Arc<Path>,
    /// Where the files are; none while the environment is being opened.
    place: Option<Arc<EnvironmentFiles>>,
}

/// An environment that was just opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) tables: Tables,
    /// Whether it has the layout of this version; if not, it is to be brought into it.
    pub(super) is_ranked: bool,
    pub(super) map_size: usize,
}

impl Tables {
    /// The inner error is the number of a format that this version does not know.
    pub(super) fn open(
        path: &Path,
        max_size: usize,
        sync: SyncMode,
        now: Timestamp,
    ) -> heed::Result<Result<Opened, u64>> {
        let map_size = max_size.max(MIN_SIZE).div_ceil(SIZE_STEP).saturating_mul(SIZE_STEP);
        let flags = match sync {
            SyncMode::Always => EnvFlags::empty(),
            SyncMode::Interval | SyncMode::Never => EnvFlags::NO_SYNC,
        };
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_size).max_readers(MAX_READERS).max_dbs(4);
        #[allow(
            unsafe_code,
            reason = "a mapped file may change under the program; the caller holds its lock"
        )]
        // SAFETY: only this environment may change the mapped file. The caller has locked the folder for this
        // process alone and keeps the lock for longer than the environment, so that it is opened only once.
        // `NO_SYNC` weakens durability, as configured, and not what memory safety rests on.
        let env = unsafe { options.flags(flags).open(path)? };
        // Readers of a process that was killed would pin old pages for ever.
        let stale = env.clear_stale_readers()?;
        if stale > 0 {
            tracing::info!(path = %path.display(), stale, "readers of a process that died were cleared");
        }
        let is_ranked = Cell::new(true);
        let created = env.create_databases_and_commit(env.write_txn()?, |create, txn| {
            let meta: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("meta"))?;
            match meta.get(txn, b"format")?.map(|bytes| bytes.try_into().map(u64::from_be_bytes)) {
                None => meta.put(txn, b"format", &FORMAT.to_be_bytes())?,
                Some(Ok(FORMAT)) => {}
                Some(Ok(UNRANKED)) => is_ranked.set(false),
                Some(other) => return Ok(CommitOrAbort::Abort(other.unwrap_or(u64::MAX))),
            }
            let records = create.create_database(txn, Some("records"))?;
            let expiry = create.create_database(txn, Some("expiry"))?;
            let ranks = create.create_database(txn, Some("ranks"))?;
            heed::Result::Ok(CommitOrAbort::Commit((meta, records, expiry, ranks)))
        })?;
        let (meta, records, expiry, ranks) = match created {
            CommitOrAbort::Commit(tables) => tables,
            CommitOrAbort::Abort(found) => return Ok(Err(found)),
        };
        let mut clock = SettledClock::starting(last_use(&env, meta, records)?.unwrap_or(now));
        clock.settle(now);
        let clock = Arc::new(Mutex::new(clock));
        let path: Arc<Path> = Arc::from(path);
        let tables = Self { env, meta, records, expiry, ranks, clock, path, place: None };
        Ok(Ok(Opened { tables, is_ranked: is_ranked.get(), map_size }))
    }

    /// The same tables, whose files have been found.
    pub(super) fn at(self, place: EnvironmentFiles) -> Self {
        Self { place: Some(Arc::new(place)), ..self }
    }

    /// Fails if the files are not in their place any more.
    pub(super) fn check_place(&self) -> Result<(), Arc<str>> {
        self.place.as_ref().map_or(Ok(()), |place| place.check())
    }

    /// Fails if what is mapped is not there any more. One system call.
    pub(super) fn check_length(&self) -> Result<(), StoreError> {
        self.place.as_ref().map_or(Ok(()), |place| place.check_length()).map_err(StoreError::Io)
    }

    /// The same, for calls whose errors are LMDB's.
    pub(super) fn check_mapped(&self) -> heed::Result<()> {
        self.check_length().map_err(|error| heed::Error::Io(std::io::Error::other(error.to_string())))
    }

    /// A commit has changed the file.
    pub(super) fn note_commit(&self) {
        if let Some(place) = &self.place {
            place.note_commit();
        }
    }

    /// A commit has failed, and may have touched the file all the same.
    pub(super) fn note_failure(&self) {
        if let Some(place) = &self.place {
            place.note_failure();
        }
    }

    /// The live record of an ID.
    pub(super) fn live(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        self.check_length()?;
        let failed = |error| StoreError::Io(self.failure(&error));
        let txn = self.env.read_txn().map_err(failed)?;
        let value = self.records.get(&txn, id.expose().as_bytes()).map_err(failed)?;
        let Some(value) = value else { return Ok(None) };
        // A record that cannot be read is refused rather than taken for none: its client would become another one.
        let record = record::decode(id.expose().as_bytes(), value).ok_or_else(|| {
            StoreError::Io(Arc::from(format!(
                "a record in {} is damaged: stop the gateway, and put a sound copy in its place",
                self.path.display()
            )))
        })?;
        Ok(Some(record).filter(|record| !record.is_expired(now)))
    }

    pub(super) fn settle(&self, now: Timestamp) -> Timestamp {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).settle(now)
    }

    pub(super) fn failure(&self, error: &heed::Error) -> Arc<str> {
        let path = self.path.display();
        let remedy = match error {
            heed::Error::Io(error) => disk::remedy(error),
            heed::Error::Mdb(MdbError::Panic) => "restart the gateway",
            _ => "if it is damaged, stop the gateway and put a sound copy in its place",
        };
        Arc::from(format!("{path} could not be read or written: {error}; {remedy}"))
    }

    /// The next records behind a key, with the last key among them; empty at the end.
    #[allow(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    pub(super) fn chunk(
        &self,
        after: Option<&[u8]>,
    ) -> heed::Result<(Vec<(TrackingId, CookieRecord)>, Option<Vec<u8>>)> {
        self.check_mapped()?;
        let txn = self.env.read_txn()?;
        let mut records = Vec::with_capacity(SCAN_BATCH);
        let mut last = None;
        for entry in self.behind(&txn, after)?.take(SCAN_BATCH) {
            let (key, value) = entry?;
            last = Some(key.to_owned());
            records.extend(record::parse_id(key).zip(record::decode(key, value)));
        }
        Ok((records, last))
    }

    /// The entries of `records` behind a key.
    pub(super) fn behind<'txn>(
        &self,
        txn: &'txn heed::RoTxn<'_>,
        after: Option<&[u8]>,
    ) -> heed::Result<heed::RoRange<'txn, Bytes, Bytes>> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::<&[u8]>::Unbounded);
        self.records.range(txn, &range)
    }

    pub(super) fn get(&self, txn: &RwTxn<'_>, id: &TrackingId) -> heed::Result<Option<CookieRecord>> {
        self.get_by_key(txn, id.expose().as_bytes())
    }

    pub(super) fn get_by_key(&self, txn: &RwTxn<'_>, key: &[u8]) -> heed::Result<Option<CookieRecord>> {
        Ok(self.records.get(txn, key)?.and_then(|value| record::decode(key, value)))
    }

    /// Notes the moment by which records may be dropped, if it is another one than the last that was noted.
    pub(super) fn note_use(&self, txn: &mut RwTxn<'_>) -> heed::Result<()> {
        let Some(settled) = self.clock.lock().unwrap_or_else(PoisonError::into_inner).settled() else {
            return Ok(());
        };
        let noted = self.meta.get(txn, USED)?.and_then(read_moment);
        let is_due = noted
            .is_none_or(|noted| noted.as_millis().abs_diff(settled.as_millis()) >= USE_COARSENESS_MILLIS);
        if is_due { self.meta.put(txn, USED, &settled.as_millis().to_be_bytes()) } else { Ok(()) }
    }

    /// The environment's folder.
    pub(super) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Writes what is there already.
    pub(super) fn touch(&self, txn: &mut RwTxn<'_>) -> heed::Result<()> {
        self.meta.put(txn, b"format", &FORMAT.to_be_bytes())
    }

    /// Puts a record in, in place of the one that was found under its ID.
    pub(super) fn put(
        &self,
        txn: &mut RwTxn<'_>,
        key: &[u8],
        found: Option<&CookieRecord>,
        record: &CookieRecord,
    ) -> heed::Result<()> {
        self.records.put(txn, key, &record::encode(key, record))?;
        ranks::update(self.ranks, txn, key, found, Some(record))?;
        let expires = record.expires();
        let before = found.map(CookieRecord::expires);
        if before == Some(expires) {
            return Ok(());
        }
        if let Some(before) = before {
            self.expiry.delete(txn, &expiry_key(before, key))?;
        }
        self.expiry.put(txn, &expiry_key(expires, key), &[])
    }

    /// Takes the record out that was found under an ID.
    pub(super) fn remove(
        &self,
        txn: &mut RwTxn<'_>,
        key: &[u8],
        found: Option<&CookieRecord>,
    ) -> heed::Result<()> {
        if let Some(record) = found {
            self.expiry.delete(txn, &expiry_key(record.expires(), key))?;
            ranks::update(self.ranks, txn, key, found, None)?;
        }
        self.records.delete(txn, key)?;
        Ok(())
    }

    /// The keys of the expiry index up to a moment, in its order.
    pub(super) fn expired(
        &self,
        txn: &heed::RoTxn<'_>,
        settled: Timestamp,
        limit: usize,
    ) -> heed::Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for entry in self.expiry.iter(txn)?.take(limit) {
            let (key, _) = entry?;
            match record::parse_expiry_key(key) {
                Some((expires, _)) if expires > settled => break,
                _ => keys.push(key.to_owned()),
            }
        }
        Ok(keys)
    }

    /// Drops the records of such keys, except where the ID has been given again meanwhile; how many it dropped.
    pub(super) fn drop_records(
        &self,
        txn: &mut RwTxn<'_>,
        keys: &[Vec<u8>],
        settled: Timestamp,
    ) -> heed::Result<u64> {
        let mut dropped = 0;
        for (_, id) in keys.iter().filter_map(|key| record::parse_expiry_key(key)) {
            match self.get_by_key(txn, id)? {
                Some(found) if !found.is_expired(settled) => {}
                found => {
                    ranks::update(self.ranks, txn, id, found.as_ref(), None)?;
                    dropped += u64::from(self.records.delete(txn, id)?);
                }
            }
        }
        Ok(dropped)
    }
}

fn read_moment(bytes: &[u8]) -> Option<Timestamp> {
    bytes.try_into().ok().map(u64::from_be_bytes).map(Timestamp::from_millis)
}

/// When the environment was last used. Earlier versions did not note that, but the records say when a client was last seen.
fn last_use(env: &Env<WithoutTls>, meta: ByteTable, records: ByteTable) -> heed::Result<Option<Timestamp>> {
    let txn = env.read_txn()?;
    if let Some(noted) = meta.get(&txn, USED)?.and_then(read_moment) {
        return Ok(Some(noted));
    }
    let mut latest = None;
    for entry in records.iter(&txn)? {
        let (key, value) = entry?;
        latest = latest.max(record::decode(key, value).map(|record| record.last_seen));
    }
    Ok(latest)
}

/// The bytes of a table's pages.
pub(super) fn pages(table: ByteTable, txn: &RwTxn<'_>) -> heed::Result<u64> {
    let stat = table.stat(txn)?;
    let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
    Ok(pages as u64 * u64::from(stat.page_size))
}
