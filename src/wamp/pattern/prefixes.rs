//! Values by prefix, in a radix tree: what a URI costs depends on its length, not on how many prefixes there are.

/// Values by prefix. A prefix is compared byte by byte; the empty one is the prefix of everything.
#[derive(Debug)]
pub(super) struct PrefixMap<T> {
    root: Node<T>,
}

/// A piece of text that prefixes share, and what follows it.
#[derive(Debug)]
struct Node<T> {
    /// Not empty, but for the root.
    label: Box<[u8]>,
    value: Option<T>,
    /// Sorted by the first byte of their labels, of which no two are the same.
    children: Vec<Node<T>>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { root: Node::leaf(&[], None) }
    }
}

impl<T> PrefixMap<T> {
    /// Whether there is no prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.root.value.is_none() && self.root.children.is_empty()
    }

    /// The value of a prefix.
    pub(super) fn get(&self, prefix: &str) -> Option<&T> {
        let (mut node, mut rest) = (&self.root, prefix.as_bytes());
        while !rest.is_empty() {
            node = node.children.get(node.child(rest).ok()?)?;
            rest = rest.strip_prefix(&*node.label)?;
        }
        node.value.as_ref()
    }

    /// The value of a prefix.
    pub(super) fn get_mut(&mut self, prefix: &str) -> Option<&mut T> {
        let (mut node, mut rest) = (&mut self.root, prefix.as_bytes());
        while !rest.is_empty() {
            let child = node.child(rest).ok()?;
            node = node.children.get_mut(child)?;
            rest = rest.strip_prefix(&*node.label)?;
        }
        node.value.as_mut()
    }

    /// The value of a prefix, which is made if it is not there.
    pub(super) fn get_or_insert_with(&mut self, prefix: &str, make: impl FnOnce() -> T) -> &mut T {
        self.root.place(prefix.as_bytes()).get_or_insert_with(make)
    }

    /// Takes a prefix out.
    pub(super) fn remove(&mut self, prefix: &str) -> Option<T> {
        self.root.remove(prefix.as_bytes())
    }

    /// Visits the values of all prefixes of a text, the shortest first.
    pub(super) fn each<'a>(&'a self, text: &str, mut visit: impl FnMut(&'a T)) {
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
}

impl<T> Node<T> {
    fn leaf(label: &[u8], value: Option<T>) -> Self {
        Self { label: Box::from(label), value, children: Vec::new() }
    }

    /// The place of the child whose label begins as the text does, or where it would be.
    fn child(&self, text: &[u8]) -> Result<usize, usize> {
        let first = text.first();
        self.children.binary_search_by(|child| child.label.first().cmp(&first))
    }

    /// Where the value of a text below this node is, making the way to it.
    fn place(&mut self, text: &[u8]) -> &mut Option<T> {
        if text.is_empty() {
            return &mut self.value;
        }
        let at = match self.child(text) {
            Ok(at) => at,
            Err(at) => {
                self.children.insert(at, Self::leaf(text, None));
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
        self.children.push(lower);
    }

    fn remove(&mut self, text: &[u8]) -> Option<T> {
        if text.is_empty() {
            return self.value.take();
        }
        let at = self.child(text).ok()?;
        let child = self.children.get_mut(at)?;
        let removed = child.remove(text.strip_prefix(&*child.label)?)?;
        if child.value.is_none() {
            match child.children.len() {
                0 => drop(self.children.remove(at)),
                1 => child.join(),
                _ => {}
            }
        }
        Some(removed)
    }

    /// Joins a node without a value and its only child.
    fn join(&mut self) {
        let Some(only) = self.children.pop() else { return };
        self.label = [&*self.label, &*only.label].concat().into();
        self.value = only.value;
        self.children = only.children;
    }
}
