//! How much memory a process really has. A benchmark includes this file alone.

/// Resident memory in KiB, of a process by its number or of `self`.
#[track_caller]
pub(crate) fn kib(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
