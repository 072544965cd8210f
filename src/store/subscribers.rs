//! Those that are told of something.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Listeners of a kind, for as long as they are there: one or two.
pub(super) struct Subscribers<T: ?Sized>(Mutex<Vec<Weak<T>>>);

impl<T: ?Sized> Subscribers<T> {
    pub(super) fn add(&self, subscriber: Weak<T>) {
        let mut subscribers = self.lock();
        subscribers.retain(|other| other.strong_count() > 0);
        subscribers.push(subscriber);
    }

    /// Those that are there still. A copy, so that none is called under the lock.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Whether something is true for one of them. It must not call these subscribers.
    pub(super) fn any(&self, is_so: impl Fn(&T) -> bool) -> bool {
        self.lock().iter().filter_map(Weak::upgrade).any(|subscriber| is_so(&subscriber))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Default for Subscribers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> fmt::Debug for Subscribers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} subscribers", self.lock().len())
    }
}
