//! Records as text for other programs: Crossbar's `cookies.dat` and our own lines, read and written.

use std::{collections::HashMap, io::Read};

use super::{
    line::{self, LineFault, LineKind, Statement},
    load::LineReader,
};
use crate::{
    cookie::TrackingId,
    store::{CookieRecord, rules},
};

/// A format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// Crossbar's eleven keys.
    Crossbar,
    /// Crossbar's keys and ours: when the client was last seen, the IDs before and after, and a checksum.
    Wampgate,
}

/// Why a text was not read. No message repeats anything of a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreTextError {
    /// A line is not whole.
    #[error(
        "line {line} (byte {offset}) is damaged: {what}; mend it, or leave such lines out with --skip-damaged"
    )]
    Damaged {
        /// Counted from 1.
        line: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A line is of a later format.
    #[error(
        "line {line} was written by a later version of wampgate (format {found}): read it with that version"
    )]
    Newer {
        /// Counted from 1.
        line: u64,
        /// Its format.
        found: u64,
    },
    /// The text could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// What a text says in the end: for each ID its last line, and nothing for a deleted one.
///
/// Reads both formats, also mixed, unless `only` names one. With `skip_damaged` it leaves out lines that are not whole; the
/// number says how many.
pub fn read_lines(
    text: impl Read,
    only: Option<LineFormat>,
    skip_damaged: bool,
) -> Result<(HashMap<TrackingId, CookieRecord>, u64), StoreTextError> {
    let mut lines = LineReader::new(text);
    let mut records: HashMap<TrackingId, Option<CookieRecord>> = HashMap::new();
    let mut skipped = 0;
    while let Some(raw) = lines.next()? {
        let is_other = only.is_some_and(|only| line::is_ours(raw.text) != (only == LineFormat::Wampgate));
        match raw.parse() {
            Ok(None) => {}
            Ok(Some(_)) if is_other => {
                let what = "it is sound, but not in the format that was asked for";
                return Err(StoreTextError::Damaged { line: raw.number, offset: raw.offset, what });
            }
            Ok(Some(Statement::Deleted(id))) => drop(records.insert(id, None)),
            Ok(Some(Statement::State { id, mut record, revives, replaces, is_dated })) => {
                if let (false, Some(Some(before))) = (is_dated, records.get(&id)) {
                    record.created = before.created;
                }
                // As in a replay: after `deleted` only a `created` brings an ID back.
                let is_dead = matches!(records.get(&id), Some(None));
                if let (Some(since), Some(lineage)) = (replaces, &record.lineage)
                    && let Some(Some(before)) = records.get_mut(&lineage.predecessor)
                    && let Some(marked) = rules::marked(before, &id, since)
                {
                    *before = marked;
                }
                if revives || !is_dead {
                    records.insert(id, Some(record));
                }
            }
            Err(LineFault::Newer(found)) => return Err(StoreTextError::Newer { line: raw.number, found }),
            Err(LineFault::Damaged(_)) if skip_damaged => skipped += 1,
            Err(LineFault::Damaged(what)) => {
                return Err(StoreTextError::Damaged { line: raw.number, offset: raw.offset, what });
            }
        }
    }
    let live = records.into_iter().filter_map(|(id, record)| Some((id, record?)));
    Ok((live.collect(), skipped))
}

/// Appends the line of a live record, with its newline.
pub fn write_line(id: &TrackingId, record: &CookieRecord, format: LineFormat, out: &mut Vec<u8>) {
    let change = if record.authentication.is_some() { LineKind::Modified } else { LineKind::Created };
    match format {
        LineFormat::Crossbar => {
            // Crossbar does not know replaced IDs. One whose time is over must not open anything there.
            let is_replaced = record.succession().is_some_and(|succession| succession.since.is_some());
            let authentication = record.authentication.clone().filter(|_| !is_replaced);
            line::write_for_crossbar(id, &CookieRecord { authentication, ..record.clone() }, change, out);
        }
        LineFormat::Wampgate => line::write(id, record, change, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cookie::MaxAge,
        store::{
            Authentication,
            testing::{logged_in, login},
        },
        time::Timestamp,
    };

    fn id(text: &str) -> TrackingId {
        TrackingId::parse(text).unwrap()
    }

    fn records() -> HashMap<TrackingId, CookieRecord> {
        let plain = CookieRecord::new(Timestamp::from_millis(1_795_342_473_139), MaxAge::DEFAULT);
        let joe = Authentication { authextra: r#"{"n": 1.50}"#.into(), ..login("joe", plain.last_seen) };
        let joe = logged_in(plain.clone(), joe);
        [(id("plain-plain"), plain), (id("joe-joe-joe"), joe)].into()
    }

    #[test]
    fn records_survive_the_way_through_either_format() {
        for format in [LineFormat::Crossbar, LineFormat::Wampgate] {
            let mut text = Vec::new();
            for (id, record) in &records() {
                write_line(id, record, format, &mut text);
            }
            assert_eq!(text.windows(5).any(|piece| piece == b"\"crc\""), format == LineFormat::Wampgate);
            assert_eq!(read_lines(&*text, None, false).unwrap(), (records(), 0));
            assert_eq!(read_lines(&*text, Some(format), false).unwrap(), (records(), 0));
            let other =
                if format == LineFormat::Crossbar { LineFormat::Wampgate } else { LineFormat::Crossbar };
            assert!(read_lines(&*text, Some(other), false).is_err());
        }
    }

    #[test]
    fn the_last_line_counts_and_a_deleted_one_ends_it() {
        let (id, mut record) = (id("abcdef"), records().remove(&id("joe-joe-joe")).unwrap());
        let mut text = Vec::new();
        line::write(&id, &record, LineKind::Deleted(record.created), &mut text);
        line::write(&id, &record, LineKind::Modified, &mut text);
        assert_eq!(read_lines(&*text, None, false).unwrap().0, HashMap::new(), "not brought back");
        record.authentication = None;
        line::write_for_crossbar(&id, &record, LineKind::Created, &mut text);
        assert_eq!(read_lines(&*text, None, false).unwrap().0, [(id, record)].into());
    }

    #[test]
    fn damaged_line_is_named_or_left_out() {
        let mut text = b"garbage\n".to_vec();
        let (id, record) = records().into_iter().next().unwrap();
        write_line(&id, &record, LineFormat::Wampgate, &mut text);
        let error = read_lines(&*text, None, false).unwrap_err();
        assert!(matches!(error, StoreTextError::Damaged { line: 1, offset: 0, .. }), "{error}");
        assert_eq!(read_lines(&*text, None, true).unwrap(), ([(id, record)].into(), 1));
    }
}
