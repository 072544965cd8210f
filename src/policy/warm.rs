//! Warm instances: they live for many decisions, for languages whose runtime takes long to set up.
//!
//! What a policy keeps in its memory then passes from one client to the next; keeping them apart is the
//! policy's own business. An instance that has failed is never used again, and one that has grown fat is
//! replaced before its limit refuses a client.

use std::sync::{Mutex, PoisonError};

use wasmtime::Store;

use super::{Instances, PolicyOptions, instance::Instance};

/// An instance with its store.
pub(super) struct Running<G> {
    pub(super) store: Store<Instance>,
    pub(super) guest: G,
}

/// Instances that wait for their next decision, the last used first: the others' pages stay out of the caches.
pub(super) struct WarmPool<G> {
    waiting: Mutex<Vec<Running<G>>>,
    max: usize,
    /// An instance with more memory, in bytes, does not come back.
    max_kept_memory: usize,
}

impl<G> WarmPool<G> {
    /// A pool, if the instances live longer than one decision.
    pub(super) fn for_options(options: &PolicyOptions) -> Option<Self> {
        match options.instances {
            Instances::Fresh => None,
            Instances::Warm => Some(Self {
                waiting: Mutex::default(),
                max: options.max_concurrent,
                max_kept_memory: options.max_memory / 2,
            }),
        }
    }

    pub(super) fn take(&self) -> Option<Running<G>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes back an instance whose call has returned.
    pub(super) fn give_back(&self, mut running: Running<G>) {
        let instance = running.store.data_mut();
        instance.finish();
        if instance.limits.memory() > self.max_kept_memory {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < self.max {
            waiting.push(running);
        }
    }
}
