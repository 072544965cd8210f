//! The end of the log: writes lines, makes them durable, and begins and ends compactions.

use std::{
    io::Write,
    mem,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use super::{
    compaction::{Compaction, CompactionOutcome},
    line::{self, LineKind},
    load::Replayed,
    lock::Locked,
};
use crate::{
    cookie::TrackingId,
    store::{
        CookieRecord, StoreError, SyncMode,
        group::{BatchSink, Queued},
        index::{Index, lock},
    },
    time::Timestamp,
};

/// `sync: interval`: for how long a power failure may take a change back.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How often a running compaction is asked whether it is done.
const COMPACTION_POLL: Duration = Duration::from_millis(20);

/// Below this many lines (some 300 kB) a compaction is not worth a rename.
const MIN_COMPACTION: u64 = 1000;

/// A line on its way to the file, and what to do if it does not get there.
#[derive(Debug)]
pub(super) struct LogWork {
    bytes: Vec<u8>,
    undo: Option<Undo>,
    compaction: Option<Asker>,
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
type Asker = mpsc::SyncSender<Result<Compacted, StoreError>>;

/// How to take a change back that was not written. A revocation is not taken back.
#[derive(Debug)]
pub(super) enum Undo {
    Create(TrackingId),
    Authenticate(TrackingId, Timestamp),
    Replace { id: TrackingId, next: TrackingId, now: Timestamp },
}

impl LogWork {
    pub(super) fn new(id: &TrackingId, record: &CookieRecord, change: LineKind, undo: Option<Undo>) -> Self {
        // Most lines have no authentication and fit.
        let mut bytes = Vec::with_capacity(384);
        line::write(id, record, change, &mut bytes);
        Self { bytes, undo, compaction: None }
    }

    /// Nothing to write: answered when everything before it has been written.
    pub(super) const fn empty() -> Self {
        Self { bytes: Vec::new(), undo: None, compaction: None }
    }

    /// Takes the change of this line out of the index. What the store did not acknowledge counts against the client:
    /// the record or the authentication goes.
    pub(super) fn take_back(&self, index: &mut Index) {
        match &self.undo {
            Some(Undo::Create(id)) => drop(index.remove(id)),
            Some(Undo::Authenticate(id, now)) => drop(index.authenticate(id, None, *now)),
            Some(Undo::Replace { id, next, now }) => {
                index.remove(next);
                index.authenticate(id, None, *now);
            }
            None => {}
        }
    }

    /// Asks for a compaction, whether it is due or not.
    pub(super) const fn compaction(asker: Asker) -> Self {
        Self { bytes: Vec::new(), undo: None, compaction: Some(asker) }
    }
}

/// The file as its writer has it.
#[derive(Debug)]
pub(super) struct Log {
    locked: Locked,
    end: u64,
    lines: u64,
    sync: SyncMode,
    /// Since when written lines wait to be made durable, with `sync: interval`.
    unsynced_since: Option<Instant>,
    buffer: Vec<u8>,
    index: Arc<Mutex<Index>>,
    compaction: Option<Compaction>,
    /// The number of lines below which no compaction begins by itself.
    compaction_from: u64,
    /// The callers whose compaction has not begun.
    asking: Vec<Asker>,
    /// The callers that wait for the compaction under way.
    waiting: Vec<Asker>,
}

impl Log {
    pub(super) fn new(locked: Locked, loaded: Replayed, sync: SyncMode, index: Arc<Mutex<Index>>) -> Self {
        Self {
            locked,
            end: loaded.end,
            lines: loaded.lines,
            sync,
            unsynced_since: None,
            buffer: Vec::new(),
            index,
            compaction: None,
            compaction_from: MIN_COMPACTION,
            asking: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn sync(&mut self) -> Result<(), Arc<str>> {
        self.unsynced_since = None;
        self.locked.file.sync_data().map_err(|error| self.failure("made durable", &error))
    }

    fn failure(&self, what: &str, error: &std::io::Error) -> Arc<str> {
        let path: &PathBuf = &self.locked.path;
        Arc::from(format!(
            "{} could not be {what}: {error}; free or replace the disk, then restart",
            path.display()
        ))
    }

    /// Begins a compaction if more lines are dead than alive, or if a caller has asked for one.
    fn begin_compaction(&mut self) {
        let live = lock(&self.index).len() as u64;
        if self.asking.is_empty() && self.lines.saturating_sub(live) <= live {
            return;
        }
        self.waiting = mem::take(&mut self.asking);
        match Compaction::begin(&self.locked, self.end, self.lines, Arc::clone(&self.index)) {
            Ok(compaction) => self.compaction = Some(compaction),
            Err(error) => self.put_off_compaction(&error),
        }
    }

    fn end_compaction(&mut self, compaction: Compaction) -> Result<(), Arc<str>> {
        match compaction.end(&self.locked, self.end, self.lines) {
            CompactionOutcome::Replaced { file, end, lines } => {
                tracing::info!(
                    path = %self.locked.path.display(), before = self.lines, after = lines,
                    "the cookie store was compacted"
                );
                self.locked.file = file;
                let compacted = Compacted {
                    bytes_before: self.end,
                    bytes_after: end,
                    lines_before: self.lines,
                    lines_after: lines,
                };
                self.answer(&Ok(compacted));
                (self.end, self.lines) = (end, lines);
                self.compaction_from = MIN_COMPACTION;
                self.unsynced_since = None;
                Ok(())
            }
            CompactionOutcome::Unchanged(error) => {
                self.put_off_compaction(&error);
                Ok(())
            }
            // The new file is in place, but a power failure might bring the old one back.
            CompactionOutcome::Uncertain(error) => Err(self.failure("replaced durably", &error)),
        }
    }

    /// Tells the callers that waited for the compaction.
    fn answer(&mut self, outcome: &Result<Compacted, StoreError>) {
        for asker in self.waiting.drain(..) {
            // Each channel has room for its one answer, unless its caller is gone.
            drop(asker.try_send(outcome.clone()));
        }
    }

    /// The file is sound, only longer than necessary: it may grow to twice its length before the next attempt.
    fn put_off_compaction(&mut self, error: &std::io::Error) {
        let failed =
            format!("{} could not be compacted: {error}; make room beside it", self.locked.path.display());
        self.answer(&Err(StoreError::Io(Arc::from(failed))));
        self.compaction_from = self.lines.saturating_mul(2);
        tracing::warn!(
            path = %self.locked.path.display(), %error,
            "the cookie store could not be compacted and goes on growing: make room beside it"
        );
    }
}

impl BatchSink for Log {
    type Work = LogWork;

    fn weigh(work: &LogWork) -> usize {
        work.bytes.len() + size_of::<Queued<LogWork>>()
    }

    fn commit(&mut self, batch: &mut [Queued<LogWork>]) -> Result<(), Arc<str>> {
        self.buffer.clear();
        let mut lines = 0;
        for item in &mut *batch {
            self.asking.extend(item.work.compaction.take());
            self.buffer.extend_from_slice(&item.work.bytes);
            lines += u64::from(!item.work.bytes.is_empty());
        }
        if lines == 0 {
            return Ok(());
        }
        (&*self.locked.file).write_all(&self.buffer).map_err(|error| self.failure("written", &error))?;
        self.end += self.buffer.len() as u64;
        self.lines += lines;
        match self.sync {
            SyncMode::Always => self.sync()?,
            SyncMode::Interval => drop(self.unsynced_since.get_or_insert_with(Instant::now)),
            SyncMode::Never => {}
        }
        if let Some(compaction) = &self.compaction {
            compaction.advance(self.end);
        }
        Ok(())
    }

    fn abandon(&mut self, work: &LogWork) {
        work.take_back(&mut lock(&self.index));
    }

    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>> {
        if let Some(compaction) = self.compaction.take_if(|compaction| compaction.is_finished()) {
            self.end_compaction(compaction)?;
        }
        if self.compaction.is_none() && (self.lines >= self.compaction_from || !self.asking.is_empty()) {
            self.begin_compaction();
        }
        let mut wait = self.compaction.is_some().then_some(COMPACTION_POLL);
        if let Some(since) = self.unsynced_since {
            let left = SYNC_INTERVAL.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.sync()?;
            } else {
                wait = Some(wait.map_or(left, |wait| wait.min(left)));
            }
        }
        Ok(wait)
    }

    fn close(&mut self) -> Result<(), Arc<str>> {
        // Gives up a compaction that is under way: the next start clears it away.
        self.compaction = None;
        match self.sync {
            SyncMode::Never => Ok(()),
            SyncMode::Always | SyncMode::Interval => self.sync(),
        }
    }
}
