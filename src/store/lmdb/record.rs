//! How a record is laid down in a page of LMDB, and the keys that order expiry.
//!
//! ```text
//! records   ID                          ->  1 │ created │ last_seen │ max_age │ authentication
//!           an ID in a line of IDs      ->  2 │ created │ last_seen │ max_age │ line
//! expiry    expires │ ID                ->  (nothing)
//! meta      "format"                    ->  1
//!
//! 1: version, one byte     created, last_seen, expires: milliseconds, 8 bytes     max_age: seconds, 4 bytes
//! authentication: nothing, or the JSON array [authid, authrole, authmethod, authrealm, authextra, at]
//! line: the JSON array [authentication or null, [public ID, predecessor] or null, [successor, since or null] or null]
//! numbers are big-endian, so that keys sort by them
//! ```

use std::sync::Arc;

use crate::{
    cookie::{MaxAge, TrackingId},
    store::{Authentication, CookieRecord, Lineage, Succession},
    time::Timestamp,
};

const VERSION: u8 = 1;

/// A record whose ID has replaced another one or is to be replaced.
const IN_LINE: u8 = 2;

/// An authentication in JSON.
type Fields<T> = (T, T, T, T, T, u64);

/// Authentication, lineage and succession in JSON.
type InLineJson<T> = (Option<Fields<T>>, Option<(T, T)>, Option<(T, Option<u64>)>);

/// Writes a record.
pub(super) fn encode(record: &CookieRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(21);
    let authentication = record.authentication.as_deref();
    let succession = record.succession();
    let is_in_line = record.lineage.is_some() || succession.is_some();
    out.push(if is_in_line { IN_LINE } else { VERSION });
    out.extend_from_slice(&record.created.as_millis().to_be_bytes());
    out.extend_from_slice(&record.last_seen.as_millis().to_be_bytes());
    out.extend_from_slice(&record.max_age.as_seconds().to_be_bytes());
    let fields = authentication.map(|a| -> Fields<&str> {
        (&a.authid, &a.authrole, &a.authmethod, &a.authrealm, &a.authextra, a.at.as_millis())
    });
    let before = out.len();
    let written = if is_in_line {
        let lineage = record.lineage.as_deref().map(|l| (&*l.public_id, l.predecessor.expose()));
        let succession = succession.map(|next| (next.id.expose(), next.since.map(Timestamp::as_millis)));
        let line: InLineJson<&str> = (fields, lineage, succession);
        serde_json::to_writer(&mut out, &line)
    } else if let Some(fields) = fields {
        serde_json::to_writer(&mut out, &fields)
    } else {
        Ok(())
    };
    if written.is_err() {
        // Cannot happen with a vector. If it did, the client would have to authenticate again.
        out.truncate(before);
    }
    out
}

/// Reads a record; nothing if the bytes are none.
pub(super) fn decode(bytes: &[u8]) -> Option<CookieRecord> {
    let ([version], rest) = bytes.split_first_chunk::<1>()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (last_seen, rest) = rest.split_first_chunk()?;
    let (max_age, tail) = rest.split_first_chunk()?;
    let (fields, lineage, succession): InLineJson<String> = match (*version, tail) {
        (VERSION, []) => (None, None, None),
        (VERSION, json) => (Some(serde_json::from_slice(json).ok()?), None, None),
        (IN_LINE, json) => serde_json::from_slice(json).ok()?,
        _ => return None,
    };
    let lineage = match lineage {
        Some((public_id, predecessor)) => Some(Arc::new(Lineage {
            public_id: public_id.into(),
            predecessor: TrackingId::parse(&predecessor).ok()?,
        })),
        None => None,
    };
    let succession = match succession {
        Some((id, since)) => {
            Some(Succession { id: TrackingId::parse(&id).ok()?, since: since.map(Timestamp::from_millis) })
        }
        None => None,
    };
    let authentication = fields.map(|(authid, authrole, authmethod, authrealm, authextra, at)| {
        let at = Timestamp::from_millis(at);
        Arc::new(Authentication { authid, authrole, authmethod, authrealm, authextra, at, succession })
    });
    Some(CookieRecord {
        created: Timestamp::from_millis(u64::from_be_bytes(*created)),
        last_seen: Timestamp::from_millis(u64::from_be_bytes(*last_seen)),
        max_age: MaxAge::from_seconds(u64::from(u32::from_be_bytes(*max_age)))?,
        authentication,
        lineage,
    })
}

/// The key under which a record is found in the order of expiry.
pub(super) fn expiry_key(expires: Timestamp, id: &[u8]) -> Vec<u8> {
    [&expires.as_millis().to_be_bytes(), id].concat()
}

/// When the record expires that a key of the expiry index belongs to, and its ID.
pub(super) fn parse_expiry_key(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (expires, id) = key.split_first_chunk()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*expires)), id))
}

/// The ID of a key of the record index.
pub(super) fn parse_id(key: &[u8]) -> Option<TrackingId> {
    TrackingId::parse(std::str::from_utf8(key).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{at, due, id, logged_in, login};

    fn joe() -> Authentication {
        Authentication { authextra: r#"{"a": 1.0}"#.into(), ..login("jö\n", at(u64::MAX)) }
    }

    fn record() -> CookieRecord {
        logged_in(CookieRecord::new(at(1), MaxAge::DEFAULT), joe())
    }

    /// The record with an ID before it and one behind it.
    fn in_line(since: Option<Timestamp>) -> CookieRecord {
        let lineage = Lineage { public_id: "public".into(), predecessor: id(1) };
        CookieRecord { lineage: Some(lineage.into()), ..logged_in(record(), due(&joe(), id(2), since)) }
    }

    #[test]
    fn records_survive_the_round_trip() {
        for record in [
            record(),
            CookieRecord { authentication: None, ..record() },
            in_line(None),
            in_line(Some(Timestamp::from_millis(7))),
            CookieRecord { lineage: None, ..in_line(None) },
            CookieRecord { authentication: None, ..in_line(None) },
        ] {
            assert_eq!(decode(&encode(&record)), Some(record));
        }
    }

    #[test]
    fn a_record_outside_a_line_has_the_first_versions_bytes() {
        assert_eq!(encode(&record()).first(), Some(&VERSION));
        assert_eq!(encode(&in_line(None)).first(), Some(&IN_LINE));
    }

    #[test]
    fn cut_or_unknown_bytes_are_no_record() {
        for cut in (0..encode(&in_line(None)).len()).map(|length| encode(&in_line(None))[..length].to_vec()) {
            assert_eq!(decode(&cut), None);
        }
        let bytes = encode(&record());
        // Cut right behind the numbers it would be a record without authentication; LMDB never cuts a value.
        for length in (0..bytes.len()).filter(|length| *length != 21) {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
        let mut later = bytes;
        later[0] = 3;
        assert_eq!(decode(&later), None);
    }

    #[test]
    fn expiry_keys_sort_by_time() {
        let key = |millis| expiry_key(Timestamp::from_millis(millis), b"client");
        assert!(key(255) < key(256) && key(256) < key(u64::MAX));
        assert_eq!(parse_expiry_key(&key(256)), Some((Timestamp::from_millis(256), b"client".as_slice())));
    }
}
