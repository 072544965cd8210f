//! How a record is laid down in a page of LMDB, and the keys that order expiry.
//!
//! ```text
//! records   ID                          ->  3 │ created │ last_seen │ max_age │ authentication │ checksum
//!           an ID in a line of IDs      ->  4 │ created │ last_seen │ max_age │ line │ checksum
//! expiry    expires │ ID                ->  (nothing)
//! meta      "format"                    ->  2
//!           "used"                      ->  the last moment of use
//!
//! 3: version, one byte     created, last_seen, expires: milliseconds, 8 bytes     max_age: seconds, 4 bytes
//! authentication: nothing, or the JSON array [authid, authrole, authmethod, authrealm, authextra, at]
//! line: the JSON array [authentication or null, [public ID, predecessor] or null, [successor, since or null] or null]
//! checksum: CRC-32 (IEEE) of the ID and what stands before it, 4 bytes
//! numbers are big-endian, so that keys sort by them
//! ```
//!
//! The first layout had no checksums (versions 1 and 2 instead of 3 and 4), and no [ranks](super::ranks). Such an environment
//! is brought into this layout when it is opened.

use std::sync::Arc;

use crate::{
    cookie::{MaxAge, TrackingId},
    store::{Authentication, CookieRecord, Lineage, Succession},
    time::Timestamp,
};

const VERSION: u8 = 3;

/// A record whose ID has replaced another one or is to be replaced.
const IN_LINE: u8 = 4;

/// The versions without a checksum are as much lower.
const UNCHECKED: u8 = 2;

/// An authentication in JSON.
type Fields<T> = (T, T, T, T, T, u64);

/// Authentication, lineage and succession in JSON.
type InLineJson<T> = (Option<Fields<T>>, Option<(T, T)>, Option<(T, Option<u64>)>);

/// Writes the record of an ID.
pub(super) fn encode(id: &[u8], record: &CookieRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(25);
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
    let checksum = checksum(id, &out);
    out.extend_from_slice(&checksum);
    out
}

fn checksum(id: &[u8], bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id);
    hasher.update(bytes);
    hasher.finalize().to_be_bytes()
}

/// Whether the bytes are what was written for an ID. Those of the first layout may be anything.
pub(super) fn is_sound(id: &[u8], bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(&(VERSION | IN_LINE)) => {
            bytes.split_last_chunk::<4>().is_some_and(|(covered, found)| checksum(id, covered) == *found)
        }
        first => first.is_some(),
    }
}

/// Reads the record of an ID; nothing if the bytes are none, or not that ID's.
pub(super) fn decode(id: &[u8], bytes: &[u8]) -> Option<CookieRecord> {
    let (version, bytes) = match bytes.first()? {
        version @ (&VERSION | &IN_LINE) => {
            let (covered, found) = bytes.split_last_chunk::<4>()?;
            (*version, (checksum(id, covered) == *found).then_some(covered)?)
        }
        version => (version.checked_add(UNCHECKED)?, bytes),
    };
    let (_, rest) = bytes.split_first_chunk::<1>()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (last_seen, rest) = rest.split_first_chunk()?;
    let (max_age, tail) = rest.split_first_chunk()?;
    let (fields, lineage, succession): InLineJson<String> = match (version, tail) {
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
pub(super) mod testing {
    use super::*;

    /// The bytes that the first layout had for a record.
    pub(in crate::store::lmdb) fn unchecked(id: &[u8], record: &CookieRecord) -> Vec<u8> {
        let mut bytes = encode(id, record);
        bytes.truncate(bytes.len() - 4);
        bytes[0] -= UNCHECKED;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::testing::unchecked;
    use super::*;
    use crate::store::testing::{at, due, id, logged_in, login};

    const ID: &[u8] = b"client-0001";

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
            assert_eq!(decode(ID, &encode(ID, &record)), Some(record));
        }
    }

    #[test]
    fn versions_tell_records_in_a_line_of_ids_from_others() {
        assert_eq!(encode(ID, &record()).first(), Some(&VERSION));
        assert_eq!(encode(ID, &in_line(None)).first(), Some(&IN_LINE));
    }

    #[test]
    fn records_of_the_first_layout_are_read() {
        for record in [record(), in_line(None), CookieRecord { authentication: None, ..record() }] {
            assert_eq!(decode(ID, &unchecked(ID, &record)), Some(record));
        }
    }

    #[test]
    fn cut_flipped_or_unknown_bytes_are_no_record_nor_those_of_another_id() {
        for record in [record(), in_line(None), CookieRecord { authentication: None, ..record() }] {
            let bytes = encode(ID, &record);
            assert_eq!(decode(b"another-id", &bytes), None);
            for length in 0..bytes.len() {
                assert_eq!(decode(ID, &bytes[..length]), None, "{length}");
            }
            for at in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                assert_eq!(decode(ID, &flipped), None, "bit {at}");
            }
        }
    }

    #[test]
    fn expiry_keys_sort_by_time() {
        let key = |millis| expiry_key(Timestamp::from_millis(millis), b"client");
        assert!(key(255) < key(256) && key(256) < key(u64::MAX));
        assert_eq!(parse_expiry_key(&key(256)), Some((Timestamp::from_millis(256), b"client".as_slice())));
    }
}
