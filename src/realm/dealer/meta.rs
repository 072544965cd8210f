//! What the meta API shows of registrations, and taking one back.

use serde_json::{Value, json};

use super::{
    Dealer,
    registrations::{UNREGISTERED, tell_revoked},
};
use crate::{
    realm::{deliveries::Deliveries, turn::Turn},
    wamp::{SessionId, Uri, pattern::Pattern},
};

impl Dealer {
    /// All registrations.
    pub(in crate::realm) fn patterns(&self) -> impl Iterator<Item = (u64, &Pattern)> {
        self.procedures.patterns()
    }

    /// The registration of a pattern.
    pub(in crate::realm) fn lookup(&self, pattern: &Pattern) -> Option<u64> {
        self.procedures.of(pattern).map(|registration| registration.id)
    }

    /// The registration that a call of a procedure would go to, if any session may call it.
    pub(in crate::realm) fn best(&self, procedure: &Uri) -> Option<u64> {
        let exact = self.procedures.exact(procedure);
        let found = exact.or_else(|| self.procedures.best_pattern(procedure, |_| true));
        found.map(|registration| registration.id)
    }

    /// What there is to know of a registration: `RegistrationDetails`.
    pub(in crate::realm) fn details(&self, id: u64) -> Option<Value> {
        let (pattern, registration) = (self.procedures.pattern(id)?, self.procedures.get(id)?);
        Some(json!({
            "id": id,
            "created": registration.created.to_text(),
            "uri": pattern.as_str(),
            "match": pattern.matching().name(),
            "invoke": registration.invoke.name(),
        }))
    }

    /// The callees in the order in which they came, up to so many.
    pub(in crate::realm) fn members(&self, id: u64, most: usize) -> Option<Vec<u64>> {
        let callees = &self.procedures.get(id)?.callees;
        Some(callees.iter().map(|callee| callee.session.0).take(most).collect())
    }

    /// The pattern of a registration.
    pub(in crate::realm) fn pattern(&self, id: u64) -> Option<&Pattern> {
        self.procedures.pattern(id)
    }

    /// How many callees there are.
    pub(in crate::realm) fn count(&self, id: u64) -> Option<usize> {
        Some(self.procedures.get(id)?.callees.len())
    }

    /// Takes a registration back from one of its callees, which is told if it understands that. Whether there was such a
    /// callee.
    pub(in crate::realm) fn revoke(
        &mut self,
        callee: SessionId,
        registration: u64,
        reason: Option<Uri>,
        turn: &mut Turn<'_>,
        out: &mut Deliveries,
    ) -> bool {
        if self.unregister(callee, registration, turn, out).is_err() {
            return false;
        }
        let reason = reason.unwrap_or_else(|| Uri::known(UNREGISTERED));
        tell_revoked(callee, registration, reason, turn, out);
        true
    }
}
