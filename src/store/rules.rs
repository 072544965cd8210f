//! The rules that every store follows, without a store: what a sighting changes, what an authentication
//! changes, and which moment may be used to drop records for good.
//!
//! # Clocks that jump
//!
//! The wall clock may be wrong, at worst by years, and come right again. Three rules keep that harmless:
//!
//! - *Answers* follow the clock as it is. While it is a year ahead, records whose time is over by then are not
//!   answered; when it comes back, they count again.
//! - *Dropping* does not follow a leap. After one of more than [`LEAP`], [`SettledClock`] judges by the
//!   moment before it until [`SETTLING`] has passed, so neither a purge nor a full store loses what the next
//!   correction revives.
//! - *A record from the future*, because the clock is behind now or was ahead then, counts. It may live
//!   longer than its `max_age` by the error of the clock; the browser's copy does not. Its `last_seen` is put
//!   right by the next note.

use std::{sync::Arc, time::Duration};

use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord, Lineage, Replacement, StoreError, Succession, record::is_apart},
    time::Timestamp,
};

/// A step of the clock that is a leap: longer than any pause between two calls of a running gateway, which
/// purges every few minutes, and shorter than the errors of a lost clock.
pub(super) const LEAP: Duration = Duration::from_hours(30 * 24);

/// How long the clock must run on after a leap until it is believed: time synchronization corrects it within
/// minutes.
pub(super) const SETTLING: Duration = Duration::from_hours(1);

/// The most text that an authentication may carry, all its fields together. Enough for any profile that WELCOME tells a
/// client, and a bound on what a client's own authextra can make the store keep.
pub(super) const MAX_AUTHENTICATION: usize = 64 * 1024;

/// The record after its client was seen; nothing if the sighting is not worth a note.
pub(super) fn seen(record: &CookieRecord, now: Timestamp) -> Option<CookieRecord> {
    record.is_sighting_due(now).then(|| CookieRecord { last_seen: now, ..record.clone() })
}

/// The record after an authentication was set or dropped; nothing if that changes nothing.
///
/// The same identity again within the coarseness changes nothing: a client that logs in on every reconnect
/// would otherwise cost a write for each.
pub(super) fn authenticated(
    record: &CookieRecord,
    authentication: Option<&Arc<Authentication>>,
    now: Timestamp,
) -> Option<CookieRecord> {
    let same = match (record.authentication.as_ref(), authentication) {
        (None, None) => true,
        (Some(old), Some(new)) => old.is_same_identity(new) && !is_apart(old.at, new.at, record.max_age),
        _ => false,
    };
    (!same).then(|| CookieRecord {
        last_seen: now,
        authentication: authentication.cloned(),
        ..record.clone()
    })
}

/// What a replacement makes of a record.
#[derive(Debug)]
pub(super) struct Replacing {
    /// The record of the next ID.
    pub(super) next: CookieRecord,
    /// The record before it, if that changes.
    pub(super) before: Option<CookieRecord>,
}

/// What a replacement makes of the live record of an ID.
pub(super) fn replaced(
    id: &TrackingId,
    record: &CookieRecord,
    next: &Replacement,
    now: Timestamp,
) -> Result<Replacing, StoreError> {
    let before = match (&record.authentication, record.succession()) {
        (None, _) => None,
        (Some(_), Some(Succession { id: by, since: Some(_) })) => {
            return Err(StoreError::Replaced { by: by.clone() });
        }
        (Some(_), Some(Succession { id: successor, since: None })) if *successor == next.id => {
            marked(record, &next.id, now)
        }
        (Some(_), _) => return Err(StoreError::Outdated),
    };
    let lineage = Lineage { public_id: Arc::clone(&next.public_id), predecessor: id.clone() };
    let authentication = record
        .authentication
        .as_deref()
        .map(|authentication| Arc::new(Authentication { succession: None, ..authentication.clone() }));
    let next = CookieRecord {
        authentication,
        lineage: Some(Arc::new(lineage)),
        ..CookieRecord::new(now, next.max_age)
    };
    Ok(Replacing { next, before })
}

impl Replacing {
    /// Whether the next ID has its record already and only the mark is missing.
    ///
    /// Earlier versions made the next record first and marked the one before it in a second step. A crash in between left
    /// such a pair, and this replacement completes it.
    pub(super) fn is_half_done(&self, found: &CookieRecord) -> bool {
        let predecessor = |record: &CookieRecord| record.lineage.as_ref().map(|l| l.predecessor.clone());
        self.before.is_some() && predecessor(found) == predecessor(&self.next)
    }
}

/// The record with a mark that says since when it is replaced; nothing if it names another successor, or none.
pub(super) fn marked(
    record: &CookieRecord,
    successor: &TrackingId,
    since: Timestamp,
) -> Option<CookieRecord> {
    let authentication = record.authentication.as_deref()?;
    let succession = authentication.succession.as_ref().filter(|succession| succession.id == *successor)?;
    let succession = Some(Succession { id: succession.id.clone(), since: Some(since) });
    let authentication = Arc::new(Authentication { succession, ..authentication.clone() });
    Some(CookieRecord { last_seen: since, authentication: Some(authentication), ..record.clone() })
}

impl Authentication {
    /// Whether both name the same identity and the same successor, whenever they happened.
    fn is_same_identity(&self, other: &Self) -> bool {
        self.authid == other.authid
            && self.authrole == other.authrole
            && self.authmethod == other.authmethod
            && self.authrealm == other.authrealm
            && self.authextra == other.authextra
            && self.succession == other.succession
    }

    /// Checks what every store demands: bounded text, and an authextra that can be written as it is.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let texts = [&self.authid, &self.authrole, &self.authmethod, &self.authrealm, &self.authextra];
        if texts.iter().map(|text| text.len()).sum::<usize>() > MAX_AUTHENTICATION {
            return Err(StoreError::Unfit("its fields are longer than 64 KiB together"));
        }
        if !is_json_object(&self.authextra) {
            return Err(StoreError::Unfit("its authextra is not a JSON object on one line"));
        }
        Ok(())
    }
}

/// Whether a text is a JSON object without line breaks.
pub(super) fn is_json_object(text: &str) -> bool {
    text.starts_with('{')
        && !text.contains(['\n', '\r'])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The clock by which records are dropped: the wall clock, except for a while after a leap.
#[derive(Debug, Default)]
pub(super) struct SettledClock {
    latest: Option<Timestamp>,
    leap: Option<Leap>,
}

#[derive(Debug, Clone, Copy)]
struct Leap {
    /// The last moment before it.
    before: Timestamp,
    /// From when on it is believed.
    believed: Timestamp,
}

impl SettledClock {
    /// The moment by which records may be dropped since the last notice.
    pub(super) fn settled(&self) -> Option<Timestamp> {
        self.leap.map(|leap| leap.before).or(self.latest)
    }

    /// A clock that stood at a moment.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { latest: Some(now), leap: None }
    }

    /// Takes notice of the wall clock, and gives the moment by which records may be dropped.
    pub(super) fn settle(&mut self, now: Timestamp) -> Timestamp {
        let latest = self.latest.replace(now).unwrap_or(now);
        if is_leap(latest, now) {
            let before = self.leap.map_or(latest, |leap| leap.before);
            self.leap = Some(Leap { before, believed: after(now, SETTLING) });
        }
        match self.leap {
            Some(leap) if now < leap.believed && is_leap(leap.before, now) => leap.before,
            _ => {
                self.leap = None;
                now
            }
        }
    }
}

fn is_leap(from: Timestamp, to: Timestamp) -> bool {
    to > after(from, LEAP)
}

fn after(moment: Timestamp, wait: Duration) -> Timestamp {
    moment.plus_seconds(wait.as_secs())
}

#[cfg(test)]
mod tests;
