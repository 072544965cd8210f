//! How records stand in Redis, so that what is there lets no reader in.
//!
//! ```text
//! wg:v                 the version of this layout
//! wg:key               the key of public IDs, unless the configuration names a file
//! wg:r:<digest>        a record: JSON, see below; Redis drops it when its time is over
//! wg:a:<principal>     the digests of the records with a login of this principal, by the time at which they expire
//! wg:revoked           the channel on which gateways tell each other of revocations
//! wg:attempts          the channel on which gateways tell each other of attempts to log in
//! wg:g:<gateway>       the channel on which a gateway hears itself
//!
//! digest     SHA-256 of the tracking ID, base64
//! principal  SHA-256 of realm and authid, base64
//! ```
//!
//! A record names the IDs before and after its own, and the next ID has to be handed out. So a record has them twice: as
//! a digest, and sealed with a key that is made of the record's own ID. A gateway to which a client has shown its ID can open
//! the seal; a reader of Redis cannot.
//!
//! ```text
//! {"c": created, "s": last seen, "m": max_age, "p": public ID, "a": login?, "l": ID before?}
//! login  {"id", "role", "method", "realm", "extra", "at", "n": next ID?, "i": since?}
//! an ID  {"d": digest, "x": nonce and sealed text, base64}
//! ```

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    cookie::{MaxAge, PublicIdKey, TrackingId},
    store::{Authentication, CookieRecord, Lineage, Succession},
    time::Timestamp,
};

/// The version of this layout.
pub(super) const VERSION: u64 = 1;

/// The size of the nonce of a seal.
const NONCE: usize = 12;

/// The digest of an ID, by which its record is found.
pub(super) type Digest = [u8; 32];

/// The digest of an ID, or the one that a stand-in names; nothing for an ID that stands in no store.
pub(super) fn digest(id: &TrackingId) -> Option<Digest> {
    match id.stands_for() {
        Some((digest, _)) => from_text(digest),
        None if id.is_recorded() => Some(Sha256::digest(id.expose()).into()),
        None => None,
    }
}

pub(super) fn text(digest: &Digest) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

pub(super) fn from_text(text: &str) -> Option<Digest> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// The names of keys and channels.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<str>);

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    pub(super) fn record(&self, digest: &Digest) -> String {
        format!("{}r:{}", self.0, text(digest))
    }

    /// Matches the keys of all records.
    pub(super) fn records(&self) -> String {
        // What means something in a pattern stands for itself.
        let prefix: String = self.0.chars().flat_map(|c| ['\\', c]).collect();
        format!("{prefix}r:*")
    }

    /// The digest in a record's key.
    pub(super) fn digest_of(&self, key: &str) -> Option<Digest> {
        from_text(key.strip_prefix(&*self.0)?.strip_prefix("r:")?)
    }

    pub(super) fn principal(&self, realm: &str, authid: &str) -> String {
        let mut hash = Sha256::new();
        hash.update((realm.len() as u64).to_le_bytes());
        hash.update(realm);
        hash.update(authid);
        format!("{}a:{}", self.0, BASE64_URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    pub(super) fn of_login(&self, login: &Authentication) -> String {
        self.principal(&login.authrealm, &login.authid)
    }

    pub(super) fn version(&self) -> String {
        format!("{}v", self.0)
    }

    pub(super) fn key(&self) -> String {
        format!("{}key", self.0)
    }

    pub(super) fn revoked(&self) -> String {
        format!("{}revoked", self.0)
    }

    pub(super) fn attempts(&self) -> String {
        format!("{}attempts", self.0)
    }

    pub(super) fn gateway(&self, gateway: &str) -> String {
        format!("{}g:{gateway}", self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    c: u64,
    s: u64,
    m: u32,
    p: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<StoredLogin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<StoredId>,
}

#[derive(Serialize, Deserialize)]
struct StoredLogin {
    id: String,
    role: String,
    method: String,
    realm: String,
    extra: String,
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<StoredId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredId {
    d: String,
    x: String,
}

/// A record as Redis has it. Seals are different each time, so a change compares with what it has read.
pub(super) fn write(id: &TrackingId, record: &CookieRecord, key: &PublicIdKey) -> Vec<u8> {
    let stored = Stored {
        c: record.created.as_millis(),
        s: record.last_seen.as_millis(),
        m: record.max_age.as_seconds(),
        p: match &record.lineage {
            Some(line) => line.public_id.to_string(),
            None => key.public_id(id).to_string(),
        },
        a: record.authentication.as_deref().map(|login| StoredLogin {
            id: login.authid.clone(),
            role: login.authrole.clone(),
            method: login.authmethod.clone(),
            realm: login.authrealm.clone(),
            extra: login.authextra.clone(),
            at: login.at.as_millis(),
            n: login.succession.as_ref().map(|next| seal(id, &next.id)),
            i: login.succession.as_ref().and_then(|next| next.since).map(Timestamp::as_millis),
        }),
        l: record.lineage.as_ref().map(|line| seal(id, &line.predecessor)),
    };
    // Numbers and texts: it cannot fail, and nothing would be found under an empty text.
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// Reads a record for a client that has shown its ID, or by a stand-in; nothing if it is no record.
pub(super) fn read(id: &TrackingId, bytes: &[u8]) -> Option<CookieRecord> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let open = |sealed: &StoredId| open(id, sealed, &stored.p);
    let lineage = match &stored.l {
        Some(before) => {
            Some(Arc::new(Lineage { public_id: Arc::from(&*stored.p), predecessor: open(before)? }))
        }
        None => None,
    };
    let authentication = match stored.a {
        Some(login) => {
            let succession = match &login.n {
                Some(next) => {
                    Some(Succession { id: open(next)?, since: login.i.map(Timestamp::from_millis) })
                }
                None => None,
            };
            Some(Arc::new(Authentication {
                authid: login.id,
                authrole: login.role,
                authmethod: login.method,
                authrealm: login.realm,
                authextra: login.extra,
                at: Timestamp::from_millis(login.at),
                succession,
            }))
        }
        None => None,
    };
    Some(CookieRecord {
        created: Timestamp::from_millis(stored.c),
        last_seen: Timestamp::from_millis(stored.s),
        max_age: MaxAge::from_seconds(stored.m.into())?,
        authentication,
        lineage,
    })
}

/// Reads a record of which only the digest is known, with what stands for its ID.
pub(super) fn read_any(digest: &Digest, bytes: &[u8]) -> Option<(TrackingId, CookieRecord)> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let id = TrackingId::stand_in(&text(digest), &stored.p);
    let record = read(&id, bytes)?;
    Some((id, record))
}

/// A record without its login, if that is one of this principal.
pub(super) fn without_login(bytes: &[u8], of: &Authentication) -> Option<Vec<u8>> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    let is_of = stored.a.as_ref().is_some_and(|login| login.id == of.authid && login.realm == of.authrealm);
    if !is_of {
        return None;
    }
    serde_json::to_vec(&Stored { a: None, ..stored }).ok()
}

fn seal(by: &TrackingId, id: &TrackingId) -> StoredId {
    let digest = digest(id).unwrap_or_default();
    let nonce: [u8; NONCE] = rand::random();
    let mut sealed = nonce.to_vec();
    sealed.extend(mixed(by, &nonce, id.expose().as_bytes()));
    StoredId { d: text(&digest), x: BASE64_URL_SAFE_NO_PAD.encode(sealed) }
}

/// The ID itself, or what stands for it where only a stand-in is at hand; nothing if the seal is broken.
fn open(by: &TrackingId, sealed: &StoredId, public_id: &str) -> Option<TrackingId> {
    if by.stands_for().is_some() {
        return from_text(&sealed.d).map(|_| TrackingId::stand_in(&sealed.d, public_id));
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed.x).ok()?;
    let (nonce, rest) = bytes.split_first_chunk::<NONCE>()?;
    let id = TrackingId::parse(str::from_utf8(&mixed(by, nonce, rest)).ok()?).ok()?;
    (text(&digest(&id)?) == sealed.d).then_some(id)
}

/// The text mixed with a stream that only the ID and the nonce give: once seals it, twice opens it.
fn mixed(by: &TrackingId, nonce: &[u8; NONCE], bytes: &[u8]) -> Vec<u8> {
    let mut mixed = Vec::with_capacity(bytes.len());
    for (number, block) in (0_u8..).zip(bytes.chunks(32)) {
        let mut stream = keyed(by);
        stream.update(b"wampgate sealed id");
        stream.update(nonce);
        stream.update(&[number]);
        let stream: [u8; 32] = stream.finalize().into_bytes().into();
        mixed.extend(block.iter().zip(stream).map(|(byte, mask)| byte ^ mask));
    }
    mixed
}

fn keyed(by: &TrackingId) -> Hmac<Sha256> {
    // RFC 2104, 2: a key that is shorter than the hash's block of 64 bytes is filled up with zeros. No ID is longer.
    let mut block = [0; 64];
    block.iter_mut().zip(by.expose().as_bytes()).for_each(|(slot, byte)| *slot = *byte);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{at, due, id, logged_in, login, record};

    fn line() -> CookieRecord {
        let lineage = Lineage { public_id: "Public-Id-123456".into(), predecessor: id(1) };
        let record = logged_in(record(5, 600), due(&login("joe", at(6)), id(3), Some(at(7))));
        CookieRecord { lineage: Some(lineage.into()), ..record }
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        let key = PublicIdKey::random().unwrap();
        for record in [record(5, 600), logged_in(record(5, 600), login("joe", at(6))), line()] {
            assert_eq!(read(&id(2), &write(&id(2), &record, &key)), Some(record));
        }
    }

    #[test]
    fn what_redis_has_shows_no_id_and_opens_for_none_but_the_records_own() {
        let key = PublicIdKey::random().unwrap();
        let bytes = write(&id(2), &line(), &key);
        let shown = String::from_utf8(bytes.clone()).unwrap();
        for number in 1..4 {
            assert!(!shown.contains(id(number).expose()));
        }
        assert_eq!(read(&id(9), &bytes), None);
        let (stand_in, record) = read_any(&digest(&id(2)).unwrap(), &bytes).unwrap();
        assert_eq!(digest(&stand_in), digest(&id(2)));
        assert_eq!(&*key.public_id(&stand_in), "Public-Id-123456");
        let next = &record.succession().unwrap().id;
        assert_eq!(digest(next), digest(&id(3)));
        assert!(TrackingId::parse(next.expose()).is_err(), "a client that comes with it is unknown");
    }

    #[test]
    fn seal_is_another_one_each_time() {
        let key = PublicIdKey::random().unwrap();
        assert_ne!(write(&id(2), &line(), &key), write(&id(2), &line(), &key));
    }

    #[test]
    fn id_for_one_connection_has_no_digest() {
        let id = TrackingId::unrecorded(&mut rand::rngs::SysRng).unwrap();
        assert_eq!(digest(&id), None);
        assert!(id.stands_for().is_none() && !id.is_recorded());
        assert!(TrackingId::parse(id.expose()).is_err());
    }

    #[test]
    fn pattern_takes_the_prefix_to_the_letter() {
        assert_eq!(Names::new("w*:").records(), "\\w\\*\\:r:*");
        let names = Names::new("wg:");
        let digest = digest(&id(1)).unwrap();
        assert_eq!(names.digest_of(&names.record(&digest)), Some(digest));
    }
}
