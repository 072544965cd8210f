//! Patterns of URIs (section "Pattern-based Subscriptions"), and which of them says most about a URI.
//!
//! The most specific pattern that matches a URI is:
//!
//! 1. the pattern that is exactly this URI;
//! 2. otherwise the longest matching prefix. A prefix is compared character by character, as Crossbar does it:
//!    `com.app` covers `com.application` too, `com.app.` does not; the empty prefix covers everything;
//! 3. otherwise the matching wildcard pattern with the most literal components; among equals, the one whose first
//!    difference has the literal component rather than the empty one.

mod map;
mod tree;

use std::{fmt, num::NonZeroU64, sync::Arc};

use rustc_hash::FxHashMap;

pub use self::map::PatternMap;
use self::tree::PatternTree;
use super::{Uri, uri::InvalidUri};

/// How a pattern is compared with a URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum UriMatch {
    /// The URI is the pattern.
    #[default]
    Exact,
    /// The URI begins with the pattern.
    Prefix,
    /// The URI has as many components as the pattern, and each is the pattern's own where that is not empty.
    Wildcard,
}

/// What a client subscribes to or registers: a URI, or a pattern of URIs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// This URI.
    Exact(Uri),
    /// The URIs that begin with this text.
    Prefix(Arc<str>),
    /// The URIs that have these components, where an empty one stands for any.
    Wildcard(Arc<str>),
}

/// Values by pattern, for looking up the value of the most specific pattern. Made once, never changed.
#[derive(Debug)]
pub struct Patterns<T> {
    // The patterns are the operator's, so a hash that a client could aim at collides with nothing of the client's.
    exact: FxHashMap<Box<str>, T>,
    prefixes: PatternTree<T>,
    /// With how many of their components are literal.
    wildcards: PatternTree<(usize, T)>,
}

// === impl UriMatch ===

impl UriMatch {
    /// Reads the value of the option `match`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "exact" => Self::Exact,
            "prefix" => Self::Prefix,
            "wildcard" => Self::Wildcard,
            _ => return None,
        })
    }

    /// The value of the option `match`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Wildcard => "wildcard",
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Checks a text that came from a client; which texts are sound depends on how it is to be compared.
    pub fn parse(text: &str, matching: UriMatch) -> Result<Self, InvalidUri> {
        match matching {
            UriMatch::Exact => Uri::parse(text).map(Self::Exact),
            UriMatch::Prefix => Uri::check_prefix(text).map(|()| Self::Prefix(Arc::from(text))),
            UriMatch::Wildcard => Uri::check_wildcard(text).map(|()| Self::Wildcard(Arc::from(text))),
        }
    }

    /// How it is compared with a URI.
    pub const fn matching(&self) -> UriMatch {
        match self {
            Self::Exact(_) => UriMatch::Exact,
            Self::Prefix(_) => UriMatch::Prefix,
            Self::Wildcard(_) => UriMatch::Wildcard,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(uri) => uri.as_str(),
            Self::Prefix(text) | Self::Wildcard(text) => text,
        }
    }

    /// Which components of a wildcard pattern are empty, and how many components there are: at most 63. Of the patterns of one shape, no
    /// more than one matches a URI.
    pub fn shape(&self) -> Option<NonZeroU64> {
        let Self::Wildcard(text) = self else { return None };
        // The leading 1 marks how many components follow.
        let shape =
            text.split('.').fold(1_u64, |shape, component| shape << 1 | u64::from(component.is_empty()));
        NonZeroU64::new(shape)
    }

    /// Whether it matches a URI.
    pub fn matches(&self, uri: &str) -> bool {
        match self {
            Self::Exact(own) => own.as_str() == uri,
            Self::Prefix(prefix) => uri.starts_with(&**prefix),
            Self::Wildcard(pattern) => {
                let mut others = uri.split('.');
                let all = pattern.split('.').all(|component| {
                    others.next().is_some_and(|other| component.is_empty() || component == other)
                });
                all && others.next().is_none()
            }
        }
    }

    /// Whether all that it matches belongs to the protocol: its first component is `wamp`, and ends.
    pub fn is_reserved(&self) -> bool {
        match self {
            Self::Exact(uri) => uri.is_reserved(),
            Self::Prefix(text) => text.starts_with("wamp."),
            Self::Wildcard(text) => text.split('.').next() == Some("wamp"),
        }
    }
}

impl From<Uri> for Pattern {
    fn from(uri: Uri) -> Self {
        Self::Exact(uri)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Patterns ===

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self {
            exact: FxHashMap::default(),
            prefixes: PatternTree::default(),
            wildcards: PatternTree::default(),
        }
    }
}

impl<'a, T> FromIterator<(UriMatch, &'a str, T)> for Patterns<T> {
    /// Of two equal patterns the first one counts.
    fn from_iter<I: IntoIterator<Item = (UriMatch, &'a str, T)>>(all: I) -> Self {
        let mut patterns = Self::default();
        for (matching, pattern, value) in all {
            match matching {
                UriMatch::Exact => {
                    patterns.exact.entry(Box::from(pattern)).or_insert(value);
                }
                UriMatch::Prefix => {
                    patterns.prefixes.get_or_insert_with(pattern, || value);
                }
                UriMatch::Wildcard => {
                    let literal = pattern.split('.').filter(|component| !component.is_empty()).count();
                    patterns.wildcards.get_or_insert_with(pattern, || (literal, value));
                }
            }
        }
        patterns
    }
}

impl<T> Patterns<T> {
    /// The value of the most specific pattern that matches.
    pub fn most_specific(&self, uri: &str) -> Option<&T> {
        if let Some(value) = self.exact.get(uri) {
            return Some(value);
        }
        let mut longest = None;
        self.prefixes.each_prefix(uri, |value| longest = Some(value));
        if longest.is_some() {
            return longest;
        }
        let mut best: Option<&(usize, T)> = None;
        // Of several with as many literal components, the first one has the literal component where they first differ.
        self.wildcards.each_wildcard(uri, |found| {
            if best.is_none_or(|best| found.0 > best.0) {
                best = Some(found);
            }
            false
        });
        best.map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests;
