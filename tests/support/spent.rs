//! How much processor time a process has really taken, for benchmarks, which include this file alone.

use std::{fs, time::Duration};

/// The processor time of a process's threads, as the system counts it. What a thread does at this moment may be missing.
pub(crate) fn spent(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// So many rounds for `cargo bench`; one for `cargo test`, which runs benches as well, and wants to know only whether they run.
pub(crate) fn rounds(many: usize) -> usize {
    if std::env::args().any(|argument| argument == "--bench") { many } else { 1 }
}

/// The median in microseconds.
pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
