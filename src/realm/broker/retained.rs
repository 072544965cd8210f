//! Retained events: the latest one of each topic whose publisher asked for it (section "Event Retention").
//!
//! *Bound*: so many topics and so many bytes; beyond them the topic whose event is oldest is forgotten. Of a topic there is one event
//! for all, and one for each of a few audiences that publishers have named since. An event is
//! forgotten as well when its time is up. It is no durable storage, as the specification says. Without room in the memory that all
//! clients share, nothing is retained or forgotten, and the publisher is told.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Audience;
use crate::{
    memory::{self, Charge},
    realm::{deliveries::Deliveries, permissions::Action, turn::Turn},
    wamp::{
        Payload, RouterMessage, SessionId, Uri,
        message::{Disclosed, EventDetails, Passthru},
        pattern::Pattern,
    },
};

/// How many topics of a realm have a retained event.
pub(in crate::realm) const MAX_RETAINED: usize = 10_000;

/// How many bytes all retained events of a realm take, with their topics.
pub(in crate::realm) const MAX_RETAINED_BYTES: usize = 16 * 1024 * 1024;

/// How long an event is retained: what is older than a week is not what a subscriber calls the current state.
pub(in crate::realm) const RETAINED_FOR: Duration = Duration::from_hours(7 * 24);

/// How many events of one topic are retained for those whom the publisher has named, besides the one for all before them. Beyond
/// that the oldest of them is forgotten.
const MAX_NAMED: usize = 8;

/// How many topics one subscription to a pattern looks at: the realm serves no other client meanwhile.
pub(in crate::realm) const MAX_LOOKED_AT: usize = 1_000;

/// The retained events of a realm.
#[derive(Debug, Default)]
pub(in crate::realm) struct Retained {
    topics: BTreeMap<Arc<str>, Topic>,
    /// The topics in the order of their latest events.
    by_age: BTreeMap<u64, Arc<str>>,
    last: u64,
    /// What they take.
    charge: Charge,
}

/// What is retained of a topic.
#[derive(Debug)]
struct Topic {
    /// The place in the order.
    age: u64,
    until: Instant,
    /// The latest first; only the last one is for all subscribers.
    events: Vec<RetainedEvent>,
}

/// An event that was published.
#[derive(Debug)]
pub(in crate::realm) struct RetainedEvent {
    pub(in crate::realm) publication: u64,
    pub(in crate::realm) publisher: Option<Disclosed>,
    pub(in crate::realm) audience: Audience,
    pub(in crate::realm) passthru: Option<Box<Passthru>>,
    pub(in crate::realm) payload: Payload,
}

impl RetainedEvent {
    fn size(&self) -> usize {
        let passthru = self.passthru.as_deref().map_or(0, Passthru::size);
        size_of::<Self>() + self.payload.size() + self.audience.size() + passthru
    }
}

impl Topic {
    fn size(&self, name: &str) -> usize {
        place(name) + self.events.iter().map(RetainedEvent::size).sum::<usize>()
    }
}

/// What a topic takes besides its events.
const fn place(name: &str) -> usize {
    memory::ENTRY + name.len()
}

impl Retained {
    /// Retains an event, if there is memory left for it.
    #[must_use]
    pub(in crate::realm) fn keep(&mut self, topic: &Uri, event: RetainedEvent, now: Instant) -> bool {
        let name: Arc<str> = topic.clone().into();
        // The event needs room beside those that it takes the place of: if there is none, they stay.
        let new = place(&name) + event.size();
        if !self.charge.grow(new) {
            return false;
        }
        let mut events = self.forget(&name).map(|topic| topic.events).unwrap_or_default();
        if event.audience.is_limited() {
            // For the same receivers, the later event takes the place of the earlier one.
            events.retain(|earlier| earlier.audience != event.audience);
        } else {
            events.clear();
        }
        events.insert(0, event);
        let named = events.iter().take_while(|event| event.audience.is_limited()).count();
        if named > MAX_NAMED {
            // The one for all stays behind it.
            events.remove(named - 1);
        }
        self.last += 1;
        let until = now.checked_add(RETAINED_FOR).unwrap_or(now);
        let topic = Topic { age: self.last, until, events };
        self.charge.force(topic.size(&name).saturating_sub(new));
        self.by_age.insert(self.last, Arc::clone(&name));
        self.topics.insert(name, topic);
        while let Some((_, oldest)) = self.by_age.first_key_value() {
            let is_over = self.topics.len() > MAX_RETAINED || self.charge.bytes() > MAX_RETAINED_BYTES;
            let is_late = self.topics.get(oldest).is_some_and(|topic| topic.until <= now);
            if !is_over && !is_late {
                break;
            }
            let oldest = Arc::clone(oldest);
            self.forget(&oldest);
        }
        true
    }

    /// Gives a new subscriber what it would have got of the retained events.
    pub(in crate::realm) fn give(
        &self,
        session: SessionId,
        subscription: u64,
        pattern: &Pattern,
        turn: &Turn<'_>,
        out: &mut Deliveries,
    ) {
        let text = pattern.as_str();
        // What all matching topics begin with.
        let beginning = match pattern {
            Pattern::Exact(_) | Pattern::Prefix(_) => text,
            Pattern::Wildcard(_) => text.find("..").map_or_else(
                || if text.starts_with('.') { "" } else { text.trim_end_matches('.') },
                |at| text.get(..=at).unwrap_or_default(),
            ),
        };
        let beginning = if beginning.starts_with('.') { "" } else { beginning };
        let from = (Bound::Included(beginning), Bound::Unbounded);
        let near = self.topics.range::<str, _>(from).take_while(|(name, _)| name.starts_with(beginning));
        for (name, topic) in near.take(MAX_LOOKED_AT) {
            let matches = match pattern {
                Pattern::Exact(_) if **name != *text => return,
                Pattern::Exact(_) => true,
                // A role that may subscribe to a pattern need not be allowed to see all that the pattern covers.
                _ => pattern.matches(name) && turn.may(session, Action::Subscribe, name),
            };
            if !matches || topic.until <= turn.now {
                continue;
            }
            let fitting = topic.events.iter().find(|event| event.audience.includes(session, turn.members));
            let Some(RetainedEvent { publication, publisher, passthru, payload, .. }) = fitting else {
                continue;
            };
            let details = EventDetails {
                publisher: publisher.clone(),
                topic: (!matches!(pattern, Pattern::Exact(_))).then(|| Uri::parse(name).ok()).flatten(),
                retained: true,
                passthru: passthru.clone(),
            };
            let (publication, payload) = (*publication, payload.clone());
            out.one(session, RouterMessage::Event { subscription, publication, details, payload });
        }
    }

    fn forget(&mut self, name: &str) -> Option<Topic> {
        let topic = self.topics.remove(name)?;
        self.by_age.remove(&topic.age);
        self.charge.shrink(topic.size(name));
        Some(topic)
    }
}

#[cfg(test)]
mod tests;
