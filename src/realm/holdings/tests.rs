use super::*;
use crate::wamp::pattern::UriMatch;

const ME: SessionId = SessionId(1);

fn limits() -> SessionLimits {
    SessionLimits { max_subscriptions: 2, max_registrations: 1, max_pending_calls: 3, uri_space: 100 }
}

#[track_caller]
fn refusal(result: Result<(), RequestError>) -> String {
    let refused = result.unwrap_err();
    assert_eq!(refused.error, error::UNAVAILABLE);
    refused.message.into_owned()
}

/// A pattern of that length.
fn long(length: usize) -> Pattern {
    Pattern::parse(&"x".repeat(length), UriMatch::Prefix).unwrap()
}

#[test]
fn each_kind_has_a_limit_and_all_uris_have_one_together() {
    let mut held = Holdings::new(limits());
    held.check(ME, Kind::Subscription, &long(60)).unwrap();
    held.add(ME, Kind::Subscription, 1, &long(60));
    held.add(ME, Kind::Subscription, 1, &long(60));
    held.check(ME, Kind::Registration, &long(40)).unwrap();
    assert!(refusal(held.check(ME, Kind::Registration, &long(41))).contains("may have 100 bytes together"));
    held.add(ME, Kind::Registration, 1, &long(40));
    assert!(refusal(held.check(ME, Kind::Registration, &long(0))).contains("may have 1 registrations"));
    held.remove(ME, Kind::Subscription, 1);
    held.check(ME, Kind::Subscription, &long(60)).unwrap();
    held.add(ME, Kind::Subscription, 2, &long(1));
    held.add(ME, Kind::Subscription, 3, &long(1));
    assert!(refusal(held.check(ME, Kind::Subscription, &long(0))).contains("may have 2 subscriptions"));
    held.check(SessionId(2), Kind::Subscription, &long(100)).unwrap();
    assert_eq!(held.max_pending_calls(), 3);
    held.leave(ME);
    assert!(held.is_empty());
}

#[test]
fn a_session_that_holds_nothing_any_more_is_forgotten() {
    let mut held = Holdings::new(limits());
    held.add(ME, Kind::Subscription, 1, &long(60));
    held.remove(ME, Kind::Subscription, 2);
    held.remove(ME, Kind::Registration, 1);
    assert!(!held.is_empty());
    held.remove(ME, Kind::Subscription, 1);
    assert!(held.is_empty());
}

/// A pattern whose components are `a` and empty in the order of the bits of a number, before a component that tells patterns of
/// one shape apart.
fn wildcard(bits: u64, last: &str) -> Pattern {
    let components = (0..8).map(|bit| if bits >> bit & 1 == 1 { "." } else { "a." });
    Pattern::parse(&format!("{}{last}", components.collect::<String>()), UriMatch::Wildcard).unwrap()
}

#[test]
fn wildcard_patterns_of_a_session_have_so_many_shapes() {
    let mut held = Holdings::new(SessionLimits::default());
    for shape in 0..MAX_SHAPES as u64 {
        let kind = if shape % 2 == 0 { Kind::Subscription } else { Kind::Registration };
        held.check(ME, kind, &wildcard(shape, "x")).unwrap();
        held.add(ME, kind, 1000 + shape, &wildcard(shape, "x"));
    }
    let next = wildcard(MAX_SHAPES as u64, "x");
    for kind in [Kind::Subscription, Kind::Registration] {
        assert!(refusal(held.check(ME, kind, &next)).contains("in 64 different places"));
        held.check(ME, kind, &wildcard(3, "y")).unwrap();
        held.check(ME, kind, &long(10)).unwrap();
        held.check(SessionId(2), kind, &next).unwrap();
    }
    // The last pattern of a shape makes room.
    held.add(ME, Kind::Subscription, 1, &wildcard(2, "y"));
    held.remove(ME, Kind::Subscription, 1);
    refusal(held.check(ME, Kind::Subscription, &next));
    held.remove(ME, Kind::Subscription, 1002);
    held.check(ME, Kind::Subscription, &next).unwrap();
}

#[test]
fn what_is_held_is_charged_and_a_pattern_with_its_text_in_the_tree() {
    let mut held = Holdings::new(SessionLimits::default());
    let charged = |held: &Holdings| held.sessions.get(&ME).map_or(0, |held| held.charge.bytes());
    let exact = Pattern::parse("com.example", UriMatch::Exact).unwrap();
    held.add(ME, Kind::Subscription, 1, &exact);
    assert_eq!(charged(&held), 11 + memory::HELD);
    held.add(ME, Kind::Subscription, 2, &long(60));
    held.add(ME, Kind::Registration, 3, &wildcard(0, "x"));
    assert_eq!(charged(&held), 11 + 2 * 60 + 2 * 17 + 3 * memory::HELD);
    held.remove(ME, Kind::Registration, 3);
    held.remove(ME, Kind::Subscription, 2);
    assert_eq!(charged(&held), 11 + memory::HELD);
    held.remove(ME, Kind::Subscription, 1);
    assert!(held.is_empty());
}

#[test]
fn a_session_gives_back_what_many_subscriptions_have_needed() {
    let mut held = Holdings::new(SessionLimits::default());
    for id in 0..1000 {
        held.add(ME, Kind::Subscription, id, &long(1));
    }
    for id in 1..1000 {
        held.remove(ME, Kind::Subscription, id);
    }
    let places = held.sessions[&ME].subscriptions.capacity();
    assert!(places <= 64, "{places}");
}
