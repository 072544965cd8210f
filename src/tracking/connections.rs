//! How many connections are open for each tracking ID.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::cookie::TrackingId;

/// The open connections of one store's clients, counted by ID.
///
/// One of these stands beside each store and is shared by all its trackers, so that a client's count is the
/// same whichever path it comes in by. An ID takes 24 bytes (its text is shared with the connection) and only
/// while a connection of it is open, so that the listeners' limit bounds the whole.
#[derive(Default)]
pub struct Connections {
    counts: Mutex<HashMap<TrackingId, u32>>,
}

/// A connection that counts; dropping it ends that.
#[derive(Debug)]
#[must_use = "a connection counts only while its presence is held"]
pub struct Presence {
    connections: Arc<Connections>,
    id: TrackingId,
}

impl Connections {
    /// Counts one more connection of this ID; also gives how many there are now, this one included.
    pub fn enter(self: &Arc<Self>, id: &TrackingId) -> (Presence, u32) {
        let mut counts = self.lock();
        let count = counts.entry(id.clone()).or_insert(0);
        *count = count.saturating_add(1);
        let now = *count;
        drop(counts);
        (Presence { connections: Arc::clone(self), id: id.clone() }, now)
    }

    /// How many connections of this ID are open.
    pub fn count(&self, id: &TrackingId) -> u32 {
        self.lock().get(id).copied().unwrap_or(0)
    }

    /// How many IDs have an open connection.
    pub fn ids(&self) -> usize {
        self.lock().len()
    }

    fn leave(&self, id: &TrackingId) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(id);
            }
        }
    }

    // Held for one operation on the map and never across an await; a poisoned map is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<TrackingId, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.connections.leave(&self.id);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("ids", &self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_while_they_are_held_and_leave_nothing_behind() {
        let connections = Arc::new(Connections::default());
        let (a, b) = (TrackingId::parse("aaaaaa").unwrap(), TrackingId::parse("bbbbbb").unwrap());
        let (first, one) = connections.enter(&a);
        let (second, two) = connections.enter(&a);
        let (other, other_one) = connections.enter(&b);
        assert_eq!((one, two, other_one, connections.ids()), (1, 2, 1, 2));
        drop(first);
        assert_eq!((connections.count(&a), connections.count(&b)), (1, 1));
        drop((second, other));
        assert_eq!((connections.count(&a), connections.ids()), (0, 0));
    }

    #[test]
    fn debug_shows_no_id() {
        let connections = Arc::new(Connections::default());
        let (presence, _) = connections.enter(&TrackingId::parse("secretsecret").unwrap());
        assert!(!format!("{connections:?} {presence:?}").contains("secret"));
    }
}
