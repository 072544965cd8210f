//! Answers of an authorizer that are kept: so many at most, for as long as the authorizer says.
//!
//! A full set becomes the old one, and a new one begins; what is asked again comes over. So what is asked often stays,
//! and a client that asks about ever new URIs drives out what it does not use itself or, in a role's set, what is used seldom.

use std::{
    hash::{Hash, RandomState},
    time::Instant,
};

use hashbrown::{Equivalent, HashMap};

use super::super::permissions::Action;
use crate::wamp::pattern::UriMatch;

/// What an answer is for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key(Action, UriMatch, Box<str>);

/// The same, borrowed.
#[derive(Hash)]
struct Asked<'a>(Action, UriMatch, &'a str);

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && self.1 == key.1 && *self.2 == *key.2
    }
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Denied,
    Allowed { disclose: bool },
}

/// An answer, and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    known: Known,
    until: Instant,
}

/// Answers of one component.
#[derive(Debug)]
pub(super) struct Answers {
    /// As many in each of the two sets.
    most: usize,
    /// Which component has given them: the gate counts.
    generation: u64,
    recent: HashMap<Key, Kept, RandomState>,
    old: HashMap<Key, Kept, RandomState>,
}

impl Answers {
    /// No answers yet, and never more than twice `most`.
    pub(super) fn new(most: usize) -> Self {
        let hasher = RandomState::new();
        let set = || HashMap::with_hasher(hasher.clone());
        Self { most, generation: 0, recent: set(), old: set() }
    }

    /// What the component of this generation has answered, if that still holds.
    pub(super) fn get(
        &mut self,
        generation: u64,
        action: Action,
        matching: UriMatch,
        uri: &str,
        now: Instant,
    ) -> Option<Known> {
        self.renew(generation);
        let asked = Asked(action, matching, uri);
        if let Some(kept) = self.recent.get(&asked) {
            return (now < kept.until).then_some(kept.known);
        }
        let kept = self.old.remove(&asked).filter(|kept| now < kept.until)?;
        self.insert(Key(action, matching, uri.into()), kept);
        Some(kept.known)
    }

    /// Keeps an answer.
    pub(super) fn keep(
        &mut self,
        generation: u64,
        (action, matching, uri): (Action, UriMatch, &str),
        known: Known,
        until: Instant,
    ) {
        self.renew(generation);
        self.insert(Key(action, matching, uri.into()), Kept { known, until });
    }

    fn insert(&mut self, key: Key, kept: Kept) {
        if self.recent.len() >= self.most {
            self.old = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, kept);
    }

    /// Another component may answer otherwise.
    fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.recent.clear();
            self.old.clear();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.recent.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Action, Answers, Known, UriMatch};

    const EXACT: UriMatch = UriMatch::Exact;
    const ALLOWED: Known = Known::Allowed { disclose: false };

    fn keep(answers: &mut Answers, uri: &str, until: Instant) {
        answers.keep(1, (Action::Call, EXACT, uri), ALLOWED, until);
    }

    #[test]
    fn an_answer_holds_for_its_question_and_its_time_and_its_component() {
        let (mut answers, now) = (Answers::new(10), Instant::now());
        let end = now + Duration::from_secs(1);
        keep(&mut answers, "a.b", end);
        answers.keep(1, (Action::Publish, EXACT, "a.b"), Known::Denied, end);
        assert_eq!(answers.get(1, Action::Call, EXACT, "a.b", now), Some(ALLOWED));
        assert_eq!(answers.get(1, Action::Publish, EXACT, "a.b", now), Some(Known::Denied));
        assert_eq!(answers.get(1, Action::Register, EXACT, "a.b", now), None);
        assert_eq!(answers.get(1, Action::Call, UriMatch::Prefix, "a.b", now), None);
        assert_eq!(answers.get(1, Action::Call, EXACT, "a.c", now), None);
        assert_eq!(answers.get(1, Action::Call, EXACT, "a.b", end), None);
        assert_eq!(answers.get(2, Action::Call, EXACT, "a.b", now), None);
        assert_eq!(answers.get(2, Action::Publish, EXACT, "a.b", now), None);
        assert_eq!(answers.len(), 0);
    }

    #[test]
    fn a_hundred_thousand_uris_take_no_more_than_the_bound_and_leave_what_is_used() {
        let (mut answers, now) = (Answers::new(100), Instant::now());
        let end = now + Duration::from_secs(1);
        keep(&mut answers, "often", end);
        for number in 0..100_000 {
            keep(&mut answers, &format!("uri.{number}"), end);
            assert!(answers.len() <= 200);
            if number % 50 == 0 {
                assert_eq!(answers.get(1, Action::Call, EXACT, "often", now), Some(ALLOWED));
            }
        }
        assert_eq!(answers.get(1, Action::Call, EXACT, "uri.1", now), None);
        assert_eq!(answers.get(1, Action::Call, EXACT, "uri.99999", now), Some(ALLOWED));
    }
}
