//! A file that one store has for itself.

use std::{
    fs::{File, TryLockError},
    io,
    ops::Deref,
    path::Path,
};

use super::StoreOpenError;

/// An open file with an exclusive lock, which goes with it.
///
/// The kernel would release the lock when the file is closed. But a child process that is being started has a copy of
/// every open file for a moment, so this type releases the lock itself.
#[derive(Debug)]
pub(super) struct Exclusive(File);

impl Exclusive {
    /// Locks a file of the store at `path`, or finds it in use.
    pub(super) fn lock(file: File, path: &Path) -> Result<Self, StoreOpenError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreOpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreOpenError::Io {
                path: path.to_owned(),
                action: "lock",
                remedy: "put it on a file system that has locks",
                source,
            }),
        }
    }

    /// Locks a file that was made just now.
    pub(super) fn lock_new(file: File) -> io::Result<Self> {
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Deref for Exclusive {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // If this fails, closing does it.
        drop(self.0.unlock());
    }
}
