//! The end of the log: writes lines, makes them durable, and begins and ends compactions.

use std::{
    io, mem,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    compaction::{self, Compaction, CompactionOutcome, Rewritten},
    line::{self, LineKind},
    load::Replayed,
    lock::{Locked, Shape, Standing},
    work::{Asker, Compacted, LogWork},
};
use crate::{
    cookie::MaxAge,
    store::{
        CookieRecord, StoreError, SyncMode, disk,
        group::{BatchSink, Queued},
        index::{Index, lock},
        owed::Owed,
    },
    time::Timestamp,
};

/// `sync: interval`: for how long a power failure may take a change back.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How often a running compaction is asked whether it is done.
const COMPACTION_POLL: Duration = Duration::from_millis(20);

/// How often the log looks whether the file is still in its place while nothing is written.
const PLACE_CHECK: Duration = Duration::from_secs(1);

/// What is written to find out whether there is room again, and cut off again: blank lines, which a replay skips.
const PROBE: [u8; 4096] = [b'\n'; 4096];

/// Below this many lines (some 300 kB) a compaction is not worth a rename.
const MIN_COMPACTION: u64 = 1000;

/// The file as its writer has it.
#[derive(Debug)]
pub(super) struct Log {
    locked: Locked,
    end: u64,
    /// What the writer has left, with what may lie behind `end` after a failure. None: the file system could not tell.
    left: Option<Shape>,
    /// Whether the file was found in its place just now.
    is_checked: bool,
    lines: u64,
    sync: SyncMode,
    /// Since when written lines wait to be made durable, with `sync: interval`.
    unsynced_since: Option<Instant>,
    buffer: Vec<u8>,
    index: Arc<Mutex<Index>>,
    /// What the file has otherwise than the index since a failure.
    owed: Arc<Owed>,
    /// Whether lines that were acknowledged may be missing in the file.
    is_doubtful: bool,
    compaction: Option<Compaction>,
    /// The number of lines below which no compaction begins by itself.
    compaction_from: u64,
    /// The callers whose compaction has not begun.
    asking: Vec<Asker>,
    /// The callers that wait for the compaction under way.
    waiting: Vec<Asker>,
}

impl Log {
    pub(super) fn new(
        locked: Locked,
        loaded: Replayed,
        sync: SyncMode,
        index: Arc<Mutex<Index>>,
        owed: Arc<Owed>,
    ) -> Self {
        let mut log = Self {
            owed,
            is_doubtful: false,
            left: None,
            is_checked: false,
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
        };
        log.note_shape();
        log
    }

    /// Takes what the file looks like now for the writer's own work.
    fn note_shape(&mut self) {
        self.left = self.locked.shape().ok();
    }

    /// Whether the file looks as its writer has left it. Only the time tells of another program that has written over it.
    fn is_untouched(&self, found: Shape) -> bool {
        self.left.map_or(found.length == self.end, |left| left == found)
    }

    /// Makes durable what was acknowledged before.
    fn sync(&mut self) -> Result<(), Arc<str>> {
        self.unsynced_since = None;
        disk::sync(&self.locked.path, &self.locked.file).map_err(|error| {
            self.is_doubtful = true;
            self.failure("made durable", &error)
        })
    }

    fn failure(&self, what: &str, error: &io::Error) -> Arc<str> {
        let path = self.locked.path.display();
        Arc::from(format!("{path} could not be {what}: {error}; {}", disk::remedy(error)))
    }

    /// Fails if the file is not in its place any more, or does not look as its writer has left it.
    fn check_place(&self) -> Result<(), Arc<str>> {
        match self.locked.standing().map_err(|error| self.failure("found", &error))? {
            Standing::Ours(found) if self.is_untouched(found) => Ok(()),
            other => Err(self.displaced(other)),
        }
    }

    /// What has become of the file, for the operator.
    fn displaced(&self, standing: Standing) -> Arc<str> {
        let path = self.locked.path.display();
        let what = match standing {
            Standing::Ours(_) => "was changed by another program",
            Standing::Gone => "was removed",
            Standing::Other => {
                return Arc::from(format!(
                    "{path} was replaced by another file while the gateway runs: restart the gateway to use that file, \
                     or move it away to keep what the gateway has in memory"
                ));
            }
        };
        Arc::from(format!("{path} {what} while the gateway runs, which now writes it anew from memory"))
    }

    /// Writes what is in the buffer, and takes it for written only when it is as durable as `sync` says and stands in the
    /// store's file.
    fn append(&mut self, lines: u64, sync: SyncMode) -> Result<(), Arc<str>> {
        let before = self.locked.shape().map_err(|error| self.failure("inspected", &error))?;
        if !self.is_untouched(before) {
            return Err(self.displaced(Standing::Ours(before)));
        }
        let written = self.write(sync);
        if written.is_err() {
            // What got into the file all the same is cut off later.
            self.note_shape();
        }
        written?;
        let end = self.end + self.buffer.len() as u64;
        match self.locked.standing().map_err(|error| self.failure("found", &error))? {
            Standing::Ours(found) if found.length == end => self.left = Some(found),
            other => return Err(self.displaced(other)),
        }
        self.is_checked = true;
        self.end = end;
        self.lines += lines;
        if sync == SyncMode::Interval {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn write(&self, sync: SyncMode) -> Result<(), Arc<str>> {
        let Locked { path, file } = &self.locked;
        disk::append(path, file, &self.buffer).map_err(|error| self.failure("written", &error))?;
        if sync == SyncMode::Always {
            disk::sync(path, file).map_err(|error| self.failure("made durable", &error))?;
        }
        Ok(())
    }

    /// Writes everything that is in memory to a new file in the place of the old one.
    fn write_anew(&mut self) -> Result<(), Arc<str>> {
        let owed = self.owed.all();
        let written = compaction::write_anew(&self.locked.path, &self.index);
        self.go_on_with(written.map_err(|error| self.failure("written anew", &error))?)?;
        self.owed.settle(&owed);
        Ok(())
    }

    /// Goes on with a file that has taken the place of the old one, which a power failure might bring back until the folder is
    /// synced.
    fn go_on_with(&mut self, new: Rewritten) -> Result<(), Arc<str>> {
        self.locked.file = new.file;
        (self.end, self.lines) = (new.end, new.lines);
        self.unsynced_since = None;
        self.note_shape();
        self.is_doubtful = true;
        disk::sync_folder(&self.locked.path).map_err(|error| self.failure("replaced durably", &error))?;
        self.is_doubtful = false;
        Ok(())
    }

    /// Cuts off what was not acknowledged, and finds out whether there is room again.
    fn cut_back(&mut self) -> Result<(), Arc<str>> {
        let Locked { path, file } = &self.locked;
        let cut = disk::cut(path, file, self.end)
            .and_then(|()| disk::append(path, file, &PROBE))
            .and_then(|()| disk::sync(path, file))
            .and_then(|()| disk::cut(path, file, self.end));
        self.note_shape();
        cut.map_err(|error| self.failure("written", &error))
    }

    /// Writes what has become of the IDs that the file has otherwise than the index.
    fn settle_owed(&mut self) -> Result<(), Arc<str>> {
        if !self.owed.is_any() {
            return Ok(());
        }
        let owed = self.owed.all();
        let now = Timestamp::now();
        let mut lines = 0;
        self.buffer.clear();
        for id in owed.iter() {
            let found = lock(&self.index).any(id);
            let (record, change) = match found {
                // Not `modified`: the file may have an earlier `deleted`.
                Some(record) => (record, LineKind::Created),
                None => (CookieRecord::new(now, MaxAge::DEFAULT), LineKind::Deleted(now)),
            };
            line::write(id, &record, change, &mut self.buffer);
            lines += 1;
        }
        self.append(lines, SyncMode::Always)?;
        self.owed.settle(&owed);
        Ok(())
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
            CompactionOutcome::Replaced(new) => {
                let compacted = Compacted {
                    bytes_before: self.end,
                    bytes_after: new.end,
                    lines_before: self.lines,
                    lines_after: new.lines,
                };
                self.go_on_with(new)?;
                tracing::info!(
                    path = %self.locked.path.display(),
                    before = compacted.lines_before,
                    after = compacted.lines_after,
                    "the cookie store was compacted"
                );
                self.answer(&Ok(compacted));
                self.compaction_from = MIN_COMPACTION;
                Ok(())
            }
            CompactionOutcome::Unchanged(error) => {
                self.put_off_compaction(&error);
                Ok(())
            }
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
        let remedy = disk::remedy(error);
        let failed = format!("{} could not be compacted: {error}; {remedy}", self.locked.path.display());
        self.answer(&Err(StoreError::Io(Arc::from(failed))));
        self.compaction_from = self.lines.saturating_mul(2);
        tracing::warn!(
            path = %self.locked.path.display(), %error, remedy,
            "the cookie store could not be compacted and goes on growing"
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
            lines += item.work.lines();
        }
        if lines == 0 {
            return Ok(());
        }
        self.append(lines, self.sync)?;
        if let Some(compaction) = &self.compaction {
            compaction.advance(self.end);
        }
        Ok(())
    }

    fn abandon(&mut self, work: &LogWork) {
        work.take_back(&mut lock(&self.index));
        work.owe(&self.owed);
    }

    fn recover(&mut self) -> Result<(), Arc<str>> {
        // Its new file may have been begun from what is taken back now.
        self.compaction = None;
        self.answer(&Err(StoreError::Io(Arc::from(
            "the compaction was given up, since the store failed meanwhile",
        ))));
        let owes_all = self.owed.all().is_incomplete();
        match self.locked.standing().map_err(|error| self.failure("found", &error))? {
            Standing::Other => return Err(self.displaced(Standing::Other)),
            Standing::Ours(found)
                if !self.is_doubtful && !owes_all && self.is_untouched(found) && found.length >= self.end =>
            {
                self.cut_back()?;
            }
            Standing::Ours(_) | Standing::Gone => self.write_anew()?,
        }
        self.settle_owed()
    }

    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>> {
        if !mem::take(&mut self.is_checked) {
            self.check_place()?;
        }
        // What was refused in the moment in which the store began to work again.
        self.settle_owed()?;
        if let Some(compaction) = self.compaction.take_if(|compaction| compaction.is_finished()) {
            self.end_compaction(compaction)?;
        }
        if self.compaction.is_none() && (self.lines >= self.compaction_from || !self.asking.is_empty()) {
            self.begin_compaction();
        }
        let mut wait = Some(if self.compaction.is_some() { COMPACTION_POLL } else { PLACE_CHECK });
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
