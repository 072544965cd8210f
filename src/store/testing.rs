//! For tests: IDs, moments, records and logins.

use super::{Authentication, CookieRecord, Succession};
use crate::{
    cookie::{MaxAge, TrackingId},
    time::Timestamp,
};

pub(crate) fn id(number: usize) -> TrackingId {
    TrackingId::parse(&format!("client-{number:04}")).unwrap()
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A record that is made at a moment and lives for so many seconds.
pub(crate) fn record(created: u64, max_age: u64) -> CookieRecord {
    CookieRecord::new(at(created), MaxAge::from_seconds(max_age).unwrap())
}

/// A login by ticket.
pub(crate) fn login(authid: &str, at: Timestamp) -> Authentication {
    Authentication {
        authid: authid.to_owned(),
        authrole: "frontend".to_owned(),
        authmethod: "ticket".to_owned(),
        authrealm: "realm1".to_owned(),
        authextra: "{}".to_owned(),
        at,
        succession: None,
    }
}

/// The same login on an ID that is to be replaced by another one, or was since a moment.
pub(crate) fn due(login: &Authentication, next: TrackingId, since: Option<Timestamp>) -> Authentication {
    Authentication { succession: Some(Succession { id: next, since }), ..login.clone() }
}

/// The record with a login on it.
pub(crate) fn logged_in(record: CookieRecord, login: Authentication) -> CookieRecord {
    CookieRecord { authentication: Some(login.into()), ..record }
}
