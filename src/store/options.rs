//! What a configuration says about a store, and where the store lives.

mod redis;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

pub(in crate::store) use self::redis::{Cluster, Sentinels, Way};
pub use self::redis::{
    DEFAULT_MAX_OUTAGE, DEFAULT_PREFIX, DEFAULT_REDIS_TIMEOUT, Durability, OnError, RedisOptions, RedisUrl,
    RedisUrlError,
};

/// `max_cookies`, unless the configuration says otherwise: about 100 MB of records in memory.
pub const DEFAULT_MAX_COOKIES: usize = 1_000_000;

/// `max_per_principal`, unless the configuration says otherwise: more devices and browsers than a person has, and few enough
/// that an account cannot fill a store.
pub const DEFAULT_MAX_PER_PRINCIPAL: usize = 100;

/// `max_size`, unless the configuration says otherwise: 1 GiB. LMDB reserves address space, not memory. This is also
/// Crossbar's default for the same kind of store.
pub const DEFAULT_MAX_SIZE: usize = 1 << 30;

/// A cookie store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOptions {
    /// In memory, gone when the gateway stops. Two services have two stores.
    Memory {
        /// `max_cookies`. Default [`DEFAULT_MAX_COOKIES`].
        max_cookies: usize,
        /// `max_per_principal`; 0: no bound. Default [`DEFAULT_MAX_PER_PRINCIPAL`].
        max_per_principal: usize,
    },
    /// Append-only JSON Lines.
    File {
        /// `filename`, joined to the node directory.
        path: PathBuf,
        /// `max_cookies`. Default [`DEFAULT_MAX_COOKIES`].
        max_cookies: usize,
        /// `max_per_principal`; 0: no bound. Default [`DEFAULT_MAX_PER_PRINCIPAL`].
        max_per_principal: usize,
        /// `sync`. Default [`SyncMode::Always`].
        sync: SyncMode,
    },
    /// LMDB; `database` is Crossbar's name for it.
    Lmdb {
        /// `path` of the environment's directory, joined to the node directory.
        path: PathBuf,
        /// `max_size` of the map in bytes. Default [`DEFAULT_MAX_SIZE`].
        max_size: usize,
        /// `max_per_principal`; 0: no bound. Default [`DEFAULT_MAX_PER_PRINCIPAL`].
        max_per_principal: usize,
        /// `sync`. Default [`SyncMode::Always`].
        sync: SyncMode,
    },
    /// Redis or Valkey, which several gateways share.
    Redis(Box<RedisOptions>),
}

/// When a store waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SyncMode {
    /// Before a change is acknowledged; many changes share one fsync.
    #[default]
    Always,
    /// Once a second.
    Interval,
    /// Whenever the operating system likes.
    Never,
}

/// Where a store lives: services whose stores have the same place share one store.
///
/// Everything that asks "which store is that, does it outlive the process, can another service share it?" asks the
/// place, so that a new kind of store answers once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorePlace {
    /// The memory of this process. Such a store is shared with no other service, whatever its options are.
    Memory,
    /// A file or a folder on this machine.
    Path(PathBuf),
    /// A database elsewhere, which other gateways have as well.
    Shared {
        /// Where, without a password.
        url: String,
        /// What distinguishes it from other stores there.
        prefix: String,
    },
}

impl StoreOptions {
    /// Why the place is not known: the URL of a Redis could not be read; none: it is.
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Self::Memory { .. } | Self::File { .. } | Self::Lmdb { .. } => None,
            Self::Redis(options) => options.url.why_unknown(),
        }
    }

    /// Where the store lives, as the configuration spells it.
    pub fn place(&self) -> StorePlace {
        match self {
            Self::Memory { .. } => StorePlace::Memory,
            Self::File { path, .. } | Self::Lmdb { path, .. } => StorePlace::Path(path.clone()),
            Self::Redis(options) => {
                StorePlace::Shared { url: options.url.to_string(), prefix: options.prefix.clone() }
            }
        }
    }
}

impl StorePlace {
    /// Whether records outlive the process.
    pub fn is_durable(&self) -> bool {
        *self != Self::Memory
    }

    /// Whether two services that name this place have one store in common.
    pub fn is_shared(&self) -> bool {
        *self != Self::Memory
    }

    /// The file or folder on this machine, if the store is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory | Self::Shared { .. } => None,
            Self::Path(path) => Some(path),
        }
    }

    /// The same place in the one spelling that all spellings of it have in common.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Path(path) => Self::Path(real_path(&path)),
            other => other,
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Path(path) => path.display().fmt(f),
            Self::Shared { url, prefix } => write!(f, "{url} {prefix}"),
        }
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

    fn place(path: PathBuf) -> StorePlace {
        StoreOptions::File { path, max_cookies: 1, max_per_principal: 0, sync: SyncMode::Never }
            .place()
            .resolved()
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
    fn store_in_memory_is_neither_shared_nor_durable() {
        let place = StoreOptions::Memory { max_cookies: 1, max_per_principal: 0 }.place();
        assert!(!place.is_shared() && !place.is_durable() && place.path().is_none());
    }
}
