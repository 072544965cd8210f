//! How a record is laid down in a page of LMDB, and the keys that order expiry.
//!
//! ```text
//! records   ID                          ->  1 │ created │ last_seen │ max_age │ authentication
//! expiry    expires │ ID                ->  (nothing)
//! meta      "format"                    ->  1
//!
//! 1: version, one byte     created, last_seen, expires: milliseconds, 8 bytes     max_age: seconds, 4 bytes
//! authentication: nothing, or the JSON array [authid, authrole, authmethod, authrealm, authextra, at]
//! numbers are big-endian, so that keys sort by them
//! ```

use std::sync::Arc;

use crate::{
    cookie::{MaxAge, TrackingId},
    store::{Authentication, CookieRecord},
    time::Timestamp,
};

const VERSION: u8 = 1;

/// Writes a record.
pub(super) fn encode(record: &CookieRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(21);
    out.push(VERSION);
    out.extend_from_slice(&record.created.as_millis().to_be_bytes());
    out.extend_from_slice(&record.last_seen.as_millis().to_be_bytes());
    out.extend_from_slice(&record.max_age.as_seconds().to_be_bytes());
    if let Some(a) = record.authentication.as_deref() {
        let fields = (&a.authid, &a.authrole, &a.authmethod, &a.authrealm, &a.authextra, a.at.as_millis());
        let before = out.len();
        if serde_json::to_writer(&mut out, &fields).is_err() {
            // Cannot happen with a vector; if it did, the client would have to authenticate once more.
            out.truncate(before);
        }
    }
    out
}

/// Reads a record; nothing if the bytes are none.
pub(super) fn decode(bytes: &[u8]) -> Option<CookieRecord> {
    let ([version], rest) = bytes.split_first_chunk::<1>()?;
    let (created, rest) = rest.split_first_chunk()?;
    let (last_seen, rest) = rest.split_first_chunk()?;
    let (max_age, authentication) = rest.split_first_chunk()?;
    if *version != VERSION {
        return None;
    }
    let authentication = match authentication {
        [] => None,
        json => {
            let (authid, authrole, authmethod, authrealm, authextra, at) =
                serde_json::from_slice::<(String, String, String, String, String, u64)>(json).ok()?;
            let at = Timestamp::from_millis(at);
            Some(Arc::new(Authentication { authid, authrole, authmethod, authrealm, authextra, at }))
        }
    };
    Some(CookieRecord {
        created: Timestamp::from_millis(u64::from_be_bytes(*created)),
        last_seen: Timestamp::from_millis(u64::from_be_bytes(*last_seen)),
        max_age: MaxAge::from_seconds(u64::from(u32::from_be_bytes(*max_age)))?,
        authentication,
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

    fn record() -> CookieRecord {
        let authentication = Authentication {
            authid: "jö\n".into(),
            authrole: "frontend".into(),
            authmethod: "ticket".into(),
            authrealm: "realm1".into(),
            authextra: r#"{"a": 1.0}"#.into(),
            at: Timestamp::from_millis(u64::MAX),
        };
        let record = CookieRecord::new(Timestamp::from_millis(1), MaxAge::DEFAULT);
        CookieRecord { authentication: Some(Arc::new(authentication)), ..record }
    }

    #[test]
    fn records_survive_the_round_trip() {
        for record in [record(), CookieRecord { authentication: None, ..record() }] {
            assert_eq!(decode(&encode(&record)), Some(record));
        }
    }

    #[test]
    fn cut_or_unknown_bytes_are_no_record() {
        let bytes = encode(&record());
        // Cut right behind the numbers it is a record without authentication, which is what LMDB never does.
        for length in (0..bytes.len()).filter(|length| *length != 21) {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
        let mut later = bytes;
        later[0] = 2;
        assert_eq!(decode(&later), None);
    }

    #[test]
    fn expiry_keys_sort_by_time() {
        let key = |millis| expiry_key(Timestamp::from_millis(millis), b"client");
        assert!(key(255) < key(256) && key(256) < key(u64::MAX));
        assert_eq!(parse_expiry_key(&key(256)), Some((Timestamp::from_millis(256), b"client".as_slice())));
    }
}
