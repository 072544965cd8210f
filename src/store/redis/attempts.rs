//! Attempts to log in, told over a channel.
//!
//! Nothing of them stays in Redis, so that guessing cannot fill it. A gateway that does not hear of some, because it was started
//! later or Redis was away, counts its own.

use std::{
    mem,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::sleep};
use tracing::{debug, warn};

use super::{state::State, work::Worker};
use crate::store::{Attempt, HearsAttempts, SharedAttempts};

/// How many attempts wait to be told. More count on this gateway alone.
const MAX_WAITING: usize = 1024;

/// How many attempts one message tells of: some 16 KB.
const MAX_TOLD: usize = 256;

/// The time between two messages, so that guessing cannot keep gateways from hearing of revocations.
const PAUSE: Duration = Duration::from_millis(50);

/// The way to other gateways.
#[derive(Debug)]
pub(in crate::store) struct RedisAttempts {
    state: Arc<State>,
    outbox: mpsc::Sender<Attempt>,
}

/// Attempts as gateways tell them.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Which gateway tells them.
    gateway: String,
    attempts: Vec<Attempt>,
}

/// Where attempts wait to be told.
pub(super) fn outbox() -> (mpsc::Sender<Attempt>, mpsc::Receiver<Attempt>) {
    mpsc::channel(MAX_WAITING)
}

impl RedisAttempts {
    pub(super) const fn new(state: Arc<State>, outbox: mpsc::Sender<Attempt>) -> Self {
        Self { state, outbox }
    }
}

impl SharedAttempts for RedisAttempts {
    fn tell(&self, attempt: Attempt) {
        // If there is no room, it counts on this gateway alone.
        let _ = self.outbox.try_send(attempt);
    }

    fn subscribe(&self, listener: Weak<dyn HearsAttempts>) {
        self.state.hearing.add(listener);
    }

    fn is_over(&self) -> bool {
        self.outbox.is_closed()
    }
}

/// Tells other gateways of attempts for as long as the store is there.
pub(super) async fn tell(worker: Arc<Worker>, mut outbox: mpsc::Receiver<Attempt>) {
    let channel = worker.state.names.attempts();
    let mut attempts = Vec::new();
    while outbox.recv_many(&mut attempts, MAX_TOLD).await > 0 {
        let told = Told { gateway: worker.state.gateway.clone(), attempts: mem::take(&mut attempts) };
        // Numbers and a text: it cannot fail.
        let message = serde_json::to_string(&told).unwrap_or_default();
        if let Err(error) = worker.publish(&channel, &message).await {
            debug!(%error, "attempts to log in were not told to other gateways");
        }
        sleep(PAUSE).await;
    }
}

/// Counts what another gateway tells.
pub(super) fn hear(state: &State, message: &[u8]) {
    let told: Told = match serde_json::from_slice(message) {
        Ok(told) => told,
        Err(error) => {
            warn!(%error, "a message about attempts to log in cannot be read: do all gateways have the same version?");
            return;
        }
    };
    if told.gateway == state.gateway {
        return;
    }
    for listener in state.hearing.all() {
        listener.hear(&told.attempts);
    }
}
