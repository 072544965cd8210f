//! Looking up principals so that it does not show which ones exist.

use std::{collections::BTreeMap, fmt};

use subtle::{Choice, ConditionallySelectable as _};

use super::{AuthOptions, file::Table};
use crate::{cookie::PublicIdKey, identity::Name};

/// Which principal stands in for an authid that does not exist, method by method.
///
/// The principals lie on a ring, each at a place that a key has drawn for its name. An unknown name has a place of its
/// own on it, and the next principal stands in. So every name gets parameters that some principal has, always the same ones,
/// and they tell nothing about the names that lie near it in the alphabet. A principal that comes or goes changes the
/// stand-ins of few names.
#[derive(Debug, Clone, Default)]
pub struct StandIns {
    pub(super) ticket: Ring,
    pub(super) wampcra: Ring,
    pub(super) scram: Ring,
    pub(super) cryptosign: Ring,
}

/// The principals of one method by their places, in order.
#[derive(Clone, Default)]
pub(super) struct Ring(Vec<(u64, Name)>);

impl StandIns {
    /// The stand-ins for these principals. The same key and principals give the same stand-ins.
    pub fn new(config: Option<&AuthOptions>, key: &PublicIdKey) -> Self {
        let Some(config) = config else { return Self::default() };
        Self {
            ticket: config
                .ticket
                .as_ref()
                .map_or_else(Ring::default, |method| Ring::of(&method.principals, key)),
            wampcra: config
                .wampcra
                .as_ref()
                .map_or_else(Ring::default, |method| Ring::of(&method.principals, key)),
            scram: config
                .scram
                .as_ref()
                .map_or_else(Ring::default, |method| Ring::of(&method.principals, key)),
            cryptosign: config
                .cryptosign
                .as_ref()
                .map_or_else(Ring::default, |method| Ring::of(&method.principals, key)),
        }
    }
}

impl Ring {
    fn of<P>(principals: &BTreeMap<Name, P>, key: &PublicIdKey) -> Self {
        let mut ring: Vec<_> = principals.keys().map(|name| (place(name, key), name.clone())).collect();
        ring.sort_unstable();
        Self(ring)
    }

    fn stand_in(&self, authid: &str, key: &PublicIdKey) -> Option<&Name> {
        let place = place(authid, key);
        let next = self.0.partition_point(|(other, _)| *other < place);
        self.0.get(next).or_else(|| self.0.first()).map(|(_, name)| name)
    }
}

fn place(name: &str, key: &PublicIdKey) -> u64 {
    let drawn = key.mock("stand-in", name);
    drawn.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The principal of this authid, or another one to go through the same steps with.
///
/// A client with an unknown authid goes through the exchange of its stand-in, and is refused at its end whatever it answers. So
/// its exchange takes as long as any other, and its challenge looks the same: same kind of salt, same parameters.
pub(super) fn find<'a, P>(
    principals: &'a BTreeMap<Name, P>,
    file: Option<&'a Table<P>>,
    ring: &Ring,
    key: &PublicIdKey,
    authid: &str,
) -> Option<(&'a Name, &'a P, Choice)> {
    // Both are looked up for every client.
    if let Some(table) = file {
        let (stand_in, known) = (table.stand_in(authid, key), table.get(authid));
        let (name, principal) = known.or(stand_in)?;
        return Some((name, principal, Choice::from(u8::from(known.is_some()))));
    }
    let stand_in = principals.get_key_value(ring.stand_in(authid, key)?.as_str());
    let known = principals.get_key_value(authid);
    let (name, principal) = known.or(stand_in)?;
    Some((name, principal, Choice::from(u8::from(known.is_some()))))
}

/// The part of a challenge that is the principal's own, or as many bytes of its stand-in.
///
/// The caller makes both for every client, and this reads both byte by byte, so that the time does not tell which
/// principals exist.
pub(super) fn choose(is_known: Choice, real: &[u8], mock: &[u8]) -> Vec<u8> {
    let both = real.iter().zip(mock.iter().cycle());
    both.map(|(real, mock)| u8::conditional_select(mock, real, is_known)).collect()
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principals(names: impl IntoIterator<Item = usize>) -> BTreeMap<Name, usize> {
        names.into_iter().map(|number| (Name::known(&format!("user{number:03}")), number)).collect()
    }

    fn found(principals: &BTreeMap<Name, usize>, key: &PublicIdKey, name: &str) -> (usize, bool) {
        let (_, principal, is_known) = find(principals, None, &Ring::of(principals, key), key, name).unwrap();
        (*principal, bool::from(is_known))
    }

    #[test]
    fn known_names_are_found_and_the_stand_ins_of_others_stay_the_same() {
        let (principals, key) = (principals(0..100), PublicIdKey::random().unwrap());
        for number in 0..100 {
            assert_eq!(found(&principals, &key, &format!("user{number:03}")), (number, true));
        }
        for name in ["", "a", "user", "user050x", "zoe"] {
            let once = found(&principals, &key, name);
            assert!(!once.1);
            assert_eq!(once, found(&principals, &key, name));
        }
        let nobody = BTreeMap::<Name, u8>::new();
        assert!(find(&nobody, None, &Ring::of(&nobody, &key), &key, "a").is_none());
    }

    #[test]
    fn the_stand_in_tells_nothing_about_the_names_around() {
        let (principals, key) = (principals(0..100), PublicIdKey::random().unwrap());
        let stands_in = |name: &str| found(&principals, &key, name).0;
        // A client that could find the neighbors of a name by their parameters would read all names by halving.
        let near =
            (0..1000).filter(|number| stands_in(&format!("user050{number}")).abs_diff(50) <= 1).count();
        assert!(near < 300, "{near} of 1000 names are stood in for by a neighbor");
        let many: std::collections::HashSet<_> =
            (0..1000).map(|n| stands_in(&format!("user050{n}"))).collect();
        assert!(many.len() > 30, "{} principals stand in", many.len());
        let other = PublicIdKey::random().unwrap();
        let same = (0..1000).filter(|n| {
            let name = format!("x{n}");
            found(&principals, &other, &name) == found(&principals, &key, &name)
        });
        assert!(same.count() < 300, "another key draws other stand-ins");
    }

    #[test]
    fn a_new_principal_changes_the_stand_ins_of_few_names() {
        let (before, after) = (principals(0..100), principals(0..101));
        let key = PublicIdKey::random().unwrap();
        let (ring_before, ring_after) = (Ring::of(&before, &key), Ring::of(&after, &key));
        let changed = (0..1000).filter(|n| {
            let name = format!("x{n}");
            ring_before.stand_in(&name, &key) != ring_after.stand_in(&name, &key)
        });
        assert!(changed.count() < 150);
    }

    #[test]
    fn what_stands_in_has_the_length_of_what_it_stands_for() {
        let choose = |is_known, real, mock| choose(Choice::from(is_known), real, mock);
        assert_eq!(choose(1, b"salt", b"mock-mock"), b"salt");
        assert_eq!(choose(0, b"salt", b"mock-mock"), b"mock");
        assert_eq!(choose(0, b"longer-than-it", b"mock-"), b"mock-mock-mock");
        assert_eq!(choose(0, b"", b"mock"), b"");
    }
}
