//! A file that one store has for itself.

use std::{
    fs::{File, TryLockError},
    io,
    ops::Deref,
    path::Path,
};

use super::OpenError;

/// An open file with an exclusive lock, which goes with it.
///
/// The kernel would let go of the lock when the file is closed, but a child process that is being started has a
/// copy of every open file for a moment; so it is let go of in so many words.
#[derive(Debug)]
pub(super) struct Exclusive(File);

impl Exclusive {
    /// Locks a file of the store at `path`, or finds it in use.
    pub(super) fn lock(file: File, path: &Path) -> Result<Self, OpenError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(OpenError::Io {
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

    /// Takes a device, which needs no lock.
    #[cfg(test)]
    pub(super) fn unlocked(device: File) -> Self {
        Self(device)
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
