//! What the meta API shows of subscriptions, and taking one back.

use serde_json::{Value, json};

use super::Broker;
use crate::{
    realm::{deliveries::Deliveries, turn::Turn},
    wamp::{ClientFeatures, RouterMessage, SessionId, Uri, pattern::Pattern},
};

/// Why a subscription was taken back, for subscribers that understand it, if the caller does not say.
const REMOVED: &str = "wamp.error.unsubscribed";

impl Broker {
    /// All subscriptions.
    pub(in crate::realm) fn patterns(&self) -> impl Iterator<Item = (u64, &Pattern)> {
        self.by_id.iter().map(|(id, pattern)| (*id, pattern))
    }

    /// The subscription of a pattern.
    pub(in crate::realm) fn lookup(&self, pattern: &Pattern) -> Option<u64> {
        self.topics.get(pattern).map(|topic| topic.subscription)
    }

    /// The subscriptions that an event on a topic would go to, up to so many.
    pub(in crate::realm) fn matching(&self, topic: &Uri, most: usize) -> Vec<u64> {
        let mut found: Vec<u64> =
            self.topics.exact(topic).map(|topic| topic.subscription).into_iter().collect();
        self.topics.each_pattern(topic.as_str(), |topic| {
            if found.len() < most {
                found.push(topic.subscription);
            }
        });
        found
    }

    /// What there is to know of a subscription: `SubscriptionDetails`.
    pub(in crate::realm) fn details(&self, id: u64) -> Option<Value> {
        let pattern = self.by_id.get(&id)?;
        let topic = self.topics.get(pattern)?;
        Some(json!({
            "id": id,
            "created": topic.created.to_text(),
            "uri": pattern.as_str(),
            "match": pattern.matching().name(),
        }))
    }

    /// The subscribers, up to so many.
    pub(in crate::realm) fn members(&self, id: u64, most: usize) -> Option<Vec<u64>> {
        let topic = self.topics.get(self.by_id.get(&id)?)?;
        Some(topic.subscribers.iter().map(|session| session.0).take(most).collect())
    }

    /// The pattern of a subscription.
    pub(in crate::realm) fn pattern(&self, id: u64) -> Option<&Pattern> {
        self.by_id.get(&id)
    }

    /// How many subscribers there are.
    pub(in crate::realm) fn count(&self, id: u64) -> Option<usize> {
        Some(self.topics.get(self.by_id.get(&id)?)?.subscribers.len())
    }

    /// Takes a subscription back from one of its subscribers, which is told if it understands that (section "Subscription
    /// Revocation"). Whether there was such a subscriber.
    pub(in crate::realm) fn revoke(
        &mut self,
        session: SessionId,
        subscription: u64,
        reason: Option<Uri>,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> bool {
        if self.unsubscribe(session, subscription, turn).is_err() {
            return false;
        }
        if turn.supports(session, ClientFeatures::SUBSCRIPTION_REVOCATION) {
            let reason = reason.unwrap_or_else(|| Uri::known(REMOVED));
            out.one(session, RouterMessage::SubscriptionRevoked { subscription, reason });
        }
        true
    }
}
