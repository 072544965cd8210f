//! Records in a file: an append-only log of JSON Lines, replayed at start.
//!
//! # The format, versions 1 to 3
//!
//! A UTF-8 text of one JSON object a line, in Crossbar's keys and spacing (`json.dumps`), so that `jq` and
//! Crossbar read it. A line is the whole state of one record after one change; the last line of an ID counts.
//! A line of version 3 also marks a second record: it makes the next ID of an authenticated client, and the ID in
//! `before` is replaced by it from the time in `replaced` on. One line holds both, so that a crash keeps both or
//! neither.
//!
//! ```text
//! {"cbtid": "dsI6D8i7pycVhma20uj5gvZG",      the ID
//!  "status": "created",                      created | modified | deleted
//!  "created": "2026-11-22T10:14:33.139Z",    when the ID was handed out
//!  "modified": null,                         modified: when the authentication was set, or else the change
//!  "deleted": null,                          deleted: when
//!  "max_age": 864000,                        seconds from created on
//!  "authid": null, "authrole": null, "authmethod": null, "authrealm": null,
//!  "authextra": null,                        a JSON object; all five are null without an authentication
//!  "public": "…", "before": "…",             ours, where the ID replaced one: its client's public ID, and that ID
//!  "replaced": "2026-11-22T10:14:33.139Z",   ours, in version 3: since when the ID in `before` is replaced
//!  "next": "…", "since": null,               ours, where the ID is to be replaced: by which, and since when it is
//!  "seen": "2026-11-22T10:14:33.139Z",       ours: the last noted sighting
//!  "v": 1,                                   ours: the version of this format; 3 with `replaced`, or else 2 with
//!                                            one of the other four keys
//!  "crc": "89abcdef"}                        ours: CRC-32 (IEEE) of the line's bytes before `, "crc"`
//! ```
//!
//! A line without our keys is Crossbar's, and the store takes it as it is. A line with any other key, or with ours and a
//! wrong checksum, is damaged. After `deleted` only a `created` brings the ID back. Blank lines, CRLF and a missing last
//! newline are tolerated. An evicted record leaves `deleted` before the line of the one that it made room for: which it was
//! depends on the connections that were open. Expired records leave no line: a replay drops them by the same rules.
//!
//! # What a crash leaves
//!
//! A crash tears the batch that was being written: it leaves no newline at the end, or zeros where the file system had not
//! yet written. The store cuts the file at the first such line, which loses nothing that it had acknowledged. Any other
//! damaged line was whole once and may have been a revocation, so the store refuses to open; [`repair`] keeps what is
//! whole.
//!
//! When dead lines outnumber live ones, a thread writes the live records to `NAME.compact` beside the file, and behind
//! them what has been appended meanwhile. The writer makes that file durable and renames it over the old one. Until then
//! the old file is complete, from then on the new one.

mod compaction;
mod exchange;
mod line;
mod load;
mod lock;
mod log;
mod repair;
mod work;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

pub use self::{
    exchange::{LineFormat, StoreTextError, read_lines, write_line},
    line::MAX_LINE,
    repair::{Repaired, repair},
    work::Compacted,
};
use self::{
    line::LineKind,
    log::Log,
    work::{LogWork, Undo},
};
use super::{
    Authentication, Commit, CookieRecord, CookieStore, DEFAULT_MAX_PER_PRINCIPAL, Lookup, Replacement,
    StoreError, StoreOpenError, SyncMode, commit,
    group::Group,
    index::{Index, Limits, Replaced, lock, purge, scan},
    owed::Owed,
    rules::SettledClock,
};
use crate::{cookie::TrackingId, time::Timestamp};

/// The store in a file.
///
/// A call applies its change to the index and queues its line under one lock, so that the log has the changes in the order
/// in which look-ups saw them happen.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    index: Arc<Mutex<Index>>,
    owed: Arc<Owed>,
    group: Group<Log>,
}

impl FileStore {
    /// Opens a file, or makes it, with mode 0600. Its folder must exist. [`DEFAULT_MAX_PER_PRINCIPAL`] bounds the records
    /// of a principal.
    pub fn open(
        path: &Path,
        max_cookies: usize,
        sync: SyncMode,
        now: Timestamp,
    ) -> Result<Self, StoreOpenError> {
        let limits =
            Limits { records: max_cookies, per_principal: DEFAULT_MAX_PER_PRINCIPAL, ..Limits::default() };
        Self::open_with(path, limits, sync, now)
    }

    pub(super) fn open_with(
        path: &Path,
        limits: Limits,
        sync: SyncMode,
        now: Timestamp,
    ) -> Result<Self, StoreOpenError> {
        let locked = lock::open(path)?;
        let tally = limits.tally.clone();
        let mut index = Index::new(Limits { tells_evicted: true, ..limits }, SettledClock::default());
        let loaded = load::load(&locked, &mut index)?;
        locked.settle()?;
        index.note_time(now);
        let path = locked.path.clone();
        let index = Arc::new(Mutex::new(index));
        let owed = Arc::<Owed>::default();
        let log = Log::new(locked, loaded, sync, Arc::clone(&index), Arc::clone(&owed));
        let group = Group::start("cookie-store", log, tally).map_err(|source| StoreOpenError::Io {
            path: path.clone(),
            action: "start the writer of",
            remedy: "raise the limit of threads",
            source,
        })?;
        Ok(Self { path, index, owed, group })
    }

    /// The file, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the live records to a new file that takes this one's place, and waits for that; other calls go on meanwhile.
    /// May take seconds: call it where blocking is allowed.
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The commit says that the writer has seen the request; the outcome comes through the channel.
        drop(self.group.push(LogWork::compaction(sender)).map_err(|rejected| rejected.error)?);
        receiver.recv().unwrap_or_else(|_| Err(commit::stopped()))
    }
}

impl FileStore {
    /// Makes a change and queues its line, both under the lock.
    fn change(&self, make: impl FnOnce(&mut Index) -> Result<LogWork, StoreError>) -> Commit {
        let mut index = lock(&self.index);
        let made = self.group.admit().and_then(|()| make(&mut index));
        let evicted = index.take_evicted();
        let pushed = match made {
            Ok(line) => self.group.push(line.behind(evicted)),
            // The caller may hand out the next ID, so it must not hear of it before that is written.
            Err(error @ StoreError::Replaced { .. }) => self.group.push_for(Err(error), LogWork::empty()),
            Err(error) => {
                // What has made room in vain is gone from memory, and has to go from the file.
                for gone in &evicted {
                    self.owed.add(&gone.id);
                }
                return Commit::done(Err(error));
            }
        };
        pushed.unwrap_or_else(|rejected| {
            rejected.work.take_back(&mut index);
            rejected.work.owe(&self.owed);
            Commit::done(Err(rejected.error))
        })
    }
}

impl CookieStore for FileStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        Lookup::done(Ok(lock(&self.index).look_up(id, now)))
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        let mut index = lock(&self.index);
        if let Some(noted) = index.see(id, now) {
            self.group.note(LogWork::new(id, &noted, LineKind::Modified, None));
        }
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        let line = LogWork::new(id, &record, LineKind::Created, Some(Undo::Create(id.clone())));
        self.change(|index| {
            index.create(id, record)?;
            Ok(line)
        })
    }

    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit {
        self.change(|index| {
            Ok(match index.replace(id, next, now)? {
                Replaced::Both(record) => {
                    let undo = Undo::Replace { id: id.clone(), next: next.id.clone(), now };
                    LogWork::new(&next.id, &record, LineKind::Replacing, Some(undo))
                }
                Replaced::Before(record) => {
                    LogWork::new(id, &record, LineKind::Modified, Some(Undo::Authenticate(id.clone(), now)))
                }
            })
        })
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
        self.change(|index| {
            Ok(match index.authenticate(id, authentication.as_ref(), now) {
                Some(changed) => {
                    let undo = Undo::Authenticate(id.clone(), now);
                    LogWork::new(id, &changed, LineKind::Modified, Some(undo))
                }
                // Nothing to write. But the change that made it so may still wait to be written.
                None => LogWork::empty(),
            })
        })
    }

    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit {
        let mut index = lock(&self.index);
        // Also when it cannot be written: until the gateway stops, a revoked record stays revoked.
        let line = match index.revoke(id) {
            Some(record) => LogWork::new(id, &record, LineKind::Deleted(now), Some(Undo::Revoke(id.clone()))),
            None => LogWork::empty(),
        };
        self.group.push(line).unwrap_or_else(|rejected| {
            rejected.work.owe(&self.owed);
            Commit::done(Err(rejected.error))
        })
    }

    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let dropped = purge(&self.index, now, limit);
        if dropped > 0 {
            // Wakes the writer, which may find that the file is worth compacting now.
            self.group.note(LogWork::empty());
        }
        Ok(dropped)
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        scan(&self.index, now, each);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
