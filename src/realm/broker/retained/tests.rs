use super::*;
use crate::wamp::{Serializer, message::PublishLists};

fn event(publication: u64, bytes: usize) -> RetainedEvent {
    RetainedEvent {
        publication,
        publisher: None,
        audience: Audience::default(),
        passthru: None,
        payload: Payload { serializer: Serializer::Json, args: Some(vec![b'x'; bytes].into()), kwargs: None },
    }
}

/// An event for one subscriber, which leaves the earlier ones of its topic for others in place.
fn limited(publication: u64, bytes: usize, to: u64) -> RetainedEvent {
    let lists = PublishLists { eligible: Some(vec![to]), ..PublishLists::default() };
    let audience = Audience::new(None, Some(Box::new(lists)));
    RetainedEvent { audience, ..event(publication, bytes) }
}

fn topic(number: usize) -> Uri {
    Uri::parse(&format!("com.example.{number:05}")).unwrap()
}

/// What is charged is what is there.
#[track_caller]
fn check(retained: &Retained) {
    let sizes = retained.topics.iter().map(|(name, topic)| topic.size(name));
    assert_eq!(retained.charge.bytes(), sizes.sum::<usize>());
    assert_eq!(retained.topics.len(), retained.by_age.len());
}

#[test]
fn beyond_so_many_topics_the_oldest_are_forgotten() {
    let (mut retained, now) = (Retained::default(), Instant::now());
    for number in 0..MAX_RETAINED + 2 {
        assert!(retained.keep(&topic(number), event(1, 10), now));
        if number == 5 {
            // The first one is not the oldest any more.
            assert!(retained.keep(&topic(0), event(2, 10), now));
        }
    }
    check(&retained);
    assert_eq!(retained.topics.len(), MAX_RETAINED);
    for (number, is_there) in [(0, true), (1, false), (2, false), (3, true), (MAX_RETAINED + 1, true)] {
        assert_eq!(retained.topics.contains_key(topic(number).as_str()), is_there, "{number}");
    }
}

#[test]
fn beyond_so_many_bytes_the_oldest_are_forgotten() {
    const LARGE: usize = MAX_RETAINED_BYTES / 4;
    let (mut retained, now) = (Retained::default(), Instant::now());
    for number in 0..8 {
        assert!(retained.keep(&topic(number), event(1, LARGE), now));
        assert!(retained.charge.bytes() <= MAX_RETAINED_BYTES);
        check(&retained);
    }
    assert_eq!(retained.topics.len(), 3, "what else they take counts as well");
    assert!(retained.topics.contains_key(topic(7).as_str()));
    assert!(retained.keep(&topic(8), event(1, MAX_RETAINED_BYTES), now));
    assert_eq!((retained.topics.len(), retained.charge.bytes()), (0, 0), "not even itself");
}

#[test]
fn topic_keeps_the_latest_event_for_all_and_few_later_ones_for_others() {
    let (mut retained, now) = (Retained::default(), Instant::now());
    let kept = |retained: &Retained| {
        check(retained);
        let events = &retained.topics[topic(1).as_str()].events;
        events.iter().map(|event| event.publication).collect::<Vec<_>>()
    };
    assert!(retained.keep(&topic(1), event(1, 100), now));
    let alone = retained.charge.bytes();
    for publication in 2..=4 {
        assert!(retained.keep(&topic(1), limited(publication, 50, publication), now));
    }
    assert_eq!(kept(&retained), [4, 3, 2, 1]);
    assert!(retained.keep(&topic(1), event(5, 100), now));
    assert_eq!((kept(&retained), retained.charge.bytes()), (vec![5], alone));
    for publication in 6..20 {
        assert!(retained.keep(&topic(1), limited(publication, 50, publication), now));
    }
    assert_eq!(kept(&retained), [19, 18, 17, 16, 15, 14, 13, 12, 5], "the one for all stays");
    for publication in 20..30 {
        assert!(retained.keep(&topic(1), limited(publication, 50, 15), now));
    }
    let same = "an event takes the place of the one for the same receivers";
    assert_eq!(kept(&retained), [29, 19, 18, 17, 16, 14, 13, 12, 5], "{same}");
    assert!(retained.keep(&topic(2), event(1, 100), now));
    for publication in 30..40 {
        assert!(retained.keep(&topic(3), limited(publication, 50, publication), now));
    }
    check(&retained);
    assert_eq!(retained.topics[topic(3).as_str()].events.len(), MAX_NAMED, "there may be none for all");
}

#[test]
fn events_are_forgotten_after_their_time() {
    let (mut retained, now) = (Retained::default(), Instant::now());
    assert!(retained.keep(&topic(1), event(1, 10), now));
    assert!(retained.keep(&topic(2), event(1, 10), now + Duration::from_secs(1)));
    assert!(retained.keep(&topic(3), event(1, 10), now + RETAINED_FOR));
    check(&retained);
    let left: Vec<&str> = retained.topics.keys().map(|name| &**name).collect();
    assert_eq!(left, [topic(2).as_str(), topic(3).as_str()]);
}
