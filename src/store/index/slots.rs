//! The slab of records. A vacant slot has an empty ID and is chained to the next vacant one.

use std::sync::Arc;

use crate::{
    cookie::{MaxAge, TrackingId},
    store::{Authentication, CookieRecord, Lineage},
    time::Timestamp,
};

/// A slot's number, or [`SlotNumber::NOWHERE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotNumber(u32);

impl SlotNumber {
    pub(super) const NOWHERE: Self = Self(u32::MAX);

    /// Slots, and positions in the expiry heap, are counted in 32 bits: four billion records are 400 GB.
    pub(super) fn new(number: usize) -> Self {
        Self(u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) const fn number(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    vacant: SlotNumber,
}

struct Slot {
    id: Box<str>,
    /// What most records lack, behind one pointer, so that the slot of a plain visitor is small.
    marks: Option<Box<Marks>>,
    created: Timestamp,
    last_seen: Timestamp,
    max_age: MaxAge,
    /// Where the expiry heap has the slot.
    in_expiry: SlotNumber,
    links: Links,
}

struct Marks {
    authentication: Option<Arc<Authentication>>,
    lineage: Option<Arc<Lineage>>,
}

/// A slot's neighbours in the recency list. A slot outside the list has [`Links::NONE`]; at the list's ends a
/// slot points to itself. In a vacant slot, `older` is the next vacant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) newer: SlotNumber,
    pub(super) older: SlotNumber,
}

impl Links {
    pub(super) const NONE: Self = Self { newer: SlotNumber::NOWHERE, older: SlotNumber::NOWHERE };
}

impl Default for Slots {
    fn default() -> Self {
        Self { slots: Vec::new(), vacant: SlotNumber::NOWHERE }
    }
}

impl Slots {
    /// Puts a record into a vacant slot or a new one.
    pub(super) fn occupy(&mut self, id: &TrackingId, record: CookieRecord) -> SlotNumber {
        let slot = Slot {
            id: Box::from(id.expose()),
            marks: Marks::of(record.authentication, record.lineage),
            created: record.created,
            last_seen: record.last_seen,
            max_age: record.max_age,
            in_expiry: SlotNumber::NOWHERE,
            links: Links::NONE,
        };
        let place = self.vacant;
        if let Some(vacant) = self.slots.get_mut(place.number()) {
            self.vacant = vacant.links.older;
            *vacant = slot;
            place
        } else {
            self.slots.push(slot);
            SlotNumber::new(self.slots.len() - 1)
        }
    }

    pub(super) fn vacate(&mut self, place: SlotNumber) {
        let next = self.vacant;
        if let Some(slot) = self.slots.get_mut(place.number()) {
            slot.id = Box::default();
            slot.marks = None;
            slot.links = Links { newer: SlotNumber::NOWHERE, older: next };
            self.vacant = place;
        }
    }

    pub(super) fn is_at(&self, place: SlotNumber, id: &TrackingId) -> bool {
        self.id(place) == Some(id.expose())
    }

    pub(super) fn id(&self, place: SlotNumber) -> Option<&str> {
        self.slots.get(place.number()).map(|slot| &*slot.id)
    }

    pub(super) fn tracking_id(&self, place: SlotNumber) -> Option<TrackingId> {
        // A vacant slot's empty ID does not parse.
        self.id(place).and_then(|id| TrackingId::parse(id).ok())
    }

    pub(super) fn authentication(&self, place: SlotNumber) -> Option<&Authentication> {
        self.slots.get(place.number())?.marks.as_ref()?.authentication.as_deref()
    }

    pub(super) fn record(&self, place: SlotNumber) -> Option<CookieRecord> {
        self.slots.get(place.number()).map(Slot::record)
    }

    pub(super) fn set_record(&mut self, place: SlotNumber, record: CookieRecord) {
        if let Some(slot) = self.slots.get_mut(place.number()) {
            slot.marks = Marks::of(record.authentication, record.lineage);
            slot.created = record.created;
            slot.last_seen = record.last_seen;
            slot.max_age = record.max_age;
        }
    }

    pub(super) fn expires(&self, place: SlotNumber) -> Timestamp {
        self.slots.get(place.number()).map_or(Timestamp::from_millis(u64::MAX), |slot| {
            slot.created.plus_seconds(u64::from(slot.max_age.as_seconds()))
        })
    }

    pub(super) fn last_seen(&self, place: SlotNumber) -> Timestamp {
        self.slots.get(place.number()).map_or(Timestamp::from_millis(0), |slot| slot.last_seen)
    }

    pub(super) fn in_expiry(&self, place: SlotNumber) -> SlotNumber {
        self.slots.get(place.number()).map_or(SlotNumber::NOWHERE, |slot| slot.in_expiry)
    }

    pub(super) fn set_in_expiry(&mut self, place: SlotNumber, position: SlotNumber) {
        if let Some(slot) = self.slots.get_mut(place.number()) {
            slot.in_expiry = position;
        }
    }

    pub(super) fn links(&self, place: SlotNumber) -> Links {
        self.slots.get(place.number()).map_or(Links::NONE, |slot| slot.links)
    }

    pub(super) fn set_links(&mut self, place: SlotNumber, links: Links) {
        if let Some(slot) = self.slots.get_mut(place.number()) {
            slot.links = links;
        }
    }

    /// See [`Index::chunk`](super::Index::chunk).
    pub(super) fn chunk(
        &self,
        from: usize,
        count: usize,
    ) -> Option<(Vec<(TrackingId, CookieRecord)>, usize)> {
        let end = from.saturating_add(count).min(self.slots.len());
        let slots = self.slots.get(from..end).filter(|slots| !slots.is_empty())?;
        let occupied = slots.iter().filter_map(|slot| {
            // A vacant slot's empty ID does not parse.
            TrackingId::parse(&slot.id).ok().map(|id| (id, slot.record()))
        });
        Some((occupied.collect(), end))
    }
}

impl Marks {
    fn of(authentication: Option<Arc<Authentication>>, lineage: Option<Arc<Lineage>>) -> Option<Box<Self>> {
        (authentication.is_some() || lineage.is_some()).then(|| Box::new(Self { authentication, lineage }))
    }
}

impl Slot {
    fn record(&self) -> CookieRecord {
        CookieRecord {
            created: self.created,
            last_seen: self.last_seen,
            max_age: self.max_age,
            authentication: self.marks.as_ref().and_then(|marks| marks.authentication.clone()),
            lineage: self.marks.as_ref().and_then(|marks| marks.lineage.clone()),
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("created", &self.created).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn slot_is_small() {
        assert_eq!(size_of::<Slot>(), 56);
    }
}
