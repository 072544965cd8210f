//! The order of expiry: a binary heap of places, in which every slot knows its own position.
//!
//! Knowing the position makes removal of *any* record logarithmic and exact; a heap of (time, ID) pairs would
//! keep revoked records until their time is over and so grow with history. Appending a record that expires
//! last, the usual case, is one comparison.

use super::slots::{SlotNumber, Slots};

#[derive(Debug, Default)]
pub(super) struct Expiry {
    heap: Vec<SlotNumber>,
}

impl Expiry {
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The record that expires first.
    pub(super) fn first(&self) -> Option<SlotNumber> {
        self.heap.first().copied()
    }

    pub(super) fn push(&mut self, slots: &mut Slots, place: SlotNumber) {
        self.heap.push(place);
        self.rise(slots, self.heap.len() - 1, place);
    }

    /// Takes a record out; nothing happens if it is not in.
    pub(super) fn remove(&mut self, slots: &mut Slots, place: SlotNumber) {
        let hole = slots.in_expiry(place).number();
        if self.heap.get(hole) != Some(&place) {
            return;
        }
        slots.set_in_expiry(place, SlotNumber::NOWHERE);
        let Some(last) = self.heap.pop() else { return };
        if hole < self.heap.len() {
            // The last one fills the hole, and moves from there to where it belongs: up or down, not both.
            let risen = self.rise(slots, hole, last);
            if risen == hole {
                self.sink(slots, hole, last);
            }
        }
    }

    /// Settles a place at a position or above; where it came to rest.
    fn rise(&mut self, slots: &mut Slots, mut position: usize, place: SlotNumber) -> usize {
        let key = slots.expires(place);
        while position > 0 {
            let above = (position - 1) / 2;
            match self.heap.get(above).copied() {
                Some(parent) if slots.expires(parent) > key => self.put(slots, position, parent),
                _ => break,
            }
            position = above;
        }
        self.put(slots, position, place);
        position
    }

    /// Settles a place at a position or below.
    fn sink(&mut self, slots: &mut Slots, mut position: usize, place: SlotNumber) {
        let key = slots.expires(place);
        loop {
            let below = 2 * position + 1;
            let children = (below..=below + 1).filter_map(|at| Some((at, *self.heap.get(at)?)));
            match children.min_by_key(|(_, child)| slots.expires(*child)) {
                Some((at, child)) if slots.expires(child) < key => {
                    self.put(slots, position, child);
                    position = at;
                }
                _ => break,
            }
        }
        self.put(slots, position, place);
    }

    fn put(&mut self, slots: &mut Slots, position: usize, place: SlotNumber) {
        if let Some(entry) = self.heap.get_mut(position) {
            *entry = place;
            slots.set_in_expiry(place, SlotNumber::new(position));
        }
    }
}
