//! The file of a Unix socket: made in one step, given to the users that may connect, and removed again.
//!
//! The gateway removes only sockets, and of those only dead ones: a file, a folder or a link that stands at the path stays, and
//! so does a socket at which a program listens. At its end the gateway removes its own socket and no later one.

use std::{
    fmt,
    fs::{self, Permissions},
    future::pending,
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{net::UnixListener, time::sleep};
use tracing::warn;

/// `sun_path` has 108 bytes on Linux, with the NUL at its end.
pub(crate) const MAX_PATH: usize = 107;

/// How long the passing name is under which a socket is made: a dot and 32 random bits.
const DRAFT_NAME: usize = 9;

/// How often the gateway looks whether its socket's file is there. A look is one system call.
const LOOK: Duration = Duration::from_secs(1);

/// How often the gateway tries to take a path: other programs may take or leave it at the same time.
const ATTEMPTS: usize = 4;

/// Which users may connect to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketAccess {
    /// The file's mode. To connect, a user needs the permission to write.
    pub mode: u32,
    /// The file's owner; none: the gateway's user.
    pub owner: Option<u32>,
    /// The file's group; none: the gateway's, or the folder's.
    pub group: Option<u32>,
}

impl SocketAccess {
    /// For the gateway's user alone.
    pub(crate) const OWN: Self = Self { mode: 0o600, owner: None, group: None };
}

impl Default for SocketAccess {
    /// For every user of the machine, as in Crossbar, and as for a TCP port of the loopback interface.
    fn default() -> Self {
        Self { mode: 0o666, owner: None, group: None }
    }
}

/// The file of a socket that this process listens at. Dropping it removes the file, unless another one stands there by now.
///
/// Drop it before its listener, which keeps the system from giving the file's number to another file.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Why a socket cannot be made.
#[derive(Debug)]
pub(crate) enum SocketFileError {
    /// A program listens there.
    InUse,
    /// Something stands there that is not a socket.
    Occupied(&'static str),
    /// The socket cannot be given to the configured owner or group.
    Owner(io::Error),
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for SocketFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another program listens there; stop it, or choose another path"),
            Self::Occupied(what) => write!(
                f,
                "{what} stands there, which the gateway does not remove; choose another path, or remove it yourself"
            ),
            Self::Owner(error) => write!(
                f,
                "the socket cannot be given to its `owner` or `group`: {error}; only root may choose any owner, \
                 and other users a group that they belong to"
            ),
            Self::System(error) => {
                let remedy = match error.kind() {
                    io::ErrorKind::NotFound => "; make the folder first",
                    io::ErrorKind::PermissionDenied => {
                        "; the gateway's user must be able to write to the folder"
                    }
                    io::ErrorKind::InvalidInput => "; use a path of at most 107 bytes",
                    _ => "",
                };
                write!(f, "{error}{remedy}")
            }
        }
    }
}

impl From<io::Error> for SocketFileError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl SocketFile {
    /// Listens at a path. The gateway replaces a socket that a dead process left there. Needs a tokio runtime.
    ///
    /// The gateway makes the socket under a passing name: a client finds it only when it listens and has its mode.
    pub(crate) fn listen(
        path: &Path,
        backlog: u32,
        access: SocketAccess,
    ) -> Result<(UnixListener, Self), SocketFileError> {
        check_path(path)?;
        let draft = draft_of(path);
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(&draft)?)?;
        let published = (|| {
            fs::set_permissions(&draft, Permissions::from_mode(access.mode))?;
            if access.owner.is_some() || access.group.is_some() {
                lchown(&draft, access.owner, access.group).map_err(SocketFileError::Owner)?;
            }
            socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
            let listener = UnixListener::from_std(socket.into())?;
            let metadata = fs::symlink_metadata(&draft)?;
            publish(&draft, path)?;
            let (device, inode) = (metadata.dev(), metadata.ino());
            Ok((listener, Self { path: path.to_owned(), device, inode }))
        })();
        drop(fs::remove_file(&draft));
        published
    }

    /// Whether the file is still there, so that clients find the socket.
    fn is_there(&self) -> bool {
        let is_own = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        fs::symlink_metadata(&self.path).is_ok_and(is_own)
    }

    /// Waits until another program has removed or replaced the file, and tells the operator once. It never ends, so that a loop
    /// may wait for it beside other things.
    pub(crate) async fn tell_of_removal(&self) {
        while self.is_there() {
            sleep(LOOK).await;
        }
        warn!(
            path = %self.path.display(),
            "the socket's file was removed or replaced while the gateway runs, so that clients cannot connect there: restart the gateway"
        );
        pending::<()>().await;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// What stands at a path and is not a socket, so that no socket can be made there.
pub(crate) fn occupant(path: &Path) -> Option<&'static str> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    if kind.is_socket() {
        None
    } else if kind.is_file() {
        Some("a file")
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else {
        Some("a pipe or a device")
    }
}

/// Gives the draft its name, if nothing stands there that must stay.
fn publish(draft: &Path, path: &Path) -> Result<(), SocketFileError> {
    for _ in 0..ATTEMPTS {
        match fs::hard_link(draft, path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_dead(path)?,
            // A file system without hard links. Renaming replaces what another program puts there at the same moment, so that
            // the gateway looks first.
            Err(_) if fs::symlink_metadata(path).is_err() => return Ok(fs::rename(draft, path)?),
            Err(_) => remove_dead(path)?,
        }
    }
    Err(SocketFileError::InUse)
}

/// A path that cannot be taken.
fn check_path(path: &Path) -> Result<(), SocketFileError> {
    if connects(path) != Some(io::ErrorKind::ConnectionRefused)
        && fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
    {
        return Err(SocketFileError::InUse);
    }
    occupant(path).map_or(Ok(()), |what| Err(SocketFileError::Occupied(what)))
}

/// Removes a socket at which no program listens.
fn remove_dead(path: &Path) -> Result<(), SocketFileError> {
    let identity = |path: &Path| fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let before = identity(path);
    check_path(path)?;
    // Another gateway may have replaced the dead socket in the meantime.
    if before.is_some() && identity(path) == before {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Why connecting fails; none: it does not. Never waits: a listener whose queue is full is a listener.
fn connects(path: &Path) -> Option<io::ErrorKind> {
    let connected = (|| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    })();
    connected.err().map(|error| error.kind())
}

/// A passing name in the same folder, which is never longer than the system allows.
fn draft_of(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let room = MAX_PATH.saturating_sub(folder.as_os_str().as_bytes().len() + 1).max(1);
    let name = format!(".{:08x}", rand::random::<u32>());
    // Another file of that name makes the bind fail; the gateway overwrites nothing.
    folder.join(if room < DRAFT_NAME { name.get(1..=room).unwrap_or("x") } else { &name })
}

#[cfg(test)]
mod tests;
