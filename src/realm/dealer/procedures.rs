//! All registrations of a realm: by their procedures, by their patterns, and by their identifiers.

use rustc_hash::FxHashMap;

use super::registrations::Registration;
use crate::wamp::{
    Uri,
    pattern::{Pattern, PatternMap},
};

/// The registrations of a realm.
#[derive(Debug, Default)]
pub(super) struct Procedures {
    registrations: PatternMap<Registration>,
    // The gateway draws these keys itself, so a fast hash without a secret will do.
    by_id: FxHashMap<u64, Pattern>,
}

impl Procedures {
    pub(super) fn add(&mut self, pattern: Pattern, registration: Registration) {
        let id = registration.id;
        self.registrations.get_or_insert_with(&pattern, || registration);
        self.by_id.insert(id, pattern);
    }

    pub(super) fn remove(&mut self, id: u64) {
        if let Some(pattern) = self.by_id.remove(&id) {
            self.registrations.remove(&pattern);
        }
    }

    /// A registration, if there is one with this identifier.
    pub(super) fn get(&self, id: u64) -> Option<&Registration> {
        self.registrations.get(self.by_id.get(&id)?)
    }

    /// A registration to change, if there is one with this identifier.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Registration> {
        self.registrations.get_mut(self.by_id.get(&id)?)
    }

    /// The registration of a pattern.
    pub(super) fn of(&self, pattern: &Pattern) -> Option<&Registration> {
        self.registrations.get(pattern)
    }

    /// The registration of a pattern, to change.
    pub(super) fn of_mut(&mut self, pattern: &Pattern) -> Option<&mut Registration> {
        self.registrations.get_mut(pattern)
    }

    /// The registration of just this procedure.
    pub(super) fn exact(&self, procedure: &Uri) -> Option<&Registration> {
        self.registrations.exact(procedure)
    }

    /// The registration of just this procedure, to change.
    pub(super) fn exact_mut(&mut self, procedure: &Uri) -> Option<&mut Registration> {
        self.registrations.exact_mut(procedure)
    }

    /// The registration of the pattern that says most about a procedure, among those that fit. No pattern covers the protocol's
    /// own procedures.
    pub(super) fn best_pattern(
        &self,
        procedure: &Uri,
        fits: impl Fn(&Registration) -> bool,
    ) -> Option<&Registration> {
        if procedure.is_reserved() || !self.registrations.has_patterns() {
            return None;
        }
        self.registrations.best_pattern(procedure.as_str(), fits)
    }

    /// The pattern of a registration.
    pub(super) fn pattern(&self, id: u64) -> Option<&Pattern> {
        self.by_id.get(&id)
    }

    /// The identifiers and the patterns of all registrations.
    pub(super) fn patterns(&self) -> impl Iterator<Item = (u64, &Pattern)> {
        self.by_id.iter().map(|(id, pattern)| (*id, pattern))
    }

    /// Whether nothing is left in any of the maps.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.registrations.is_empty() && self.by_id.is_empty()
    }
}
