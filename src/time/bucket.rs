//! How often something may happen: a rate, and how much of it may be saved up.

use std::time::{Duration, Instant};

/// So many times a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time that each use costs.
    each: Duration,
    /// How much unused time may be saved up.
    saved: Duration,
}

/// What one user of a rate has left: the moment at which everything that it has used is paid off.
#[derive(Debug, Clone, Copy)]
pub struct Bucket(Instant);

impl Rate {
    /// `per_second` uses a second, and at most as many at once as `seconds` allow. None for a rate of 0, which limits nothing.
    pub fn new(per_second: u32, seconds: u32) -> Option<Self> {
        let each = Duration::from_secs(1).checked_div(per_second)?;
        Some(Self { each, saved: Duration::from_secs(seconds.into()).max(each) })
    }
}

impl Bucket {
    /// Nothing has been used.
    pub const fn full(now: Instant) -> Self {
        Self(now)
    }

    /// Uses the rate once; or tells how long to wait.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let paid = self.0.max(now) + rate.each;
        match paid.saturating_duration_since(now).checked_sub(rate.saved) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.0 = paid;
                Ok(())
            }
        }
    }

    /// Gives one use back.
    pub fn give_back(&mut self, rate: Rate) {
        self.0 = self.0.checked_sub(rate.each).unwrap_or(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_can_be_used_at_once_and_then_the_rate_counts() {
        let (rate, begin) = (Rate::new(10, 2).unwrap(), Instant::now());
        let mut bucket = Bucket::full(begin);
        for used in 0..20 {
            assert_eq!(bucket.take(rate, begin), Ok(()), "{used}");
        }
        assert_eq!(bucket.take(rate, begin), Err(Duration::from_millis(100)));
        let later = begin + Duration::from_millis(100);
        assert_eq!(bucket.take(rate, later), Ok(()));
        assert_eq!(bucket.take(rate, later), Err(Duration::from_millis(100)));
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, later), Ok(()));
        let much_later = begin + Duration::from_hours(1);
        let used = (0..1000).take_while(|_| bucket.take(rate, much_later).is_ok()).count();
        assert_eq!(used, 20, "no more is saved up than that");
    }

    #[test]
    fn one_use_is_always_possible_and_no_rate_limits_nothing() {
        let begin = Instant::now();
        assert_eq!(Bucket::full(begin).take(Rate::new(1, 0).unwrap(), begin), Ok(()));
        assert_eq!(Rate::new(0, 2), None);
    }
}
