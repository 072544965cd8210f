//! How a decision's time runs out, and how it lets others run meanwhile.

use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

use super::{aside, instance::Instance, pace::processor_time};

/// How many times its deadline a decision may take where the processor works for others meanwhile. On a busy machine a thread
/// waits longer than a whole deadline, above all one of low priority, and an honest decision that then gets the processor is soon
/// done.
const LONGEST: u32 = 25;

/// Gives what the store runs next so much of the processor's time.
///
/// It is asked for only beyond the first tick, since asking is a system call and most decisions are over before. What came before
/// does not count, so that a loop is stopped 1 to 3 ms late.
pub(super) fn set(store: &mut Store<Instance>, deadline: Duration) {
    let begun = Instant::now();
    let mut worked_before = None;
    // The first tick may come at once, and most decisions among others are over before the second one.
    store.set_epoch_deadline(if aside::is_here() { 1 } else { 2 });
    // Called only while the guest runs.
    store.epoch_deadline_callback(move |_| {
        let worked = processor_time();
        let worked = worked.saturating_sub(*worked_before.get_or_insert(worked));
        let took = begun.elapsed();
        if took >= deadline && (worked >= deadline || took >= deadline.saturating_mul(LONGEST)) {
            return Ok(UpdateDeadline::Interrupt);
        }
        // It has turned out to be slow.
        aside::give_way();
        Ok(UpdateDeadline::Continue(1))
    });
}
