//! Opening the store that a configuration names.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{CookieStore, FileStore, LmdbStore, MemoryStore};
use crate::{config::StoreConfig, time::Timestamp};

/// Why a store cannot be opened. No message names an ID; every one names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it.
    #[error("the cookie store {} is in use already: stop the other process, or name another file", path.display())]
    InUse {
        /// The file or folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} the cookie store {}: {source}; {remedy}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What to do.
        remedy: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A record that was whole once is not any more. Nothing was changed.
    #[error(
        "the cookie store {} is damaged at line {line} (byte {offset}): {what}; put a sound copy in its place, \
         or keep what is whole with `wampgate cookies repair`", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first damaged line, counted from 1.
        line: u64,
        /// Where that line begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A format that a later version has introduced.
    #[error("the cookie store {} was written by a later version of wampgate (format {found}): run that version", path.display())]
    Newer {
        /// The file or folder.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// LMDB refused the environment.
    #[error("cannot open the LMDB cookie store {}: {what}; if it is damaged, put a sound copy in its place", path.display())]
    Lmdb {
        /// The folder.
        path: PathBuf,
        /// What LMDB said.
        what: String,
    },
}

/// Opens a store. Services that name the [same place](same_place) must share one: a second one is refused.
///
/// May block for as long as it takes to read the file: a second or two for a million records.
pub fn open(config: &StoreConfig, now: Timestamp) -> Result<Arc<dyn CookieStore>, OpenError> {
    open_maintained(config, now).map(|opened| opened.store)
}

/// A store, and the one of its kind that can be maintained by hand.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn CookieStore>,
    /// The same store, if it is a file: that one can be compacted. LMDB and memory use what is free again.
    pub file: Option<Arc<FileStore>>,
}

/// [`open`], for whoever also maintains the store.
pub fn open_maintained(config: &StoreConfig, now: Timestamp) -> Result<Opened, OpenError> {
    let store: Arc<dyn CookieStore> = match config {
        StoreConfig::Memory { max_cookies } => Arc::new(MemoryStore::new(*max_cookies)),
        StoreConfig::File { path, max_cookies, sync } => {
            let file = Arc::new(FileStore::open(path, *max_cookies, *sync, now)?);
            return Ok(Opened { store: Arc::clone(&file) as Arc<dyn CookieStore>, file: Some(file) });
        }
        StoreConfig::Lmdb { path, max_size, sync } => Arc::new(LmdbStore::open(path, *max_size, *sync, now)?),
    };
    Ok(Opened { store, file: None })
}

/// What two configurations have in common if they name the same file or folder, however they spell it;
/// nothing for a store in memory, which nobody shares.
pub fn same_place(config: &StoreConfig) -> Option<PathBuf> {
    match config {
        StoreConfig::Memory { .. } => None,
        StoreConfig::File { path, .. } | StoreConfig::Lmdb { path, .. } => Some(real_path(path)),
    }
}

/// The path without symbolic links and dots, also of a file that does not exist yet in a folder that does.
fn real_path(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
        })
        .or_else(|_: io::Error| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SyncMode;

    fn place(path: PathBuf) -> Option<PathBuf> {
        same_place(&StoreConfig::File { path, max_cookies: 1, sync: SyncMode::Never })
    }

    #[test]
    fn same_file_is_the_same_place_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cookies.dat");
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let detour = folder.path().join("sub").join("..").join("cookies.dat");
        assert_eq!(place(file.clone()), place(detour.clone()), "before it exists");
        std::fs::write(&file, "").unwrap();
        let link = folder.path().join("link.dat");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(place(file.clone()), place(detour));
        assert_eq!(place(file), place(link));
    }

    #[test]
    fn stores_in_memory_have_no_place() {
        assert_eq!(same_place(&StoreConfig::Memory { max_cookies: 1 }), None);
    }
}
