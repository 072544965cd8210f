use proptest::prelude::*;

use super::{UriMatch::*, *};

/// The pattern that counts for a URI.
fn winner<'a>(patterns: &[(UriMatch, &'a str)], uri: &str) -> Option<(UriMatch, &'a str)> {
    let all = patterns.iter().map(|&(matching, pattern)| (matching, pattern, (matching, pattern)));
    all.collect::<Patterns<_>>().most_specific(uri).copied()
}

#[test]
fn without_a_pattern_that_matches_there_is_no_value() {
    assert_eq!(winner(&[], "com.x"), None);
    assert_eq!(winner(&[(Exact, "com.y"), (Prefix, "com.y"), (Wildcard, ".y")], "com.x"), None);
}

#[test]
fn an_exact_pattern_beats_a_prefix_and_a_prefix_beats_a_wildcard() {
    assert_eq!(
        winner(&[(Prefix, "com.app.x"), (Exact, "com.app.x")], "com.app.x"),
        Some((Exact, "com.app.x"))
    );
    assert_eq!(winner(&[(Wildcard, "com.app."), (Prefix, "com.")], "com.app.x"), Some((Prefix, "com.")));
}

#[test]
fn the_longest_prefix_wins() {
    let patterns = [(Prefix, "com."), (Prefix, "com.app."), (Prefix, "com.app.public.")];
    assert_eq!(winner(&patterns, "com.other"), Some((Prefix, "com.")));
    assert_eq!(winner(&patterns, "com.app.secret"), Some((Prefix, "com.app.")));
    assert_eq!(winner(&patterns, "com.app.public.x"), Some((Prefix, "com.app.public.")));
    assert_eq!(winner(&patterns, "org.other"), None);
}

#[test]
fn a_prefix_is_compared_by_characters_and_may_be_empty() {
    assert!(winner(&[(Prefix, "com.app")], "com.application").is_some());
    assert!(winner(&[(Prefix, "com.app.")], "com.application").is_none());
    assert!(winner(&[(Prefix, "")], "anything.at.all").is_some());
}

#[test]
fn a_wildcard_matches_one_component_each() {
    let matches = |uri| winner(&[(Wildcard, "com..status")], uri).is_some();
    assert!(matches("com.a.status"));
    for other in ["com.a.b.status", "com.a.status.b", "com.a", "com"] {
        assert!(!matches(other), "{other}");
    }
}

#[test]
fn the_wildcard_with_most_literals_wins_then_the_one_with_the_earlier_literal() {
    assert_eq!(winner(&[(Wildcard, "com.."), (Wildcard, "com.a.")], "com.a.b"), Some((Wildcard, "com.a.")));
    for patterns in [[(Wildcard, ".a.b"), (Wildcard, "com.a.")], [(Wildcard, "com.a."), (Wildcard, ".a.b")]] {
        assert_eq!(winner(&patterns, "com.a.b"), Some((Wildcard, "com.a.")));
    }
}

#[test]
fn of_two_equal_patterns_the_first_counts() {
    for matching in [Exact, Prefix, Wildcard] {
        let patterns: Patterns<u8> = [(matching, "com.x", 1), (matching, "com.x", 2)].into_iter().collect();
        assert_eq!(patterns.most_specific("com.x"), Some(&1), "{matching:?}");
    }
}

proptest! {
    /// The chain of parents finds what trying every prefix would find.
    #[test]
    fn the_longest_prefix_agrees_with_trying_them_all(
        prefixes in proptest::collection::btree_set("[ab.]{0,5}", 0..12),
        uri in "[ab.]{1,7}",
    ) {
        let longest = prefixes.iter().filter(|prefix| uri.starts_with(prefix.as_str())).max_by_key(|p| p.len());
        let patterns: Vec<_> = prefixes.iter().map(|prefix| (Prefix, prefix.as_str())).collect();
        prop_assert_eq!(winner(&patterns, &uri), longest.map(|prefix| (Prefix, prefix.as_str())));
    }
}

/// All that matches, by a scan.
fn scan(patterns: &[Pattern], uri: &str) -> Vec<Pattern> {
    let matches = |pattern: &Pattern| match pattern {
        Pattern::Exact(exact) => exact.as_str() == uri,
        Pattern::Prefix(prefix) => uri.starts_with(&**prefix),
        Pattern::Wildcard(wildcard) => {
            let (own, other) = (wildcard.split('.'), uri.split('.'));
            own.clone().count() == other.clone().count()
                && own.zip(other).all(|(a, b)| a.is_empty() || a == b)
        }
    };
    let mut found: Vec<Pattern> = patterns.iter().filter(|pattern| matches(pattern)).cloned().collect();
    found.sort_by_key(|pattern| format!("{pattern:?}"));
    found
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        "[ab\u{e9}]{1,2}(\\.[ab\u{e9}]{1,2}){0,3}".prop_map(|text| Pattern::parse(&text, Exact).unwrap()),
        "([ab\u{e9}]{1,2}(\\.[ab\u{e9}]{1,2}){0,3})?".prop_map(|text| Pattern::parse(&text, Prefix).unwrap()),
        "[ab]{0,1}(\\.[ab]{0,1}){0,3}".prop_map(|text| Pattern::parse(&text, Wildcard).unwrap()),
    ]
}

proptest! {
    #[test]
    fn map_finds_what_a_scan_finds_whatever_was_put_in_and_taken_out(
        put in proptest::collection::vec(pattern(), 0..40),
        taken in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        uris in proptest::collection::vec("[ab\u{e9}]{1,2}(\\.[ab\u{e9}]{1,2}){0,3}", 1..10),
    ) {
        let mut map = PatternMap::default();
        for pattern in &put {
            prop_assert_eq!(map.get_or_insert_with(pattern, || pattern.clone()), pattern);
        }
        let mut left = put.clone();
        left.sort_by_key(|pattern| format!("{pattern:?}"));
        left.dedup();
        for index in taken.iter().filter(|_| !put.is_empty()) {
            let pattern = index.get(&put);
            prop_assert_eq!(map.remove(pattern).is_some(), left.contains(pattern));
            left.retain(|other| other != pattern);
            prop_assert_eq!(map.get_mut(pattern), None);
        }
        for uri in uris {
            let exact = map.exact(&Uri::parse(&uri).unwrap());
            let mut found: Vec<Pattern> = exact.into_iter().cloned().collect();
            map.each_pattern(&uri, |pattern| found.push(pattern.clone()));
            found.sort_by_key(|pattern| format!("{pattern:?}"));
            prop_assert_eq!(&found, &scan(&left, &uri));
            for pattern in &left {
                prop_assert_eq!(pattern.matches(&uri), found.contains(pattern));
            }
        }
        for pattern in &left {
            prop_assert_eq!(map.remove(pattern), Some(pattern.clone()));
        }
        prop_assert!(map.is_empty());
    }
}

/// So many patterns of 32 components that part as often as patterns can: where each byte of a number has one of two values.
fn deep(count: usize, matching: UriMatch) -> impl Iterator<Item = Pattern> {
    (0..count).map(move |n| {
        let head: String = (0..14).map(|bit| if n >> bit & 1 == 1 { 'x' } else { 'y' }).collect();
        Pattern::parse(&format!("{head}{}.", ".a".repeat(30)), matching).unwrap()
    })
}

#[test]
fn a_pattern_makes_two_small_nodes_at_most_however_many_components_it_has() {
    const COUNT: usize = 10_000;
    for matching in [Prefix, Wildcard] {
        let mut map = PatternMap::default();
        let mut text = 0;
        for pattern in deep(COUNT, matching) {
            text += pattern.as_str().len();
            map.get_or_insert_with(&pattern, || 0_u64);
        }
        let (nodes, bytes) = map.weight();
        assert!(nodes <= 2 * COUNT + 2, "{matching:?}: {nodes} nodes");
        // Two nodes, the value, and less than the text.
        assert!(bytes <= text + COUNT * 120, "{matching:?}: {bytes} bytes, {text} of them text");
        for pattern in deep(COUNT, matching) {
            assert_eq!(map.remove(&pattern), Some(0));
        }
        // The two roots.
        assert_eq!(map.weight(), (2, 0), "{matching:?}");
    }
}

#[test]
fn a_node_gives_back_the_places_that_many_children_have_needed() {
    let mut map = PatternMap::default();
    let all: Vec<Pattern> = ('\u{100}'..'\u{500}')
        .map(|letter| Pattern::parse(&format!("com.{letter}"), Prefix).unwrap())
        .collect();
    for pattern in &all {
        map.get_or_insert_with(pattern, || ());
    }
    for pattern in all.iter().skip(2) {
        map.remove(pattern);
    }
    let (_, bytes) = map.weight();
    assert!(bytes <= 600, "{bytes}");
}

#[test]
fn a_wildcard_pattern_is_no_part_of_a_longer_component() {
    let matching = |pattern: &str, uri: &str| winner(&[(Wildcard, pattern)], uri).is_some();
    assert!(matching("com.app.", "com.app.x") && matching("com..x", "com.app.x") && matching("", "com"));
    for (pattern, uri) in [
        ("com.ap.", "com.app.x"),
        ("com.app.", "com.ap.x"),
        ("com.app.", "com.app"),
        ("com.app", "com.app.x"),
        ("com.", "com"),
        ("..x", "com.app.xy"),
        ("..xy", "com.app.x"),
        ("", "com.app"),
    ] {
        assert!(!matching(pattern, uri), "{pattern} {uri}");
    }
}
