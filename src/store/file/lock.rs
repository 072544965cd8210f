//! The file, opened for one process alone.

use std::{
    fs::{self, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::store::{StoreOpenError, disk, exclusive::Exclusive};

/// Tracking IDs are credentials: only the owner of the file may read them.
const MODE: u32 = 0o600;

/// How often another process may replace the file while we open it before we give up; a compaction replaces it once.
const ATTEMPTS: usize = 8;

/// A file that is locked for as long as it is open. It is read anywhere and written at its end.
#[derive(Debug)]
pub(super) struct Locked {
    /// Without symbolic links, so that a rename replaces the file and not a link to it.
    pub(super) path: PathBuf,
    pub(super) file: Exclusive,
}

/// Opens and locks a file, and makes it if there is none. One that exists may be something else, and stays as it is until
/// [`Locked::settle`].
pub(super) fn open(path: &Path) -> Result<Locked, StoreOpenError> {
    let fail = |action, remedy| move |source| failed(path, action, remedy, source);
    for _ in 0..ATTEMPTS {
        let file = options().create(true).open(path).map_err(fail(
            "open",
            "its folder must exist, and this user must be allowed to read and write it",
        ))?;
        let metadata = file.metadata().map_err(fail("inspect", "check the file system"))?;
        if !metadata.is_file() {
            let source = io::Error::other("it is not a regular file");
            return Err(failed(path, "open", "name a file", source));
        }
        let file = Exclusive::lock(file, path)?;
        let path = path.canonicalize().map_err(fail("find", "leave it in place while it is opened"))?;
        // The process that had it may have replaced it, by a compaction, between our opening and our locking.
        if !fs::metadata(&path).is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino())) {
            continue;
        }
        // The file may be new. No cookie may go out before its name would survive a power failure.
        disk::sync_folder(&path).map_err(fail("make durable the name of", "check the file system"))?;
        return Ok(Locked { path, file });
    }
    Err(StoreOpenError::InUse { path: path.to_owned() })
}

/// What a file looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// In bytes.
    pub(super) length: u64,
    /// When a program last wrote to it: seconds and nanoseconds.
    pub(super) modified: (i64, i64),
}

impl Shape {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// What stands at the path of a file that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The file itself.
    Ours(Shape),
    /// Nothing: it was removed or moved away.
    Gone,
    /// Another file.
    Other,
}

impl Locked {
    /// Takes a file that has turned out to be a store: restricts its mode, and clears away what a crash has left beside it.
    pub(super) fn settle(&self) -> Result<(), StoreOpenError> {
        let fail = |action, remedy| move |source| failed(&self.path, action, remedy, source);
        let metadata = self.file.metadata().map_err(fail("inspect", "check the file system"))?;
        if metadata.permissions().mode() & 0o777 != MODE {
            self.file
                .set_permissions(Permissions::from_mode(MODE))
                .map_err(fail("restrict the mode of", "it must belong to this user"))?;
        }
        let leftover = beside(&self.path, "compact");
        if fs::remove_file(&leftover).is_ok() {
            tracing::info!(path = %leftover.display(), "an unfinished compaction was cleared away");
        }
        Ok(())
    }

    /// What the file looks like, wherever it stands.
    pub(super) fn shape(&self) -> io::Result<Shape> {
        self.file.metadata().map(|metadata| Shape::of(&metadata))
    }

    /// What stands at the file's path by now.
    pub(super) fn standing(&self) -> io::Result<Standing> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => {
                Ok(Standing::Ours(Shape::of(&found)))
            }
            Ok(_) => Ok(Standing::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Gone),
            Err(error) => Err(error),
        }
    }
}

/// Makes a file that will take the place of another one, and locks it before it has the other one's name.
pub(super) fn create(path: &Path) -> io::Result<Exclusive> {
    Exclusive::lock_new(options().create_new(true).open(path)?)
}

/// A name in the same folder, so that a rename stays within the file system.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The error of a call on a store's file.
pub(super) fn failed(
    path: &Path,
    action: &'static str,
    remedy: &'static str,
    source: io::Error,
) -> StoreOpenError {
    StoreOpenError::Io { path: path.to_owned(), action, remedy, source }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(MODE);
    options
}
