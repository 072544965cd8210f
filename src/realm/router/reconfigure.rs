//! What a session loses when its realm goes by other rules.

use std::sync::Arc;

use super::{
    super::{
        deliveries::Deliveries, member::Members, options::SessionLimits, permissions::Action, rules::Rules,
        turn::Kind,
    },
    Now, Router,
};
use crate::wamp::{SessionId, Uri, pattern::Pattern, uri::error};

/// What a client is told that loses a subscription or a registration.
const DENIED: &str = error::NOT_AUTHORIZED;

impl Router {
    /// Goes by other rules from now on.
    pub(in crate::realm) fn reconfigure(&mut self, rules: Arc<Rules>, limits: SessionLimits) {
        self.rules = rules;
        self.holdings.set_limits(limits);
    }

    /// Takes back what a session holds and its role may not have any more.
    ///
    /// What a pattern covers is decided anew for each event and each call; here the pattern itself is judged.
    pub(in crate::realm) fn take_back(
        &mut self,
        session: SessionId,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) {
        let Some(role) = members.get(session).map(|member| member.role) else { return };
        let permissions = &self.rules.permissions;
        let (broker, dealer) = (&self.broker, &self.dealer);
        let denied = |(kind, id)| {
            let (pattern, action) = match kind {
                Kind::Subscription => (broker.pattern(id), Action::Subscribe),
                Kind::Registration => (dealer.pattern(id), Action::Register),
            };
            // What an authorizer has allowed stays, as long as it is the same one: the others' sessions have been ended.
            let is_denied = |pattern: &Pattern| permissions.check(role, action, pattern.as_str()).is_none();
            !permissions.is_asked(role) && pattern.is_some_and(is_denied)
        };
        let denied: Vec<_> = self.holdings.of(session).filter(|held| denied(*held)).collect();
        if denied.is_empty() {
            return;
        }
        let turn = &mut turn!(self, members, now);
        for (kind, id) in denied {
            let reason = Some(Uri::known(DENIED));
            match kind {
                Kind::Subscription => self.broker.revoke(session, id, reason, turn, out),
                Kind::Registration => self.dealer.revoke(session, id, reason, turn, out),
            };
        }
        self.tell_changes(members, now, out);
    }
}
