//! Reads small files that the operator names: the configuration, secrets, keys, components.
//!
//! A path may lead to a pipe without a writer, to a device that never ends, or to a file system that does not answer. The
//! gateway looks at the kind of a file before it opens it, opens it without waiting, and reads at most so many bytes in at
//! most so much time.

use std::{
    fmt,
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use rustix::fs::OFlags;

/// How long reading a file may take. A disk that has to wake up takes some seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The permissions of users who are neither the file's owner nor in its group.
#[cfg(feature = "gateway")]
const OTHERS: u32 = 0o007;

/// The permissions of users other than the file's owner to change it.
#[cfg(feature = "gateway")]
const OTHERS_WRITE: u32 = 0o022;

/// How many of them may hang at once: each keeps a thread until its file system answers.
const MAX_HANGING: usize = 8;

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is something else than a file.
    NotAFile(&'static str),
    /// It has more bytes than it may have.
    TooLarge,
    /// It holds a secret, and every user of the machine may read or change it.
    Exposed(u32),
    /// It decides about access, and users other than its owner may change it.
    Writable(u32),
    /// Its file system does not answer.
    Hangs,
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile(what) => write!(f, "it is {what}, name a file"),
            Self::TooLarge => f.write_str("the file is too large"),
            Self::Exposed(mode) => {
                write!(
                    f,
                    "every user of this machine has access to it (mode {mode:04o}): run `chmod o= FILE`"
                )
            }
            Self::Writable(mode) => {
                write!(f, "users other than its owner may change it (mode {mode:04o}): run `chmod go-w FILE`")
            }
            Self::Hangs => {
                write!(
                    f,
                    "its file system has not answered for {} seconds, check the mount",
                    PATIENCE.as_secs()
                )
            }
            Self::System(error) => f.write_str(&describe(error)),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::System(error) => error,
            error => Self::other(error),
        }
    }
}

impl ReadError {
    /// What is told of a file that the configuration names: with the path that was tried, since the one that stands there may be relative.
    #[cfg(feature = "gateway")]
    pub(crate) fn told(&self, path: &Path) -> String {
        format!("cannot be read: {self} ({})", path.display())
    }

    /// Whether there is no such file.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::System(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it is not there, or not for this user.
    #[cfg(feature = "gateway")]
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::System(error) if error.kind() == io::ErrorKind::PermissionDenied)
            || self.is_not_found()
    }
}

/// What is told of a file that the configuration names and that is not there.
#[cfg(feature = "gateway")]
pub(crate) fn missing(path: &Path) -> String {
    ReadError::from(io::Error::from(io::ErrorKind::NotFound)).told(path)
}

/// An error of the operating system in plain words, the same everywhere for the common ones.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the permission is missing".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    let path = path.to_owned();
    within(PATIENCE, move || read_now(&path, most))?
}

/// The same for a file that holds a secret: users other than its owner and its group must not have access to it.
#[cfg(feature = "gateway")]
pub(crate) fn read_private(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    read_guarded(path, most, OTHERS, ReadError::Exposed)
}

/// The same for a file that holds no secret and decides about access: users other than its owner must not be able to change it.
#[cfg(feature = "gateway")]
pub(crate) fn read_unwritable(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    read_guarded(path, most, OTHERS_WRITE, ReadError::Writable)
}

/// Reads a file whose mode has none of these bits.
#[cfg(feature = "gateway")]
fn read_guarded(
    path: &Path,
    most: u64,
    refused: u32,
    error: fn(u32) -> ReadError,
) -> Result<Vec<u8>, ReadError> {
    let path = path.to_owned();
    within(PATIENCE, move || {
        let file = open_file(&path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode & refused != 0 { Err(error(mode)) } else { read_from(file, most) }
    })?
}

/// Whether users other than a file's owner and its group have access to it. One that cannot be looked at is not open to them.
#[cfg(feature = "gateway")]
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    let path = path.to_owned();
    within(PATIENCE, move || fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0))
        .unwrap_or(false)
}

/// Does something with a file system on a thread of its own, and waits for it no longer than `patience`.
pub(crate) fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReadError> {
    static THREADS: Threads = Threads { hanging: AtomicUsize::new(0) };
    THREADS.within(patience, work)
}

/// The threads that file systems keep.
struct Threads {
    /// Those that have outlasted their callers' patience.
    hanging: AtomicUsize,
}

/// One of the threads, for as long as it works.
struct Working {
    threads: &'static Threads,
    /// Whether its caller has given up, or it has ended: whatever comes second knows of the first.
    is_over: Arc<AtomicBool>,
}

impl Threads {
    fn within<T: Send + 'static>(
        &'static self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        if self.hanging.load(Relaxed) >= MAX_HANGING {
            return Err(ReadError::Hangs);
        }
        let (done, outcome) = mpsc::sync_channel(1);
        let is_over = Arc::new(AtomicBool::new(false));
        let working = Working { threads: self, is_over: Arc::clone(&is_over) };
        thread::Builder::new().name("file".to_owned()).spawn(move || {
            let _working = working;
            // A caller that has given up needs no answer.
            let _ = done.send(work());
        })?;
        match outcome.recv_timeout(patience) {
            Ok(outcome) => Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("reading crashed").into()),
            Err(RecvTimeoutError::Timeout) => {
                self.hanging.fetch_add(1, Relaxed);
                if is_over.swap(true, AcqRel) {
                    self.hanging.fetch_sub(1, Relaxed);
                }
                Err(ReadError::Hangs)
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if self.is_over.swap(true, AcqRel) {
            self.threads.hanging.fetch_sub(1, Relaxed);
        }
    }
}

/// Checks that a file may be written at a path: nothing stands there, or a file.
pub(crate) fn check_place(path: &Path) -> Result<(), ReadError> {
    fs::metadata(path).map_or(Ok(()), |found| check_kind(found.file_type()))
}

fn read_now(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    read_from(open_file(path)?, most)
}

fn open_file(path: &Path) -> Result<File, ReadError> {
    // Opening can have effects: a pipe's writer goes on, a tape rewinds.
    check_kind(fs::metadata(path)?.file_type())?;
    let file = open(path)?;
    check_kind(file.metadata()?.file_type())?;
    Ok(file)
}

fn read_from(file: File, most: u64) -> Result<Vec<u8>, ReadError> {
    if file.metadata()?.len() > most {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    // The file may still be growing: its length says little.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

/// Opens what was a file a moment ago. If a pipe stands there by now, opening it does not wait.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

fn check_kind(kind: FileType) -> Result<(), ReadError> {
    if kind.is_file() {
        return Ok(());
    }
    Err(ReadError::NotAFile(if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, process::Command, sync::mpsc::channel};

    use super::*;

    #[test]
    fn only_files_are_read_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(read(&at("file"), 4).unwrap(), b"text");
        for (path, expected) in [
            (at("pipe"), "it is a pipe, name a file"),
            (at("link"), "it is a pipe, name a file"),
            (at("socket"), "it is a socket, name a file"),
            (folder.path().to_owned(), "it is a directory, name a file"),
            ("/dev/zero".into(), "it is a device, name a file"),
            (at("none"), "there is no such file"),
        ] {
            let error = read(&path, 4).unwrap_err();
            assert_eq!(error.to_string(), expected, "{}", path.display());
        }
        assert!(matches!(read(&at("file"), 3), Err(ReadError::TooLarge)));
        // Its length is 0, and it has bytes nevertheless.
        assert!(matches!(read(Path::new("/proc/self/status"), 3), Err(ReadError::TooLarge)));
    }

    #[test]
    fn a_secret_that_every_user_may_read_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "secret").unwrap();
        for (mode, is_read) in [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_private(&path, 100);
            assert_eq!(read.is_ok(), is_read, "{mode:o}: {read:?}");
            assert_eq!(is_open_to_others(&path), !is_read, "{mode:o}");
        }
        let told = read_private(&path, 100).unwrap_err().to_string();
        assert!(told.contains("mode 0602") && told.contains("chmod o= FILE"), "{told}");
    }

    #[test]
    fn a_pipe_that_takes_a_files_place_does_not_wait_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let kind = open(&pipe).unwrap().metadata().unwrap().file_type();
        assert!(matches!(check_kind(kind), Err(ReadError::NotAFile("a pipe"))));
    }

    #[test]
    fn a_file_system_that_does_not_answer_is_given_up_and_few_threads_wait_for_it() {
        let threads: &'static Threads = Box::leak(Box::new(Threads { hanging: AtomicUsize::new(0) }));
        let mut answers = Vec::new();
        for _ in 0..MAX_HANGING + 4 {
            let (answer, answered) = channel::<()>();
            let outcome = threads.within(Duration::from_millis(1), move || answered.recv().is_ok());
            assert!(matches!(outcome, Err(ReadError::Hangs)));
            answers.push(answer);
        }
        assert_eq!(threads.hanging.load(Relaxed), MAX_HANGING);
        // It answers again.
        drop(answers);
        while threads.hanging.load(Relaxed) > 0 {
            thread::yield_now();
        }
        assert_eq!(threads.within(Duration::from_mins(1), || 1).unwrap(), 1);
    }
}
