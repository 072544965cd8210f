//! Values by pattern that come and go: what clients subscribe to and register.

use std::collections::HashMap;

use super::{Pattern, PatternTree};
use crate::wamp::Uri;

/// Values by pattern. The value of a URI is found in one step, those of patterns by trees, never by a scan.
#[derive(Debug)]
pub struct PatternMap<T> {
    // Clients choose the URIs, so this map keeps the standard library's keyed hash.
    exact: HashMap<Uri, T>,
    prefixes: PatternTree<T>,
    wildcards: PatternTree<T>,
}

impl<T> Default for PatternMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), prefixes: PatternTree::default(), wildcards: PatternTree::default() }
    }
}

impl<T> PatternMap<T> {
    /// Whether nothing is in it.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && !self.has_patterns()
    }

    /// How many nodes the patterns have, and how many bytes these.
    #[cfg(test)]
    pub fn weight(&self) -> (usize, usize) {
        let (prefixes, wildcards) = (self.prefixes.weight(), self.wildcards.weight());
        (prefixes.0 + wildcards.0, prefixes.1 + wildcards.1)
    }

    /// Whether any value has a pattern that is more than one URI.
    pub fn has_patterns(&self) -> bool {
        !self.prefixes.is_empty() || !self.wildcards.is_empty()
    }

    /// The value of a URI itself.
    pub fn exact(&self, uri: &Uri) -> Option<&T> {
        self.exact.get(uri)
    }

    /// The value of a URI itself.
    pub fn exact_mut(&mut self, uri: &Uri) -> Option<&mut T> {
        self.exact.get_mut(uri)
    }

    /// The value of a pattern.
    pub fn get(&self, pattern: &Pattern) -> Option<&T> {
        match pattern {
            Pattern::Exact(uri) => self.exact.get(uri),
            Pattern::Prefix(text) => self.prefixes.get(text),
            Pattern::Wildcard(text) => self.wildcards.get(text),
        }
    }

    /// The value of a pattern.
    pub fn get_mut(&mut self, pattern: &Pattern) -> Option<&mut T> {
        match pattern {
            Pattern::Exact(uri) => self.exact.get_mut(uri),
            Pattern::Prefix(text) => self.prefixes.get_mut(text),
            Pattern::Wildcard(text) => self.wildcards.get_mut(text),
        }
    }

    /// The value of a pattern, which is made if it is not there.
    pub fn get_or_insert_with(&mut self, pattern: &Pattern, make: impl FnOnce() -> T) -> &mut T {
        match pattern {
            Pattern::Exact(uri) => self.exact.entry(uri.clone()).or_insert_with(make),
            Pattern::Prefix(text) => self.prefixes.get_or_insert_with(text, make),
            Pattern::Wildcard(text) => self.wildcards.get_or_insert_with(text, make),
        }
    }

    /// Takes a pattern out.
    pub fn remove(&mut self, pattern: &Pattern) -> Option<T> {
        match pattern {
            Pattern::Exact(uri) => self.exact.remove(uri),
            Pattern::Prefix(text) => self.prefixes.remove(text),
            Pattern::Wildcard(text) => self.wildcards.remove(text),
        }
    }

    /// Visits the values of the prefixes and wildcard patterns that match a URI: prefixes first, the shortest before the
    /// others.
    pub fn each_pattern<'a>(&'a self, uri: &str, mut visit: impl FnMut(&'a T)) {
        self.prefixes.each_prefix(uri, &mut visit);
        self.wildcards.each_wildcard(uri, |value| {
            visit(value);
            false
        });
    }

    /// The value of the pattern that says most about a URI, among those that fit (section "Pattern-based Registrations"):
    /// the longest prefix, otherwise the wildcard pattern with the longest portions.
    pub fn best_pattern(&self, uri: &str, fits: impl Fn(&T) -> bool) -> Option<&T> {
        let mut best = None;
        self.prefixes.each_prefix(uri, |value| {
            if fits(value) {
                best = Some(value);
            }
        });
        if best.is_none() {
            self.wildcards.each_wildcard(uri, |value| {
                if fits(value) {
                    best = Some(value);
                }
                best.is_some()
            });
        }
        best
    }
}
