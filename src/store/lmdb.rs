//! Records in an LMDB environment: millions of cookies, opened in milliseconds, looked up in mapped pages.
//!
//! The layout stands in [`record`]. All changes go through one writer thread, which commits whatever has
//! gathered in one transaction; look-ups never wait for it. An eighth of the map is kept free, so that
//! revocations, authentications and purges find room when new cookies do not any more.
//!
//! With `sync: always` a commit is durable. With `interval` and `never` the operating system may write pages
//! in any order, so a power failure (not a crash of the gateway) may cost the environment; those modes are
//! for cookies that may be lost.

mod purge;
mod record;
mod writer;

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    ops::Bound,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithoutTls, types::Bytes};

use self::writer::{Work, Writer};
use super::{
    Authentication, Commit, CookieRecord, CookieStore, Lookup, OpenError, Replacement, StoreError, SyncMode,
    exclusive::Exclusive, group::Group, rules::SettledClock,
};
use crate::{cookie::TrackingId, time::Timestamp};

/// The version of the layout, kept under `format` in `meta`.
const FORMAT: u64 = 1;

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

type Table = Database<'static, Bytes, Bytes>;

/// The store in an LMDB environment.
#[derive(Debug)]
pub struct LmdbStore {
    // Fields are dropped in this order: first the writer ends, then the environment is closed, then the lock
    // is let go.
    group: Group<Writer>,
    tables: Tables,
    _lock: Exclusive,
}

/// The environment and its tables. Cheap to clone.
#[derive(Debug, Clone)]
struct Tables {
    env: Env<WithoutTls>,
    records: Table,
    expiry: Table,
    /// What records are dropped by. Stands beside the environment because purges and the writer share both.
    clock: Arc<Mutex<SettledClock>>,
    path: Arc<Path>,
}

impl LmdbStore {
    /// Opens an environment, or makes it: a folder with mode 0700 in a folder that exists. `max_size` is in
    /// bytes.
    pub fn open(path: &Path, max_size: usize, sync: SyncMode, now: Timestamp) -> Result<Self, OpenError> {
        let fail =
            |action, remedy| move |source| OpenError::Io { path: path.to_owned(), action, remedy, source };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(fail("make the folder of", "the folder above it must exist and be writable")(
                    error,
                ));
            }
            _ => {}
        }
        let path = path.canonicalize().map_err(fail("find", "leave it in place while it is opened"))?;
        let lock = lock(&path)?;
        let tables = Tables::open(&path, max_size, sync, now)
            .map_err(|error| OpenError::Lmdb { path: path.clone(), what: error.to_string() })?
            .map_err(|found| OpenError::Newer { path: path.clone(), found })?;
        let writer = Writer::new(tables.clone(), max_size, sync);
        let group = Group::start("cookie-store", writer).map_err(fail_at(
            &path,
            "start the writer of",
            "raise the limit of threads",
        ))?;
        Ok(Self { group, tables, _lock: lock })
    }
}

/// Takes the environment for this process alone. LMDB has locks of its own, but for processes that share.
fn lock(path: &Path) -> Result<Exclusive, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join("wampgate.lock"))
        .map_err(fail_at(path, "lock", "this user must be allowed to write to it"))?;
    Exclusive::lock(file, path)
}

fn fail_at(path: &Path, action: &'static str, remedy: &'static str) -> impl Fn(io::Error) -> OpenError {
    let path = PathBuf::from(path);
    move |source| OpenError::Io { path: path.clone(), action, remedy, source }
}

impl Tables {
    /// The inner error is the number of a format that this version does not know.
    fn open(path: &Path, max_size: usize, sync: SyncMode, now: Timestamp) -> heed::Result<Result<Self, u64>> {
        let map_size = max_size.max(MIN_SIZE).div_ceil(SIZE_STEP).saturating_mul(SIZE_STEP);
        let flags = match sync {
            SyncMode::Always => EnvFlags::empty(),
            SyncMode::Interval | SyncMode::Never => EnvFlags::NO_SYNC,
        };
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_size).max_readers(MAX_READERS).max_dbs(3);
        #[allow(
            unsafe_code,
            reason = "a mapped file may change under the program; the caller holds its lock"
        )]
        // SAFETY: the mapped file must not be changed but through this environment. The caller has locked the
        // folder for this process alone and keeps the lock for longer than the environment, so that it is
        // opened only once. `NO_SYNC` weakens durability, as configured, and nothing that memory safety rests
        // on.
        let env = unsafe { options.flags(flags).open(path)? };
        // Readers of a process that was killed would pin old pages for ever.
        let stale = env.clear_stale_readers()?;
        if stale > 0 {
            tracing::info!(path = %path.display(), stale, "readers of a process that died were cleared");
        }
        let created = env.create_databases_and_commit(env.write_txn()?, |create, txn| {
            let meta: Database<'_, Bytes, Bytes> = create.create_database(txn, Some("meta"))?;
            match meta.get(txn, b"format")?.map(|bytes| bytes.try_into().map(u64::from_be_bytes)) {
                None => meta.put(txn, b"format", &FORMAT.to_be_bytes())?,
                Some(Ok(FORMAT)) => {}
                Some(other) => return Ok(CommitOrAbort::Abort(other.unwrap_or(u64::MAX))),
            }
            let records = create.create_database(txn, Some("records"))?;
            let expiry = create.create_database(txn, Some("expiry"))?;
            heed::Result::Ok(CommitOrAbort::Commit((records, expiry)))
        })?;
        Ok(match created {
            CommitOrAbort::Commit((records, expiry)) => {
                let clock = Arc::new(Mutex::new(SettledClock::starting(now)));
                Ok(Self { env, records, expiry, clock, path: Arc::from(path) })
            }
            CommitOrAbort::Abort(found) => Err(found),
        })
    }

    /// The live record of an ID.
    fn live(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        let failed = |error| StoreError::Io(self.failure(&error));
        let txn = self.env.read_txn().map_err(failed)?;
        let value = self.records.get(&txn, id.expose().as_bytes()).map_err(failed)?;
        Ok(value.and_then(record::decode).filter(|record| !record.is_expired(now)))
    }

    fn settle(&self, now: Timestamp) -> Timestamp {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).settle(now)
    }

    fn failure(&self, error: &heed::Error) -> Arc<str> {
        let path = self.path.display();
        Arc::from(format!(
            "{path} could not be read or written: {error}; free or replace the disk, then restart"
        ))
    }

    /// The next records behind a key, with the last key among them; empty at the end.
    #[allow(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    fn chunk(
        &self,
        after: Option<&[u8]>,
    ) -> heed::Result<(Vec<(TrackingId, CookieRecord)>, Option<Vec<u8>>)> {
        let txn = self.env.read_txn()?;
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::<&[u8]>::Unbounded);
        let mut records = Vec::with_capacity(SCAN_BATCH);
        let mut last = None;
        for entry in self.records.range(&txn, &range)?.take(SCAN_BATCH) {
            let (key, value) = entry?;
            last = Some(key.to_owned());
            records.extend(record::parse_id(key).zip(record::decode(value)));
        }
        Ok((records, last))
    }
}

impl CookieStore for LmdbStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        Lookup::done(self.tables.live(id, now))
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        // The writer asks again; here it is asked so that it need not be bothered.
        if self.tables.live(id, now).is_ok_and(|record| record.is_some_and(|r| r.is_sighting_due(now))) {
            self.group.note(Work::See { id: id.clone(), now });
        }
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        self.push(Work::Create { id: id.clone(), record })
    }

    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit {
        self.push(Work::Replace { id: id.clone(), next: next.clone(), now })
    }

    fn authenticate(
        &self,
        id: &TrackingId,
        authentication: Option<Authentication>,
        now: Timestamp,
    ) -> Commit {
        if let Err(unfit) = authentication.as_ref().map_or(Ok(()), Authentication::check) {
            return Commit::done(Err(unfit));
        }
        let authentication = authentication.map(Arc::new);
        self.push(Work::Authenticate { id: id.clone(), authentication, now })
    }

    fn revoke(&self, id: &TrackingId, _now: Timestamp) -> Commit {
        self.push(Work::Revoke { id: id.clone() })
    }

    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        purge::purge(&self.tables, &self.group, now, limit)
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let chunk = self.tables.chunk(after.as_deref());
            let (records, last) = chunk.map_err(|error| StoreError::Io(self.tables.failure(&error)))?;
            for (id, record) in records.iter().filter(|(_, record)| !record.is_expired(now)) {
                each(id, record);
            }
            after = match last {
                Some(last) => Some(last),
                None => return Ok(()),
            };
        }
    }
}

impl LmdbStore {
    fn push(&self, work: Work) -> Commit {
        match self.group.admit() {
            Ok(()) => self.group.push(work).unwrap_or_else(|rejected| Commit::done(Err(rejected.error))),
            Err(error) => Commit::done(Err(error)),
        }
    }
}
