//! The way to a policy for everybody who does not want to be a denial of service: so many decisions at once,
//! and so many that wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Semaphore;

use super::{Decision, JoinRequest, Policy, PolicyError};

/// Decisions that may wait for a free place. At the default deadline two cores work off so many in ten
/// seconds, which is how long a client has to say HELLO: whoever came later would wait in vain.
pub const MAX_WAITING: usize = 1024;

/// A policy with a bounded number of decisions at once. Those that find no free place wait in order of
/// arrival.
#[derive(Debug)]
pub struct PolicyGate {
    policy: Arc<dyn Policy>,
    places: Semaphore,
    waiting: AtomicUsize,
}

/// One who waits; gone, also when the client gives up meanwhile, it makes room in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl PolicyGate {
    /// A gate that lets `max_concurrent` decisions through at once, at least one.
    pub fn new(policy: Arc<dyn Policy>, max_concurrent: usize) -> Self {
        let places = Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS));
        Self { policy, places, waiting: AtomicUsize::new(0) }
    }

    /// Decides on the calling task, at once if there is a free place. [`PolicyError::Overloaded`] if too many
    /// are waiting.
    pub async fn decide(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => self.wait().await?,
        };
        self.policy.decide(request)
    }

    async fn wait(&self) -> Result<tokio::sync::SemaphorePermit<'_>, PolicyError> {
        let _waiting = Waiting::enter(&self.waiting).ok_or(PolicyError::Overloaded)?;
        // Nobody closes the semaphore.
        self.places.acquire().await.map_err(|_| PolicyError::Overloaded)
    }
}

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        waiting.try_update(Relaxed, Relaxed, |now| (now < MAX_WAITING).then_some(now + 1)).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
