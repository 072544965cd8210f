//! Whether the environment's files are still where they were opened, and as long.
//!
//! LMDB maps its file. A program that removes it takes every later change along, and one that cuts it ends the process
//! with a signal at the next look-up behind the cut.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The file with the records, in the environment's folder.
pub(super) const DATA: &str = "data.mdb";

/// LMDB's own locks.
const LOCKS: &str = "lock.mdb";

/// The file that one process has locked.
pub(super) const LOCK: &str = "wampgate.lock";

/// The files of an open environment.
#[derive(Debug)]
pub(super) struct EnvironmentFiles {
    data: File,
    /// How long the data were at the last commit. LMDB never cuts them.
    length: AtomicU64,
    /// All files, with device and inode.
    files: Vec<(PathBuf, (u64, u64))>,
}

impl EnvironmentFiles {
    /// The files of the environment in a folder.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let identified = |name: &str| {
            let path = folder.join(name);
            fs::metadata(&path).map(|metadata| (path, identity(&metadata)))
        };
        let files = [DATA, LOCKS, LOCK].map(identified).into_iter().collect::<io::Result<_>>()?;
        let data = File::open(folder.join(DATA))?;
        let length = AtomicU64::new(data.metadata()?.len());
        Ok(Self { data, length, files })
    }

    /// Fails if one of the files was removed, replaced or cut.
    pub(super) fn check(&self) -> Result<(), Arc<str>> {
        for (path, ours) in &self.files {
            let what = match fs::metadata(path) {
                Ok(found) if identity(&found) == *ours => continue,
                Ok(_) => "was replaced by another file".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed".to_owned(),
                Err(error) => format!("cannot be found ({error})"),
            };
            return Err(Arc::from(format!(
                "{} {what} while the gateway runs: put it back, or restart the gateway to go on without it",
                path.display()
            )));
        }
        self.check_length()
    }

    /// Fails if the data were cut. One system call.
    pub(super) fn check_length(&self) -> Result<(), Arc<str>> {
        let is_whole =
            self.data.metadata().is_ok_and(|found| found.len() >= self.length.load(Ordering::Relaxed));
        if is_whole {
            return Ok(());
        }
        let path = self.files.first().map_or(Path::new(DATA), |(path, _)| path.as_path());
        Err(Arc::from(format!(
            "{} was cut while the gateway runs: stop the gateway, and put a sound copy in its place",
            path.display()
        )))
    }

    /// The data may have grown by a commit.
    pub(super) fn note_length(&self) {
        if let Ok(found) = self.data.metadata() {
            self.length.fetch_max(found.len(), Ordering::Relaxed);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
