//! The calls on which durability rests, and what the operator can do when one of them fails.
//!
//! Stores make these calls here and nowhere else, so that tests can make them fail or wait.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes at the end of a store's file.
pub(super) fn append(path: &Path, mut file: &File, bytes: &[u8]) -> io::Result<()> {
    faults::on(path, Call::Write)?;
    file.write_all(bytes)
}

/// Makes a file's content durable.
pub(super) fn sync(path: &Path, file: &File) -> io::Result<()> {
    faults::on(path, Call::Sync)?;
    file.sync_data()
}

/// Cuts a file, and makes that durable.
pub(super) fn cut(path: &Path, file: &File, end: u64) -> io::Result<()> {
    faults::on(path, Call::Write)?;
    file.set_len(end)?;
    file.sync_all()
}

/// Puts one file in another one's place. This is not durable before [`sync_folder`].
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    faults::on(to, Call::Rename)?;
    fs::rename(from, to)
}

/// Makes what happened to the names in the folder of a file durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    faults::on(path, Call::SyncFolder)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// What an operator can do about an error of a call that makes, writes or replaces a file.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "make room on its disk"
        }
        // A rename over a mount point.
        io::ErrorKind::ResourceBusy => "mount the folder that holds the file, and not the file alone",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "this user must be allowed to write to its folder"
        }
        io::ErrorKind::NotFound => "its folder must exist",
        _ => "check the disk",
    }
}

/// A call that a test can make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Write,
    Sync,
    SyncFolder,
    Rename,
}

#[cfg(not(test))]
mod faults {
    use super::{Call, Path, io};

    #[allow(clippy::unnecessary_wraps, reason = "tests have one that fails")]
    pub(super) const fn on(_path: &Path, _call: Call) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod faults {
    //! Disks that fail, for tests: by path, until they are mended.

    use std::{
        collections::HashMap,
        path::PathBuf,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    use super::{Call, Path, io};

    /// What becomes of a call on a path.
    type Fault = Arc<dyn Fn(Call) -> io::Result<()> + Send + Sync>;

    static FAULTS: Mutex<Option<HashMap<PathBuf, Fault>>> = Mutex::new(None);

    fn faults() -> MutexGuard<'static, Option<HashMap<PathBuf, Fault>>> {
        FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on each call on the path asks this first.
    pub(in crate::store) fn set(path: &Path, fault: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) {
        faults().get_or_insert_default().insert(path.to_owned(), Arc::new(fault));
    }

    /// From now on the path works.
    pub(in crate::store) fn mend(path: &Path) {
        faults().get_or_insert_default().remove(path);
    }

    pub(super) fn on(path: &Path, call: Call) -> io::Result<()> {
        // A disk that hangs must not keep the others from their work: no lock is held while it does.
        let fault = faults().as_ref().and_then(|faults| faults.get(path).cloned());
        fault.map_or(Ok(()), |fault| fault(call))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Barrier,
            atomic::{AtomicBool, Ordering},
        },
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn disk_that_hangs_holds_up_no_other_disk() {
        let (hangs, works) = (Path::new("/test/hangs"), Path::new("/test/works"));
        let (begun, goes_on, has_ended) =
            (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let theirs = (Arc::clone(&begun), Arc::clone(&goes_on), Arc::clone(&has_ended));
        faults::set(hangs, move |_| {
            let (begun, goes_on, has_ended) = &theirs;
            begun.wait();
            let since = Instant::now();
            while !goes_on.load(Ordering::Relaxed) && since.elapsed() < Duration::from_mins(1) {
                thread::yield_now();
            }
            has_ended.store(true, Ordering::Relaxed);
            Ok(())
        });
        let call = thread::spawn(|| faults::on(hangs, Call::Sync));
        begun.wait();
        faults::on(works, Call::Sync).unwrap();
        faults::mend(hangs);
        assert!(!has_ended.load(Ordering::Relaxed), "it waited for the other disk");
        goes_on.store(true, Ordering::Relaxed);
        call.join().unwrap().unwrap();
    }

    #[test]
    fn advice_fits_the_error() {
        let advice = |code| remedy(&io::Error::from_raw_os_error(code));
        // ENOSPC, EDQUOT, EFBIG
        assert!([28, 122, 27].iter().all(|code| advice(*code).contains("make room")));
        // EBUSY
        assert!(advice(16).contains("mount the folder"));
        // EACCES, EROFS
        assert!([13, 30].iter().all(|code| advice(*code).contains("allowed to write")));
        // EIO
        assert_eq!(advice(5), "check the disk");
    }
}
