//! Room for new records: what goes when the index is full, or when a principal has too many.

use std::sync::Arc;

use super::{Evicted, Index, slots::SlotNumber};
use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord},
    time::Timestamp,
};

/// How many records with an open connection are passed over in search of one that may go: well below a millisecond. The
/// next search goes on behind them.
const MAX_PASSED_OVER: usize = 4096;

impl Index {
    /// Makes room for a record that comes in place of another one. If nothing else may go, that other one goes.
    pub(super) fn make_room_beside(&mut self, id: &TrackingId, settled: Timestamp, now: Timestamp) {
        if self.len() >= self.limits.records
            && !self.evict(settled, now)
            && let Some(place) = self.find(id)
        {
            self.limits.tally.evicted_for_room.inc();
            self.evict_at(place, None, now);
        }
    }

    /// Drops the record that may go first; whether there was one. One with an open connection may not.
    pub(super) fn evict(&mut self, settled: Timestamp, now: Timestamp) -> bool {
        if self.drop_expired(settled) {
            return true;
        }
        let first = self.recency.longest_unseen();
        for _ in 0..MAX_PASSED_OVER {
            let Some(place) = self.recency.longest_unseen() else { return false };
            if !self.is_open(place) {
                self.limits.tally.evicted_for_room.inc();
                self.evict_at(place, None, now);
                return true;
            }
            // Its client is here now.
            self.recency.remove(&mut self.slots, place);
            self.recency.push_newest(&mut self.slots, place);
            if self.recency.longest_unseen() == first {
                return false;
            }
        }
        false
    }

    /// Makes room for one more record of a principal: its record that was seen longest ago goes. If all have open
    /// connections, the records stay, and the oldest login goes.
    pub(super) fn make_room_for_login(&mut self, login: Option<&Arc<Authentication>>, now: Timestamp) {
        let (Some(login), limit) = (login, self.limits.per_principal) else { return };
        let principal = self.principal(login);
        if limit == 0 || self.principals.count(principal) < limit {
            return;
        }
        self.limits.tally.evicted_of_principal.inc();
        let oldest = self.principals.longest_unseen(principal);
        for _ in 0..limit.min(MAX_PASSED_OVER) {
            let Some(place) = self.principals.longest_unseen(principal) else { return };
            if !self.is_open(place) {
                return self.evict_at(place, None, now);
            }
            self.principals.remove(&mut self.slots, place, principal);
            self.principals.push_newest(&mut self.slots, place, principal);
        }
        let left = oldest.and_then(|place| Some((place, self.slots.record(place)?)));
        if let Some((place, record)) = left {
            self.evict_at(place, Some(CookieRecord { authentication: None, ..record }), now);
        }
    }

    /// Drops a record before its time, or leaves of it what is given.
    fn evict_at(&mut self, place: SlotNumber, left: Option<CookieRecord>, at: Timestamp) {
        if self.limits.tells_evicted
            && let Some(id) = self.slots.tracking_id(place)
        {
            self.evicted.push(Evicted { id, left: left.clone(), at });
        }
        match left {
            Some(record) => self.set(place, record),
            None => self.remove_at(place),
        }
    }

    fn is_open(&self, place: SlotNumber) -> bool {
        self.slots.tracking_id(place).is_some_and(|id| self.limits.open.is_open(&id))
    }
}
