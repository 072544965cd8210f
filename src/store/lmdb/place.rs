//! Whether the environment's files are still where they were opened, as long, and as LMDB has written them.
//!
//! LMDB maps its file. A program that removes it takes every later change along, one that cuts it ends the process
//! with a signal at the next look-up behind the cut, and one that writes into it makes LMDB follow what that has written.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::check::{self, DATA};

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
    content: Mutex<Content>,
    /// All files, with device and inode.
    files: Vec<(PathBuf, (u64, u64))>,
}

/// What was seen of the data after the last commit, or when another program had written into them.
#[derive(Debug)]
struct Content {
    /// When the file was changed, in nanoseconds. File systems keep time in steps of some milliseconds: what another program writes
    /// in the same step as a commit is found by checksums alone.
    modified: i128,
    /// The number of the last commit.
    commit: Option<u64>,
    /// What another program has made of it, if the store cannot use that.
    fault: Option<Arc<str>>,
}

impl Content {
    /// What a commit of this store has made.
    fn of(data: &File) -> io::Result<Self> {
        Ok(Self { modified: modified(&data.metadata()?), commit: check::last_commit(data), fault: None })
    }
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
        let content = Mutex::new(Content::of(&data)?);
        Ok(Self { data, length, content, files })
    }

    /// Fails if one of the files was removed, replaced or cut, or if another program has written into the data what the
    /// store cannot use. For the thread that commits: it looks at all pages if another program has written.
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
        self.check_length()?;
        self.check_content()
    }

    fn check_content(&self) -> Result<(), Arc<str>> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.data.metadata().map(|found| modified(&found));
        let found = found.map_err(|error| Arc::from(format!("{}: {error}", self.path().display())))?;
        if found != content.modified {
            // It may have written what was there already, as `touch` does, or a file server that writes late.
            let what = match check::check_file(&self.data) {
                Err(unsound) => Some(unsound.to_string()),
                Ok(()) if check::last_commit(&self.data) != content.commit => {
                    Some("it has an earlier or another state".to_owned())
                }
                Ok(()) => None,
            };
            content.fault = what.map(|what| {
                Arc::from(format!(
                    "{} was changed by another program while the gateway runs: {what}; stop the gateway, and put a sound copy in \
                     its place",
                    self.path().display()
                ))
            });
            content.modified = found;
        }
        content.fault.clone().map_or(Ok(()), Err)
    }

    fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(DATA), |(path, _)| path.as_path())
    }

    /// Fails if the data were cut. One system call.
    pub(super) fn check_length(&self) -> Result<(), Arc<str>> {
        let is_whole =
            self.data.metadata().is_ok_and(|found| found.len() >= self.length.load(Ordering::Relaxed));
        if is_whole {
            return Ok(());
        }
        Err(Arc::from(format!(
            "{} was cut while the gateway runs: stop the gateway, and put a sound copy in its place",
            self.path().display()
        )))
    }

    /// A commit has failed, and may have touched the file all the same: no other program has. Otherwise a full disk would have all pages
    /// looked at with each attempt.
    pub(super) fn note_failure(&self) {
        if let Ok(found) = self.data.metadata() {
            self.content.lock().unwrap_or_else(PoisonError::into_inner).modified = modified(&found);
        }
    }

    /// A commit has changed the data, and may have made them longer.
    pub(super) fn note_commit(&self) {
        if let Ok(found) = self.data.metadata() {
            self.length.fetch_max(found.len(), Ordering::Relaxed);
        }
        // What cannot be read now is looked at before the next commit.
        if let Ok(content) = Content::of(&self.data) {
            *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
        }
    }
}

fn modified(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
