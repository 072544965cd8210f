use super::*;
use crate::{cookie::MaxAge, store::testing::login};

const DAY: u64 = 86_400;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

#[test]
fn leap_forward_is_believed_only_after_settling() {
    let mut clock = SettledClock::starting(at(0));
    assert_eq!(clock.settle(at(29 * DAY)), at(29 * DAY), "an ordinary pause");
    assert_eq!(clock.settle(at(400 * DAY)), at(29 * DAY), "a leap");
    assert_eq!(clock.settle(at(400 * DAY + 3599)), at(29 * DAY), "not yet");
    assert_eq!(clock.settle(at(400 * DAY + 3600)), at(400 * DAY + 3600), "believed");
}

#[test]
fn leap_taken_back_is_forgotten() {
    let mut clock = SettledClock::starting(at(0));
    assert_eq!(clock.settle(at(365 * DAY)), at(0));
    assert_eq!(clock.settle(at(10)), at(10));
    assert_eq!(clock.settle(at(20)), at(20));
}

#[test]
fn second_leap_does_not_end_the_first() {
    let mut clock = SettledClock::starting(at(0));
    assert_eq!(clock.settle(at(365 * DAY)), at(0));
    assert_eq!(clock.settle(at(730 * DAY)), at(0));
}

#[test]
fn sightings_are_noted_by_a_24th_of_the_lifetime_within_a_minute_and_a_day() {
    let age = |seconds| MaxAge::from_seconds(seconds).unwrap();
    assert_eq!(age(1).coarseness(), Duration::from_mins(1));
    assert_eq!(age(DAY).coarseness(), Duration::from_hours(1));
    assert_eq!(age(3650 * DAY).coarseness(), Duration::from_secs(DAY));
}

#[test]
fn sighting_in_the_future_is_put_right_by_the_next() {
    let record = CookieRecord::new(at(365 * DAY), MaxAge::DEFAULT);
    let noted = seen(&record, at(0)).unwrap();
    assert_eq!((noted.created, noted.last_seen), (at(365 * DAY), at(0)));
    assert_eq!(seen(&noted, at(3599)), None);
}

#[test]
fn authextra_must_be_an_object_on_one_line_and_bounded() {
    let fit = |authextra: &str| {
        Authentication { authextra: authextra.into(), ..login("joe", at(0)) }.check().is_ok()
    };
    assert!(fit(r#"{"a": [1, "\n"]}"#));
    for unfit in ["", "null", "[]", "{", "{}x", "{\n}", &format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))] {
        assert!(!fit(unfit), "{unfit:.20}");
    }
}
