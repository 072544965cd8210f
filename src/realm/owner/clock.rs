//! The owner's clock.

use tokio::time::Instant;

use super::super::router::Now;
use crate::time::Timestamp;

/// Tells the time for both of its uses by one look at the clock.
pub(super) struct Clock {
    started: Instant,
    at: Timestamp,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), at: Timestamp::now() }
    }

    pub(super) fn now(&self) -> Now {
        let instant = Instant::now();
        let since = instant.saturating_duration_since(self.started).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let clock = Timestamp::from_millis(self.at.as_millis().saturating_add(since));
        Now { instant: instant.into(), clock }
    }
}
