//! The broker: it knows which session is subscribed to which topic, and sends events to the subscribers.
//!
//! A subscription's identifier belongs to the topic, not to the subscriber, so that an event is written once for all
//! of its receivers (section "SUBSCRIBED"). Identifiers are counted per realm: the specification leaves the router
//! scope to the router. The broker forgets a topic that has no subscribers.

mod audience;

use std::collections::{HashMap, hash_map::Entry};

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use audience::Audience;

use super::{
    deliveries::{Deliveries, RequestError},
    identifiers::Identifiers,
    member::{Actor, Members},
};
use crate::wamp::{Payload, RouterMessage, SessionId, Uri, message::EventDetails, uri::error};

/// How many topics a session may be subscribed to, so that one client cannot fill the memory that all share.
pub(super) const MAX_SUBSCRIPTIONS: usize = 10_000;

/// The subscriptions of a realm.
#[derive(Debug, Default)]
pub(super) struct Broker {
    // Clients choose the topics, so this map keeps the standard library's keyed hash. The others have keys that
    // the gateway draws itself, so a fast hash without a secret will do.
    topics: HashMap<Uri, Topic>,
    by_id: FxHashMap<u64, Uri>,
    /// What each session is subscribed to; a session that is subscribed to nothing is not in here.
    by_session: FxHashMap<SessionId, FxHashSet<u64>>,
}

#[derive(Debug)]
struct Topic {
    subscription: u64,
    subscribers: FxHashSet<SessionId>,
}

/// An event on its way to the subscribers of a topic: everything that there is to know of it.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) id: u64,
    pub(super) topic: &'a Uri,
    /// The publisher, if it is disclosed.
    pub(super) publisher: Option<Actor<'a>>,
    pub(super) audience: Audience,
    pub(super) payload: Payload,
}

impl Broker {
    /// Subscribes a session to a topic. A second time gives the same subscription (section "SUBSCRIBED").
    pub(super) fn subscribe(
        &mut self,
        session: SessionId,
        topic: Uri,
        identifiers: &mut Identifiers,
    ) -> Result<u64, RequestError> {
        let held = self.by_session.get(&session).map_or(0, FxHashSet::len);
        let entry = self.topics.entry(topic);
        if let Entry::Occupied(topic) = &entry
            && topic.get().subscribers.contains(&session)
        {
            return Ok(topic.get().subscription);
        }
        if held >= MAX_SUBSCRIPTIONS {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                format!("a session may have {MAX_SUBSCRIPTIONS} subscriptions: unsubscribe from some first"),
            ));
        }
        let topic = match entry {
            Entry::Occupied(topic) => topic.into_mut(),
            Entry::Vacant(vacant) => {
                let subscription = identifiers.subscription();
                self.by_id.insert(subscription, vacant.key().clone());
                vacant.insert(Topic { subscription, subscribers: FxHashSet::default() })
            }
        };
        topic.subscribers.insert(session);
        self.by_session.entry(session).or_default().insert(topic.subscription);
        Ok(topic.subscription)
    }

    /// Whether a session is subscribed to a topic.
    pub(super) fn is_subscribed(&self, session: SessionId, topic: &Uri) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.subscribers.contains(&session))
    }

    /// Ends a subscription that the session has.
    pub(super) fn unsubscribe(&mut self, session: SessionId, subscription: u64) -> Result<(), RequestError> {
        let held = self.by_session.get_mut(&session).filter(|held| held.contains(&subscription));
        let Some(held) = held else {
            return Err(RequestError::new(
                error::NO_SUCH_SUBSCRIPTION,
                format!("this session has no subscription {subscription}"),
            ));
        };
        held.remove(&subscription);
        if held.is_empty() {
            self.by_session.remove(&session);
        }
        self.remove_subscriber(session, subscription);
        Ok(())
    }

    /// Whether an event on a topic would reach a session.
    pub(super) fn has_subscribers(&self, topic: &Uri) -> bool {
        self.topics.contains_key(topic)
    }

    /// Sends an event to the subscribers of its topic that its audience includes.
    pub(super) fn publish(&self, publication: Publication<'_>, members: &Members, out: &mut Deliveries) {
        let Publication { id: publication, topic, publisher, audience, payload } = publication;
        let Some(Topic { subscription, subscribers }) = self.topics.get(topic) else { return };
        let event = || RouterMessage::Event {
            subscription: *subscription,
            publication,
            details: EventDetails {
                publisher: publisher.map(|publisher| publisher.disclosed()),
                ..EventDetails::default()
            },
            payload,
        };
        out.many(audience.among(subscribers, members), event);
    }

    /// Ends all subscriptions of a session.
    pub(super) fn leave(&mut self, session: SessionId) {
        for subscription in self.by_session.remove(&session).into_iter().flatten() {
            self.remove_subscriber(session, subscription);
        }
    }

    fn remove_subscriber(&mut self, session: SessionId, subscription: u64) {
        let Some(uri) = self.by_id.get(&subscription) else { return };
        let Some(topic) = self.topics.get_mut(uri) else { return };
        topic.subscribers.remove(&session);
        if topic.subscribers.is_empty() {
            self.topics.remove(uri);
            self.by_id.remove(&subscription);
        }
    }

    /// Whether nothing is left in any of the maps.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.by_id.is_empty() && self.by_session.is_empty()
    }
}

#[cfg(test)]
mod tests;
