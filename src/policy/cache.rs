//! Where compiled policies are kept between runs.
//!
//! Compiling the default policy takes some 20 ms and one that brings an interpreter seconds; loading it from
//! the cache takes half a millisecond. The cache holds native code that is executed unchecked, so that its
//! directory must belong to the gateway's user alone. A gateway without the cache works all the same; it starts later.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use wasmtime::{Cache, CacheConfig};

/// The bits that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// The bits that let others than the owner reach what is in a folder.
const OTHERS_ENTER: u32 = 0o011;
/// The bit of a folder in which users may replace only their own files.
const STICKY: u32 = 0o1000;
/// Root can replace anything anyway.
const ROOT: u32 = 0;

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

/// Makes the directory if it is missing, and checks that no other user can change what is in it.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = directory.canonicalize()?;
    let own = rustix::process::geteuid().as_raw();
    check(&directory, own)?;
    // A directory of another user or a read-only file system fails now rather than on a background thread.
    tempfile_in(&directory)?;
    Ok(directory)
}

/// Checks the directory, everything in it, and everything above it: a user who can replace one of the folders on the way
/// can replace what lies below.
fn check(directory: &Path, own: u32) -> io::Result<()> {
    let metadata = fs::metadata(directory)?;
    check_one(directory, &metadata, own, OTHERS_WRITE)?;
    for folder in directory.ancestors().skip(1) {
        let metadata = fs::metadata(folder)?;
        // In a folder such as /tmp users may rename and remove only what is theirs.
        let is_sticky = metadata.permissions().mode() & STICKY != 0;
        let owner = if metadata.uid() == ROOT { ROOT } else { own };
        check_one(folder, &metadata, owner, if is_sticky { 0 } else { OTHERS_WRITE })?;
    }
    // What others cannot reach they cannot write to, whatever its own mode says.
    let forbidden = if metadata.permissions().mode() & OTHERS_ENTER == 0 { 0 } else { OTHERS_WRITE };
    check_content(directory, own, forbidden)
}

/// Checks what was there before the directory became the gateway's own.
fn check_content(directory: &Path, own: u32, forbidden: u32) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            // Another gateway has tidied up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            let message = format!("{} is a symbolic link: remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        check_one(&path, &metadata, own, forbidden)?;
        if metadata.is_dir() {
            check_content(&path, own, forbidden)?;
        }
    }
    Ok(())
}

fn check_one(path: &Path, metadata: &Metadata, owner: u32, forbidden: u32) -> io::Result<()> {
    let (found, mode) = (metadata.uid(), metadata.permissions().mode());
    let fault = if found != owner {
        format!("it belongs to user {found}, who could replace what is executed: chown it, or remove it")
    } else if mode & forbidden != 0 {
        format!("others may write to it (mode {:o}): chmod go-w", mode & 0o7777)
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{}: {fault}", path.display())))
}

/// Writes and removes a file of this process's own.
fn tempfile_in(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, [])?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use super::{check, open, prepare};

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

    /// Only root can give files away, so that the test asks as another user.
    #[test]
    fn a_directory_of_another_user_is_not_used_nor_one_below_or_above_what_is() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().canonicalize().unwrap().join("home/cache");
        fs::create_dir_all(directory.join("modules")).unwrap();
        let own = fs::metadata(&directory).unwrap().uid();
        check(&directory, own).unwrap();
        let fault = check(&directory, own + 1).unwrap_err().to_string();
        assert!(fault.contains(&format!("it belongs to user {own}")), "{fault}");

        let with_mode = |path: &str, mode| {
            let path = directory.join(path);
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let outcome = check(&directory, own);
            fs::set_permissions(&path, before).unwrap();
            outcome.map_err(|fault| fault.to_string())
        };
        for (path, mode) in [("..", 0o777), ("..", 0o770), (".", 0o770), ("modules", 0o777)] {
            let fault = with_mode(path, mode).unwrap_err();
            assert!(fault.contains("chmod go-w"), "{path}: {fault}");
        }
        with_mode("..", 0o1777).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        with_mode("modules", 0o775).unwrap();

        std::os::unix::fs::symlink("modules", directory.join("link")).unwrap();
        let fault = check(&directory, own).unwrap_err().to_string();
        assert!(fault.contains("is a symbolic link"), "{fault}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(open(&folder.path().join("file/cache")).is_none());
    }
}
