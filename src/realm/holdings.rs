//! What one session may hold in a realm: subscriptions, registrations, pending calls, and the bytes of the URIs in them.
//!
//! The broker and the dealer have bounds of their own, which are the same for all realms. Here an operator's stricter ones are
//! kept, and two bounds on all patterns of a session together:
//!
//! - *The bytes of their URIs*: ten thousand long URIs are more memory than ten thousand short ones.
//! - *The shapes of wildcard patterns*, see [`MAX_SHAPES`]. The look-up of a URI goes two ways at each component, and both may have
//!   something: patterns can be chosen so that it visits all of them and finds none. But at each component it visits no more
//!   places than there are shapes, so that one session makes it at most `MAX_SHAPES` times 32 steps longer.

use std::num::NonZeroU64;

use rustc_hash::FxHashMap;

use super::{deliveries::RequestError, options::SessionLimits, table::Table, turn::Kind};
use crate::{
    memory::{self, Charge},
    wamp::{
        SessionId,
        pattern::{Pattern, UriMatch},
        uri::error,
    },
};

/// How many shapes the wildcard patterns of a session may have: in how many ways their empty components are placed. Applications
/// have a few, with many patterns of each.
const MAX_SHAPES: usize = 64;

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
    /// By the identifiers of the subscriptions and registrations.
    subscriptions: FxHashMap<u64, Pledge>,
    registrations: FxHashMap<u64, Pledge>,
    /// The lengths of all URIs together.
    uris: usize,
    /// How many of the wildcard patterns have each shape.
    shapes: FxHashMap<NonZeroU64, usize>,
    /// What is charged for all of it.
    charge: Charge,
}

/// What a subscription or a registration counts.
#[derive(Debug, Clone, Copy)]
struct Pledge {
    /// The length of the URI.
    uri: u32,
    /// Whether it is a pattern, and so is in a tree.
    is_pattern: bool,
    /// The shape, of a wildcard pattern.
    shape: Option<NonZeroU64>,
}

impl Holdings {
    /// Nothing is held, and these are the limits.
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, sessions: FxHashMap::default() }
    }

    /// Other limits hold from now on. A session keeps what it holds, and gets no more until it is below them.
    pub(super) const fn set_limits(&mut self, limits: SessionLimits) {
        self.limits = limits;
    }

    /// The subscriptions and registrations that a session holds.
    pub(super) fn of(&self, session: SessionId) -> impl Iterator<Item = (Kind, u64)> {
        let held = self.sessions.get(&session);
        let subscriptions = held.into_iter().flat_map(|held| held.subscriptions.keys());
        let registrations = held.into_iter().flat_map(|held| held.registrations.keys());
        let subscriptions = subscriptions.map(|id| (Kind::Subscription, *id));
        subscriptions.chain(registrations.map(|id| (Kind::Registration, *id)))
    }

    /// Whether a session may hold one more.
    pub(super) fn check(
        &self,
        session: SessionId,
        kind: Kind,
        pattern: &Pattern,
    ) -> Result<(), RequestError> {
        let SessionLimits { max_subscriptions, max_registrations, uri_space, .. } = self.limits;
        let nothing = Held::default();
        let held = self.sessions.get(&session).unwrap_or(&nothing);
        let uri = pattern.as_str().len();
        let (count, max, name, remedy) = match kind {
            Kind::Subscription => {
                (held.subscriptions.len(), max_subscriptions, "subscriptions", "unsubscribe from")
            }
            Kind::Registration => {
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
        if held.shapes.len() >= MAX_SHAPES
            && pattern.shape().is_some_and(|shape| !held.shapes.contains_key(&shape))
        {
            return Err(full(format!(
                "the wildcard patterns of a session may have their empty components in {MAX_SHAPES} different places: end some, or use a prefix"
            )));
        }
        if !memory::has_room(Pledge::of(pattern).size()) {
            return Err(full("the gateway has no memory left for it: try again later".to_owned()));
        }
        Ok(())
    }

    /// How many calls of a session may wait for their answers; the dealer counts them.
    pub(super) const fn max_pending_calls(&self) -> usize {
        self.limits.max_pending_calls
    }

    /// Notes what a session holds from now on; a second time changes nothing.
    pub(super) fn add(&mut self, session: SessionId, kind: Kind, id: u64, pattern: &Pattern) {
        let held = self.sessions.entry(session).or_default();
        let pledge = Pledge::of(pattern);
        if held.of(kind).insert(id, pledge).is_none() {
            held.uris = held.uris.saturating_add(pledge.uri as usize);
            held.charge.force(pledge.size());
            if let Some(shape) = pledge.shape {
                *held.shapes.entry(shape).or_default() += 1;
            }
        }
    }

    /// Forgets what a session no longer holds.
    pub(super) fn remove(&mut self, session: SessionId, kind: Kind, id: u64) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        let pledges = held.of(kind);
        let removed = pledges.remove(&id);
        pledges.give_back();
        if let Some(pledge) = removed {
            held.uris = held.uris.saturating_sub(pledge.uri as usize);
            held.charge.shrink(pledge.size());
            if let Some(shape) = pledge.shape
                && let Some(count) = held.shapes.get_mut(&shape)
            {
                *count -= 1;
                if *count == 0 {
                    held.shapes.remove(&shape);
                }
            }
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

impl Pledge {
    fn of(pattern: &Pattern) -> Self {
        Self {
            // Messages, and so URIs, are much shorter than that.
            uri: u32::try_from(pattern.as_str().len()).unwrap_or(u32::MAX),
            is_pattern: pattern.matching() != UriMatch::Exact,
            shape: pattern.shape(),
        }
    }

    /// What it is charged. The tree of patterns has a text of its own.
    const fn size(self) -> usize {
        let texts = if self.is_pattern { 2 } else { 1 };
        (self.uri as usize).saturating_mul(texts).saturating_add(memory::HELD)
    }
}

impl Held {
    fn of(&mut self, kind: Kind) -> &mut FxHashMap<u64, Pledge> {
        match kind {
            Kind::Subscription => &mut self.subscriptions,
            Kind::Registration => &mut self.registrations,
        }
    }
}

fn full(message: String) -> RequestError {
    RequestError::new(error::UNAVAILABLE, message)
}

#[cfg(test)]
mod tests;
