//! Wall-clock time as the records, the policies and the wire use it.

pub mod bucket;
pub(crate) mod stamp;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
///
/// Everything that judges time takes a `Timestamp` as an argument; only the shell of the program calls
/// [`Timestamp::now`], so that tests need neither sleeping nor a mocked clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The given number of milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The system's wall clock; a clock before the epoch reads as the epoch.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment in UTC as text, such as `2026-11-22T10:14:33.139Z`; one after the year 9999 is the end of that year.
    pub fn to_text(self) -> String {
        let mut text = Vec::with_capacity(24);
        stamp::write(self, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Reads a text of that very form; nothing for any other, or one before 1970.
    pub fn from_text(text: &str) -> Option<Self> {
        stamp::parse(text)
    }

    /// Reads a text of any form of RFC 3339, to the millisecond; nothing for one before 1970.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        stamp::parse_rfc3339(text)
    }

    /// This moment and `seconds` more, saturating.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}
