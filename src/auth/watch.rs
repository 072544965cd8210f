//! Files from which logins come, and which the gateway reads anew when they change.

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use arc_swap::{ArcSwap, Guard};
use sha2::{Digest as _, Sha256};

/// A file on which logins stand, or which signs what the gateway says of them.
pub trait LoginFile: fmt::Debug + Send + Sync {
    /// Where it is; none: the logins come from the configuration itself.
    fn file(&self) -> Option<&PathBuf>;

    /// Reads the file again if it has other bytes than before, and tells what came of it. None: nothing has changed. A file that is
    /// wrong changes nothing else. Reads a file: not for a connection's task.
    fn reload(&self) -> Option<Result<String, String>>;

    /// The method that takes its part of the file; none: the file is for one purpose.
    fn method(&self) -> Option<&'static str> {
        None
    }

    /// What is missing in what counts now, although the file is right.
    fn lacks(&self) -> Option<String> {
        None
    }
}

/// What a file held when it was last right, and what was read of it since.
pub(crate) struct Reread<T> {
    current: ArcSwap<T>,
    /// Stands for what was read last: bytes that were right, or bytes with what is wrong about them. Held while the file is read, so that
    /// of two reloads at once the later one has the last word.
    last: Mutex<Last>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Last {
    /// The bytes, with what is wrong about them.
    seen: [u8; 32],
    /// The bytes that were right last.
    right: [u8; 32],
}

/// What counts once a file was read again.
pub(crate) struct Renewed<T> {
    pub(crate) value: Arc<T>,
    /// Whether the file holds the same bytes as when it was right last: it only could not be read meanwhile, or held something wrong.
    pub(crate) is_as_before: bool,
}

/// What the operator is told of a file that is right again, and holds what it held before.
pub(crate) const AS_BEFORE: &str =
    "the file is right again and holds what it held before: nothing has changed";

impl<T> Reread<T> {
    /// What a file holds that is read for the first time.
    pub(crate) fn begin<E>(
        read: Result<Vec<u8>, E>,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Self, E> {
        let bytes = read?;
        let seen = seen(&bytes, "");
        Ok(Self {
            current: ArcSwap::from_pointee(parse(&bytes)?),
            last: Mutex::new(Last { seen, right: seen }),
        })
    }

    /// What no file holds.
    pub(crate) fn of(value: T) -> Self {
        Self { current: ArcSwap::from_pointee(value), last: Mutex::default() }
    }

    /// What counts now, to be kept.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// What counts now, for a look.
    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Reads the file again. None: it is as it was, right or wrong. A fault depends on more than bytes, so that bytes that were wrong are
    /// looked at again, and the fault is told once.
    pub(crate) fn reload<E: fmt::Display>(
        &self,
        read: impl FnOnce() -> Result<Vec<u8>, E>,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Option<Result<Renewed<T>, E>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, parsed) = match read() {
            Ok(bytes) if seen(&bytes, "") == last.seen => return None,
            Ok(bytes) => {
                let parsed = parse(&bytes);
                (bytes, parsed)
            }
            Err(error) => (Vec::new(), Err(error)),
        };
        let fault = parsed.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let now = seen(&bytes, &fault);
        if std::mem::replace(&mut last.seen, now) == now {
            return None;
        }
        Some(parsed.map(|value| {
            let is_as_before = std::mem::replace(&mut last.right, now) == now;
            if is_as_before {
                return Renewed { value: self.current(), is_as_before };
            }
            let value = Arc::new(value);
            self.current.store(Arc::clone(&value));
            Renewed { value, is_as_before }
        }))
    }
}

fn seen(bytes: &[u8], fault: &str) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(Sha256::digest(bytes));
    hash.update(fault);
    hash.finalize().into()
}

/// The files of all services of a gateway.
#[derive(Debug, Default)]
pub struct LoginFiles(RwLock<Vec<Arc<dyn LoginFile>>>);

/// What came of a changed file.
#[derive(Debug)]
pub struct LoginFileReload {
    /// The file.
    pub file: PathBuf,
    /// What counts from now on, or why the old state goes on. Nothing in it is a secret.
    pub outcome: Result<String, String>,
    /// The methods for which the same is wrong with the file.
    pub methods: Vec<&'static str>,
    /// What is missing in what counts from now on, if the file is right.
    pub lack: Option<String>,
}

impl LoginFiles {
    /// Logins come from these files from now on.
    pub(crate) fn are(&self, mut sources: Vec<Arc<dyn LoginFile>>) {
        sources.retain(|source| source.file().is_some());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// A copy, so that nothing waits for a file that is being read.
    fn sources(&self) -> Vec<Arc<dyn LoginFile>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The files, each of them once.
    pub fn files(&self) -> Vec<PathBuf> {
        let files: BTreeSet<_> = self.sources().iter().filter_map(|source| source.file().cloned()).collect();
        files.into_iter().collect()
    }

    /// Reads every file that has other bytes than before. Reads files: not for a connection's task. What is unchanged, good or bad, is
    /// not in the list.
    pub fn reload(&self) -> Vec<LoginFileReload> {
        let mut reloads: Vec<LoginFileReload> = Vec::new();
        for source in self.sources() {
            let (Some(file), Some(outcome)) = (source.file(), source.reload()) else { continue };
            let is_same = |reload: &&mut LoginFileReload| reload.file == *file && reload.outcome == outcome;
            if let Some(same) = reloads.iter_mut().find(is_same).filter(|_| outcome.is_err()) {
                same.methods.extend(source.method().filter(|method| !same.methods.contains(method)));
                continue;
            }
            let lack = outcome.as_ref().ok().and_then(|_| source.lacks());
            let methods = source.method().into_iter().collect();
            reloads.push(LoginFileReload { file: file.clone(), outcome, methods, lack });
        }
        reloads
    }
}

/// What was done, in one line.
impl fmt::Display for LoginFileReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.outcome {
            Ok(now) => {
                write!(f, "{file}: {now}")?;
                self.lack.as_ref().map_or(Ok(()), |lack| write!(f, "; {lack}"))
            }
            Err(error) => write!(f, "nothing for {file}: {}{error}", self.of_methods()),
        }
    }
}

impl LoginFileReload {
    fn of_methods(&self) -> String {
        match self.methods.as_slice() {
            [] => String::new(),
            methods => format!("the principals of {}: ", methods.join(", ")),
        }
    }

    /// Tells the operator.
    pub fn log(&self) {
        let file = self.file.display();
        match &self.outcome {
            Ok(now) => {
                tracing::info!(target: "wampgate::auth", %file, "{now}");
                if let Some(lack) = &self.lack {
                    tracing::error!(target: "wampgate::auth", %file, "{lack}");
                }
            }
            Err(error) => {
                let of_methods = self.of_methods();
                tracing::error!(target: "wampgate::auth", %file, "the gateway goes on with what the file held before: {of_methods}{error}");
            }
        }
    }
}
