//! The repair of a damaged file: it keeps what is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    line::LineFault,
    load::LineReader,
    lock::{self, Locked},
};
use crate::store::{StoreOpenError, disk};

/// How many damaged copies may lie beside a file.
const MAX_COPIES: usize = 100;

/// What a repair has done.
#[derive(Debug, PartialEq, Eq)]
pub struct Repaired {
    /// How many lines were whole and are kept.
    pub kept: u64,
    /// How many lines were dropped. Each may have been a revocation: a record that was revoked there counts
    /// again.
    pub dropped: u64,
    /// How many bytes were dropped.
    pub dropped_bytes: u64,
    /// Where the damaged file is now; nothing if nothing was dropped and nothing changed.
    pub damaged_copy: Option<PathBuf>,
}

/// Keeps the whole lines of a file, to the letter, and drops the others. The damaged file stays beside it as
/// `NAME.damaged`. Fails while a gateway runs on the file, and if no line is whole. An interrupted repair has either
/// happened or not.
pub fn repair(path: &Path) -> Result<Repaired, StoreOpenError> {
    let locked = lock::open(path)?;
    let fail = |action, remedy| {
        let path = locked.path.clone();
        move |source| lock::failed(&path, action, remedy, source)
    };
    let new = lock::beside(&locked.path, "repaired");
    drop(fs::remove_file(&new));
    let file = lock::create(&new).map_err(fail("write beside", "make room in its folder"))?;
    let mut repaired = match keep_whole_lines(&locked, &file) {
        Ok(Ok(repaired)) => repaired,
        Ok(Err(unfit)) => {
            drop(fs::remove_file(&new));
            return Err(unfit);
        }
        Err(source) => {
            drop(fs::remove_file(&new));
            return Err(fail("copy", "make room in its folder, and check the disk")(source));
        }
    };
    if let Err(unsettled) = locked.settle() {
        drop(fs::remove_file(&new));
        return Err(unsettled);
    }
    if repaired.dropped == 0 {
        drop(fs::remove_file(&new));
        return Ok(repaired);
    }
    let copy = keep_damaged(&locked.path).map_err(fail("keep a copy of", "clear old copies away"))?;
    disk::rename(&new, &locked.path)
        .and_then(|()| disk::sync_folder(&locked.path))
        .map_err(|error| fail("replace", disk::remedy(&error))(error))?;
    repaired.damaged_copy = Some(copy);
    Ok(repaired)
}

fn keep_whole_lines(old: &Locked, new: &File) -> io::Result<Result<Repaired, StoreOpenError>> {
    let mut repaired = Repaired { kept: 0, dropped: 0, dropped_bytes: 0, damaged_copy: None };
    let mut out = BufWriter::new(new);
    let mut lines = LineReader::new(&*old.file);
    let mut first_dropped = None;
    while let Some(raw) = lines.next()? {
        match raw.parse() {
            Ok(None) => {}
            Ok(Some(_)) => {
                out.write_all(raw.text)?;
                out.write_all(b"\n")?;
                repaired.kept += 1;
            }
            Err(LineFault::Newer(found)) => {
                return Ok(Err(StoreOpenError::Newer { path: old.path.clone(), found }));
            }
            Err(LineFault::Damaged(what)) => {
                first_dropped.get_or_insert((raw.number, what));
                repaired.dropped += 1;
                repaired.dropped_bytes += raw.length;
            }
        }
    }
    if let (0, Some((line, what))) = (repaired.kept, first_dropped) {
        return Ok(Err(StoreOpenError::NoRecords { path: old.path.clone(), line, what }));
    }
    out.flush()?;
    new.sync_all()?;
    Ok(Ok(repaired))
}

/// Gives the damaged file a second name, so that it survives the rename.
fn keep_damaged(path: &Path) -> io::Result<PathBuf> {
    for number in 0..MAX_COPIES {
        let suffix = if number == 0 { "damaged".to_owned() } else { format!("damaged.{number}") };
        let copy = lock::beside(path, &suffix);
        match fs::hard_link(path, &copy) {
            Ok(()) => return Ok(copy),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are a hundred copies already"))
}
