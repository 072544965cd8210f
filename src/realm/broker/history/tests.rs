use super::*;
use crate::wamp::{message::PublishLists, pattern::UriMatch};

fn histories(limit: usize, max_age: Option<Duration>) -> (Histories, Pattern) {
    let pattern = Pattern::parse("com.example", UriMatch::Prefix).unwrap();
    let mut histories = Histories::default();
    histories.add(&HistoryOptions { pattern: pattern.clone(), limit, max_age });
    (histories, pattern)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Records a publication at so many seconds.
fn record(histories: &mut Histories, id: u64, topic: &str, lists: Option<PublishLists>, bytes: usize) {
    let publication = Publication {
        id,
        topic: &Uri::parse(topic).unwrap(),
        publisher: None,
        audience: Audience::new(None, lists.map(Box::new)),
        passthru: None,
        payload: Payload { serializer: Serializer::Json, args: Some(vec![b'x'; bytes].into()), kwargs: None },
    };
    histories.record(&publication, at(id));
}

fn ids(recalled: &Recalled) -> Vec<u64> {
    recalled.events.iter().map(|event| event.publication).collect()
}

fn all() -> Filter {
    Filter { limit: MAX_RECALLED, ..Filter::default() }
}

#[test]
fn latest_events_of_matching_topics_are_recalled_up_to_the_limit() {
    let (mut histories, pattern) = histories(3, None);
    for id in 1..=5 {
        record(&mut histories, id, "com.example.a", None, 10);
        record(&mut histories, 100 + id, "com.other", None, 10);
    }
    let recall = |filter: &Filter| histories.recall(&pattern, 7, filter, at(9), |_| true).unwrap();
    assert_eq!(ids(&recall(&all())), [3, 4, 5]);
    assert_eq!(ids(&recall(&Filter { reverse: true, ..all() })), [5, 4, 3]);
    let first = recall(&Filter { limit: 2, ..all() });
    assert_eq!((ids(&first), first.has_more), (vec![3, 4], true));
    let exactly = recall(&Filter { limit: 3, ..all() });
    assert_eq!((ids(&exactly), exactly.has_more), (vec![3, 4, 5], false));
    let other = Pattern::parse("com.other", UriMatch::Prefix).unwrap();
    assert_eq!(histories.recall(&other, 8, &all(), at(9), |_| true).unwrap_err(), Unanswered::NoHistory);
}

#[test]
fn conditions_are_all_met() {
    let (mut histories, pattern) = histories(100, None);
    for id in 1..=9 {
        record(
            &mut histories,
            id,
            if id % 2 == 0 { "com.example.even" } else { "com.example.odd" },
            None,
            10,
        );
    }
    let recall = |filter: Filter| {
        let filter = Filter { limit: MAX_RECALLED, ..filter };
        histories.recall(&pattern, 7, &filter, at(20), |_| true).map(|recalled| ids(&recalled))
    };
    let none = Filter::default;
    for (filter, expected) in [
        (Filter { from_time: Some(at(7)), ..none() }, &[7, 8, 9][..]),
        (Filter { after_time: Some(at(7)), ..none() }, &[8, 9]),
        (Filter { before_time: Some(at(3)), ..none() }, &[1, 2]),
        (Filter { until_time: Some(at(3)), ..none() }, &[1, 2, 3]),
        (Filter { from_publication: Some(7), ..none() }, &[7, 8, 9]),
        (Filter { after_publication: Some(7), ..none() }, &[8, 9]),
        (Filter { before_publication: Some(3), ..none() }, &[1, 2]),
        (Filter { until_publication: Some(3), ..none() }, &[1, 2, 3]),
        (Filter { topic: Some("com.example.even".to_owned()), ..none() }, &[2, 4, 6, 8]),
        (Filter { after_publication: Some(2), before_time: Some(at(5)), reverse: true, ..none() }, &[4, 3]),
        (Filter { from_publication: Some(9), until_publication: Some(1), ..none() }, &[]),
        (Filter { after_publication: Some(9), before_publication: Some(1), ..none() }, &[]),
    ] {
        assert_eq!(recall(filter.clone()).unwrap(), expected, "{filter:?}");
    }
    let unknown = Filter { after_publication: Some(77), ..none() };
    assert_eq!(recall(unknown).unwrap_err(), Unanswered::NoSuchPublication(77));
}

#[test]
fn events_for_certain_sessions_are_not_recorded_and_others_are_judged_when_they_are_recalled() {
    let (mut histories, pattern) = histories(100, None);
    let excluded = PublishLists { exclude: vec![1], ..PublishLists::default() };
    record(&mut histories, 1, "com.example", Some(excluded), 10);
    let eligible = PublishLists { eligible: Some(Vec::new()), ..PublishLists::default() };
    record(&mut histories, 2, "com.example", Some(eligible), 10);
    let for_role =
        PublishLists { eligible_authrole: Some(vec!["admin".to_owned()]), ..PublishLists::default() };
    record(&mut histories, 3, "com.example", Some(for_role), 10);
    record(&mut histories, 4, "com.example", None, 10);
    let recalled = histories.recall(&pattern, 7, &all(), at(9), |_| true).unwrap();
    assert_eq!(ids(&recalled), [3, 4]);
    let recalled =
        histories.recall(&pattern, 7, &all(), at(9), |event| !event.audience.is_limited()).unwrap();
    assert_eq!(ids(&recalled), [4]);
}

#[test]
fn events_are_forgotten_after_their_time_and_for_their_size() {
    let (mut histories, pattern) = histories(10_000, Some(Duration::from_secs(10)));
    record(&mut histories, 1, "com.example", None, 10);
    record(&mut histories, 5, "com.example", None, 10);
    let recall =
        |histories: &Histories, now| ids(&histories.recall(&pattern, 7, &all(), at(now), |_| true).unwrap());
    assert_eq!(recall(&histories, 10), [1, 5]);
    assert_eq!(recall(&histories, 11), [5]);
    record(&mut histories, 12, "com.example", None, 10);
    let log = &histories.logs[0];
    let sizes = |log: &Log| log.events.iter().map(|event| event.size()).sum::<usize>();
    assert_eq!((log.events.len(), log.charge.bytes()), (2, sizes(log)));

    for id in 20..28 {
        record(&mut histories, id, "com.example", None, MAX_LOG_BYTES / 4);
    }
    let log = &histories.logs[0];
    assert_eq!((log.events.len(), log.charge.bytes()), (3, sizes(log)));
    record(&mut histories, 29, "com.example", None, MAX_LOG_BYTES);
    assert_eq!(histories.logs[0].charge.bytes(), 0, "too large by itself");
}

#[test]
fn one_answer_has_so_many_bytes() {
    let (mut histories, pattern) = histories(100, None);
    record(&mut histories, 1, "com.example", None, 2 * MAX_RECALLED_BYTES);
    for id in 2..=5 {
        record(&mut histories, id, "com.example", None, MAX_RECALLED_BYTES / 3);
    }
    let recall = |after| {
        let filter = Filter { after_publication: after, ..all() };
        histories.recall(&pattern, 7, &filter, at(9), |_| true).unwrap()
    };
    let first = recall(None);
    assert_eq!((ids(&first), first.has_more), (vec![1], true), "a large one comes alone");
    let second = recall(Some(1));
    assert_eq!((ids(&second), second.has_more), (vec![2, 3], true));
    let last = recall(Some(3));
    assert_eq!((ids(&last), last.has_more), (vec![4, 5], false));
}
