//! Values by pattern, in a radix tree of the patterns' bytes: what a URI costs depends on its length, not on how many patterns there are.
//!
//! Clients choose the patterns, and a tree holds them for as long as they like. So a pattern makes two nodes at most, however many
//! components it has, and each node is small: what many patterns share is there once, and what only one has is a single label.

/// Values by pattern. As a prefix, a pattern is compared byte by byte, and the empty one is the prefix of everything; as a wildcard
/// pattern, its empty components match any.
#[derive(Debug)]
pub(super) struct PatternTree<T> {
    root: Node<T>,
}

/// A piece of text that patterns share, and what follows it.
#[derive(Debug)]
struct Node<T> {
    /// Not empty, but for the root.
    label: Box<[u8]>,
    /// Apart from the node: one where patterns part has no value.
    value: Option<Box<T>>,
    /// Sorted by the first byte of their labels, of which no two are the same.
    children: Vec<Node<T>>,
}

/// A place in the tree: a node, and what of its label is still to come.
#[derive(Debug)]
struct Place<'a, T> {
    node: &'a Node<T>,
    label: &'a [u8],
}

/// Up to so many children have exactly the places that they need: most nodes have few.
const EXACT_PLACES: usize = 8;

impl<T> Default for PatternTree<T> {
    fn default() -> Self {
        Self { root: Node::leaf(&[]) }
    }
}

impl<T> PatternTree<T> {
    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.root.value.is_none() && self.root.children.is_empty()
    }

    /// The value of a pattern.
    pub(super) fn get(&self, pattern: &str) -> Option<&T> {
        let (mut node, mut rest) = (&self.root, pattern.as_bytes());
        while !rest.is_empty() {
            node = node.children.get(node.child(rest).ok()?)?;
            rest = rest.strip_prefix(&*node.label)?;
        }
        node.value.as_deref()
    }

    /// The value of a pattern.
    pub(super) fn get_mut(&mut self, pattern: &str) -> Option<&mut T> {
        let (mut node, mut rest) = (&mut self.root, pattern.as_bytes());
        while !rest.is_empty() {
            let child = node.child(rest).ok()?;
            node = node.children.get_mut(child)?;
            rest = rest.strip_prefix(&*node.label)?;
        }
        node.value.as_deref_mut()
    }

    /// The value of a pattern, which is made if it is not there.
    pub(super) fn get_or_insert_with(&mut self, pattern: &str, make: impl FnOnce() -> T) -> &mut T {
        self.root.place(pattern.as_bytes()).get_or_insert_with(|| Box::new(make()))
    }

    /// Takes a pattern out.
    pub(super) fn remove(&mut self, pattern: &str) -> Option<T> {
        self.root.remove(pattern.as_bytes()).map(|value| *value)
    }

    /// Visits the values of all prefixes of a text, the shortest first.
    pub(super) fn each_prefix<'a>(&'a self, text: &str, mut visit: impl FnMut(&'a T)) {
        let (mut node, mut rest) = (&self.root, text.as_bytes());
        loop {
            if let Some(value) = &node.value {
                visit(value);
            }
            let next = node.child(rest).ok().and_then(|child| node.children.get(child));
            let Some((child, behind)) = next.and_then(|next| Some((next, rest.strip_prefix(&*next.label)?)))
            else {
                return;
            };
            (node, rest) = (child, behind);
        }
    }

    /// Visits the values of all wildcard patterns that match a URI, until one is enough. At each component a URI goes two ways at most.
    ///
    /// Patterns come in the order of the specification (section "Pattern-based Registrations"): of two patterns, the one that
    /// has a literal component where they first differ comes first, which is the one with the longer portion before its
    /// wildcard.
    ///
    /// The visit recurses once for each component of the URI: callers bound the length of URIs and patterns.
    pub(super) fn each_wildcard<'a>(&'a self, uri: &str, mut visit: impl FnMut(&'a T) -> bool) {
        Place { node: &self.root, label: &[] }.each_wildcard(uri.as_bytes(), &mut visit);
    }
}

impl<'a, T> Place<'a, T> {
    /// The place behind a byte, if any pattern goes on with it.
    fn behind(&self, byte: u8) -> Option<Self> {
        if let Some((first, label)) = self.label.split_first() {
            return (*first == byte).then_some(Self { node: self.node, label });
        }
        let node = self.node.children.get(self.node.child(&[byte]).ok()?)?;
        let (_, label) = node.label.split_first()?;
        Some(Self { node, label })
    }

    /// The value of the pattern that ends here.
    fn value(&self) -> Option<&'a T> {
        self.node.value.as_deref().filter(|_| self.label.is_empty())
    }

    /// Whether the visit is over. The place is at the beginning of a component.
    fn each_wildcard(&self, uri: &[u8], visit: &mut impl FnMut(&'a T) -> bool) -> bool {
        let mut literal = Some(Self { ..*self });
        let mut bytes = uri.iter();
        let mut is_empty = true;
        let has_more = loop {
            match bytes.next() {
                None => break false,
                Some(b'.') => break true,
                Some(byte) => literal = literal.and_then(|place| place.behind(*byte)),
            }
            is_empty = false;
        };
        // The empty component of a pattern is no literal one.
        let literal = literal.filter(|_| !is_empty);
        if has_more {
            let rest = bytes.as_slice();
            let mut go_on =
                |place: &Self| place.behind(b'.').is_some_and(|next| next.each_wildcard(rest, visit));
            literal.is_some_and(|place| go_on(&place)) || go_on(self)
        } else {
            literal.and_then(|place| place.value()).is_some_and(&mut *visit)
                || self.value().is_some_and(visit)
        }
    }
}

impl<T> Node<T> {
    fn leaf(label: &[u8]) -> Self {
        Self { label: Box::from(label), value: None, children: Vec::new() }
    }

    /// The place of the child whose label begins as the text does, or where it would be.
    fn child(&self, text: &[u8]) -> Result<usize, usize> {
        let first = text.first();
        self.children.binary_search_by(|child| child.label.first().cmp(&first))
    }

    /// Where the value of a text below this node is, making the way to it.
    fn place(&mut self, text: &[u8]) -> &mut Option<Box<T>> {
        if text.is_empty() {
            return &mut self.value;
        }
        let at = match self.child(text) {
            Ok(at) => at,
            Err(at) => {
                if self.children.len() < EXACT_PLACES {
                    self.children.reserve_exact(1);
                }
                self.children.insert(at, Self::leaf(text));
                at
            }
        };
        // The place was found or made just now.
        let Some(child) = self.children.get_mut(at) else { return &mut self.value };
        let shared = child.label.iter().zip(text).take_while(|(a, b)| a == b).count();
        child.split(shared);
        child.place(text.get(shared..).unwrap_or_default())
    }

    /// Cuts a node in two behind so many bytes of its label.
    fn split(&mut self, at: usize) {
        let Some((before, behind)) = self.label.split_at_checked(at).filter(|(_, behind)| !behind.is_empty())
        else {
            return;
        };
        let lower = Self {
            label: Box::from(behind),
            value: self.value.take(),
            children: std::mem::take(&mut self.children),
        };
        self.label = Box::from(before);
        self.children.reserve_exact(1);
        self.children.push(lower);
    }

    fn remove(&mut self, text: &[u8]) -> Option<Box<T>> {
        if text.is_empty() {
            return self.value.take();
        }
        let at = self.child(text).ok()?;
        let child = self.children.get_mut(at)?;
        let removed = child.remove(text.strip_prefix(&*child.label)?)?;
        if child.value.is_none() {
            match child.children.len() {
                0 => self.remove_child(at),
                1 => child.join(),
                _ => {}
            }
        }
        Some(removed)
    }

    /// Takes a child out. The places that many children have needed are given back with most of them.
    fn remove_child(&mut self, at: usize) {
        self.children.remove(at);
        let (count, places) = (self.children.len(), self.children.capacity());
        if count == 0 || (places > EXACT_PLACES && count <= places / 4) {
            self.children.shrink_to(count * 2);
        }
    }

    /// Joins a node without a value and its only child.
    fn join(&mut self) {
        let Some(only) = self.children.pop() else { return };
        self.label = [&*self.label, &*only.label].concat().into();
        self.value = only.value;
        self.children = only.children;
    }
}

#[cfg(test)]
impl<T> PatternTree<T> {
    /// How many nodes there are, and how many bytes they have, without what the allocator adds.
    pub(super) fn weight(&self) -> (usize, usize) {
        fn add<T>(node: &Node<T>, (nodes, bytes): (usize, usize)) -> (usize, usize) {
            let value = node.value.as_ref().map_or(0, |_| size_of::<T>());
            let own = node.label.len() + value + node.children.capacity() * size_of::<Node<T>>();
            node.children.iter().fold((nodes + 1, bytes + own), |all, child| add(child, all))
        }
        add(&self.root, (0, 0))
    }
}
