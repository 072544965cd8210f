//! Values by wildcard pattern, in a tree of components: a URI goes two ways at most at each component.

use std::collections::HashMap;

/// Values by wildcard pattern.
///
/// A look-up recurses once for each component of the URI: callers bound the length of URIs and patterns.
#[derive(Debug)]
pub(super) struct WildcardMap<T> {
    root: Node<T>,
}

/// What follows the same components.
#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    // Clients choose the components, so this map keeps the standard library's keyed hash.
    literal: HashMap<Box<str>, Node<T>>,
    /// The empty component, which matches any.
    any: Option<Box<Node<T>>>,
}

impl<T> Default for WildcardMap<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { value: None, literal: HashMap::new(), any: None }
    }
}

impl<T> WildcardMap<T> {
    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// The value of a pattern.
    pub(super) fn get(&self, pattern: &str) -> Option<&T> {
        let mut node = &self.root;
        for component in pattern.split('.') {
            node = if component.is_empty() { node.any.as_deref()? } else { node.literal.get(component)? };
        }
        node.value.as_ref()
    }

    /// The value of a pattern.
    pub(super) fn get_mut(&mut self, pattern: &str) -> Option<&mut T> {
        let mut node = &mut self.root;
        for component in pattern.split('.') {
            node = if component.is_empty() {
                node.any.as_deref_mut()?
            } else {
                node.literal.get_mut(component)?
            };
        }
        node.value.as_mut()
    }

    /// The value of a pattern, which is made if it is not there.
    pub(super) fn get_or_insert_with(&mut self, pattern: &str, make: impl FnOnce() -> T) -> &mut T {
        let mut node = &mut self.root;
        for component in pattern.split('.') {
            node = if component.is_empty() {
                node.any.get_or_insert_default()
            } else {
                node.literal.entry(Box::from(component)).or_default()
            };
        }
        node.value.get_or_insert_with(make)
    }

    /// Takes a pattern out.
    pub(super) fn remove(&mut self, pattern: &str) -> Option<T> {
        self.root.remove(Some(pattern))
    }

    /// Visits the values of all patterns that match a URI, until one is enough.
    ///
    /// Patterns come in the order of the specification (section "Pattern-based Registrations"): of two patterns, the one that
    /// has a literal component where they first differ comes first, which is the one with the longer portion before its
    /// wildcard.
    pub(super) fn each<'a>(&'a self, uri: &str, mut visit: impl FnMut(&'a T) -> bool) {
        self.root.each(Some(uri), &mut visit);
    }
}

/// The first component of a text, and what is behind it.
fn first(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((component, rest)) => (component, Some(rest)),
        None => (text, None),
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.value.is_none() && self.literal.is_empty() && self.any.is_none()
    }

    /// Whether the visit is over.
    fn each<'a>(&'a self, rest: Option<&str>, visit: &mut impl FnMut(&'a T) -> bool) -> bool {
        let Some(rest) = rest else {
            return self.value.as_ref().is_some_and(visit);
        };
        let (component, rest) = first(rest);
        self.literal.get(component).is_some_and(|node| node.each(rest, visit))
            || self.any.as_ref().is_some_and(|node| node.each(rest, visit))
    }

    fn remove(&mut self, rest: Option<&str>) -> Option<T> {
        let Some(rest) = rest else { return self.value.take() };
        let (component, rest) = first(rest);
        if component.is_empty() {
            let node = self.any.as_mut()?;
            let removed = node.remove(rest);
            if node.is_empty() {
                self.any = None;
            }
            return removed;
        }
        let node = self.literal.get_mut(component)?;
        let removed = node.remove(rest);
        if node.is_empty() {
            self.literal.remove(component);
        }
        removed
    }
}
