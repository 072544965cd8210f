//! Loads policies, certificates and the files of logins anew on SIGHUP and when their files change. On SIGHUP the log says in any case what was done.

use std::{
    collections::HashMap, fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc, time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{error, info, warn};

use super::notify;
use wampgate::{
    CertificateReload, Certificates, LoginFileReload, LoginFiles,
    policy::{Reload, Reloader},
};

/// How often the gateway looks at the files. A look is one system call for each file. File systems of containers and
/// networks do not report changes, so that only looking works everywhere.
const LOOK: Duration = Duration::from_secs(1);

/// How long a look may take. Afterwards SIGHUP comes first again; the look itself goes on until the file system answers.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// What tells whether a file was written or replaced. None: there is no such file.
type Seen = Option<Mark>;

/// A program that copies files may keep size and time of modification, but neither the number of the file nor the time of the
/// change, which only the system sets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What comes from files that may change.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) policies: Arc<Reloader>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) logins: Arc<LoginFiles>,
}

/// The files, and the look that is under way.
struct Watch {
    watched: Watched,
    looking: Option<JoinHandle<HashMap<PathBuf, Seen>>>,
    /// Whether the operator knows that the file system does not answer.
    is_told: bool,
}

/// The configuration's file, as it was when the gateway read it.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    read: Seen,
}

impl ConfigFile {
    /// To be called when the file has just been read.
    pub(super) fn at(path: PathBuf) -> Self {
        let read = mark(&path);
        Self { path, read }
    }

    /// The gateway reads its configuration at the start only, which an operator who changes it may not expect.
    fn tell_of_change(&self) {
        if mark(&self.path) != self.read {
            warn!(
                file = %self.path.display(),
                "the configuration has changed, but the gateway reads it only when it starts: check it with `wampgate check`, and \
                 restart the gateway"
            );
        }
    }
}

/// Reloads on a task of its own. From here on SIGHUP no longer ends the process.
pub(super) fn start(watched: Watched, config: Option<ConfigFile>) -> io::Result<JoinHandle<()>> {
    let hang_up = signal(SignalKind::hangup())?;
    let watch = Watch { watched, looking: None, is_told: false };
    Ok(tokio::spawn(reload(watch, hang_up, config.map(Arc::new))))
}

async fn reload(mut watch: Watch, mut hang_up: Signal, config: Option<Arc<ConfigFile>>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut loaded = watch.look().await;
    let mut last = loaded.clone();
    loop {
        let is_asked = tokio::select! {
            Some(()) = hang_up.recv() => true,
            _ = looks.tick() => {
                let Some(now) = watch.look().await else { continue };
                let now = Some(now);
                // A program may still be writing a file: the gateway waits until it has stayed the same for a second.
                let is_settled = now == last;
                last.clone_from(&now);
                if !is_settled || now == loaded {
                    continue;
                }
                false
            }
        };
        notify::reloading();
        loaded = watch.look().await;
        let watched = watch.watched.clone();
        if let Some(config) = config.clone().filter(|_| is_asked) {
            // A file system that does not answer must not hold up the policies.
            drop(tokio::task::spawn_blocking(move || config.tell_of_change()));
        }
        // Compiling takes up to seconds: not on a thread that serves connections.
        match tokio::task::spawn_blocking(move || watched.reload()).await {
            Ok(false) if is_asked => info!(
                "no component, no certificate and no file of logins has changed since the gateway last looked, so that there is nothing to load"
            ),
            Ok(_) => {}
            Err(error) => error!("reloading the policies and certificates crashed: {error}"),
        }
        notify::ready();
    }
}

impl Watch {
    /// What the files are like now; none: their file system does not answer. At most one thread waits for it.
    async fn look(&mut self) -> Option<HashMap<PathBuf, Seen>> {
        let watched = &self.watched;
        let looking = self.looking.get_or_insert_with(|| {
            let watched = watched.clone();
            tokio::task::spawn_blocking(move || watched.look())
        });
        if let Ok(seen) = timeout(LOOK_PATIENCE, looking).await {
            self.looking = None;
            self.is_told = false;
            return seen.ok();
        }
        if !self.is_told {
            warn!(
                "the file system of a policy, a certificate or a file of logins does not answer: the gateway sees no changes until it does"
            );
            self.is_told = true;
        }
        None
    }
}

impl Watched {
    fn look(&self) -> HashMap<PathBuf, Seen> {
        let files = self.policies.files().chain(self.certificates.files()).chain(self.logins.files());
        files.map(|file| (file.clone(), mark(file))).collect()
    }

    /// Loads what has changed, logins and certificates first, since that is quick. False: nothing has.
    fn reload(&self) -> bool {
        let logins = self.logins.reload();
        logins.iter().for_each(LoginFileReload::log);
        let certificates = self.certificates.reload();
        certificates.iter().for_each(CertificateReload::log);
        let policies = self.policies.reload();
        policies.iter().for_each(Reload::log);
        !logins.is_empty() || !certificates.is_empty() || !policies.is_empty()
    }
}

fn mark(file: &PathBuf) -> Seen {
    let found = fs::metadata(file).ok()?;
    Some(Mark {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, fs::File};

    use super::mark;

    #[test]
    fn a_file_of_the_same_size_and_time_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.wasm");
        fs::write(&file, "one").unwrap();
        let first = mark(&file);
        assert_eq!(mark(&file), first);
        // As `rsync -a` does: a new file, with the old one's time.
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        let copy = folder.path().join("copy");
        fs::write(&copy, "two").unwrap();
        File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
        fs::rename(&copy, &file).unwrap();
        let (old, new) = (first.unwrap(), mark(&file).unwrap());
        assert_eq!((old.size, old.modified), (new.size, new.modified));
        assert_ne!(old, new);
        fs::remove_file(&file).unwrap();
        assert_eq!(mark(&file), None);
    }
}
