//! Ends a session when what its identity stands on does: a token that expires, or a principal that goes.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{task::AbortHandle, time::sleep};
use tracing::info;

use crate::{
    identity::{HeldLease, Identity, Lapse, Lease},
    time::Timestamp,
    wire::{Ending, Outbox},
};

/// How long a wait for a moment lasts at most before the gateway looks at the clock again, which the operator or the network may
/// have set meanwhile, and which goes on while a machine sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A session that is told to end when its identity lapses, for as long as this is held.
#[derive(Debug)]
pub(super) struct Held {
    timer: Option<AbortHandle>,
    _principal: Option<HeldLease>,
}

impl Held {
    /// Watches the lease of an identity whose session has just begun. None: nothing but the session itself can end it.
    pub(super) fn begin(
        connection: &str,
        identity: &Arc<Identity>,
        outbox: &Arc<Outbox>,
    ) -> Option<Box<Self>> {
        Self::watch(&identity.lease, |why: Lapse| {
            let (connection, identity) = (Box::<str>::from(connection), Arc::clone(identity));
            let outbox = Arc::downgrade(outbox);
            move || end(&connection, &identity, &outbox, why)
        })
    }

    /// The same for whatever is to end: `end` makes what is called when the lease lapses.
    pub(super) fn watch<E: FnOnce() + Send + 'static>(
        lease: &Lease,
        end: impl Fn(Lapse) -> E,
    ) -> Option<Box<Self>> {
        let Lease { until, vouched } = lease;
        if until.is_none() && vouched.is_none() {
            return None;
        }
        let timer = until.map(|until| {
            let end = end(Lapse::Expired);
            let timer = async move {
                wait_until(until).await;
                end();
            };
            tokio::spawn(timer).abort_handle()
        });
        let principal = vouched.as_ref().map(|vouched| vouched.open(end(Lapse::Removed)));
        Some(Box::new(Self { timer, _principal: principal }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.timer.iter().for_each(AbortHandle::abort);
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
fn end(connection: &str, identity: &Identity, outbox: &Weak<Outbox>, why: Lapse) {
    let Some(outbox) = outbox.upgrade() else { return };
    let (method, authid) = (identity.authmethod, identity.authid.public());
    info!(connection, method, authid, how = why.told(), "logged out");
    outbox.end(Ending::Lapsed(why));
}
