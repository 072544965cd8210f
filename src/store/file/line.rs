//! One line of the file: written, read, and judged.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    cookie::{MaxAge, TrackingId},
    store::{
        Authentication, CookieRecord, Lineage, Succession,
        rules::{self, MAX_AUTHENTICATION},
    },
    time::{Timestamp, stamp},
};

/// The longest line that is read: an authentication of the largest size with every byte escaped as six, and
/// room for the rest.
pub const MAX_LINE: usize = 6 * MAX_AUTHENTICATION + 4096;

/// The version of the format, our key `v`.
const VERSION: u64 = 1;

/// The version of a line with the keys of a line of IDs. Gateways that do not know of them must not drop them.
const IN_LINE: u64 = 2;

/// The version of a line that says of two records at once what has become of them.
const REPLACING: u64 = 3;

const BEGINNING: &[u8] = b"{\"cbtid\": \"";

const CRC_KEY: &[u8] = b", \"crc\": \"";
const CRC_END: &[u8] = b"\"}";

/// What a line says about its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    Created,
    /// Created, and the ID before it in its line is replaced by it from that moment on.
    Replacing,
    Modified,
    Deleted(Timestamp),
}

/// What a line says that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Statement {
    /// The state of a record.
    State {
        id: TrackingId,
        record: CookieRecord,
        /// Whether it counts after a deletion.
        revives: bool,
        /// Since when the ID before it in its line is replaced by it, if this line says that.
        replaces: Option<Timestamp>,
        /// Whether the line says when the ID was handed out. If it does not, an earlier line does.
        is_dated: bool,
    },
    /// The end of a record.
    Deleted(TrackingId),
}

/// Why a line was not taken. No reason repeats anything of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    Damaged(&'static str),
    Newer(u64),
}

/// Appends a line with its newline.
pub(super) fn write(id: &TrackingId, record: &CookieRecord, change: LineKind, out: &mut Vec<u8>) {
    let start = out.len();
    write_crossbars_keys(id, record, change, out);
    let is_deleted = matches!(change, LineKind::Deleted(_));
    let lineage = record.lineage.as_deref().filter(|_| !is_deleted);
    let authentication = record.authentication.as_deref().filter(|_| !is_deleted);
    let succession = record.succession().filter(|_| !is_deleted);
    if let Some(lineage) = lineage {
        write_text("public", Some(&lineage.public_id), out);
        write_text("before", Some(lineage.predecessor.expose()), out);
    }
    // Without an authentication there is no mark on the record before, and an older gateway may read the line.
    let is_replacing = change == LineKind::Replacing && lineage.is_some() && authentication.is_some();
    if is_replacing {
        write_stamp("replaced", Some(record.created), out);
    }
    if let Some(succession) = succession {
        write_text("next", Some(succession.id.expose()), out);
        write_stamp("since", succession.since, out);
    }
    write_stamp("seen", Some(record.last_seen), out);
    write_key("v", out);
    let version = match () {
        () if is_replacing => REPLACING,
        () if lineage.is_some() || succession.is_some() => IN_LINE,
        () => VERSION,
    };
    out.extend_from_slice(version.to_string().as_bytes());
    let checksum = checksum(out.get(start..).unwrap_or_default());
    out.extend_from_slice(CRC_KEY);
    out.extend_from_slice(&checksum);
    out.extend_from_slice(CRC_END);
    out.push(b'\n');
}

/// Appends the line that Crossbar writes, with its newline: without our keys.
pub(super) fn write_for_crossbar(
    id: &TrackingId,
    record: &CookieRecord,
    change: LineKind,
    out: &mut Vec<u8>,
) {
    write_crossbars_keys(id, record, change, out);
    out.extend_from_slice(b"}\n");
}

/// The beginning of a line up to Crossbar's last key.
fn write_crossbars_keys(id: &TrackingId, record: &CookieRecord, change: LineKind, out: &mut Vec<u8>) {
    let authentication = record.authentication.as_deref().filter(|_| !matches!(change, LineKind::Deleted(_)));
    let (status, modified, deleted) = match change {
        // A record that comes with its authentication, from another store, keeps the time of that.
        LineKind::Created | LineKind::Replacing => {
            ("created", authentication.map(|authentication| authentication.at), None)
        }
        LineKind::Modified => (
            "modified",
            Some(authentication.map_or(record.last_seen, |authentication| authentication.at)),
            None,
        ),
        LineKind::Deleted(at) => ("deleted", None, Some(at)),
    };
    out.extend_from_slice(BEGINNING);
    out.extend_from_slice(id.expose().as_bytes());
    out.extend_from_slice(b"\", \"status\": \"");
    out.extend_from_slice(status.as_bytes());
    out.push(b'"');
    write_stamp("created", Some(record.created), out);
    write_stamp("modified", modified, out);
    write_stamp("deleted", deleted, out);
    write_key("max_age", out);
    out.extend_from_slice(record.max_age.as_seconds().to_string().as_bytes());
    write_text("authid", authentication.map(|a| &*a.authid), out);
    write_text("authrole", authentication.map(|a| &*a.authrole), out);
    write_text("authmethod", authentication.map(|a| &*a.authmethod), out);
    write_text("authrealm", authentication.map(|a| &*a.authrealm), out);
    write_key("authextra", out);
    out.extend_from_slice(authentication.map_or("null", |a| &*a.authextra).as_bytes());
}

fn write_key(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b", \"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\": ");
}

fn write_stamp(key: &str, stamp: Option<Timestamp>, out: &mut Vec<u8>) {
    write_key(key, out);
    match stamp {
        Some(stamp) => {
            out.push(b'"');
            stamp::write(stamp, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn write_text(key: &str, text: Option<&str>, out: &mut Vec<u8>) {
    write_key(key, out);
    let before = out.len();
    if serde_json::to_writer(&mut *out, &text).is_err() {
        // Cannot happen with a vector; if it did, the line must still be whole.
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

/// CRC-32 in eight small hexadecimal digits.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let sum = crc32fast::hash(bytes);
    std::array::from_fn(|at| {
        let nibble = (sum >> (28 - 4 * at)) & 0xf;
        char::from_digit(nibble, 16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0')
    })
}

/// The keys of a line. Unknown ones are refused: a damaged key of ours must not pass for a line of Crossbar's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys<'a> {
    /// Crossbar wrote `id` before 22.4.1.
    #[serde(alias = "id")]
    cbtid: &'a str,
    status: Option<&'a str>,
    /// Crossbar before 22.4.1 wrote the time of creation under the name of the line's status: `created` or `modified`.
    created: Option<&'a str>,
    modified: Option<&'a str>,
    deleted: Option<&'a str>,
    max_age: u64,
    authid: Option<String>,
    authrole: Option<String>,
    authmethod: Option<String>,
    authrealm: Option<String>,
    #[serde(borrow)]
    authextra: Option<&'a RawValue>,
    public: Option<&'a str>,
    before: Option<&'a str>,
    replaced: Option<&'a str>,
    next: Option<&'a str>,
    since: Option<&'a str>,
    seen: Option<&'a str>,
    v: Option<u64>,
    crc: Option<&'a str>,
}

/// Reads a line without its line break; nothing for a blank one.
pub(super) fn parse(line: &[u8]) -> Result<Option<Statement>, LineFault> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let is_checked = check_sum(line)?;
    let keys: Keys<'_> =
        serde_json::from_slice(line).map_err(|_| LineFault::Damaged("it is not a cookie record in JSON"))?;
    let is_ours = keys.v.is_some() || keys.seen.is_some() || keys.crc.is_some();
    if is_ours && keys.created.is_none() {
        return Err(LineFault::Damaged("it does not say when its ID was handed out"));
    }
    if is_ours && !is_checked {
        return Err(LineFault::Damaged("its checksum is missing"));
    }
    match keys.v {
        Some(version) if !(VERSION..=REPLACING).contains(&version) => Err(LineFault::Newer(version)),
        version if keys.replaced.is_some() != (version == Some(REPLACING)) => {
            Err(LineFault::Damaged("its `replaced` does not go with its version"))
        }
        _ => keys.statement().map(Some),
    }
}

/// Whether the line has a checksum, which must then be right.
fn check_sum(line: &[u8]) -> Result<bool, LineFault> {
    let Some(rest) = line.strip_suffix(CRC_END) else { return Ok(false) };
    let Some((rest, found)) = rest.split_last_chunk::<8>() else { return Ok(false) };
    let Some(covered) = rest.strip_suffix(CRC_KEY) else { return Ok(false) };
    if checksum(covered) == *found { Ok(true) } else { Err(LineFault::Damaged("its checksum is wrong")) }
}

/// Whether a text may be what a crash left of the first line of a file: how our lines begin, and zeros.
pub(super) fn is_beginning(text: &[u8]) -> bool {
    let written = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    text.iter().take(written).zip(BEGINNING).all(|(found, expected)| found == expected)
}

/// Whether a sound line is of our format rather than Crossbar's.
pub(super) fn is_ours(line: &[u8]) -> bool {
    matches!(check_sum(line), Ok(true))
}

impl Keys<'_> {
    fn statement(self) -> Result<Statement, LineFault> {
        let id =
            TrackingId::parse(self.cbtid).map_err(|_| LineFault::Damaged("its cbtid is no tracking ID"))?;
        let is_dated = self.created.is_some();
        let modified = self.modified.map(read_stamp).transpose()?;
        let created = self.created.map(read_stamp).transpose()?.or(modified);
        let created = created.ok_or(LineFault::Damaged("it does not say when its ID was handed out"))?;
        let deleted = self.deleted.map(read_stamp).transpose()?;
        let last_seen = self.seen.map(read_stamp).transpose()?.or(modified).unwrap_or(created);
        let max_age =
            MaxAge::from_seconds(self.max_age).ok_or(LineFault::Damaged("its max_age is out of range"))?;
        let is_deleted = match self.status {
            Some("created" | "modified") | None => deleted.is_some(),
            Some("deleted") => true,
            Some(_) => return Err(LineFault::Damaged("its status is unknown")),
        };
        if is_deleted {
            return Ok(Statement::Deleted(id));
        }
        let revives = self.status == Some("created");
        let replaces = self.replaced.map(read_stamp).transpose()?;
        let lineage = self.lineage()?;
        let authentication = self.authentication(modified.unwrap_or(created))?;
        let record = CookieRecord { created, last_seen, max_age, authentication, lineage };
        if replaces.is_some() && (record.lineage.is_none() || record.authentication.is_none()) {
            return Err(LineFault::Damaged("it replaces an ID and does not say which, or by whose login"));
        }
        Ok(Statement::State { id, record, revives, replaces, is_dated })
    }

    fn lineage(&self) -> Result<Option<Arc<Lineage>>, LineFault> {
        match (self.public, self.before) {
            (Some(public_id), Some(before)) => {
                let predecessor = read_id(before)?;
                Ok(Some(Arc::new(Lineage { public_id: Arc::from(public_id), predecessor })))
            }
            (None, None) => Ok(None),
            _ => Err(LineFault::Damaged("it has only one of `public` and `before`")),
        }
    }

    fn succession(&self) -> Result<Option<Succession>, LineFault> {
        let since = self.since.map(read_stamp).transpose()?;
        self.next.map(|next| Ok(Succession { id: read_id(next)?, since })).transpose()
    }

    /// Crossbar counts a record as authenticated if it has an authid.
    fn authentication(self, at: Timestamp) -> Result<Option<Arc<Authentication>>, LineFault> {
        let succession = self.succession()?;
        let Some(authid) = self.authid else { return Ok(None) };
        let authextra = self.authextra.map_or("{}", RawValue::get);
        if !rules::is_json_object(authextra) {
            return Err(LineFault::Damaged("its authextra is not an object"));
        }
        Ok(Some(Arc::new(Authentication {
            authid,
            authrole: self.authrole.unwrap_or_default(),
            authmethod: self.authmethod.unwrap_or_default(),
            authrealm: self.authrealm.unwrap_or_default(),
            authextra: authextra.to_owned(),
            at,
            succession,
        })))
    }
}

fn read_id(text: &str) -> Result<TrackingId, LineFault> {
    TrackingId::parse(text).map_err(|_| LineFault::Damaged("one of its IDs is no tracking ID"))
}

fn read_stamp(text: &str) -> Result<Timestamp, LineFault> {
    stamp::parse(text)
        .ok_or(LineFault::Damaged("one of its times is not in the form 2026-11-22T10:14:33.139Z"))
}

#[cfg(test)]
mod tests;
