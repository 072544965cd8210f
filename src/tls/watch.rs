//! Files that are read anew when they have changed, and count only if all is well with them.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};

use super::{
    fault::TlsLoadError,
    pair::{MAX_FILE, Pair},
};
use crate::{file, time::Timestamp};

/// Later than any moment.
const NEVER: u64 = u64::MAX;

/// Which files count now.
#[derive(Debug)]
pub(super) struct Watch {
    /// The hash of the files that count. None: those that were read last cannot, and are tried again: what was wrong may be the mode of
    /// a file or the clock, and not its bytes.
    last: Mutex<Option<[u8; 32]>>,
    /// When new certificates begin to hold, in milliseconds, if nothing else is wrong with them; [`NEVER`]: there are none such.
    due: AtomicU64,
}

impl Watch {
    /// The files with this [`hash`] count; none: they cannot.
    pub(super) const fn new(last: Option<[u8; 32]>) -> Self {
        Self { last: Mutex::new(last), due: AtomicU64::new(NEVER) }
    }

    /// Reads the files again if they have changed, and lets what was read take its place only if all certificates hold now that are not in
    /// use already: one that has ended must not keep others, or authorities, from being renewed. None: they have the same bytes, and not
    /// `always` is wanted, for what is read from elsewhere too. Reads files: not for a connection's task.
    pub(super) fn renew<'a, L>(
        &self,
        always: bool,
        files: impl Iterator<Item = &'a PathBuf>,
        read: impl FnOnce() -> Result<L, TlsLoadError>,
        pairs: impl Fn(&L) -> &[Pair],
        in_use: &[Pair],
        replace: impl FnOnce(L),
    ) -> Option<Result<(), TlsLoadError>> {
        // Held throughout: of two reloads at once the later one must win.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = hash(files);
        if *last == Some(found) && !always {
            return None;
        }
        *last = None;
        let now = Timestamp::now();
        let loaded = read();
        let due = loaded.as_ref().ok().and_then(|loaded| begins(others(pairs(loaded), in_use), now));
        self.due.store(due.map_or(NEVER, Timestamp::as_millis), Ordering::Relaxed);
        let loaded = loaded.and_then(|loaded| holds(others(pairs(&loaded), in_use), now).map(|()| loaded));
        Some(loaded.map(|loaded| {
            *last = Some(found);
            replace(loaded);
        }))
    }

    /// Whether new certificates hold by now that did not when they were read.
    pub(super) fn is_due(&self) -> bool {
        Timestamp::now().as_millis() >= self.due.load(Ordering::Relaxed)
    }
}

/// Those that are not in use.
fn others<'a>(pairs: &'a [Pair], in_use: &'a [Pair]) -> impl Iterator<Item = &'a Pair> + Clone {
    pairs.iter().filter(|pair| !in_use.iter().any(|other| other.is_same(pair)))
}

/// When all certificates hold, if time is all that it takes.
fn begins<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone, now: Timestamp) -> Option<Timestamp> {
    let mut said = pairs.map(|pair| &pair.said);
    let begins = said.clone().map(|said| said.not_before).max().filter(|&begins| begins > now)?;
    said.all(|said| begins <= said.not_after).then_some(begins)
}

/// Whether peers accept all certificates now.
fn holds<'a>(pairs: impl Iterator<Item = &'a Pair>, now: Timestamp) -> Result<(), TlsLoadError> {
    let faults = pairs.filter_map(|pair| {
        let why = pair.out_of_time(now)?;
        Some(format!("{}: {why}", pair.file.display()))
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(TlsLoadError(faults)) }
}

/// The hash of files, one behind the other. One that cannot be read counts as empty.
pub(super) fn hash<'a>(files: impl Iterator<Item = &'a PathBuf>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = file::read(file, MAX_FILE).unwrap_or_default();
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}
