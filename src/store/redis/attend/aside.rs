//! What takes longer than hearing of revocations may wait: comparing open connections with their records, and removing what was
//! revoked while Redis took no changes.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::{
    cookie::TrackingId,
    ration::Ration,
    store::{
        Parting, Reach, Revocation, StoreError,
        owed::OwedIds,
        redis::{
            hear,
            layout::{self, Digest},
            work::Worker,
        },
    },
};

/// Lines about cookies that are still to be removed, which the gateway tries every half second.
static UNSETTLED: Ration = Ration::new(1, Duration::from_mins(1));

/// What takes longer, beside hearing of revocations. Of each kind one runs at a time.
pub(super) struct Aside {
    worker: Arc<Worker>,
    checking: Option<JoinHandle<()>>,
    settling: Option<JoinHandle<()>>,
}

impl Aside {
    pub(super) const fn new(worker: Arc<Worker>) -> Self {
        Self { worker, checking: None, settling: None }
    }

    /// Compares the open connections with their records.
    pub(super) fn check(&mut self) {
        if self.checking.as_ref().is_none_or(JoinHandle::is_finished) {
            let worker = Arc::clone(&self.worker);
            self.checking = Some(tokio::spawn(async move {
                worker.restore().await;
                hear::remove_again(&worker).await;
                hear::check_open(worker).await;
            }));
        }
    }

    /// The same from the beginning, since what was seen before may not hold any more.
    pub(super) fn check_anew(&mut self) {
        if let Some(before) = self.checking.take() {
            before.abort();
        }
        self.worker.state.recent.look_again();
        self.check();
    }

    /// Removes what was revoked while Redis took no changes.
    pub(super) fn settle(&mut self) {
        if self.settling.as_ref().is_none_or(JoinHandle::is_finished) {
            self.settling = Some(tokio::spawn(settle(Arc::clone(&self.worker))));
        }
    }
}

/// Removes what was revoked while Redis took no changes.
async fn settle(worker: Arc<Worker>) {
    let state = &worker.state;
    let owed = state.owed.all();
    let mut settled = owed.clone();
    for digest in owed.iter() {
        if let Err(error) = settle_line(&worker, *digest, &mut settled).await {
            if UNSETTLED.line().is_some() {
                warn!(%error, "cookies that were revoked while the store took no changes are still in it");
            }
            return;
        }
    }
    if owed.is_incomplete() {
        warn!(
            "more cookies were revoked while the store took no changes than the gateway could note: revoke them again"
        );
    }
    // While the store did not answer, the gateway may not have known the whole line, and could tell no other gateway.
    let (left, killed): (Vec<_>, Vec<_>) = settled.iter().partition(|digest| state.left.contains(digest));
    state.owed.settle(&settled);
    state.left.settle(&settled);
    let stand_in = |digest: &Digest| TrackingId::stand_in(&layout::text(digest), "");
    for (digests, why) in [(left, Parting::LoggedOut), (killed, Parting::Killed)] {
        let ids = digests.into_iter().map(stand_in).collect();
        hear::end_everywhere(&worker, &Revocation { ids, why, reach: Reach::All }).await;
    }
    info!(
        cookies = settled.iter().count(),
        "cookies were removed that were revoked while the store took no changes"
    );
}

/// Removes the whole line of a cookie: its client may have come with an ID before or after this one, of which a gateway
/// does not know while Redis does not answer.
async fn settle_line(
    worker: &Worker,
    digest: Digest,
    settled: &mut OwedIds<Digest>,
) -> Result<(), StoreError> {
    let line = worker.line(digest).await?;
    // Noted before the first is removed: afterwards it does not lead to the others any more.
    let has_left = worker.state.left.contains(&digest);
    for other in &line {
        worker.state.owed.add(other);
        if has_left {
            worker.state.left.add(other);
        }
        settled.join(*other);
    }
    for other in line {
        worker.revoke(other).await?;
    }
    Ok(())
}
