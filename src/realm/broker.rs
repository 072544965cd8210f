//! The broker: who is subscribed to what, and who therefore gets an event.
//!
//! A subscription's identifier belongs to the topic, not to the subscriber, so that an event is written once for all
//! of its receivers (section "SUBSCRIBED"). Identifiers are counted per realm: the specification leaves the router
//! scope to the router. A topic without subscribers is forgotten.

use std::collections::{HashMap, hash_map::Entry};

use rustc_hash::{FxHashMap, FxHashSet};

use super::deliveries::RequestError;
use crate::wamp::{SessionId, Uri, message::PublishLists, uri::error};

/// How many topics a session may be subscribed to; keeps one client from filling the memory of all.
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
    last_subscription: u64,
}

#[derive(Debug)]
struct Topic {
    subscription: u64,
    subscribers: FxHashSet<SessionId>,
}

/// The receivers of an event as its publisher limits them.
#[derive(Debug)]
pub(super) struct Audience {
    /// A session that gets no event: the publisher.
    pub(super) except: Option<SessionId>,
    /// What the publisher says of others.
    pub(super) lists: Option<Box<PublishLists>>,
}

impl Broker {
    /// Subscribes a session to a topic. A second time gives the same subscription (section "SUBSCRIBED").
    pub(super) fn subscribe(&mut self, session: SessionId, topic: Uri) -> Result<u64, RequestError> {
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
                self.last_subscription += 1;
                self.by_id.insert(self.last_subscription, vacant.key().clone());
                vacant
                    .insert(Topic { subscription: self.last_subscription, subscribers: FxHashSet::default() })
            }
        };
        topic.subscribers.insert(session);
        self.by_session.entry(session).or_default().insert(topic.subscription);
        Ok(topic.subscription)
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

    /// The subscription under which an event on a topic goes out, and the sessions that get it.
    pub(super) fn receivers<'a>(
        &'a self,
        topic: &Uri,
        audience: &'a mut Audience,
    ) -> Option<(u64, impl Iterator<Item = SessionId> + 'a)> {
        let Topic { subscription, subscribers } = self.topics.get(topic)?;
        // Clients write these lists, as long as a message may be: sorted, a session is found in them quickly.
        if let Some(lists) = &mut audience.lists {
            lists.exclude.sort_unstable();
            if let Some(eligible) = &mut lists.eligible {
                eligible.sort_unstable();
                eligible.dedup();
            }
        }
        let Audience { except, lists } = &*audience;
        let exclude = lists.as_ref().map(|lists| lists.exclude.as_slice()).unwrap_or_default();
        let eligible = lists.as_ref().and_then(|lists| lists.eligible.as_deref());
        let listed = eligible.unwrap_or_default().iter().map(|id| SessionId(*id));
        let listed = listed.filter(|session| subscribers.contains(session));
        let all = eligible.is_none().then(|| subscribers.iter().copied());
        let receivers = listed
            .chain(all.into_iter().flatten())
            .filter(|session| Some(*session) != *except && exclude.binary_search(&session.0).is_err());
        Some((*subscription, receivers))
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
