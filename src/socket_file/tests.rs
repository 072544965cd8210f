use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        net::{UnixDatagram, UnixListener as BlockingListener, UnixStream},
    },
    path::Path,
};

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::{MAX_PATH, SocketAccess, SocketFile, SocketFileError, draft_of};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn listen(path: &Path) -> Result<(SocketFile, UnixListener), SocketFileError> {
    SocketFile::listen(path, 4, SocketAccess::default()).map(|(listener, file)| (file, listener))
}

/// The names in a folder: no draft stays behind.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_socket_has_its_mode_and_goes_with_its_listener() {
    let folder = folder();
    let path = folder.path().join("s");
    for mode in [0o600, 0o660, 0o666] {
        let access = SocketAccess { mode, ..SocketAccess::default() };
        let (_listener, file) = SocketFile::listen(&path, 4, access).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(names(&folder), ["s"]);
        drop(file);
        assert_eq!(names(&folder), [""; 0]);
    }
}

#[tokio::test]
async fn a_socket_belongs_to_the_group_that_is_configured() {
    let folder = folder();
    let path = folder.path().join("s");
    let own = fs::metadata(folder.path()).unwrap();
    let access = SocketAccess { mode: 0o660, owner: Some(own.uid()), group: Some(own.gid()) };
    let (_listener, _file) = SocketFile::listen(&path, 4, access).unwrap();
    let made = fs::metadata(&path).unwrap();
    assert_eq!((made.uid(), made.gid()), (own.uid(), own.gid()));
}

#[tokio::test]
async fn what_is_not_a_socket_stays_and_is_named() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "notes").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    // A dead socket behind a link is another path's.
    drop(BlockingListener::bind(at("dead")).unwrap());
    symlink(at("dead"), at("link-to-dead")).unwrap();
    let before = names(&folder);
    for (name, what) in [
        ("file", "a file"),
        ("empty", "a file"),
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("link-to-dead", "a symbolic link"),
    ] {
        match listen(&at(name)) {
            Err(SocketFileError::Occupied(found)) => assert_eq!(found, what, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read(at("file")).unwrap(), b"notes");
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = folder();
    let path = folder.path().join("s");
    drop(BlockingListener::bind(&path).unwrap());
    let _first = listen(&path).unwrap();
    assert!(matches!(listen(&path), Err(SocketFileError::InUse)));
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(listen(&link), Err(SocketFileError::InUse)), "a link to a live socket");
    assert!(UnixStream::connect(&path).is_ok());
    // Another kind of socket, at which a program may well be reading.
    let datagrams = folder.path().join("d");
    let _reader = UnixDatagram::bind(&datagrams).unwrap();
    assert!(matches!(listen(&datagrams), Err(SocketFileError::InUse)));
}

#[tokio::test]
async fn a_listener_whose_queue_is_full_is_alive() {
    let folder = folder();
    let path = folder.path().join("s");
    let (_listener, _file) = SocketFile::listen(&path, 0, SocketAccess::default()).unwrap();
    // Nothing accepts: the queue of one or two is full after this many.
    let _waiting: Vec<_> = (0..4).map(|_| super::connects(&path)).collect();
    assert!(matches!(listen(&path), Err(SocketFileError::InUse)));
}

#[tokio::test]
async fn a_later_socket_at_the_same_path_stays() {
    let folder = folder();
    let path = folder.path().join("s");
    let first = listen(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = listen(&path).unwrap();
    drop(first);
    assert!(path.exists(), "the second one's");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a file by now").unwrap();
    drop(second);
    assert!(path.exists(), "not a socket");
}

#[test]
fn the_passing_name_is_never_too_long() {
    for length in 1..MAX_PATH {
        let path = Path::new("/").join("f".repeat(length)).join("s");
        if path.as_os_str().len() <= MAX_PATH {
            let draft = draft_of(&path);
            assert!(draft.as_os_str().len() <= MAX_PATH, "{}", draft.display());
            assert_eq!(draft.parent(), path.parent());
        }
    }
}
