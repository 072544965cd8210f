//! What a configuration says about tracking.

use std::time::Duration;

use crate::{
    cookie::CookieOptions,
    store::{Authentication, CookieRecord, StoreOptions},
    time::Timestamp,
};

/// Cookie tracking of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingOptions {
    /// How the cookie is written.
    pub cookie: CookieOptions,
    /// Where the records live. Services that name the same [place](StoreOptions::place) share the store.
    pub store: StoreOptions,
}

/// How a login stands on a cookie: `auth.cookie` of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginOptions {
    /// `max_age`: how long a login stands. None: as long as the record.
    pub max_age: Option<Duration>,
    /// `idle_timeout`: how long it stands while its client stays away. None: as long as the record.
    pub idle_timeout: Option<Duration>,
    /// `rotate`: whether a login is followed by a new tracking ID. Default true.
    pub rotate: bool,
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self { max_age: None, idle_timeout: None, rotate: true }
    }
}

impl LoginOptions {
    /// Whether a record's login is too old, or its client has been away for too long.
    pub fn is_over(&self, record: &CookieRecord, now: Timestamp) -> bool {
        let login = record.authentication.as_ref();
        login.is_some_and(|login| {
            self.is_too_old(login, now) || is_past(record.last_seen, self.idle_timeout, now)
        })
    }

    /// Whether a login is too old, however long its client was away.
    pub fn is_too_old(&self, login: &Authentication, now: Timestamp) -> bool {
        is_past(login.at, self.max_age, now)
    }
}

fn is_past(since: Timestamp, limit: Option<Duration>, now: Timestamp) -> bool {
    limit.is_some_and(|limit| now >= since.plus_seconds(limit.as_secs()))
}
