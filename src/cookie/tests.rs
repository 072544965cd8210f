use std::collections::HashSet;

use rand::rngs::SysRng;

use super::*;

#[test]
fn a_generated_id_has_the_length_asked_for_and_parses() {
    for length in IdLength::RANGE {
        let length = IdLength::new(length).unwrap();
        let id = TrackingId::generate(length, &mut SysRng).unwrap();
        assert_eq!(id.expose().len(), length.get());
        assert_eq!(TrackingId::parse(id.expose()), Ok(id));
    }
}

#[test]
fn generated_ids_use_the_whole_alphabet_evenly_and_do_not_repeat() {
    let mut seen = HashSet::new();
    let mut counts = [0_u32; 128];
    for _ in 0..4096 {
        let id = TrackingId::generate(IdLength::DEFAULT, &mut SysRng).unwrap();
        id.expose().bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        assert!(seen.insert(id));
    }
    // 4096 * 24 / 64 = 1536 of each on average, standard deviation 39: 8 of those are a chance of 1e-15.
    for &character in URL_SAFE {
        let count = counts[usize::from(character)];
        assert!((1224..=1848).contains(&count), "{} occurs {count} times", character as char);
    }
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 64);
}

#[test]
fn a_random_source_that_fails_gives_no_id() {
    struct Broken;
    impl rand::TryRng for Broken {
        type Error = std::fmt::Error;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Err(std::fmt::Error)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Err(std::fmt::Error)
        }
        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            Err(std::fmt::Error)
        }
    }
    impl rand::TryCryptoRng for Broken {}
    assert!(TrackingId::generate(IdLength::DEFAULT, &mut Broken).is_err());
}

#[test]
fn an_id_has_6_to_64_characters_of_the_base64_alphabets() {
    for sound in ["abcdef", "ynxeF9djpFhvdtla3T/sM+2N", "-_-_-_", &"a".repeat(64)] {
        assert_eq!(TrackingId::parse(sound).unwrap().expose(), sound);
    }
    for unsound in ["", "abcde", "abc ef", "abcde=", "abcd\u{e9}f", "abcdef\n", &"a".repeat(65)] {
        assert_eq!(TrackingId::parse(unsound), Err(TrackingIdError), "{unsound}");
    }
}

#[test]
fn debug_does_not_show_an_id() {
    let id = TrackingId::parse("ynxeF9djpFhvdtla3T/sM+2N").unwrap();
    assert!(!format!("{id:?} {id:#?}").contains("ynxe"));
}

#[test]
fn names_lengths_and_ages_keep_to_their_ranges() {
    for sound in ["cbtid", "a1", "a_", "sid_x"] {
        assert!(CookieName::parse(sound).is_some(), "{sound}");
    }
    for unsound in ["", "a", "Aa", "1a", "_a", "a-b", "cbtid\n", "a b"] {
        assert!(CookieName::parse(unsound).is_none(), "{unsound}");
    }
    assert_eq!([5, 6, 64, 65].map(|n| IdLength::new(n).is_some()), [false, true, true, false]);
    let ages = [0, 1, 315_360_000, 315_360_001].map(|n| MaxAge::from_seconds(n).is_some());
    assert_eq!(ages, [false, true, true, false]);
}
