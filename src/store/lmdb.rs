//! Records in an LMDB environment: millions of cookies, opened in milliseconds, looked up in mapped pages.
//!
//! The layout stands in [`record`]. All changes go through one writer thread, which commits what has gathered in one
//! transaction; look-ups never wait for it. New cookies leave an eighth of the map free, so that revocations,
//! authentications and purges find room when new cookies no longer do: then each new cookie takes the place of others.
//!
//! With `sync: always` a commit is durable. With `interval` and `never` the operating system may write pages
//! in any order, so a power failure (not a crash of the gateway) may cost the environment; those modes are
//! for cookies that may be lost.

mod check;
mod place;
mod purge;
mod ranks;
mod record;
mod tables;
mod upgrade;
mod writer;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::{
    place::EnvironmentFiles,
    tables::{Opened, Tables},
    writer::{LmdbWriter, Work},
};
use super::{
    Authentication, Commit, CookieRecord, CookieStore, DEFAULT_MAX_PER_PRINCIPAL, Lookup, Replacement,
    StoreError, StoreOpenError, SyncMode, disk, exclusive::Exclusive, group::Group, index::Limits,
    owed::Owed,
};
use crate::{cookie::TrackingId, time::Timestamp};

/// The store in an LMDB environment.
#[derive(Debug)]
pub struct LmdbStore {
    // Fields are dropped in this order: first the writer ends, then the environment is closed, then the lock
    // is let go.
    group: Group<LmdbWriter>,
    tables: Tables,
    owed: Arc<Owed>,
    _lock: Exclusive,
}

impl LmdbStore {
    /// Opens an environment, or makes it: a folder with mode 0700 in a folder that exists. `max_size` is in
    /// bytes. [`DEFAULT_MAX_PER_PRINCIPAL`] bounds the records of a principal.
    pub fn open(
        path: &Path,
        max_size: usize,
        sync: SyncMode,
        now: Timestamp,
    ) -> Result<Self, StoreOpenError> {
        let limits = Limits { per_principal: DEFAULT_MAX_PER_PRINCIPAL, ..Limits::default() };
        Self::open_with(path, max_size, limits, sync, now)
    }

    pub(super) fn open_with(
        path: &Path,
        max_size: usize,
        limits: Limits,
        sync: SyncMode,
        now: Timestamp,
    ) -> Result<Self, StoreOpenError> {
        let fail = |action, remedy| {
            move |source| StoreOpenError::Io { path: path.to_owned(), action, remedy, source }
        };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(fail("make the folder of", "the folder above it must exist and be writable")(
                    error,
                ));
            }
            _ => {}
        }
        let path = path.canonicalize().map_err(fail("find", "leave it in place while it is opened"))?;
        let (lock, is_new) = lock(&path)?;
        check::check(&path).map_err(|error| {
            if is_new {
                // What is in the folder is no store of ours, and the folder stays as it was.
                drop(fs::remove_file(path.join(place::LOCK)));
            }
            unusable(&path)(error)
        })?;
        let tables = Tables::open(&path, max_size, sync, now)
            .map_err(unusable(&path))?
            .map_err(|found| StoreOpenError::Newer { path: path.clone(), found })?;
        let Opened { tables, is_ranked, map_size } = tables;
        if !is_ranked {
            upgrade::rank(&tables, map_size).map_err(unusable(&path))?;
        }
        // No cookie may go out before the names of new files, and of their folder, would survive a power failure.
        disk::sync_folder(&path.join(check::DATA))
            .and_then(|()| disk::sync_folder(&path))
            .map_err(fail_at(&path, "make durable the names of", "check the file system"))?;
        let place = EnvironmentFiles::of(&path).map_err(fail_at(
            &path,
            "find",
            "leave it in place while it is opened",
        ))?;
        let tables = tables.at(place);
        let owed = Arc::<Owed>::default();
        let tally = limits.tally.clone();
        let records = tables.env.read_txn().and_then(|txn| tables.records.len(&txn));
        tally.has_records(records.map_err(unusable(&path))?);
        let writer = LmdbWriter::new(tables.clone(), max_size, limits, sync, Arc::clone(&owed));
        let group = Group::start("cookie-store", writer, tally).map_err(fail_at(
            &path,
            "start the writer of",
            "raise the limit of threads",
        ))?;
        Ok(Self { group, tables, owed, _lock: lock })
    }
}

/// Takes the environment for this process alone, and tells whether the file for that is new. LMDB has locks of its own, which are
/// for processes that share it.
fn lock(path: &Path) -> Result<(Exclusive, bool), StoreOpenError> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let file = path.join(place::LOCK);
    let (opened, is_new) = match options.clone().create_new(true).open(&file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.open(&file), false),
        opened => (opened, true),
    };
    let opened = opened.map_err(fail_at(path, "lock", "this user must be allowed to write to it"))?;
    Ok((Exclusive::lock(opened, path)?, is_new))
}

/// LMDB or the store cannot use the environment.
fn unusable<E: std::error::Error>(path: &Path) -> impl Fn(E) -> StoreOpenError + use<E> {
    let path = PathBuf::from(path);
    move |error| StoreOpenError::Lmdb { path: path.clone(), what: error.to_string() }
}

fn fail_at(path: &Path, action: &'static str, remedy: &'static str) -> impl Fn(io::Error) -> StoreOpenError {
    let path = PathBuf::from(path);
    move |source| StoreOpenError::Io { path: path.clone(), action, remedy, source }
}

impl CookieStore for LmdbStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        // Revoked while the disk failed.
        if self.owed.contains(id) {
            return Lookup::done(Ok(None));
        }
        Lookup::done(self.tables.live(id, now))
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        // The writer asks this again. Asking here spares it most of the work.
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
        self.group.push(Work::Revoke { id: id.clone() }).unwrap_or_else(|rejected| {
            self.owed.add(id);
            Commit::done(Err(rejected.error))
        })
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
                if !self.owed.contains(id) {
                    each(id, record);
                }
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
