//! Patterns of URIs (section "Pattern-based Subscriptions"), and which of them says most about a URI.
//!
//! The most specific pattern that matches a URI is:
//!
//! 1. the pattern that is exactly this URI;
//! 2. otherwise the longest matching prefix. A prefix is compared character by character, as Crossbar does it:
//!    `com.app` covers `com.application` too, `com.app.` does not; the empty prefix covers everything;
//! 3. otherwise the matching wildcard pattern with the most literal components; among equals, the one whose first
//!    difference has the literal component rather than the empty one.

use std::{cmp::Reverse, fmt, sync::Arc};

use rustc_hash::FxHashMap;

use super::{Uri, uri::InvalidUri};

/// How a pattern is compared with a URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    prefixes: Vec<Prefix<T>>,
    wildcards: Vec<Wildcard<T>>,
}

/// A prefix. They are sorted by text.
#[derive(Debug)]
struct Prefix<T> {
    text: Box<str>,
    value: T,
    /// The place of the longest other prefix that this one begins with.
    parent: Option<usize>,
}

/// A wildcard pattern. They are sorted by how specific they are.
#[derive(Debug)]
struct Wildcard<T> {
    /// An empty component matches any.
    components: Vec<Box<str>>,
    value: T,
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
        Self { exact: FxHashMap::default(), prefixes: Vec::new(), wildcards: Vec::new() }
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
                    patterns.prefixes.push(Prefix { text: Box::from(pattern), value, parent: None });
                }
                UriMatch::Wildcard => {
                    let components = pattern.split('.').map(Box::from).collect();
                    patterns.wildcards.push(Wildcard { components, value });
                }
            }
        }
        patterns.prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        patterns.prefixes.dedup_by(|later, first| later.text == first.text);
        link_parents(&mut patterns.prefixes);
        patterns.wildcards.sort_by_cached_key(Wildcard::specificity);
        patterns
    }
}

impl<T> Patterns<T> {
    /// The value of the most specific pattern that matches.
    pub fn most_specific(&self, uri: &str) -> Option<&T> {
        self.exact
            .get(uri)
            .or_else(|| self.longest_prefix(uri))
            .or_else(|| self.wildcards.iter().find(|rule| rule.matches(uri)).map(|rule| &rule.value))
    }

    /// Every prefix of `uri` that is sorted at or before some text at or before `uri` is a prefix of that text
    /// too. So the nearest prefix at or before `uri` and its chain of parents have all that match, longest first.
    fn longest_prefix(&self, uri: &str) -> Option<&T> {
        let mut place = self.prefixes.partition_point(|rule| *rule.text <= *uri).checked_sub(1)?;
        loop {
            let rule = self.prefixes.get(place)?;
            if uri.starts_with(&*rule.text) {
                return Some(&rule.value);
            }
            place = rule.parent?;
        }
    }
}

fn link_parents<T>(sorted: &mut [Prefix<T>]) {
    // The prefixes that the one before begins with, shortest first.
    let mut open: Vec<(usize, Box<str>)> = Vec::new();
    for (place, rule) in sorted.iter_mut().enumerate() {
        while open.pop_if(|(_, text)| !rule.text.starts_with(&**text)).is_some() {}
        rule.parent = open.last().map(|(parent, _)| *parent);
        open.push((place, rule.text.clone()));
    }
}

// === impl Wildcard ===

impl<T> Wildcard<T> {
    /// Sorts the most specific pattern first.
    fn specificity(&self) -> (Reverse<usize>, Vec<bool>) {
        let empty: Vec<bool> = self.components.iter().map(|component| component.is_empty()).collect();
        (Reverse(empty.iter().filter(|empty| !**empty).count()), empty)
    }

    fn matches(&self, uri: &str) -> bool {
        let mut others = uri.split('.');
        let all = self.components.iter().all(|component| {
            others.next().is_some_and(|other| component.is_empty() || **component == *other)
        });
        all && others.next().is_none()
    }
}

#[cfg(test)]
mod tests;
