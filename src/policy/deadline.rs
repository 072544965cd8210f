//! How a decision's time runs out, and how it lets others run meanwhile.

use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

use super::{aside, instance::Instance};

/// Ticks beyond the deadline in which a decision must be seen running before it is stopped. A busy machine may
/// keep a thread waiting for longer than the whole deadline, and an honest decision that then gets the processor
/// back is done within microseconds; a loop is still stopped 1 to 5 ms late.
const GRACE_TICKS: u32 = 3;

/// Gives what the store runs next so much time.
pub(super) fn set(store: &mut Store<Instance>, deadline: Duration) {
    let end = Instant::now().checked_add(deadline);
    let mut grace = GRACE_TICKS;
    // The first tick may come at once, and most decisions among others are over before the second one.
    store.set_epoch_deadline(if aside::is_here() { 1 } else { 2 });
    store.epoch_deadline_callback(move |_| {
        if end.is_none_or(|end| Instant::now() < end) {
            // It has turned out to be slow.
            aside::give_way();
            return Ok(UpdateDeadline::Continue(1));
        }
        // Called only while the guest runs: ticks that it has slept through do not add up.
        Ok(match grace.checked_sub(1) {
            Some(left) => {
                grace = left;
                UpdateDeadline::Continue(1)
            }
            None => UpdateDeadline::Interrupt,
        })
    });
}
