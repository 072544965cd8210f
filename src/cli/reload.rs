//! Reads the configuration again on SIGHUP, for `wampgate reload`, and with `--watch` when its file changes; and loads policies,
//! certificates and the files of logins anew then and whenever their files change. The log says in any case what was done.

use std::{
    collections::HashMap,
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tracing::{error, info, warn};

use super::notify;
use wampgate::{
    CertificateReload, Certificates, Gateway, LoginFileReload, LoginFiles, Reconfigurer, ReloadReport,
    config::{self, ConfigSource, LoadOptions},
    policy::{Reload, Reloader},
};

/// How often the gateway looks at the files. A look is one system call for each file. File systems of containers and
/// networks do not report changes, so that only looking works everywhere.
const LOOK: Duration = Duration::from_secs(1);

/// How often it looks where there are files of logins: a principal that was removed is to be gone within a second.
const QUICK_LOOK: Duration = Duration::from_millis(250);

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
}

/// What comes from files that may change.
pub(super) struct Watched {
    policies: Arc<Reloader>,
    certificates: Arc<Certificates>,
    logins: Arc<LoginFiles>,
    gateway: Reconfigurer,
    source: ConfigSource,
    options: LoadOptions,
    /// The configuration's file, if the gateway is to see it change.
    file: Option<ConfigFile>,
    /// Held while anything is loaded: of two reloads at once the later one waits.
    loading: Mutex<()>,
}

/// The files, and the look that is under way.
struct Watch {
    watched: Arc<Watched>,
    looking: Option<JoinHandle<HashMap<PathBuf, Seen>>>,
    /// Whether the operator knows that the file system does not answer.
    is_told: bool,
}

/// SIGHUP, which no longer ends the process from here on. A signal that comes before the gateway can reload is kept for it.
pub(super) fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Reloads on a task of its own.
pub(super) fn start(watched: Arc<Watched>, hang_up: Signal) -> JoinHandle<()> {
    let watch = Watch { watched, looking: None, is_told: false };
    tokio::spawn(reload(watch, hang_up))
}

async fn reload(mut watch: Watch, mut hang_up: Signal) {
    let mut looks = watch.watched.looks();
    let mut loaded = watch.look().await;
    if let (Some(seen), Some(file)) = (&mut loaded, &watch.watched.file) {
        // It may have changed since.
        seen.insert(file.path.clone(), file.read.clone());
    }
    let mut last = loaded.clone();
    // The files may have changed between their reading at the start and this look, so that their bytes are compared once.
    let mut is_compared = false;
    loop {
        // The last reload may have brought the first file of logins, or taken the last one.
        if looks.period() != watch.watched.pace() {
            looks = watch.watched.looks();
        }
        let is_asked = tokio::select! {
            Some(()) = hang_up.recv() => true,
            _ = looks.tick() => {
                let Some(now) = watch.look().await else { continue };
                let now = Some(now);
                // A program may still be writing a file: the gateway waits until it has stayed the same from one look to the next.
                let is_settled = now == last;
                last.clone_from(&now);
                if !is_settled {
                    continue;
                }
                if now == loaded && is_compared && !watch.watched.certificates.are_due() {
                    continue;
                }
                false
            }
        };
        let before = loaded.take();
        loaded = watch.look().await;
        let file = watch.watched.file.as_ref();
        let mark = |seen: &Option<HashMap<PathBuf, Seen>>| {
            file.and_then(|file| seen.as_ref()?.get(&file.path).cloned())
        };
        let reads_configuration = is_asked || mark(&before) != mark(&loaded);
        let is_first = !mem::replace(&mut is_compared, true);
        let watched = Arc::clone(&watch.watched);
        // Compiling takes up to seconds: not on a thread that serves connections.
        let reloading = tokio::task::spawn_blocking(move || {
            if reads_configuration {
                drop(watched.reload());
            } else if is_first {
                watched.compare_files();
            } else {
                watched.reload_files();
            }
        });
        if let Err(error) = reloading.await {
            error!("the reload crashed: {error}");
        }
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
    /// What a gateway reads that was started with this configuration. `file` is the configuration's, if the gateway is to see it
    /// change.
    pub(super) fn of(
        gateway: &Gateway,
        source: ConfigSource,
        options: LoadOptions,
        file: Option<ConfigFile>,
    ) -> Self {
        Self {
            policies: Arc::clone(gateway.policies()),
            certificates: Arc::clone(gateway.certificates()),
            logins: Arc::clone(gateway.logins()),
            gateway: gateway.reconfigurer(),
            source,
            options,
            file,
            loading: Mutex::new(()),
        }
    }

    /// How often the gateway looks at the files that it has now.
    fn pace(&self) -> Duration {
        if self.logins.is_empty() { LOOK } else { QUICK_LOOK }
    }

    fn looks(&self) -> Interval {
        let mut looks = interval(self.pace());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset();
        looks
    }

    fn look(&self) -> HashMap<PathBuf, Seen> {
        let files =
            self.policies.files().into_iter().chain(self.certificates.files()).chain(self.logins.files());
        let files = files.chain(self.file.as_ref().map(|file| file.path.clone()));
        files
            .map(|file| {
                let mark = mark(&file);
                (file, mark)
            })
            .collect()
    }

    /// Reads the configuration again and goes by it, with all of its files. The error says everything that is wrong; the old
    /// configuration goes on then.
    pub(super) fn reload(&self) -> Result<ReloadReport, String> {
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        notify::reloading();
        let mut files = self.load_files();
        let outcome = self.read().map(|report| {
            files.extend(report.changed);
            ReloadReport { changed: files, ..report }
        });
        match &outcome {
            Ok(report) => tell(report),
            Err(faults) => error!("the old configuration goes on, as the new one cannot: {faults}"),
        }
        notify::ready();
        outcome
    }

    fn read(&self) -> Result<ReloadReport, String> {
        let loaded = config::load_by(&self.source, &self.options).map_err(|error| error.to_string())?;
        let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
        let report = self.gateway.reconfigure(loaded.config).map_err(|error| error.to_string())?;
        Ok(ReloadReport { warnings, ..report })
    }

    /// The same as [`Self::reload_files`] at the start, when there is mostly nothing to load: the service manager does not hear of it.
    fn compare_files(&self) {
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.load_files());
    }

    /// Loads the components, certificates and files of logins that have changed.
    fn reload_files(&self) {
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        notify::reloading();
        drop(self.load_files());
        notify::ready();
    }

    /// Loads what has changed, logins and certificates first, since that is quick. What that is; the log has it.
    fn load_files(&self) -> Vec<String> {
        let logins = self.logins.reload();
        logins.iter().for_each(LoginFileReload::log);
        let certificates = self.certificates.reload();
        certificates.iter().for_each(CertificateReload::log);
        let policies = self.policies.reload();
        policies.iter().for_each(Reload::log);
        let logins = logins.iter().map(ToString::to_string);
        let certificates = certificates.iter().map(ToString::to_string);
        logins.chain(certificates).chain(policies.iter().map(ToString::to_string)).collect()
    }
}

/// Tells the operator what a reload has done.
fn tell(report: &ReloadReport) {
    let ReloadReport { changed, ended, needs_restart, warnings } = report;
    for warning in warnings {
        warn!("{warning}");
    }
    for what in needs_restart {
        warn!("the configuration has changed, and this needs a restart: {what}");
    }
    if changed.is_empty() && needs_restart.is_empty() {
        info!("nothing has changed since the gateway last looked, so that there is nothing to load");
    } else {
        info!(changed = %changed.join("; "), ended, "the gateway goes by its new configuration");
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
