//! What callers ask of the store's thread.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::work::Worker;

/// What a caller wants done.
pub(super) type Job = Box<dyn FnOnce(Arc<Worker>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// How many operations wait for Redis at once: some milliseconds of its time. More wait in the queue of jobs.
const MAX_RUNNING: usize = 1024;

/// Runs jobs until no caller is left, and what they have begun.
pub(super) async fn run(worker: Arc<Worker>, mut jobs: mpsc::Receiver<Job>) {
    let running = Arc::new(Semaphore::new(MAX_RUNNING));
    while let Some(job) = jobs.recv().await {
        let Ok(place) = Arc::clone(&running).acquire_owned().await else { return };
        let worker = Arc::clone(&worker);
        tokio::spawn(async move {
            job(worker).await;
            drop(place);
        });
    }
    #[allow(clippy::cast_possible_truncation, reason = "a small constant")]
    let all = running.acquire_many(MAX_RUNNING as u32);
    // Each of them has its own time; this bounds all of them.
    drop(timeout(worker.state.options.timeout.saturating_mul(8), all).await);
}
