//! Which edge serves a transport now. A reload puts one in the place of another, and connections that are open ask for each request.

use std::sync::{
    Arc, PoisonError, RwLock, Weak,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::Edge;

/// An edge's place among those that serve a transport one after the other.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// Whether another edge serves the transport now.
    is_over: AtomicBool,
    /// That edge, if this one is not it; shared by all of them. A connection of an early edge keeps none of the later ones.
    latest: Arc<RwLock<Weak<Edge>>>,
}

impl Succession {
    /// The place behind this one.
    pub(super) fn next(&self) -> Self {
        Self { is_over: AtomicBool::new(false), latest: Arc::clone(&self.latest) }
    }

    /// Another edge serves the transport from now on.
    pub(super) fn end(&self, heir: &Arc<Edge>) {
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(heir);
        self.is_over.store(true, Relaxed);
    }

    /// Whether another edge serves the transport now.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// The edge that serves the transport in the place of this one.
    pub(super) fn heir(&self) -> Option<Arc<Edge>> {
        if !self.is_over() {
            return None;
        }
        self.latest.read().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}
