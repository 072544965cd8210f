//! Where compiled policies are kept between runs.
//!
//! Compiling the default policy takes some 20 ms and one that brings an interpreter seconds; loading it from
//! the cache takes half a millisecond. The cache holds native code that is executed unchecked, so that its
//! directory must belong to the gateway's user alone. A gateway without the cache works all the same; it starts later.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use wasmtime::{Cache, CacheConfig};

/// The bits that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// `$XDG_CACHE_HOME/wampgate` or `$HOME/.cache/wampgate`; none where neither is set to an absolute path.
pub(super) fn default_directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // XDG Base Directory Specification: a relative path is invalid and to be ignored.
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("wampgate"))
}

/// Opens the cache; without one, says why in the log.
pub(super) fn open(directory: &Path) -> Option<Cache> {
    prepare(directory)
        .map_err(|error| error.to_string())
        .and_then(|directory| {
            let mut config = CacheConfig::new();
            config.with_directory(directory);
            Cache::new(config).map_err(|error| format!("{error:#}"))
        })
        .inspect_err(|error| {
            tracing::warn!(
                target: "wampgate::policy",
                directory = %directory.display(),
                "policies are compiled at every start, as compiled code cannot be kept: {error}"
            );
        })
        .ok()
}

/// Makes the directory if it is missing, and checks that no other user may write to it.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = directory.canonicalize()?;
    let mode = fs::metadata(&directory)?.permissions().mode();
    if mode & OTHERS_WRITE != 0 {
        let advice = format!("others may write to it (mode {:o}): chmod go-w", mode & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, advice));
    }
    // A directory of another user or a read-only file system fails now rather than on a background thread.
    tempfile_in(&directory)?;
    Ok(directory)
}

/// Writes and removes a file of this process's own.
fn tempfile_in(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, [])?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{open, prepare};

    #[test]
    fn a_missing_directory_is_made_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/b");
        assert!(open(&directory).is_some());
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(&directory)
                .unwrap()
                .filter(|f| { f.as_ref().unwrap().file_name().to_string_lossy().starts_with(".probe") })
                .count(),
            0
        );
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(folder.path()).unwrap_err().to_string().contains("chmod go-w"));
        assert!(open(folder.path()).is_none());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(open(&folder.path().join("file/cache")).is_none());
    }
}
