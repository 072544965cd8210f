//! A thread of its own for work that takes long, where it is in no connection's way.
//!
//! A system that shares its cores fairly gives a thread that computes some milliseconds at a time, and the thread that
//! a client's message wakes meanwhile waits for them. A thread of lower priority is interrupted at once. Only the system's
//! administrator may give a thread its priority back, so that none of the runtime's may lose it: each piece of work
//! gets a new thread, which ends with it. Making one takes some fifty microseconds.

use std::{cell::Cell, io, panic, thread, time::Duration};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// The stack of such a thread, in bytes: as much as the runtime's have. Guests take at most half of it.
const STACK: usize = 2 * 1024 * 1024;
/// How far such a thread stands back behind the others, of 19 steps. From 12 on Linux interrupts it for those who take turns of
/// some ten microseconds, as connections do. Where all cores are busy with something else, it still gets some percent of one.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;
/// How long a thread sleeps so that another one takes over its tasks: as long as it takes to wake a thread.
const TURN: Duration = Duration::from_micros(50);

thread_local! {
    /// Whether [`run`] has made this thread.
    static IS_ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs something on a thread of its own, behind all others, and waits for it; the other tasks of the calling thread go on
/// meanwhile. An error: the system has no thread to give, and nothing has run.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let aside = || {
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("aside".to_owned()).stack_size(STACK);
            let running = thread.spawn_scoped(scope, || {
                IS_ASIDE.set(true);
                step_back();
                work()
            })?;
            Ok(running.join().unwrap_or_else(|crash| panic::resume_unwind(crash)))
        })
    };
    if can_hand_over() { block_in_place(aside) } else { aside() }
}

/// Whether the calling thread is one that [`run`] has made.
pub(super) fn is_here() -> bool {
    IS_ASIDE.get()
}

/// Lets others run in the middle of something that takes long.
pub(super) fn give_way() {
    if is_here() {
        // A system seldom looks whether it is another thread's turn. Asked, it looks at once.
        thread::yield_now();
    } else if can_hand_over() {
        // The other tasks of this thread go on elsewhere from now on, whatever it does until its own task waits.
        block_in_place(|| thread::sleep(TURN));
    }
}

/// Outside of a runtime with several threads there is no thread to take over.
fn can_hand_over() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Lowers the priority of the calling thread, and leaves one core to the others.
#[cfg(target_os = "linux")]
fn step_back() {
    use rustix::{
        process::{getpriority_process, setpriority_process},
        thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    };

    // On Linux every thread has both of its own, and no process means the calling thread.
    let lowered = getpriority_process(None)
        .and_then(|niceness| setpriority_process(None, niceness.saturating_add(NICENESS).min(19)));
    let confined = sched_getaffinity(None).and_then(|mut cores| {
        if cores.count() > 1
            && let Some(first) = (0..CpuSet::MAX_CPU).find(|&core| cores.is_set(core))
        {
            cores.unset(first);
            sched_setaffinity(None, &cores)?;
        }
        Ok(())
    });
    if let Err(error) = lowered.and(confined) {
        tracing::debug!(%error, "a thread cannot step back");
    }
}

/// Elsewhere both are the whole process's.
#[cfg(not(target_os = "linux"))]
fn step_back() {}

#[cfg(test)]
mod tests {
    use std::{
        iter,
        panic::catch_unwind,
        sync::mpsc::{Receiver, channel},
        time::{Duration, Instant},
    };

    use tokio::runtime::{Builder, Runtime};

    use super::{give_way, is_here, run};

    fn one_worker() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn the_answer_comes_back_from_every_kind_of_runtime() {
        assert_eq!(run(|| 1).unwrap(), 1);
        let alone = Builder::new_current_thread().build().unwrap();
        assert_eq!(alone.block_on(async { run(|| 2) }).unwrap(), 2);
        let answer = one_worker().block_on(async { tokio::spawn(async { run(|| 3).unwrap() }).await });
        assert_eq!(answer.unwrap(), 3);
    }

    /// A task that is over when another one of the same thread has run: without a thread to take over it never is.
    #[test]
    fn the_other_tasks_of_the_thread_go_on() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let waits: [fn(Receiver<()>) -> _; 2] = [
            |other| run(move || other.recv_timeout(PATIENCE)).unwrap(),
            // On a busy machine nothing may take over in time. A decision that goes on hands over again with every tick.
            |other| {
                let begun = Instant::now();
                let handed_over = || {
                    give_way();
                    other.recv_timeout(Duration::from_millis(1))
                };
                iter::repeat_with(handed_over)
                    .find(|outcome| outcome.is_ok() || begun.elapsed() > PATIENCE)
                    .unwrap()
            },
        ];
        for waits in waits {
            let task = async move {
                let (has_run, other) = channel();
                tokio::spawn(async move { has_run.send(()) });
                waits(other)
            };
            let answer = one_worker().block_on(async { tokio::spawn(task).await });
            assert_eq!(answer.unwrap(), Ok(()));
        }
    }

    #[test]
    fn where_no_thread_can_take_over_the_work_goes_on() {
        give_way();
        Builder::new_current_thread().build().unwrap().block_on(async { give_way() });
    }

    #[test]
    fn a_thread_knows_whether_it_is_aside() {
        assert!(!is_here());
        assert!(run(is_here).unwrap());
        assert!(!is_here());
    }

    #[test]
    fn a_crash_is_the_callers() {
        let crash = catch_unwind(|| run(|| std::panic::resume_unwind(Box::new("over")))).unwrap_err();
        assert_eq!(crash.downcast_ref(), Some(&"over"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_thread_that_ends_with_its_work_steps_back() {
        use rustix::{process::getpriority_process, thread::sched_getaffinity};

        let place = || (getpriority_process(None).unwrap(), sched_getaffinity(None).unwrap().count());
        let (niceness, cores) = place();
        assert_eq!(run(place).unwrap(), ((niceness + super::NICENESS).min(19), (cores - 1).max(1)));
        assert_eq!(place(), (niceness, cores));
    }
}
