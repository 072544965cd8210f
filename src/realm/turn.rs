//! What broker and dealer meet while they act on one message: the sessions, the time, where identifiers come from, and where
//! they note what the meta API tells of.

use std::time::Instant;

use super::{
    identifiers::Identifiers,
    member::{Member, Members},
    permissions::{Action, Permissions},
};
use crate::{
    time::Timestamp,
    wamp::{ClientFeatures, SessionId},
};

/// One message's turn.
pub(super) struct Turn<'a> {
    pub(super) members: &'a Members,
    pub(super) permissions: &'a Permissions,
    pub(super) identifiers: &'a mut Identifiers,
    /// Now, for what ends after a time.
    pub(super) now: Instant,
    /// Now, for what clients are told.
    pub(super) clock: Timestamp,
    /// How many calls of a session may wait for their answers.
    pub(super) max_pending_calls: usize,
    /// What has happened to subscriptions and registrations in this turn.
    pub(super) changes: &'a mut Vec<(Kind, Change)>,
}

/// What a change has happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Subscription,
    Registration,
}

/// What happened to a subscription or a registration: the session that has brought it about, and the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The session has made it.
    Created(SessionId, u64),
    /// The session was added to it.
    Added(SessionId, u64),
    /// The session was removed from it.
    Removed(SessionId, u64),
    /// It is gone with its last session.
    Deleted(SessionId, u64),
}

impl Turn<'_> {
    /// A session of the realm.
    pub(super) fn member(&self, session: SessionId) -> Option<&Member> {
        self.members.get(session)
    }

    /// Whether a session is the gateway's own. How much it calls at once is bounded by what it calls for, and not as clients are.
    pub(super) fn is_gateway(&self, session: SessionId) -> bool {
        self.member(session).is_some_and(|member| member.client.is_gateway())
    }

    /// Whether a session's client has announced a feature.
    pub(super) fn supports(&self, session: SessionId, feature: ClientFeatures) -> bool {
        self.member(session).is_some_and(|member| member.client.features.has(feature))
    }

    /// Whether a session that has a pattern may have what it covers. An authorizer was asked about the pattern itself.
    pub(super) fn may(&self, session: SessionId, action: Action, uri: &str) -> bool {
        self.member(session).is_some_and(|member| {
            self.permissions.check(member.role, action, uri).is_some()
                || self.permissions.is_asked(member.role)
        })
    }
}
