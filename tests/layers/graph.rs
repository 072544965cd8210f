//! Circles in a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// Which names lead to which.
pub(super) struct Graph<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Graph<'a> {
    pub(super) fn new(edges: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry(from).or_default().insert(to);
        }
        Self(graph)
    }

    /// Groups of names that all lead to each other, each group in order.
    pub(super) fn circles(&self) -> Vec<Vec<&'a str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|name| (*name, self.reach(name))).collect();
        let leads = |from: &str, to: &str| reach.get(from).is_some_and(|reach| reach.contains(to));
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for name in self.0.keys().filter(|name| leads(name, name)) {
            let group: Vec<&str> =
                self.0.keys().copied().filter(|other| leads(name, other) && leads(other, name)).collect();
            if !circles.contains(&group) {
                circles.push(group);
            }
        }
        circles
    }

    /// Everything to which a name leads, over any number of steps.
    fn reach(&self, name: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.0.get(name).into_iter().flatten().copied().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.0.get(next).into_iter().flatten());
            }
        }
        reached
    }
}
