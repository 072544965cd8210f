//! IDs whose record in memory differs from what the medium has, because the medium failed.
//!
//! While a store refuses changes, a revocation counts all the same: the record is gone until the gateway stops. When the
//! medium works again, the store writes what became of these IDs, so that a restart does not bring them back.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::cookie::TrackingId;

/// How many IDs are noted one by one: some 10 MB. If there are more, the store writes everything anew.
const MAX_IDS: usize = 100_000;

/// What a store has still to write. It knows records by their IDs, or by the digests of those.
#[derive(Debug)]
pub(super) struct Owed<Id = TrackingId> {
    is_any: AtomicBool,
    ids: Mutex<OwedIds<Id>>,
}

/// What a store has to write at one moment.
#[derive(Clone)]
pub(super) struct OwedIds<Id = TrackingId> {
    ids: HashSet<Id>,
    /// How many others could not be noted.
    others: u64,
}

impl<Id: Clone + Eq + Hash> Owed<Id> {
    pub(super) fn add(&self, id: &Id) {
        let mut owed = self.lock();
        if owed.ids.len() < MAX_IDS {
            owed.ids.insert(id.clone());
        } else if !owed.ids.contains(id) {
            owed.others += 1;
        }
        self.is_any.store(true, Ordering::Release);
    }

    pub(super) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Acquire)
    }

    /// Whether an ID is among them. Costs nothing while there is none.
    pub(super) fn contains(&self, id: &Id) -> bool {
        self.is_any() && self.lock().ids.contains(id)
    }

    pub(super) fn all(&self) -> OwedIds<Id> {
        self.lock().clone()
    }

    /// These have been written.
    pub(super) fn settle(&self, written: &OwedIds<Id>) {
        let mut owed = self.lock();
        for id in &written.ids {
            owed.ids.remove(id);
        }
        owed.others = owed.others.saturating_sub(written.others);
        self.is_any.store(!owed.ids.is_empty() || owed.others > 0, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, OwedIds<Id>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Id> Default for Owed<Id> {
    fn default() -> Self {
        let ids = Mutex::new(OwedIds { ids: HashSet::new(), others: 0 });
        Self { is_any: AtomicBool::default(), ids }
    }
}

impl<Id: Eq + Hash> OwedIds<Id> {
    /// One more that is written together with these.
    pub(super) fn join(&mut self, id: Id) {
        self.ids.insert(id);
    }
}

impl<Id> OwedIds<Id> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Id> {
        self.ids.iter()
    }

    /// Whether some IDs could not be noted.
    pub(super) const fn is_incomplete(&self) -> bool {
        self.others > 0
    }
}

impl<Id> std::fmt::Debug for OwedIds<Id> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwedIds({})", self.ids.len())
    }
}
