//! The authenticated records by principal, each principal's in the order in which they were noted.
//!
//! A slot stands either in the recency list or in the list of its principal, so that both use the same links. A principal is
//! known by a keyed hash of its realm and authid. Two that share a hash share a bound, which harms neither.

use rustc_hash::FxHashMap;

use super::{
    recency::Recency,
    slots::{SlotNumber, Slots},
};

/// A principal's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PrincipalKey(pub(super) u64);

#[derive(Debug, Default)]
pub(super) struct Principals {
    lists: FxHashMap<PrincipalKey, PrincipalList>,
}

#[derive(Debug, Default)]
struct PrincipalList {
    places: Recency,
    count: u32,
}

impl Principals {
    /// How many records a principal has.
    pub(super) fn count(&self, principal: PrincipalKey) -> usize {
        self.lists.get(&principal).map_or(0, |list| list.count as usize)
    }

    /// The principal's record that was noted longest ago.
    pub(super) fn longest_unseen(&self, principal: PrincipalKey) -> Option<SlotNumber> {
        self.lists.get(&principal).and_then(|list| list.places.longest_unseen())
    }

    pub(super) fn push_newest(&mut self, slots: &mut Slots, place: SlotNumber, principal: PrincipalKey) {
        let list = self.lists.entry(principal).or_default();
        list.places.push_newest(slots, place);
        list.count = list.count.saturating_add(1);
    }

    /// Takes a record out that is in the principal's list.
    pub(super) fn remove(&mut self, slots: &mut Slots, place: SlotNumber, principal: PrincipalKey) {
        let Some(list) = self.lists.get_mut(&principal) else { return };
        list.places.remove(slots, place);
        list.count = list.count.saturating_sub(1);
        if list.count == 0 {
            self.lists.remove(&principal);
        }
    }

    /// Brings each list into the order of `last_seen`; the principals that have more records than `limit`.
    pub(super) fn order_by_last_seen(&mut self, slots: &mut Slots, limit: usize) -> Vec<PrincipalKey> {
        let mut over = Vec::new();
        for (principal, list) in &mut self.lists {
            if list.count > 1 {
                list.places.order_by_last_seen(slots);
            }
            if list.count as usize > limit {
                over.push(*principal);
            }
        }
        over
    }
}
