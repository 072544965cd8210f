//! The last clients that were refused, with what the log says of each: for the operator's page.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    num::NonZeroU64,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Stage;
use crate::{ration::Line, time::Timestamp};

/// How many are kept: more than an operator reads at once.
const KEPT: usize = 64;

/// How much is kept of what the log says about one.
const LONGEST: usize = 400;

/// A client that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// When.
    pub(crate) at: Timestamp,
    /// How far it had come.
    pub(crate) stage: Stage,
    /// The reason's name in metrics and in the log.
    pub(crate) reason: &'static str,
    /// How many others were refused for this reason since the one before, of which only the number is known.
    pub(crate) left_out: Option<NonZeroU64>,
    /// The client's address.
    pub(crate) peer: String,
    /// The reason for people.
    pub(crate) why: String,
}

/// The last refusals; each one beyond [`KEPT`] takes the place of the oldest.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Refused>>);

/// A text that ends where it becomes too long.
#[derive(Default)]
struct Clipped(String);

impl Recent {
    pub(super) fn add(
        &self,
        stage: Stage,
        reason: &'static str,
        line: Line,
        peer: &dyn fmt::Display,
        why: &dyn fmt::Display,
    ) {
        let (at, left_out) = (Timestamp::now(), line.left_out);
        let refused = Refused { at, stage, reason, left_out, peer: clipped(peer), why: clipped(why) };
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(refused);
    }

    pub(super) fn newest_first(&self) -> Vec<Refused> {
        self.lock().iter().rev().cloned().collect()
    }

    // Held for a few moves, and never across an await.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clipped(text: &dyn fmt::Display) -> String {
    let mut clipped = Clipped::default();
    // It fails where the text is too long.
    let _ = write!(clipped, "{text}");
    clipped.0
}

impl fmt::Write for Clipped {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        let taken = more.get(..more.floor_char_boundary(room)).unwrap_or_default();
        self.0.push_str(taken);
        if taken.len() == more.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line = Line { left_out: None };

    #[test]
    fn the_newest_are_kept_and_none_is_longer_than_it_may_be() {
        let recent = Recent::default();
        for number in 0..KEPT + 3 {
            recent.add(Stage::Join, "credentials", LINE, &"192.0.2.1:1", &number);
        }
        let kept = recent.newest_first();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].why.as_str(), kept[KEPT - 1].why.as_str()), ("66", "3"));
        recent.add(Stage::Request, "host", LINE, &"x".repeat(2 * LONGEST), &"ä".repeat(LONGEST));
        let long = &recent.newest_first()[0];
        assert_eq!((long.peer.len(), long.why.len()), (LONGEST, LONGEST));
    }
}
