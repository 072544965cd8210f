//! The broker: it knows which session is subscribed to which topic, and sends events to the subscribers.
//!
//! A subscription's identifier belongs to the topic, not to the subscriber, so that an event is written once for all
//! of its receivers (section "SUBSCRIBED"). Identifiers are counted per realm: the specification leaves the router
//! scope to the router. The broker forgets a topic that has no subscribers.

mod audience;
mod history;
mod meta;
mod retained;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use audience::Audience;
pub(super) use history::{Filter, MAX_RECALLED, Recalled};
use history::{Histories, Recorded, Unanswered};
use retained::{Retained, RetainedEvent};

use super::{
    deliveries::{Deliveries, RequestError},
    identifiers::Identifiers,
    member::Actor,
    options::HistoryOptions,
    permissions::Action,
    table::{KEPT_OF_MANY, Table},
    turn::{Change, Kind, Turn},
};
use crate::{
    time::Timestamp,
    wamp::{
        Payload, RouterMessage, SessionId, Uri,
        message::{EventDetails, Passthru},
        pattern::{Pattern, PatternMap},
        uri::error,
    },
};

/// How many topics a session may be subscribed to, so that one client cannot fill the memory that all share.
pub(super) const MAX_SUBSCRIPTIONS: usize = 10_000;

/// The subscriptions of a realm.
#[derive(Debug, Default)]
pub(super) struct Broker {
    topics: PatternMap<Topic>,
    // The gateway draws these keys itself, so a fast hash without a secret will do.
    by_id: FxHashMap<u64, Pattern>,
    /// What each session is subscribed to; a session that is subscribed to nothing is not in here.
    by_session: FxHashMap<SessionId, FxHashSet<u64>>,
    /// How many subscriptions may be to topics of the meta API.
    watching: usize,
    retained: Retained,
    histories: Histories,
}

/// A topic, or a pattern of topics, and its subscribers.
#[derive(Debug)]
struct Topic {
    subscription: u64,
    created: Timestamp,
    subscribers: FxHashSet<SessionId>,
    /// Whether it is there without subscribers too: it has a history.
    is_kept: bool,
}

/// An event on its way to the subscribers of a topic: everything that there is to know of it.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) id: u64,
    pub(super) topic: &'a Uri,
    /// The publisher, if it is disclosed.
    pub(super) publisher: Option<Actor<'a>>,
    pub(super) audience: Audience,
    /// How the publisher has packed the payload, if it did so itself.
    pub(super) passthru: Option<Box<Passthru>>,
    pub(super) payload: Payload,
}

impl Broker {
    /// A broker without subscribers that records the events of some topics. Each of them has its subscription from the start, so
    /// that what comes before its first subscriber is recorded.
    pub(super) fn new(
        histories: &[HistoryOptions],
        identifiers: &mut Identifiers,
        created: Timestamp,
    ) -> Self {
        let mut broker = Self::default();
        for options in histories {
            let subscription = identifiers.subscription();
            let topic = || Topic { subscription, created, subscribers: FxHashSet::default(), is_kept: true };
            broker.topics.get_or_insert_with(&options.pattern, topic);
            broker.by_id.insert(subscription, options.pattern.clone());
            broker.watching += usize::from(watches_meta(&options.pattern));
            broker.histories.add(options);
        }
        broker
    }

    /// Subscribes a session to a topic or a pattern of topics. A second time gives the same subscription (section
    /// "SUBSCRIBED").
    pub(super) fn subscribe(
        &mut self,
        session: SessionId,
        topic: &Pattern,
        turn: &mut Turn<'_>,
    ) -> Result<u64, RequestError> {
        let existing = self.topics.get_mut(topic);
        if let Some(topic) = &existing
            && topic.subscribers.contains(&session)
        {
            return Ok(topic.subscription);
        }
        if self.by_session.get(&session).map_or(0, FxHashSet::len) >= MAX_SUBSCRIPTIONS {
            return Err(RequestError::new(
                error::UNAVAILABLE,
                format!("a session may have {MAX_SUBSCRIPTIONS} subscriptions: unsubscribe from some first"),
            ));
        }
        let subscription = if let Some(found) = existing {
            found.subscribers.insert(session);
            found.subscription
        } else {
            let subscription = turn.identifiers.subscription();
            let subscribers = FxHashSet::from_iter([session]);
            let created = turn.clock;
            self.topics.get_or_insert_with(topic, || Topic {
                subscription,
                created,
                subscribers,
                is_kept: false,
            });
            self.by_id.insert(subscription, topic.clone());
            self.watching += usize::from(watches_meta(topic));
            turn.changes.push((Kind::Subscription, Change::Created(session, subscription)));
            subscription
        };
        self.by_session.entry(session).or_default().insert(subscription);
        turn.changes.push((Kind::Subscription, Change::Added(session, subscription)));
        Ok(subscription)
    }

    /// Whether a session is subscribed to a topic or a pattern.
    pub(super) fn is_subscribed(&self, session: SessionId, topic: &Pattern) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.subscribers.contains(&session))
    }

    /// Ends a subscription that the session has.
    pub(super) fn unsubscribe(
        &mut self,
        session: SessionId,
        subscription: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), RequestError> {
        let held = self.by_session.get_mut(&session).filter(|held| held.contains(&subscription));
        let Some(held) = held else {
            return Err(RequestError::new(
                error::NO_SUCH_SUBSCRIPTION,
                format!("this session has no subscription {subscription}"),
            ));
        };
        held.remove(&subscription);
        held.give_back();
        if held.is_empty() {
            self.by_session.remove(&session);
        }
        self.remove_subscriber(session, subscription, turn);
        Ok(())
    }

    /// Whether an event on a topic would reach a session.
    pub(super) fn has_subscribers(&self, topic: &Uri) -> bool {
        if self.topics.exact(topic).is_some() {
            return true;
        }
        let mut found = false;
        if self.topics.has_patterns() {
            self.topics.each_pattern(topic.as_str(), |_| found = true);
        }
        found
    }

    /// Sends an event to the subscribers of its topic, and to those of the patterns that match it, as far as its audience
    /// includes them. Each subscription gets an event of its own (section "Pattern-based Subscription").
    pub(super) fn publish(&self, publication: Publication<'_>, turn: &Turn<'_>, out: &mut Deliveries) {
        let Publication { id: publication, topic, publisher, audience, passthru, payload } = publication;
        let members = turn.members;
        let publisher = || publisher.map(|publisher| publisher.disclosed());
        if self.topics.has_patterns() {
            let text = topic.as_str();
            self.topics.each_pattern(text, |found| {
                let event = || RouterMessage::Event {
                    subscription: found.subscription,
                    publication,
                    details: EventDetails {
                        publisher: publisher(),
                        topic: Some(topic.clone()),
                        passthru: passthru.clone(),
                        ..EventDetails::default()
                    },
                    payload: payload.clone(),
                };
                // A role that may subscribe to a pattern need not be allowed to see all that the pattern covers.
                let subscribers = audience.among(&found.subscribers, members);
                out.many(subscribers.filter(|to| turn.may(*to, Action::Subscribe, text)), event);
            });
        }
        let Some(Topic { subscription, subscribers, .. }) = self.topics.exact(topic) else { return };
        let event = || RouterMessage::Event {
            subscription: *subscription,
            publication,
            details: EventDetails { publisher: publisher(), passthru, ..EventDetails::default() },
            payload,
        };
        out.many(audience.among(subscribers, members), event);
    }

    /// Retains an event for later subscribers. The payload is copied, since frames are larger than what is in them.
    pub(super) fn retain(
        &mut self,
        publication: &Publication<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), RequestError> {
        let event = RetainedEvent {
            publication: publication.id,
            publisher: publication.publisher.map(|publisher| publisher.disclosed()),
            audience: publication.audience.clone(),
            passthru: publication.passthru.clone(),
            payload: publication.payload.detached(),
        };
        if self.retained.keep(publication.topic, event, turn.now) {
            return Ok(());
        }
        Err(RequestError::new(
            error::UNAVAILABLE,
            "the gateway has no memory left for retained events: try again later, or publish without retain",
        ))
    }

    /// Records an event for later questions, if its topic has a history.
    pub(super) fn record(&mut self, publication: &Publication<'_>, turn: &Turn<'_>) {
        self.histories.record(publication, turn.clock);
    }

    /// The events of a subscription that a session asks for and may see.
    pub(super) fn recall(
        &self,
        session: SessionId,
        subscription: u64,
        filter: &Filter,
        turn: &Turn<'_>,
    ) -> Result<Recalled, RequestError> {
        let sees = |event: &Recorded| {
            // A role that may subscribe to a pattern need not be allowed to see all that the pattern covers.
            event.audience.includes(session, turn.members)
                && turn.may(session, Action::Subscribe, event.topic.as_str())
        };
        let recall = |pattern| self.histories.recall(pattern, subscription, filter, turn.clock, sees);
        self.by_id.get(&subscription).map_or(Err(Unanswered::NoHistory), recall).map_err(|why| match why {
            Unanswered::NoHistory => RequestError::new(
                error::HISTORY_UNAVAILABLE,
                format!("nothing is recorded of the subscription {subscription}: the realm's `store` does not name it"),
            ),
            Unanswered::NoSuchPublication(id) => RequestError::new(
                error::INVALID_ARGUMENT,
                format!("the publication {id} is not in the history of the subscription {subscription}, or no longer"),
            ),
        })
    }

    /// Gives a subscriber the retained events of what it has subscribed to.
    pub(super) fn give_retained(
        &self,
        session: SessionId,
        subscription: u64,
        pattern: &Pattern,
        turn: &Turn<'_>,
        out: &mut Deliveries,
    ) {
        self.retained.give(session, subscription, pattern, turn, out);
    }

    /// Ends all subscriptions of a session.
    pub(super) fn leave(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        for subscription in self.by_session.remove(&session).into_iter().flatten() {
            self.remove_subscriber(session, subscription, turn);
        }
    }

    fn remove_subscriber(&mut self, session: SessionId, subscription: u64, turn: &mut Turn<'_>) {
        let Some(pattern) = self.by_id.get(&subscription) else { return };
        let Some(topic) = self.topics.get_mut(pattern) else { return };
        topic.subscribers.remove(&session);
        topic.subscribers.give_back_beyond(KEPT_OF_MANY);
        turn.changes.push((Kind::Subscription, Change::Removed(session, subscription)));
        if topic.subscribers.is_empty() && !topic.is_kept {
            self.watching -= usize::from(watches_meta(pattern));
            self.topics.remove(pattern);
            self.by_id.remove(&subscription);
            turn.changes.push((Kind::Subscription, Change::Deleted(session, subscription)));
        }
    }

    /// Whether a session may be subscribed to a topic of the meta API.
    pub(super) const fn is_watched(&self) -> bool {
        self.watching > 0
    }

    /// Whether nothing is left in any of the maps.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.by_id.is_empty() && self.by_session.is_empty()
    }
}

/// Whether a pattern may match a topic that begins with `wamp.`.
fn watches_meta(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Prefix(text) => text.starts_with("wamp.") || "wamp.".starts_with(&**text),
        Pattern::Wildcard(text) => matches!(text.split('.').next(), Some("" | "wamp")),
        Pattern::Exact(_) => pattern.is_reserved(),
    }
}

#[cfg(test)]
mod tests;
