//! Drops expired records in the background, so that a store shrinks even if no client asks for them, and closes the stores that a
//! reload has left without a service.

use std::time::Duration;

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    admin::ManagedStores,
    store::{CookieStore, StoreError},
    time::Timestamp,
};

/// How often. No look-up finds an expired record meanwhile; it only takes room.
const INTERVAL: Duration = Duration::from_mins(1);

/// How many records are dropped before the gateway may shut down: some 100 ms of work.
const STEP: usize = 10_000;

/// Purges each store every minute, until `shutdown`.
pub(super) async fn run(stores: ManagedStores, shutdown: CancellationToken) {
    let mut rounds = interval(INTERVAL);
    // After the whole machine has paused, one round is as good as many.
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = rounds.tick() => {}
        }
        for store in stores.all() {
            let (store, shutdown) = (store.clients.store, shutdown.clone());
            match spawn_blocking(move || purge(&*store, Timestamp::now(), &shutdown)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(dropped)) => debug!(dropped, "expired cookies were dropped"),
                // The store has told it once; this would tell it every minute.
                Ok(Err(error)) if error.is_told() => debug!(%error, "expired cookies could not be dropped"),
                Ok(Err(error)) => warn!(%error, "expired cookies could not be dropped"),
                Err(crash) => warn!(%crash, "expired cookies could not be dropped"),
            }
        }
        let retired = stores.clone();
        if let Err(crash) = spawn_blocking(move || retired.close_unused()).await {
            warn!(%crash, "stores that no service uses any more could not be closed");
        }
    }
}

/// Drops all that has expired, in steps.
fn purge(store: &dyn CookieStore, now: Timestamp, shutdown: &CancellationToken) -> Result<usize, StoreError> {
    let mut dropped = 0;
    loop {
        let step = store.purge(now, STEP)?;
        dropped += step;
        if step < STEP || shutdown.is_cancelled() {
            return Ok(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::rngs::SysRng;

    use super::*;
    use crate::{
        cookie::{IdLength, MaxAge, TrackingId},
        store::{CookieRecord, MemoryStore},
    };

    fn store_of_expired(count: usize) -> Arc<dyn CookieStore> {
        let store = MemoryStore::new(count);
        for _ in 0..count {
            let id = TrackingId::generate(IdLength::DEFAULT, &mut SysRng).unwrap();
            let record = CookieRecord::new(Timestamp::from_millis(1), MaxAge::from_seconds(1).unwrap());
            store.create(&id, record).wait().unwrap();
        }
        Arc::new(store)
    }

    #[test]
    fn everything_expired_goes_in_as_many_steps_as_it_takes() {
        let store = store_of_expired(STEP + 1);
        let now = Timestamp::from_millis(10_000);
        assert_eq!(purge(&*store, now, &CancellationToken::new()).unwrap(), STEP + 1);
        assert_eq!(purge(&*store, now, &CancellationToken::new()).unwrap(), 0);
    }

    #[test]
    fn a_shutdown_does_not_wait() {
        let store = store_of_expired(STEP + 1);
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        assert_eq!(purge(&*store, Timestamp::from_millis(10_000), &shutdown).unwrap(), STEP);
    }

    #[tokio::test]
    async fn it_ends_at_shutdown() {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(ManagedStores::default(), shutdown.clone()));
        tokio::task::yield_now().await;
        shutdown.cancel();
        running.await.unwrap();
    }
}
