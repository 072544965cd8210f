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

/// How long the clock must run on after a leap until it is believed: time synchronisation corrects it within
/// minutes.
pub(super) const SETTLING: Duration = Duration::from_hours(1);

/// The most text that an authentication may carry, all its fields together. Enough for any profile that a
/// client is told in WELCOME, and a bound on what a client's own authextra can make the store keep.
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
    /// Whether the record that the next ID has already is the very one that this is about to make.
    ///
    /// Gateways of before made the next record first and marked the one before it in a second step, so that a crash
    /// could come in between. The rest is done now.
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
    /// Whether both name the same identity on an ID of the same standing, whenever they happened.
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
mod tests {
    use super::*;
    use crate::cookie::MaxAge;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn leap_forward_is_believed_only_after_settling() {
        let mut clock = SettledClock::starting(at(0));
        assert_eq!(clock.settle(at(29 * DAY)), at(29 * DAY), "an ordinary pause");
        assert_eq!(clock.settle(at(400 * DAY)), at(29 * DAY), "a leap");
        assert_eq!(clock.settle(at(400 * DAY + 3599)), at(29 * DAY), "not yet");
        assert_eq!(clock.settle(at(400 * DAY + 3600)), at(400 * DAY + 3600), "believed");
    }

    #[test]
    fn leap_taken_back_is_forgotten() {
        let mut clock = SettledClock::starting(at(0));
        assert_eq!(clock.settle(at(365 * DAY)), at(0));
        assert_eq!(clock.settle(at(10)), at(10));
        assert_eq!(clock.settle(at(20)), at(20));
    }

    #[test]
    fn second_leap_does_not_end_the_first() {
        let mut clock = SettledClock::starting(at(0));
        assert_eq!(clock.settle(at(365 * DAY)), at(0));
        assert_eq!(clock.settle(at(730 * DAY)), at(0));
    }

    #[test]
    fn sightings_are_noted_by_a_24th_of_the_lifetime_within_a_minute_and_a_day() {
        let age = |seconds| MaxAge::from_seconds(seconds).unwrap();
        assert_eq!(age(1).coarseness(), Duration::from_mins(1));
        assert_eq!(age(DAY).coarseness(), Duration::from_hours(1));
        assert_eq!(age(3650 * DAY).coarseness(), Duration::from_secs(DAY));
    }

    #[test]
    fn sighting_in_the_future_is_put_right_by_the_next() {
        let record = CookieRecord::new(at(365 * DAY), MaxAge::DEFAULT);
        let noted = seen(&record, at(0)).unwrap();
        assert_eq!((noted.created, noted.last_seen), (at(365 * DAY), at(0)));
        assert_eq!(seen(&noted, at(3599)), None);
    }

    #[test]
    fn authextra_must_be_an_object_on_one_line_and_bounded() {
        let fit = |authextra: &str| {
            Authentication {
                authid: "joe".into(),
                authrole: "frontend".into(),
                authmethod: "ticket".into(),
                authrealm: "realm1".into(),
                authextra: authextra.into(),
                at: at(0),
                succession: None,
            }
            .check()
            .is_ok()
        };
        assert!(fit(r#"{"a": [1, "\n"]}"#));
        for unfit in ["", "null", "[]", "{", "{}x", "{\n}", &format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))]
        {
            assert!(!fit(unfit), "{unfit:.20}");
        }
    }
}
