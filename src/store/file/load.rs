//! The replay of a file into an index.

use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read},
};

use super::{
    line::{self, LineFault, MAX_LINE, Statement},
    lock::{self, Locked},
};
use crate::{
    cookie::TrackingId,
    store::{StoreOpenError, disk, index::Index},
};

/// Large enough that reading is sequential and calls are few.
const READ_BUFFER: usize = 256 * 1024;

/// What a disk writes whole or not at all, in bytes: the smallest there is.
const SECTOR: u64 = 512;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replayed {
    /// How many records and changes are in it.
    pub(super) lines: u64,
    /// Its size in bytes.
    pub(super) end: u64,
}

/// A line as it stands in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawLine<'a> {
    /// Without its line break, and cut at [`MAX_LINE`].
    pub(super) text: &'a [u8],
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) offset: u64,
    /// With its line break.
    pub(super) length: u64,
    pub(super) has_newline: bool,
    pub(super) is_too_long: bool,
    /// Whether zeros in it reach up to the end of a sector.
    has_hole: bool,
}

/// The first line that is not whole.
#[derive(Debug, Clone, Copy)]
struct BadLine {
    number: u64,
    offset: u64,
    what: &'static str,
    is_torn: bool,
    is_beginning: bool,
}

/// Replays a file, cuts a torn tail off, and closes an open last line.
pub(super) fn load(locked: &Locked, index: &mut Index) -> Result<Replayed, StoreOpenError> {
    let Locked { path, file } = locked;
    let unreadable = |source| lock::failed(path, "read", "check the disk", source);
    let mut lines = LineReader::new(&**file);
    let mut replay = Replay { index, deleted: HashSet::new(), lines: 0 };
    let mut bad: Option<BadLine> = None;
    let mut is_open = false;
    while let Some(raw) = lines.next().map_err(unreadable)? {
        is_open = !raw.has_newline;
        match raw.parse() {
            Ok(None) => {}
            Ok(Some(statement)) => match bad {
                None => replay.apply(statement),
                Some(BadLine { number, offset, what, .. }) => {
                    return Err(StoreOpenError::Damaged { path: path.clone(), line: number, offset, what });
                }
            },
            Err(LineFault::Newer(found)) => return Err(StoreOpenError::Newer { path: path.clone(), found }),
            Err(LineFault::Damaged(what)) => {
                let (is_torn, is_beginning) = (raw.is_torn(), line::is_beginning(raw.text));
                let RawLine { number, offset, .. } = raw;
                bad = bad.or(Some(BadLine { number, offset, what, is_torn, is_beginning }));
            }
        }
    }
    let mut end = lines.offset;
    match bad {
        // Cutting it off would empty a file that may be something else.
        Some(BadLine { number: line, what, is_torn, is_beginning, .. })
            if replay.lines == 0 && !(is_torn && is_beginning) =>
        {
            return Err(StoreOpenError::NoRecords { path: path.clone(), line, what });
        }
        Some(BadLine { number, offset, is_torn: true, .. }) => {
            tracing::warn!(
                path = %path.display(), bytes = end - offset, offset, line = number,
                "the end of the cookie store was torn by a crash and has been cut off; nothing that was \
                 acknowledged is lost"
            );
            disk::cut(path, file, offset)
                .map_err(|source| lock::failed(path, "cut the torn end of", "check the disk", source))?;
            end = offset;
        }
        Some(BadLine { number, offset, what, .. }) => {
            return Err(StoreOpenError::Damaged { path: path.clone(), line: number, offset, what });
        }
        None if is_open => {
            disk::append(path, file, b"\n")
                .map_err(|source| lock::failed(path, "write to", disk::remedy(&source), source))?;
            end += 1;
        }
        None => {}
    }
    let lines = replay.lines;
    index.settle_restored();
    Ok(Replayed { lines, end })
}

struct Replay<'a> {
    index: &'a mut Index,
    deleted: HashSet<TrackingId>,
    lines: u64,
}

impl Replay<'_> {
    fn apply(&mut self, statement: Statement) {
        self.lines += 1;
        match statement {
            Statement::Deleted(id) => {
                self.index.remove(&id);
                self.deleted.insert(id);
            }
            Statement::State { id, mut record, revives, replaces, is_dated } => {
                if !is_dated && let Some(created) = self.index.any(&id).map(|before| before.created) {
                    record.created = created;
                }
                if !self.deleted.is_empty() {
                    if revives {
                        self.deleted.remove(&id);
                    } else if self.deleted.contains(&id) {
                        return;
                    }
                }
                self.index.note_time(record.last_seen);
                match replaces {
                    Some(since) => self.index.restore_replacing(&id, record, since),
                    None => self.index.restore(&id, record),
                }
            }
        }
    }
}

impl RawLine<'_> {
    /// What the line says; nothing for a blank one.
    pub(super) fn parse(&self) -> Result<Option<Statement>, LineFault> {
        if self.is_too_long { Err(LineFault::Damaged("it is too long")) } else { line::parse(self.text) }
    }

    /// Whether a line that is not whole may never have been whole. A process that dies leaves no newline; a power
    /// failure may also leave sectors unwritten, which read as zeros.
    fn is_torn(&self) -> bool {
        !self.has_newline || self.has_hole
    }
}

/// A text's lines, in bounded memory whatever is in it.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: BufReader<R>,
    text: Vec<u8>,
    number: u64,
    offset: u64,
}

impl<R: Read> LineReader<R> {
    /// Reads a file from its beginning.
    pub(super) fn new(file: R) -> Self {
        Self { reader: BufReader::with_capacity(READ_BUFFER, file), text: Vec::new(), number: 0, offset: 0 }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.text.clear();
        let mut length = 0;
        let mut has_newline = false;
        let mut has_hole = false;
        while !has_newline {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let line_break = memchr::memchr(b'\n', available);
            let (piece, used) = match line_break {
                Some(at) => (available.get(..at).unwrap_or_default(), at + 1),
                None => (available, available.len()),
            };
            has_newline = line_break.is_some();
            if piece.contains(&0)
                && let Some(zero) = piece.iter().rposition(|byte| *byte == 0)
            {
                has_hole |= (self.offset + length + zero as u64 + 1).is_multiple_of(SECTOR);
            }
            let room = (MAX_LINE + 1).saturating_sub(self.text.len()).min(piece.len());
            self.text.extend_from_slice(piece.get(..room).unwrap_or_default());
            self.reader.consume(used);
            length += used as u64;
        }
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let offset = self.offset;
        self.offset += length;
        let is_too_long = self.text.len() > MAX_LINE;
        let text = self.text.strip_suffix(b"\r").unwrap_or(&self.text);
        Ok(Some(RawLine { text, number: self.number, offset, length, has_newline, is_too_long, has_hole }))
    }
}
