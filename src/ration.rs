//! How often the log says the same: lines that a client can cause as often as it likes.
//!
//! Each cause has a [`Ration`] of its own, so that a flood of one kind hides no line of another. A line that is let through
//! says how many of its kind were left out before it:
//!
//! ```text
//! static REFUSED: Ration = Ration::SPARING;
//!
//! if let Some(line) = REFUSED.line() {
//!     // A field that is `None` is not written.
//!     tracing::warn!(left_out = line.left_out, "a client was refused");
//! }
//! ```

use std::{
    num::NonZeroU64,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// From when on time is counted here.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The lower bits of [`Ration::period_and_lines`] count lines; the upper ones, milliseconds, last for centuries.
const LINE_BITS: u32 = 20;
const LINES: u64 = (1 << LINE_BITS) - 1;

/// So many lines in a period. The next period begins with the first line after the last one.
///
/// It takes 24 bytes, and asking it costs a look at the clock and two atomic operations.
#[derive(Debug)]
pub struct Ration {
    lines: u32,
    period_millis: u32,
    /// When the current period began, and how many lines it has had.
    period_and_lines: AtomicU64,
    left_out: AtomicU64,
}

/// A line that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the lines that were left out are told once"]
pub struct Line {
    /// How many lines were left out since the last one; none if there were none.
    pub left_out: Option<NonZeroU64>,
}

impl Ration {
    /// Five lines in ten seconds: enough to see that something happens again and again, and who causes it.
    #[expect(clippy::declare_interior_mutable_const, reason = "each use is a new ration, as with `new`")]
    pub const SPARING: Self = Self::new(5, Duration::from_secs(10));

    /// At most so many `lines` (up to a million) in each `period`, which counts in milliseconds.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the comparisons")]
    pub const fn new(lines: u32, period: Duration) -> Self {
        let lines = if lines as u64 > LINES { LINES as u32 } else { lines };
        let millis = period.as_millis();
        let period_millis = if millis > u32::MAX as u128 { u32::MAX } else { millis as u32 };
        Self { lines, period_millis, period_and_lines: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// A line, if the period has room for one more; otherwise this counts one that is left out.
    pub fn line(&self) -> Option<Line> {
        self.line_at(BEGUN.elapsed())
    }

    fn line_at(&self, now: Duration) -> Option<Line> {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX) & (u64::MAX >> LINE_BITS);
        let admitted = self.period_and_lines.try_update(Relaxed, Relaxed, |packed| {
            let (since, lines) = (packed >> LINE_BITS, packed & LINES);
            // A thread that is late counts in the newer period.
            let is_over = lines == 0 || now.saturating_sub(since) >= u64::from(self.period_millis);
            let (since, lines) = if is_over { (now, 0) } else { (since, lines) };
            (lines < u64::from(self.lines)).then_some(since << LINE_BITS | (lines + 1))
        });
        if admitted.is_err() {
            self.left_out.fetch_add(1, Relaxed);
            return None;
        }
        Some(Line { left_out: NonZeroU64::new(self.left_out.swap(0, Relaxed)) })
    }
}

impl Default for Ration {
    fn default() -> Self {
        Self::SPARING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(line: Option<Line>) -> Option<u64> {
        line.map(|line| line.left_out.map_or(0, NonZeroU64::get))
    }

    #[test]
    fn a_period_has_room_for_so_many_lines_and_the_next_tells_of_the_others() {
        let ration = Ration::new(3, Duration::from_secs(10));
        // What was left out before is told with the first line of the next period.
        for (period, expected) in [(0, 0), (1, 97), (7, 97)] {
            let second = Duration::from_secs(10 * period + 5);
            let lines: Vec<_> = (0..100).filter_map(|_| left_out(ration.line_at(second))).collect();
            assert_eq!(lines, [expected, 0, 0], "period {period}");
        }
        assert_eq!(ration.line_at(Duration::from_mins(1)), None, "a late thread opens no period of its own");
        assert_eq!(ration.line_at(Duration::from_secs(84)), None, "the period begins with its first line");
        assert_eq!(left_out(ration.line_at(Duration::from_secs(85))), Some(99));
    }

    #[test]
    fn no_line_of_many_threads_is_lost() {
        let ration = Ration::new(10, Duration::from_hours(1));
        let told = std::thread::scope(|scope| {
            let ask =
                || scope.spawn(|| (0..1000).filter(|_| ration.line_at(Duration::ZERO).is_some()).count());
            [ask(), ask(), ask()].map(|thread| thread.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!(told, 10);
        assert_eq!(left_out(ration.line_at(Duration::from_hours(1))), Some(2990));
    }

    #[test]
    fn limits_that_do_not_fit_are_cut() {
        let ration = Ration::new(u32::MAX, Duration::MAX);
        assert_eq!((u64::from(ration.lines), ration.period_millis), (LINES, u32::MAX));
        let none = Ration::new(0, Duration::ZERO);
        assert_eq!(none.line(), None);
    }
}
