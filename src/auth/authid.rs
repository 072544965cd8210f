//! Authids: which texts may be one, and the random ones of clients that nothing names.

use std::sync::Arc;

use rand::CryptoRng;

/// The most characters that an authid may have: room for any mail address (RFC 5321: 254).
const MAX_CHARS: usize = 255;

/// The rule of [`is_valid`] in words.
pub(super) const RULE: &str = "1 to 255 printable characters";

/// 27 letters and digits that are not mistaken for each other: those of Crossbar.io's authids.
const ALPHABET: &[u8; 27] = b"345679ACEFGHJKLMNPQRSTUVWXY";

/// Crossbar.io's form, `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`: 24 characters are 114 bits.
const GROUPS: usize = 6;
const GROUP: usize = 4;

/// Whether a text may be an authid, or a role: 1 to 255 printable characters.
///
/// An authid is shown to other clients, in logs and on pages: what breaks a line or turns the direction of
/// writing would let one client pass as another one.
pub(super) fn is_valid(authid: &str) -> bool {
    !authid.is_empty() && authid.chars().count() <= MAX_CHARS && authid.chars().all(is_printable)
}

fn is_printable(character: char) -> bool {
    // Unicode's format characters that hide, join or reorder what stands beside them.
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    character == ' ' || !(character.is_control() || character.is_whitespace() || is_format)
}

/// Draws an authid in Crossbar.io's form.
pub(super) fn random(rng: &mut impl CryptoRng) -> Arc<str> {
    let mut text = String::with_capacity(GROUPS * (GROUP + 1));
    let mut drawn = [0_u8; 32];
    let mut characters = 0;
    while characters < GROUPS * GROUP {
        rng.fill_bytes(&mut drawn);
        // 243 = 9 * 27: bytes from there on are dropped, or some characters would come more often than
        // others.
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
    Arc::from(text)
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
            let authid = random(&mut rand::rng());
            let groups: Vec<_> = authid.split('-').collect();
            assert!(groups.len() == 6 && groups.iter().all(|group| group.len() == 4), "{authid}");
            authid.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
            assert!(is_valid(&authid));
            assert!(seen.insert(authid));
        }
        // 2000 * 24 / 27 = 1778 of each on average, standard deviation 41: 8 of those are a chance of 1e-15.
        for &character in ALPHABET {
            let count = counts[usize::from(character)];
            assert!((1450..=2106).contains(&count), "{} occurs {count} times", character as char);
        }
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), 28, "27 characters and the dash");
    }

    #[test]
    fn an_authid_has_1_to_255_printable_characters() {
        for sound in [
            "a",
            "joe",
            "jo\u{eb} d\u{f6}",
            "client01@example.com",
            "\u{540d}\u{524d}",
            &"\u{e9}".repeat(255),
        ] {
            assert!(is_valid(sound), "{sound}");
        }
        for unsound in
            ["", "a\nb", "a\tb", "a\0", "\u{202e}eoj", "a\u{200b}b", "a\u{2028}b", "\u{85}", &"a".repeat(256)]
        {
            assert!(!is_valid(unsound), "{unsound:?}");
        }
    }
}
