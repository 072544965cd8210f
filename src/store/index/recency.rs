//! The order in which unauthenticated records were noted: a list through the slots, from the newest to the
//! oldest.
//!
//! Authenticated records are not in it, because they never make room for others: they stand in such a list of their
//! principal. The order is that of the notes, not
//! of their timestamps, so a clock that jumps does not disturb it.

use super::slots::{Links, SlotNumber, Slots};

#[derive(Debug)]
pub(super) struct Recency {
    newest: SlotNumber,
    oldest: SlotNumber,
}

impl Default for Recency {
    fn default() -> Self {
        Self { newest: SlotNumber::NOWHERE, oldest: SlotNumber::NOWHERE }
    }
}

impl Recency {
    /// The record that may be evicted first.
    pub(super) fn longest_unseen(&self) -> Option<SlotNumber> {
        (self.oldest != SlotNumber::NOWHERE).then_some(self.oldest)
    }

    pub(super) fn push_newest(&mut self, slots: &mut Slots, place: SlotNumber) {
        if self.newest == SlotNumber::NOWHERE {
            self.oldest = place;
            slots.set_links(place, Links { newer: place, older: place });
        } else {
            let second = self.newest;
            slots.set_links(second, Links { newer: place, ..slots.links(second) });
            slots.set_links(place, Links { newer: place, older: second });
        }
        self.newest = place;
    }

    /// Takes a record out; nothing happens if it is not in.
    pub(super) fn remove(&mut self, slots: &mut Slots, place: SlotNumber) {
        let Links { newer, older } = slots.links(place);
        if newer == SlotNumber::NOWHERE {
            return;
        }
        slots.set_links(place, Links::NONE);
        let (is_newest, is_oldest) = (newer == place, older == place);
        if is_newest && is_oldest {
            *self = Self::default();
        } else if is_newest {
            self.newest = older;
            slots.set_links(older, Links { newer: older, ..slots.links(older) });
        } else if is_oldest {
            self.oldest = newer;
            slots.set_links(newer, Links { older: newer, ..slots.links(newer) });
        } else {
            slots.set_links(newer, Links { older, ..slots.links(newer) });
            slots.set_links(older, Links { newer, ..slots.links(older) });
        }
    }

    /// Brings the list into the order of `last_seen`.
    pub(super) fn order_by_last_seen(&mut self, slots: &mut Slots) {
        let mut places = Vec::new();
        while let Some(place) = self.longest_unseen() {
            self.remove(slots, place);
            places.push(place);
        }
        // Stable: records seen in the same moment keep the order of the log.
        places.sort_by_key(|place| slots.last_seen(*place));
        for place in places {
            self.push_newest(slots, place);
        }
    }
}
