//! Signals to processes.

use std::{fs, thread, time::Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// Sends a process a signal. One that stops it counts afterwards: the kernel stops each thread when it comes by, and until then a process
/// may still answer.
#[track_caller]
pub(crate) fn send(pid: u32, signal: Signal) {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    if let Err(error) = kill_process(process, signal) {
        panic!("{pid}: {error}");
    }
    let begun = Instant::now();
    while signal == Signal::STOP && !has_stopped(pid) {
        assert!(begun.elapsed() < PATIENCE, "{pid} goes on");
        thread::yield_now();
    }
}

/// Whether all threads of a process stand still.
fn has_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        // A thread that has ended meanwhile answers nothing.
        status
            .lines()
            .find_map(|line| line.strip_prefix("State:"))
            .is_none_or(|state| state.trim().starts_with('T'))
    })
}
