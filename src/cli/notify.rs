//! What the gateway tells the service manager that has started it (systemd's `Type=notify`); nothing where none listens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

/// The shortest time between signs of life: a shorter watchdog is a mistake, which must not take a core.
const SHORTEST: Duration = Duration::from_millis(10);

/// The gateway listens, and serves what it has read last.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Policies are being loaded anew. [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager does not hear of a reload"),
    }
}

/// The gateway drains and ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Gives signs of life until the process ends, if the service manager wants them: twice as often as it asks for. Needs a tokio
/// runtime; a runtime whose workers all hang gives none.
pub(super) fn watch() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    drop(tokio::spawn(async move {
        let mut beats = interval((limit / 2).max(SHORTEST));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            // The socket's queue may be full. One thread at most waits for it.
            drop(spawn_blocking(|| tell(&[NotifyState::Watchdog])).await);
        }
    }));
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager cannot be told: is NOTIFY_SOCKET right?");
    }
}
