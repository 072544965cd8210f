//! What the meta API tells of subscriptions and registrations (sections "Subscription Meta API" and "Registration Meta API").

use serde_json::Value;

use super::{
    super::{
        deliveries::Deliveries,
        member::Members,
        turn::{Change, Kind},
    },
    Now, Router,
};
use crate::wamp::{Payload, Uri};

/// The topics of the changes, each made once.
#[derive(Debug)]
pub(super) struct ChangeTopics {
    subscription: Topics,
    registration: Topics,
}

/// The topics of one kind.
#[derive(Debug)]
struct Topics {
    created: Uri,
    added: Uri,
    removed: Uri,
    deleted: Uri,
}

impl ChangeTopics {
    pub(super) fn new() -> Self {
        Self {
            subscription: Topics {
                created: Uri::known("wamp.subscription.on_create"),
                added: Uri::known("wamp.subscription.on_subscribe"),
                removed: Uri::known("wamp.subscription.on_unsubscribe"),
                deleted: Uri::known("wamp.subscription.on_delete"),
            },
            registration: Topics {
                created: Uri::known("wamp.registration.on_create"),
                added: Uri::known("wamp.registration.on_register"),
                removed: Uri::known("wamp.registration.on_unregister"),
                deleted: Uri::known("wamp.registration.on_delete"),
            },
        }
    }

    fn of(&self, kind: Kind, change: Change) -> &Uri {
        let topics = match kind {
            Kind::Subscription => &self.subscription,
            Kind::Registration => &self.registration,
        };
        match change {
            Change::Created(..) => &topics.created,
            Change::Added(..) => &topics.added,
            Change::Removed(..) => &topics.removed,
            Change::Deleted(..) => &topics.deleted,
        }
    }
}

impl Router {
    /// Notes what has happened to subscriptions and registrations, and tells the subscribers of the meta API.
    pub(super) fn tell_changes(&mut self, members: &Members, now: Now, out: &mut Deliveries) {
        let mut changes = std::mem::take(&mut self.changes);
        for (kind, change) in &changes {
            self.note(*kind, *change);
        }
        if self.broker.is_watched() {
            for (kind, change) in &changes {
                self.tell(*kind, *change, members, now, out);
            }
        }
        // What a large departure has needed is given back; the usual few places are kept.
        changes.clear();
        changes.shrink_to(KEPT_CHANGES);
        self.changes = changes;
    }

    /// What a session holds is what was given to it and not taken back, for whatever reason.
    fn note(&mut self, kind: Kind, change: Change) {
        match change {
            Change::Added(session, id) => {
                let pattern = match kind {
                    Kind::Subscription => self.broker.pattern(id),
                    Kind::Registration => self.dealer.pattern(id),
                };
                if let Some(pattern) = pattern {
                    self.holdings.add(session, kind, id, pattern);
                }
            }
            Change::Removed(session, id) => self.holdings.remove(session, kind, id),
            Change::Created(..) | Change::Deleted(..) => {}
        }
    }

    fn tell(&mut self, kind: Kind, change: Change, members: &Members, now: Now, out: &mut Deliveries) {
        let topic = self.topics.of(kind, change);
        if !self.broker.has_subscribers(topic) {
            return;
        }
        let topic = topic.clone();
        let (Change::Created(session, id)
        | Change::Added(session, id)
        | Change::Removed(session, id)
        | Change::Deleted(session, id)) = change;
        let about = match (change, kind) {
            (Change::Created(..), Kind::Subscription) => self.broker.details(id),
            (Change::Created(..), Kind::Registration) => self.dealer.details(id),
            _ => Some(id.into()),
        };
        let arguments: [Value; 2] = [session.0.into(), about.unwrap_or_default()];
        self.publish_own(&topic, Payload::json(&arguments), members, now, out);
    }
}

/// How many changes have a place without an allocation.
const KEPT_CHANGES: usize = 64;
