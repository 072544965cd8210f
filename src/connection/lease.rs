//! Ends a session when what its identity stands on does: a token that expires.

use std::{sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time::sleep};
use tracing::info;

use crate::{
    identity::{Identity, Lapse},
    time::Timestamp,
    wire::{Ending, Outbox},
};

/// How long a wait for a moment lasts at most before the gateway looks at the clock again, which the operator or the network may
/// have set meanwhile, and which goes on while a machine sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A session that is told to end when its identity lapses, for as long as this is held.
#[derive(Debug)]
pub(super) struct Held(AbortHandle);

impl Held {
    /// Watches the lease of an identity whose session has just begun. None: nothing but the session itself can end it.
    pub(super) fn begin(connection: &str, identity: &Arc<Identity>, outbox: &Arc<Outbox>) -> Option<Self> {
        let until = identity.lease.until?;
        let (connection, identity, outbox) =
            (Box::from(connection), Arc::clone(identity), Arc::clone(outbox));
        let timer = tokio::spawn(async move {
            wait_until(until).await;
            end(&connection, &identity, &outbox, Lapse::Expired);
        });
        Some(Self(timer.abort_handle()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn wait_until(moment: Timestamp) {
    loop {
        let left = moment.as_millis().saturating_sub(Timestamp::now().as_millis());
        if left == 0 {
            return;
        }
        sleep(Duration::from_millis(left).min(LONGEST_WAIT)).await;
    }
}

/// A session that is over at the same moment has an outbox that is closed, which takes no further words.
fn end(connection: &str, identity: &Identity, outbox: &Outbox, why: Lapse) {
    let (method, authid) = (identity.authmethod, identity.authid.public());
    info!(connection, method, authid, how = why.told(), "logged out");
    outbox.end(Ending::Lapsed(why));
}
