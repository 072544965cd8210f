//! The names of a path's upstreams: what the configuration may call them, and so what a policy is asked about.

use std::{collections::HashSet, fmt};

use crate::shown::quoted;

/// How many upstreams a path may have: a policy is shown all of their names.
pub(crate) const MAX_UPSTREAMS: usize = 64;

/// The longest name, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// Why no path has upstreams of these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamesFault<'a> {
    /// There are none.
    Empty,
    /// There are so many.
    TooMany(usize),
    /// This is no name of an upstream.
    NoName(&'a str),
    /// This one is another's as well.
    Twice(&'a str),
}

/// What is wrong with the names of a path's upstreams, in their order.
pub(crate) fn faults<'a>(names: &[&'a str]) -> Vec<NamesFault<'a>> {
    let mut faults = Vec::new();
    match names.len() {
        0 => faults.push(NamesFault::Empty),
        1..=MAX_UPSTREAMS => {}
        count => faults.push(NamesFault::TooMany(count)),
    }
    let mut seen = HashSet::new();
    for &name in names {
        if !seen.insert(name) {
            faults.push(NamesFault::Twice(name));
        } else if !is_name(name) {
            faults.push(NamesFault::NoName(name));
        }
    }
    faults
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

impl fmt::Display for NamesFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the list is empty: name an upstream, such as \"eu\""),
            Self::TooMany(count) => {
                write!(f, "{count} upstreams are too many, use at most {MAX_UPSTREAMS}")
            }
            Self::NoName(name) => write!(
                f,
                "{} is no name of an upstream, use 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`",
                quoted(name)
            ),
            Self::Twice(name) => write!(f, "{} stands there more than once, keep one", quoted(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_names_is_told() {
        let [most, long] = ["a".repeat(MAX_NAME), "a".repeat(MAX_NAME + 1)];
        assert_eq!(faults(&["eu", "us-1.example_2", &most]), []);
        assert_eq!(faults(&[]), [NamesFault::Empty]);
        assert_eq!(
            faults(&["", "e u", "eu", "a/b", "eu", &long]),
            [
                NamesFault::NoName(""),
                NamesFault::NoName("e u"),
                NamesFault::NoName("a/b"),
                NamesFault::Twice("eu"),
                NamesFault::NoName(&long),
            ]
        );
        let names: Vec<String> = (0..=MAX_UPSTREAMS).map(|number| format!("u{number}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(faults(&names), [NamesFault::TooMany(65)]);
        names.pop();
        assert_eq!(faults(&names), []);
        let told = NamesFault::NoName(&"\u{1b}".repeat(1000)).to_string();
        assert!(told.len() < 1000 && !told.contains('\u{1b}') && told.contains('…'), "{told}");
    }
}
