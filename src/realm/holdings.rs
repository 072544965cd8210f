//! What one session may hold in a realm: subscriptions, registrations, pending calls, and the bytes of the URIs in them.
//!
//! The broker and the dealer have bounds of their own, which are the same for all realms. Here an operator's stricter ones are
//! kept, and the bound on all URIs of a session together: ten thousand long URIs are more memory than ten thousand short
//! ones.

use rustc_hash::FxHashMap;

use super::{deliveries::RequestError, options::SessionLimits};
use crate::{
    memory::{self, Charge},
    wamp::{SessionId, uri::error},
};

/// What the sessions of a realm hold.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    limits: SessionLimits,
    /// The sessions that hold something.
    sessions: FxHashMap<SessionId, Held>,
}

/// What one session holds.
#[derive(Debug, Default)]
struct Held {
    /// The lengths of the URIs, by the identifiers of the subscriptions and registrations.
    subscriptions: FxHashMap<u64, usize>,
    registrations: FxHashMap<u64, usize>,
    /// All these lengths together.
    uris: usize,
    /// What is charged for all of it.
    charge: Charge,
}

/// A kind of thing that sessions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    Subscription,
    Registration,
}

impl Holdings {
    /// Nothing is held, and these are the limits.
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, sessions: FxHashMap::default() }
    }

    /// Whether a session may hold one thing more, whose URI has this length.
    pub(super) fn check(&self, session: SessionId, thing: Thing, uri: usize) -> Result<(), RequestError> {
        let SessionLimits { max_subscriptions, max_registrations, uri_space, .. } = self.limits;
        let nothing = Held::default();
        let held = self.sessions.get(&session).unwrap_or(&nothing);
        let (count, max, name, remedy) = match thing {
            Thing::Subscription => {
                (held.subscriptions.len(), max_subscriptions, "subscriptions", "unsubscribe from")
            }
            Thing::Registration => {
                (held.registrations.len(), max_registrations, "registrations", "unregister")
            }
        };
        if count >= max {
            return Err(full(format!("a session may have {max} {name}: {remedy} some first")));
        }
        if held.uris.saturating_add(uri) > uri_space {
            return Err(full(format!(
                "the URIs of a session's subscriptions and registrations may have {uri_space} bytes together: end some, or use shorter ones"
            )));
        }
        if !memory::has_room(uri.saturating_add(memory::ENTRY)) {
            return Err(full("the gateway has no memory left for it: try again later".to_owned()));
        }
        Ok(())
    }

    /// How many calls of a session may wait for their answers; the dealer counts them.
    pub(super) const fn max_pending_calls(&self) -> usize {
        self.limits.max_pending_calls
    }

    /// Notes what a session holds from now on; a second time changes nothing.
    pub(super) fn add(&mut self, session: SessionId, thing: Thing, id: u64, uri: usize) {
        let held = self.sessions.entry(session).or_default();
        if held.of(thing).insert(id, uri).is_none() {
            held.uris = held.uris.saturating_add(uri);
            held.charge.force(uri.saturating_add(memory::ENTRY));
        }
    }

    /// Forgets what a session no longer holds.
    pub(super) fn remove(&mut self, session: SessionId, thing: Thing, id: u64) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        if let Some(uri) = held.of(thing).remove(&id) {
            held.uris = held.uris.saturating_sub(uri);
            held.charge.shrink(uri.saturating_add(memory::ENTRY));
        }
        if held.subscriptions.is_empty() && held.registrations.is_empty() {
            self.sessions.remove(&session);
        }
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Whether nothing is held.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl Held {
    fn of(&mut self, thing: Thing) -> &mut FxHashMap<u64, usize> {
        match thing {
            Thing::Subscription => &mut self.subscriptions,
            Thing::Registration => &mut self.registrations,
        }
    }
}

fn full(message: String) -> RequestError {
    RequestError::new(error::UNAVAILABLE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: SessionId = SessionId(1);

    fn limits() -> SessionLimits {
        SessionLimits { max_subscriptions: 2, max_registrations: 1, max_pending_calls: 3, uri_space: 100 }
    }

    fn refusal(result: Result<(), RequestError>) -> String {
        let refused = result.unwrap_err();
        assert_eq!(refused.error, error::UNAVAILABLE);
        refused.message.into_owned()
    }

    #[test]
    fn each_kind_has_a_limit_and_all_uris_have_one_together() {
        let mut held = Holdings::new(limits());
        held.check(ME, Thing::Subscription, 60).unwrap();
        held.add(ME, Thing::Subscription, 1, 60);
        held.add(ME, Thing::Subscription, 1, 60);
        held.check(ME, Thing::Registration, 40).unwrap();
        assert!(refusal(held.check(ME, Thing::Registration, 41)).contains("may have 100 bytes together"));
        held.add(ME, Thing::Registration, 1, 40);
        assert!(refusal(held.check(ME, Thing::Registration, 0)).contains("may have 1 registrations"));
        held.remove(ME, Thing::Subscription, 1);
        held.check(ME, Thing::Subscription, 60).unwrap();
        held.add(ME, Thing::Subscription, 2, 1);
        held.add(ME, Thing::Subscription, 3, 1);
        assert!(refusal(held.check(ME, Thing::Subscription, 0)).contains("may have 2 subscriptions"));
        held.check(SessionId(2), Thing::Subscription, 100).unwrap();
        assert_eq!(held.max_pending_calls(), 3);
        held.leave(ME);
        assert!(held.is_empty());
    }

    #[test]
    fn a_session_that_holds_nothing_any_more_is_forgotten() {
        let mut held = Holdings::new(limits());
        held.add(ME, Thing::Subscription, 1, 60);
        held.remove(ME, Thing::Subscription, 2);
        held.remove(ME, Thing::Registration, 1);
        assert!(!held.is_empty());
        held.remove(ME, Thing::Subscription, 1);
        assert!(held.is_empty());
    }
}
