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

const CRC_KEY: &[u8] = b", \"crc\": \"";
const CRC_END: &[u8] = b"\"}";

/// What a line says about its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
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
    },
    /// The end of a record.
    Deleted(TrackingId),
}

/// Why a line was not taken. No reason repeats anything of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged(&'static str),
    Newer(u64),
}

/// Appends a line with its newline.
pub(super) fn write(id: &TrackingId, record: &CookieRecord, change: Change, out: &mut Vec<u8>) {
    let start = out.len();
    write_crossbars_keys(id, record, change, out);
    let is_deleted = matches!(change, Change::Deleted(_));
    let lineage = record.lineage.as_deref().filter(|_| !is_deleted);
    let authentication = record.authentication.as_deref().filter(|_| !is_deleted);
    let succession = record.succession().filter(|_| !is_deleted);
    if let Some(lineage) = lineage {
        write_text("public", Some(&lineage.public_id), out);
        write_text("before", Some(lineage.predecessor.expose()), out);
    }
    // Without an authentication there is no mark on the record before, and an older gateway may read the line.
    let is_replacing = change == Change::Replacing && lineage.is_some() && authentication.is_some();
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
pub(super) fn write_for_crossbar(id: &TrackingId, record: &CookieRecord, change: Change, out: &mut Vec<u8>) {
    write_crossbars_keys(id, record, change, out);
    out.extend_from_slice(b"}\n");
}

/// The beginning of a line up to Crossbar's last key.
fn write_crossbars_keys(id: &TrackingId, record: &CookieRecord, change: Change, out: &mut Vec<u8>) {
    let authentication = record.authentication.as_deref().filter(|_| !matches!(change, Change::Deleted(_)));
    let (status, modified, deleted) = match change {
        // A record that comes with its authentication, from another store, keeps the time of that.
        Change::Created | Change::Replacing => {
            ("created", authentication.map(|authentication| authentication.at), None)
        }
        Change::Modified => (
            "modified",
            Some(authentication.map_or(record.last_seen, |authentication| authentication.at)),
            None,
        ),
        Change::Deleted(at) => ("deleted", None, Some(at)),
    };
    out.extend_from_slice(b"{\"cbtid\": \"");
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
    cbtid: &'a str,
    status: Option<&'a str>,
    created: &'a str,
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
pub(super) fn parse(line: &[u8]) -> Result<Option<Statement>, Fault> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let is_checked = check_sum(line)?;
    let keys: Keys<'_> =
        serde_json::from_slice(line).map_err(|_| Fault::Damaged("it is not a cookie record in JSON"))?;
    let is_ours = keys.v.is_some() || keys.seen.is_some() || keys.crc.is_some();
    if is_ours && !is_checked {
        return Err(Fault::Damaged("its checksum is missing"));
    }
    match keys.v {
        Some(version) if !(VERSION..=REPLACING).contains(&version) => Err(Fault::Newer(version)),
        version if keys.replaced.is_some() != (version == Some(REPLACING)) => {
            Err(Fault::Damaged("its `replaced` does not go with its version"))
        }
        _ => keys.statement().map(Some),
    }
}

/// Whether the line has a checksum, which must then be right.
fn check_sum(line: &[u8]) -> Result<bool, Fault> {
    let Some(rest) = line.strip_suffix(CRC_END) else { return Ok(false) };
    let Some((rest, found)) = rest.split_last_chunk::<8>() else { return Ok(false) };
    let Some(covered) = rest.strip_suffix(CRC_KEY) else { return Ok(false) };
    if checksum(covered) == *found { Ok(true) } else { Err(Fault::Damaged("its checksum is wrong")) }
}

/// Whether a sound line is of our format rather than Crossbar's.
pub(super) fn is_ours(line: &[u8]) -> bool {
    matches!(check_sum(line), Ok(true))
}

impl Keys<'_> {
    fn statement(self) -> Result<Statement, Fault> {
        let id = TrackingId::parse(self.cbtid).map_err(|_| Fault::Damaged("its cbtid is no tracking ID"))?;
        let created = read_stamp(self.created)?;
        let modified = self.modified.map(read_stamp).transpose()?;
        let deleted = self.deleted.map(read_stamp).transpose()?;
        let last_seen = self.seen.map(read_stamp).transpose()?.or(modified).unwrap_or(created);
        let max_age =
            MaxAge::from_seconds(self.max_age).ok_or(Fault::Damaged("its max_age is out of range"))?;
        let is_deleted = match self.status {
            Some("created" | "modified") | None => deleted.is_some(),
            Some("deleted") => true,
            Some(_) => return Err(Fault::Damaged("its status is unknown")),
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
            return Err(Fault::Damaged("it replaces an ID and does not say which, or by whose login"));
        }
        Ok(Statement::State { id, record, revives, replaces })
    }

    fn lineage(&self) -> Result<Option<Arc<Lineage>>, Fault> {
        match (self.public, self.before) {
            (Some(public_id), Some(before)) => {
                let predecessor = read_id(before)?;
                Ok(Some(Arc::new(Lineage { public_id: Arc::from(public_id), predecessor })))
            }
            (None, None) => Ok(None),
            _ => Err(Fault::Damaged("it has only one of `public` and `before`")),
        }
    }

    fn succession(&self) -> Result<Option<Succession>, Fault> {
        let since = self.since.map(read_stamp).transpose()?;
        self.next.map(|next| Ok(Succession { id: read_id(next)?, since })).transpose()
    }

    /// Crossbar counts a record as authenticated if it has an authid.
    fn authentication(self, at: Timestamp) -> Result<Option<Arc<Authentication>>, Fault> {
        let succession = self.succession()?;
        let Some(authid) = self.authid else { return Ok(None) };
        let authextra = self.authextra.map_or("{}", RawValue::get);
        if !rules::is_json_object(authextra) {
            return Err(Fault::Damaged("its authextra is not an object"));
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

fn read_id(text: &str) -> Result<TrackingId, Fault> {
    TrackingId::parse(text).map_err(|_| Fault::Damaged("one of its IDs is no tracking ID"))
}

fn read_stamp(text: &str) -> Result<Timestamp, Fault> {
    stamp::parse(text).ok_or(Fault::Damaged("one of its times is not in the form 2026-11-22T10:14:33.139Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROSSBAR: &str = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "status": "created", "created": "2026-11-22T10:14:33.139Z", "modified": null, "deleted": null, "max_age": 864000, "authid": null, "authrole": null, "authmethod": null, "authrealm": null, "authextra": null}"#;

    fn id() -> TrackingId {
        TrackingId::parse("dsI6D8i7pycVhma20uj5g+/G").unwrap()
    }

    fn record() -> CookieRecord {
        CookieRecord::new(Timestamp::from_millis(1_795_342_473_139), MaxAge::from_seconds(864_000).unwrap())
    }

    fn joe() -> CookieRecord {
        let authentication = Authentication {
            authid: "j\"ö\\\u{7f}\n".into(),
            authrole: "frontend".into(),
            authmethod: "ticket".into(),
            authrealm: "realm1".into(),
            authextra: r#"{"foo": "bär", "n": 1.50}"#.into(),
            at: Timestamp::from_millis(1_795_342_473_195),
            succession: None,
        };
        CookieRecord { authentication: Some(Arc::new(authentication)), ..record() }
    }

    fn written(record: &CookieRecord, change: Change) -> String {
        let mut out = Vec::new();
        write(&id(), record, change, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn read(line: &str) -> Result<Option<Statement>, Fault> {
        parse(line.trim_end_matches('\n').as_bytes())
    }

    #[test]
    fn new_record_is_crossbars_line_and_our_keys() {
        let line = written(&record(), Change::Created);
        let ours = format!(
            r#"{}, "seen": "2026-11-22T10:14:33.139Z", "v": 1, "crc": "f9b9d630"}}"#,
            CROSSBAR.strip_suffix('}').unwrap()
        );
        assert_eq!(line, format!("{ours}\n"));
        let expected = Statement::State { id: id(), record: record(), revives: true, replaces: None };
        assert_eq!(read(&line), Ok(Some(expected)));
    }

    #[test]
    fn authentication_survives_the_round_trip_to_the_letter() {
        let line = written(&joe(), Change::Modified);
        assert!(line.contains(r#""modified": "2026-11-22T10:14:33.195Z", "deleted": null"#), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
        let expected = Statement::State { id: id(), record: joe(), revives: false, replaces: None };
        assert_eq!(read(&line), Ok(Some(expected)));
    }

    #[test]
    fn line_of_ids_survives_the_round_trip_and_leaves_with_the_record() {
        let next = |text, since| Some(Succession { id: TrackingId::parse(text).unwrap(), since });
        let before =
            Lineage { public_id: "Public-1".into(), predecessor: TrackingId::parse("old-id").unwrap() };
        for since in [None, Some(Timestamp::from_millis(1_795_342_473_300))] {
            let joe = (*joe().authentication.unwrap()).clone();
            let joe = Authentication { succession: next("next-id", since), ..joe };
            let (authentication, lineage) = (Some(Arc::new(joe)), Some(Arc::new(before.clone())));
            let record = CookieRecord { authentication, lineage, ..record() };
            for (change, revives) in [(Change::Created, true), (Change::Modified, false)] {
                let line = written(&record, change);
                assert!(line.contains(r#""v": 2"#), "{line}");
                let expected = Statement::State { id: id(), record: record.clone(), revives, replaces: None };
                assert_eq!(read(&line), Ok(Some(expected)));
            }
            let line = written(&record, Change::Deleted(Timestamp::from_millis(1_795_342_473_400)));
            assert!(
                !line.contains("next-id") && !line.contains("old-id") && line.contains(r#""v": 1"#),
                "{line}"
            );
        }
    }

    #[test]
    fn line_that_replaces_an_id_survives_the_round_trip() {
        let before =
            Lineage { public_id: "Public-1".into(), predecessor: TrackingId::parse("old-id").unwrap() };
        let record = CookieRecord { lineage: Some(Arc::new(before)), ..joe() };
        let line = written(&record, Change::Replacing);
        assert!(line.contains(r#""replaced": "2026-11-22T10:14:33.139Z""#) && line.contains(r#""v": 3"#));
        let replaces = Some(record.created);
        let expected = Statement::State { id: id(), record: record.clone(), revives: true, replaces };
        assert_eq!(read(&line), Ok(Some(expected)));

        // Without a login nothing is marked, so that this is a line as any other.
        let anonymous = CookieRecord { authentication: None, ..record };
        assert_eq!(written(&anonymous, Change::Replacing), written(&anonymous, Change::Created));
    }

    #[test]
    fn line_that_replaces_an_id_must_say_which_and_whose() {
        for (record, what) in [
            (joe(), "it replaces an ID and does not say which, or by whose login"),
            (record(), "it replaces"),
        ] {
            let line = written(&record, Change::Created);
            let (covered, _) = line.split_once(", \"seen\"").unwrap();
            let covered = format!(r#"{covered}, "replaced": "2026-11-22T10:14:33.139Z", "v": 3"#);
            let sum = String::from_utf8(checksum(covered.as_bytes()).to_vec()).unwrap();
            let fault = read(&format!("{covered}, \"crc\": \"{sum}\"}}"));
            assert!(matches!(fault, Err(Fault::Damaged(why)) if why.starts_with(what)), "{fault:?}");
            let unversioned = covered.replace("\"v\": 3", "\"v\": 2");
            let sum = String::from_utf8(checksum(unversioned.as_bytes()).to_vec()).unwrap();
            let fault = read(&format!("{unversioned}, \"crc\": \"{sum}\"}}"));
            assert_eq!(fault, Err(Fault::Damaged("its `replaced` does not go with its version")));
        }
    }

    #[test]
    fn deleted_line_keeps_no_authentication() {
        let line = written(&joe(), Change::Deleted(Timestamp::from_millis(1_795_342_473_200)));
        assert!(line.contains(r#""deleted": "2026-11-22T10:14:33.200Z""#) && !line.contains("frontend"));
        assert_eq!(read(&line), Ok(Some(Statement::Deleted(id()))));
    }

    #[test]
    fn crossbars_lines_are_taken_as_they_are() {
        let expected = Statement::State { id: id(), record: record(), revives: true, replaces: None };
        assert_eq!(read(CROSSBAR), Ok(Some(expected)));
        let deleted = CROSSBAR
            .replace(r#""status": "created""#, r#""status": "deleted""#)
            .replace(r#""deleted": null"#, r#""deleted": "2026-11-22T10:14:34.000Z""#);
        assert_eq!(read(&deleted), Ok(Some(Statement::Deleted(id()))));
        let eight_keys = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "created": "2026-11-22T10:14:33.139Z", "max_age": 864000, "authid": "joe", "authrole": "frontend", "authmethod": "ticket", "authrealm": "realm1", "authextra": {"foo": "b\u00e4r"}}"#;
        let Ok(Some(Statement::State { record, .. })) = read(eight_keys) else { panic!("not taken") };
        assert_eq!(record.authentication.unwrap().authextra, r#"{"foo": "b\u00e4r"}"#);
    }

    #[test]
    fn no_flipped_bit_passes() {
        for change in [Change::Modified, Change::Created] {
            let line = written(&joe(), change).trim_end().as_bytes().to_vec();
            for at in 0..line.len() {
                for bit in 0..8 {
                    let mut flipped = line.clone();
                    flipped[at] ^= 1 << bit;
                    assert!(parse(&flipped).is_err(), "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn unsound_lines_are_named_without_their_content() {
        for (line, fault) in [
            ("garbage", "it is not a cookie record in JSON"),
            (&CROSSBAR.replace("max_age", "max_edge"), "it is not a cookie record in JSON"),
            (&CROSSBAR.replace("+/G", "+*G"), "its cbtid is no tracking ID"),
            (&CROSSBAR.replace("864000", "0"), "its max_age is out of range"),
            (&CROSSBAR.replace("\"created\",", "\"creating\","), "its status is unknown"),
            (&CROSSBAR.replace("T10", " 10"), "one of its times is not in the form 2026-11-22T10:14:33.139Z"),
            (&CROSSBAR.replace("null}", "null, \"v\": 1}"), "its checksum is missing"),
        ] {
            assert_eq!(read(line), Err(Fault::Damaged(fault)));
        }
    }

    #[test]
    fn line_of_a_later_version_is_told_from_a_damaged_one() {
        let line = written(&record(), Change::Created).replace("\"v\": 1", "\"v\": 4");
        let (covered, _) = line.split_once(", \"crc\"").unwrap();
        let sum = String::from_utf8(checksum(covered.as_bytes()).to_vec()).unwrap();
        assert_eq!(read(&format!("{covered}, \"crc\": \"{sum}\"}}")), Err(Fault::Newer(4)));
    }
}
