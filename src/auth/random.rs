//! Random authids, for clients without a name.

use rand::CryptoRng;

use crate::identity::Name;

/// 27 letters and digits that are hard to confuse: those of Crossbar.io's authids.
const ALPHABET: &[u8; 27] = b"345679ACEFGHJKLMNPQRSTUVWXY";

/// Crossbar.io's form: six groups of four characters with hyphens between them. 24 characters are 114 bits.
const GROUPS: usize = 6;
const GROUP: usize = 4;

/// Draws an authid in Crossbar.io's form.
pub(super) fn authid(rng: &mut impl CryptoRng) -> Name {
    let mut text = String::with_capacity(GROUPS * (GROUP + 1));
    let mut drawn = [0_u8; 32];
    let mut characters = 0;
    while characters < GROUPS * GROUP {
        rng.fill_bytes(&mut drawn);
        // 243 = 9 * 27: without the bytes from there on, no character comes more often than others.
        let letters = drawn.iter().filter(|byte| **byte < 243);
        let letters = letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 27)));
        for letter in letters.take(GROUPS * GROUP - characters) {
            if characters > 0 && characters % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
            characters += 1;
        }
    }
    Name::known(&text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn random_authids_have_crossbars_form_and_do_not_repeat() {
        let mut seen = HashSet::new();
        let mut counts = [0_u32; 128];
        for _ in 0..2000 {
            let authid = authid(&mut rand::rng());
            let groups: Vec<_> = authid.split('-').collect();
            assert!(groups.len() == 6 && groups.iter().all(|group| group.len() == 4), "{authid}");
            authid.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
            assert_eq!(Name::parse(&authid).as_ref(), Ok(&authid));
            assert!(seen.insert(authid));
        }
        // 2000 * 24 / 27 = 1778 of each on average, standard deviation 41: 8 of those are a chance of 1e-15.
        for &character in ALPHABET {
            let count = counts[usize::from(character)];
            assert!((1450..=2106).contains(&count), "{} occurs {count} times", character as char);
        }
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), 28, "27 characters and the dash");
    }
}
