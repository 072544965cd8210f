//! A record as it is shown.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::ManagedStore;
use crate::{
    cookie::{MaxAge, TrackingId},
    store::{Authentication, CookieRecord, Lineage, Succession},
    time::Timestamp,
};

/// A record with its names. As JSON it is what `wampgate cookies ls --json` prints.
#[derive(Debug, Serialize, Deserialize)]
pub struct CookieEntry {
    /// The tracking ID, only if it was asked for in so many words, and the store knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id_text")]
    pub id: Option<TrackingId>,
    /// The public ID.
    pub public_id: String,
    /// The ID that this one has replaced; only where IDs are shown.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id_text")]
    pub replaces: Option<TrackingId>,
    /// The ID that replaces this one at the client's next visit, or has done so; only where IDs are shown.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id_text")]
    pub replaced_by: Option<TrackingId>,
    /// Since when the ID that replaces this one is in use: soon after that this one is of no use any more. In the year
    /// 9999 while the client has not come with the other one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_stamp_text")]
    pub replaced: Option<Timestamp>,
    /// When the ID was handed out.
    #[serde(with = "stamp_text")]
    pub created: Timestamp,
    /// When the client was last seen, coarsely.
    #[serde(with = "stamp_text")]
    pub last_seen: Timestamp,
    /// When the record expires.
    #[serde(with = "stamp_text")]
    pub expires: Timestamp,
    /// How long the record lives from `created` on, in seconds.
    pub max_age: u32,
    /// How many connections are open.
    pub connections: u32,
    /// What the last successful authentication left.
    pub authentication: Option<Authenticated>,
}

/// The authentication of a record.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Authenticated {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authrealm: String,
    /// A JSON object, to the letter.
    pub authextra: Box<RawValue>,
    /// When it happened.
    #[serde(with = "stamp_text")]
    pub at: Timestamp,
}

impl CookieEntry {
    /// What may be shown of a record.
    pub(super) fn new(
        store: &ManagedStore,
        id: &TrackingId,
        record: &CookieRecord,
        connections: u32,
        reveal: bool,
    ) -> Self {
        let lineage = record.lineage.as_ref();
        let succession = record.authentication.as_ref().and_then(|a| a.succession.as_ref());
        Self {
            id: reveal.then(|| id.clone()).filter(TrackingId::is_recorded),
            public_id: store.clients.public_id(id, record).to_string(),
            replaces: lineage
                .filter(|_| reveal)
                .map(|lineage| lineage.predecessor.clone())
                .filter(TrackingId::is_recorded),
            replaced_by: succession
                .filter(|_| reveal)
                .map(|succession| succession.id.clone())
                .filter(TrackingId::is_recorded),
            replaced: succession.and_then(|succession| succession.since),
            created: record.created,
            last_seen: record.last_seen,
            expires: record.expires(),
            max_age: record.max_age.as_seconds(),
            connections,
            authentication: record.authentication.as_deref().map(Authenticated::new),
        }
    }

    /// The record again; nothing if it came without its ID.
    pub fn into_record(self) -> Option<(TrackingId, CookieRecord)> {
        let since = self.replaced;
        let succession = self.replaced_by.map(|id| Succession { id, since });
        let authentication = self.authentication.map(|authenticated| {
            Arc::new(Authentication { succession, ..Authentication::from(authenticated) })
        });
        let public_id = Arc::from(self.public_id);
        let lineage = self.replaces.map(|predecessor| Arc::new(Lineage { public_id, predecessor }));
        let record = CookieRecord {
            created: self.created,
            last_seen: self.last_seen,
            max_age: MaxAge::from_seconds(self.max_age.into())?,
            authentication,
            lineage,
        };
        Some((self.id?, record))
    }
}

impl Authenticated {
    fn new(authentication: &Authentication) -> Self {
        Self {
            authid: authentication.authid.clone(),
            authrole: authentication.authrole.clone(),
            authmethod: authentication.authmethod.clone(),
            authrealm: authentication.authrealm.clone(),
            // Stores take nothing that is no JSON; `null` would only be shown.
            authextra: RawValue::from_string(authentication.authextra.clone())
                .unwrap_or_else(|_| RawValue::NULL.to_owned()),
            at: authentication.at,
        }
    }
}

impl From<Authenticated> for Authentication {
    fn from(shown: Authenticated) -> Self {
        Self {
            authid: shown.authid,
            authrole: shown.authrole,
            authmethod: shown.authmethod,
            authrealm: shown.authrealm,
            authextra: shown.authextra.get().to_owned(),
            at: shown.at,
            succession: None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
mod stamp_text {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(stamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&stamp.to_text())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::from_text(&text).ok_or_else(|| D::Error::custom("no time"))
    }
}

mod some_stamp_text {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, stamp_text};

    #[allow(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(
        stamp: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match stamp {
            Some(stamp) => stamp_text::serialize(stamp, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| Timestamp::from_text(&text)))
    }
}

#[allow(clippy::ref_option, reason = "serde passes fields by reference")]
mod id_text {
    use super::{Deserialize, Deserializer, Serializer, TrackingId, parse};

    pub(super) fn serialize<S: Serializer>(
        id: &Option<TrackingId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.serialize_str(id.expose()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TrackingId>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| parse::<D>(&text)).transpose()
    }
}

fn parse<'de, D: Deserializer<'de>>(text: &str) -> Result<TrackingId, D::Error> {
    // The error must not repeat the text.
    TrackingId::parse(text).map_err(|error| D::Error::custom(error.to_string()))
}
