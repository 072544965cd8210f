//! A compaction: the live records in a new file, while the old one goes on growing.
//!
//! ```text
//! thread   old  ├── dead and live lines ──┤── begin … ──┤      new  ├── snapshot ──┤
//!          then copies what was appended since `begin`: new  ├── snapshot ──┤── appended ──┤  fsync
//! writer   copies what is left, fsync, rename, goes on with the new file, fsync of the folder
//! ```
//!
//! A change that is in the snapshot already may follow in what was appended. Lines are whole states, so replaying one
//! once more ends in the same state. A line that replaces an ID also marks the record of the ID before; if that record
//! has changed since, the lines that say so follow as well.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{
    line::{self, LineKind},
    lock::{self, Locked},
};
use crate::store::{
    disk,
    exclusive::Exclusive,
    index::{self, Index},
};

/// How many records are copied while the index is locked: some 50 µs.
const CHUNK: usize = 256;

/// How much is written at once.
const WRITE_BUFFER: usize = 256 * 1024;

/// How often the thread follows the end of a growing file before it leaves the rest to the writer.
const CATCH_UPS: usize = 8;

/// A compaction under way. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Compaction {
    thread: Option<JoinHandle<io::Result<Copied>>>,
    shared: Arc<CompactionState>,
    lines_before: u64,
}

/// What has happened to the file.
#[derive(Debug)]
pub(super) enum CompactionOutcome {
    /// The new file is in its place, for good once its folder is synced.
    Replaced(Rewritten),
    /// The old file is in its place.
    Unchanged(io::Error),
}

/// A file with the live records alone.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) file: Exclusive,
    /// Its size in bytes.
    pub(super) end: u64,
    pub(super) lines: u64,
}

#[derive(Debug)]
struct CompactionState {
    /// Up to where the old file is committed.
    end: AtomicU64,
    is_given_up: AtomicBool,
    path: PathBuf,
}

/// A new file that is nearly up to date.
#[derive(Debug)]
struct Copied {
    file: Exclusive,
    /// Up to where the old file is in it.
    upto: u64,
    /// Lines of the snapshot.
    lines: u64,
    /// Its size in bytes.
    end: u64,
}

impl Compaction {
    /// Starts the thread; `end` and `lines` are those of the old file now.
    pub(super) fn begin(old: &Locked, end: u64, lines: u64, index: Arc<Mutex<Index>>) -> io::Result<Self> {
        let path = lock::beside(&old.path, "compact");
        let shared =
            Arc::new(CompactionState { end: AtomicU64::new(end), is_given_up: AtomicBool::new(false), path });
        let source = old.file.try_clone()?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("cookie-compaction".to_owned())
            .spawn(move || copy(&theirs, &source, end, &index))?;
        Ok(Self { thread: Some(thread), shared, lines_before: lines })
    }

    /// Tells up to where the old file is committed now.
    pub(super) fn advance(&self, end: u64) {
        self.shared.end.store(end, Ordering::Release);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Puts the new file in the old one's place. Takes as long as the last appended lines need.
    pub(super) fn end(mut self, old: &Locked, end: u64, lines: u64) -> CompactionOutcome {
        let prepared = self.join().and_then(|mut copied| {
            copied.append(&old.file, end)?;
            disk::sync(&old.path, &copied.file)?;
            disk::rename(&self.shared.path, &old.path)?;
            Ok(copied)
        });
        let copied = match prepared {
            Ok(copied) => copied,
            Err(error) => {
                self.clear_away();
                return CompactionOutcome::Unchanged(error);
            }
        };
        let lines = copied.lines + lines.saturating_sub(self.lines_before);
        CompactionOutcome::Replaced(Rewritten { file: copied.file, end: copied.end, lines })
    }

    fn join(&mut self) -> io::Result<Copied> {
        let result = self.thread.take().map(JoinHandle::join);
        result.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("the compaction has crashed")))
    }

    fn clear_away(&self) {
        // If it cannot be removed now, the next compaction or the next start removes it.
        drop(fs::remove_file(&self.shared.path));
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.shared.is_given_up.store(true, Ordering::Relaxed);
            drop(self.join());
            self.clear_away();
        }
    }
}

/// Writes the live records to a new file in the place of the old one, whatever has become of that. It is there for good once its
/// folder is synced.
pub(super) fn write_anew(path: &Path, index: &Mutex<Index>) -> io::Result<Rewritten> {
    let new = lock::beside(path, "compact");
    clear_leftover(&new)?;
    let shared = CompactionState { end: AtomicU64::new(0), is_given_up: AtomicBool::new(false), path: new };
    let written = lock::create(&shared.path).and_then(|file| {
        let mut copied = Copied { file, upto: 0, lines: 0, end: 0 };
        copied.snapshot(&shared, index)?;
        disk::sync(path, &copied.file)?;
        disk::rename(&shared.path, path)?;
        Ok(Rewritten { file: copied.file, end: copied.end, lines: copied.lines })
    });
    if written.is_err() {
        // If it cannot be removed now, the next attempt removes it.
        drop(fs::remove_file(&shared.path));
    }
    written
}

fn copy(shared: &CompactionState, old: &File, begin: u64, index: &Mutex<Index>) -> io::Result<Copied> {
    clear_leftover(&shared.path)?;
    let mut copied = Copied { file: lock::create(&shared.path)?, upto: begin, lines: 0, end: 0 };
    copied.snapshot(shared, index)?;
    for _ in 0..CATCH_UPS {
        let end = shared.end.load(Ordering::Acquire);
        if end - copied.upto <= WRITE_BUFFER as u64 {
            break;
        }
        copied.append(old, end)?;
    }
    copied.file.sync_all()?;
    Ok(copied)
}

fn clear_leftover(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Copied {
    fn snapshot(&mut self, shared: &CompactionState, index: &Mutex<Index>) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(WRITE_BUFFER + WRITE_BUFFER / 2);
        let mut from = 0;
        loop {
            let chunk = index::lock(index).chunk(from, CHUNK);
            let Some((records, next)) = chunk else { break };
            from = next;
            for (id, record) in &records {
                let change =
                    if record.authentication.is_some() { LineKind::Modified } else { LineKind::Created };
                line::write(id, record, change, &mut buffer);
            }
            self.lines += records.len() as u64;
            if buffer.len() >= WRITE_BUFFER {
                self.write(&buffer)?;
                buffer.clear();
            }
            if shared.is_given_up.load(Ordering::Relaxed) {
                return Err(io::Error::other("the store is being closed"));
            }
        }
        self.write(&buffer)
    }

    /// Copies the old file's bytes up to `end`.
    fn append(&mut self, old: &File, end: u64) -> io::Result<()> {
        let mut buffer = vec![0; WRITE_BUFFER];
        while self.upto < end {
            let left = usize::try_from(end - self.upto).unwrap_or(usize::MAX);
            let piece = buffer.get_mut(..left.min(WRITE_BUFFER)).unwrap_or_default();
            old.read_exact_at(piece, self.upto)?;
            self.upto += piece.len() as u64;
            let piece = &*piece;
            (&*self.file).write_all(piece)?;
            self.end += piece.len() as u64;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}
