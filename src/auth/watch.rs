//! Files from which logins come, and which the gateway reads anew when they change.

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc};

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
pub struct LoginFiles(Vec<Arc<dyn LoginFile>>);

/// What came of a changed file.
#[derive(Debug)]
pub struct LoginFileReload {
    /// The file.
    pub file: PathBuf,
    /// What counts from now on, or why the old state goes on. Nothing in it is a secret.
    pub outcome: Result<String, String>,
}

impl LoginFiles {
    pub(crate) fn add(&mut self, source: Arc<dyn LoginFile>) {
        if source.file().is_some() {
            self.0.push(source);
        }
    }

    /// The files, each of them once.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().filter_map(|source| source.file()).collect::<BTreeSet<_>>().into_iter()
    }

    /// Reads every file that has other bytes than before. Reads files: not for a connection's task. What is unchanged, good or bad, is
    /// not in the list.
    pub fn reload(&self) -> Vec<LoginFileReload> {
        let read = |source: &Arc<dyn LoginFile>| {
            let outcome = source.reload()?;
            Some(LoginFileReload { file: source.file()?.clone(), outcome })
        };
        self.0.iter().filter_map(read).collect()
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
