//! Files from which logins come, and which the gateway reads anew when they change.

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

/// A file on which logins stand.
pub trait LoginFile: fmt::Debug + Send + Sync {
    /// Where it is; none: the logins come from the configuration itself.
    fn file(&self) -> Option<&PathBuf>;

    /// Reads the file again if it has other bytes than before, and tells what came of it. None: nothing has changed. A file that is
    /// wrong changes nothing else. Reads a file: not for a connection's task.
    fn reload(&self) -> Option<Result<String, String>>;
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

    /// The files, each of them once.
    pub fn files(&self) -> Vec<PathBuf> {
        let files: BTreeSet<_> = self.sources().iter().filter_map(|source| source.file().cloned()).collect();
        files.into_iter().collect()
    }

    /// Reads every file that has other bytes than before. Reads files: not for a connection's task. What is unchanged, good or bad, is
    /// not in the list.
    pub fn reload(&self) -> Vec<LoginFileReload> {
        let read = |source: &Arc<dyn LoginFile>| {
            let outcome = source.reload()?;
            Some(LoginFileReload { file: source.file()?.clone(), outcome })
        };
        self.sources().iter().filter_map(read).collect()
    }
}

/// What was done, in one line.
impl fmt::Display for LoginFileReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.outcome {
            Ok(now) => write!(f, "{file}: {now}"),
            Err(error) => write!(f, "nothing for {file}, since it {error}"),
        }
    }
}

impl LoginFileReload {
    /// Tells the operator.
    pub fn log(&self) {
        let file = self.file.display();
        match &self.outcome {
            Ok(now) => tracing::info!(target: "wampgate::auth", %file, "{now}"),
            Err(error) => {
                tracing::error!(target: "wampgate::auth", %file, "the gateway goes on with what the file held before: it {error}");
            }
        }
    }
}
