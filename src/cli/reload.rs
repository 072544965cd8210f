//! Loads policies anew on SIGHUP and when their files change.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::error;

use wampgate::policy::{Reload, Reloader};

/// How often the gateway looks at the files. A look is one system call for each file. File systems of containers and
/// networks do not report changes, so that only looking works everywhere.
const LOOK: Duration = Duration::from_secs(1);

/// A file's size and the time of its last change, which tell whether it was written. None: there is no such file.
type Seen = Option<(u64, SystemTime)>;

/// Reloads on a task of its own. From here on SIGHUP no longer ends the process.
pub(super) fn start(policies: Arc<Reloader>) -> io::Result<JoinHandle<()>> {
    let hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(reload(policies, hang_up)))
}

async fn reload(policies: Arc<Reloader>, mut hang_up: Signal) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut loaded = look(&policies);
    let mut last = loaded.clone();
    loop {
        tokio::select! {
            Some(()) = hang_up.recv() => {}
            _ = looks.tick() => {
                let now = look(&policies);
                // A program may still be writing a file: the gateway waits until it has stayed the same for a second.
                let is_settled = now == last;
                last.clone_from(&now);
                if !is_settled || now == loaded {
                    continue;
                }
            }
        }
        loaded = look(&policies);
        let reloader = Arc::clone(&policies);
        // Compiling takes up to seconds: not on a thread that serves connections.
        match tokio::task::spawn_blocking(move || reloader.reload()).await {
            Ok(outcomes) => outcomes.iter().for_each(Reload::log),
            Err(error) => error!("reloading the policies crashed: {error}"),
        }
    }
}

fn look(policies: &Reloader) -> HashMap<PathBuf, Seen> {
    let seen = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    policies.files().map(|file| (file.clone(), seen(file))).collect()
}
