//! File descriptors: how many the process may have, and who gets the last ones.
//!
//! A process that runs out of descriptors can accept no connection, and can answer none: its clients hang. The gateway
//! therefore counts the descriptors that clients take, refuses clients while it still can, and keeps a reserve for its
//! stores, for policies that are loaded anew, and for commands of the operator.

use std::{
    fs, io,
    sync::{Arc, LazyLock},
};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit, setrlimit},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many descriptors clients never get: four commands at once, the files of some stores while they are compacted, a policy
/// that is read, and clients that are told that there is no room.
const RESERVE: usize = 64;

/// What of a small limit stays for the gateway itself.
const RESERVED_SHARE: usize = 4;

/// What a process without a limit, or of an unknown one, is taken to have.
const UNLIMITED: u64 = 1 << 20;

/// What an operator does about too few of them.
pub(crate) const REMEDY: &str = "raise the limit: `ulimit -n`, or LimitNOFILE= in a systemd unit";

/// The descriptors of the process that clients may take.
static FOR_CLIENTS: LazyLock<Budget> = LazyLock::new(|| Budget::new(limit(), open()));

/// A descriptor that a client has. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Descriptor {
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Budget {
    size: usize,
    left: Arc<Semaphore>,
}

/// Raises the limit of open files as far as the process itself may. Call it before anything is opened.
pub fn raise_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum || limit.maximum.is_none() {
        return Ok(());
    }
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// How many connections the process has descriptors for. The first call settles it: everything else should be open by then.
pub(crate) fn for_clients() -> usize {
    FOR_CLIENTS.size
}

/// A descriptor for a client; none: the rest is the gateway's own.
pub(crate) fn take() -> Option<Descriptor> {
    FOR_CLIENTS.take()
}

/// How many files the process may have open.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)
}

/// What to say behind an error that may mean that the process, or the system, has no descriptor left.
pub(crate) fn remedy(error: &io::Error) -> String {
    let is_exhausted =
        [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).map(Some).contains(&error.raw_os_error());
    if is_exhausted { format!("; no file descriptor is left: {REMEDY}") } else { String::new() }
}

/// How many files the process has open.
pub(crate) fn open() -> usize {
    // Linux tells it as the folder's size since 6.2; counting takes milliseconds for ten thousand.
    let told = fs::metadata("/proc/self/fd").ok().and_then(|folder| usize::try_from(folder.len()).ok());
    if let Some(open) = told.filter(|open| *open > 0) {
        return open;
    }
    ["/proc/self/fd", "/dev/fd"]
        .iter()
        .find_map(|list| fs::read_dir(list).ok())
        .map_or(RESERVE, Iterator::count)
}

impl Budget {
    fn new(limit: u64, open: usize) -> Self {
        let free = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(open);
        let size = free.saturating_sub(RESERVE.min(free / RESERVED_SHARE)).min(Semaphore::MAX_PERMITS);
        Self { size, left: Arc::new(Semaphore::new(size)) }
    }

    fn take(&self) -> Option<Descriptor> {
        Arc::clone(&self.left).try_acquire_owned().ok().map(|permit| Descriptor { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_the_reserve() {
        for (limit, open, size) in [(1024, 24, 936), (256, 16, 180), (20, 16, 3), (16, 16, 0), (8, 16, 0)] {
            let budget = Budget::new(limit, open);
            assert_eq!(budget.size, size, "{limit}");
            let taken: Vec<_> = std::iter::from_fn(|| budget.take()).collect();
            assert_eq!(taken.len(), size);
            drop(taken);
            assert_eq!(budget.take().is_some(), size > 0, "what is given back can be taken again");
        }
        assert_eq!(Budget::new(u64::MAX, 16).size, Semaphore::MAX_PERMITS);
    }

    #[test]
    fn the_limit_of_this_process_is_known() {
        assert!(limit() >= 64 && open() >= 3 && for_clients() > 0);
    }
}
