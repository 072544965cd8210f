//! Looking up principals so that it does not show which ones exist.

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
};

use subtle::{Choice, ConditionallySelectable as _};

use crate::identity::Name;

/// The principal of this authid, or another one to go through the same steps with.
///
/// A client with an unknown authid goes through the exchange of the principal that follows in order, and is refused at
/// its end whatever it answers. So its exchange takes as long as any other, and its challenge looks the same: same kind of
/// salt, same parameters. The neighbor of a name changes only with the configuration.
pub(super) fn find<'a, P>(
    principals: &'a BTreeMap<Name, P>,
    authid: &str,
) -> Option<(&'a Name, &'a P, Choice)> {
    let mut following = principals.range::<str, _>((Included(authid), Unbounded));
    let (name, principal) = following.next().or_else(|| principals.first_key_value())?;
    Some((name, principal, Choice::from(u8::from(name.as_str() == authid))))
}

/// The part of a challenge that is the principal's own, or as many bytes of its stand-in.
///
/// The caller makes both for every client, and this reads both byte by byte, so that the time does not tell which
/// principals exist.
pub(super) fn choose(is_known: Choice, real: &[u8], mock: &[u8]) -> Vec<u8> {
    let both = real.iter().zip(mock.iter().cycle());
    both.map(|(real, mock)| u8::conditional_select(mock, real, is_known)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_its_neighbor_and_is_known_to_be_unknown() {
        let principals = BTreeMap::from([(Name::known("b"), 1), (Name::known("d"), 2)]);
        for (name, expected, is_known) in [
            ("b", 1, true),
            ("d", 2, true),
            ("a", 1, false),
            ("c", 2, false),
            ("e", 1, false),
            ("", 1, false),
        ] {
            let (_, principal, known) = find(&principals, name).unwrap();
            assert_eq!((*principal, bool::from(known)), (expected, is_known), "{name}");
        }
        assert!(find(&BTreeMap::<Name, u8>::new(), "a").is_none());
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
