//! Random histories: every store answers like a model that is too simple to be wrong.

use std::sync::Arc;

use proptest::prelude::*;
use wampgate::store::{Authentication, CookieRecord, StoreError, Succession, TrackingId};

use super::support::{
    Kind, StoreFolder, at, authentication, for_every_store, id, in_place_of, record, replacement, wait,
};

for_every_store!(any_history_is_answered_like_by_the_model);

/// How many IDs there are: few, so that operations meet.
const IDS: usize = 6;

/// Lifetimes in seconds: shorter and longer than the coarseness of sightings, and than most pauses.
const MAX_AGES: [u64; 4] = [1, 90, 1_500, 86_400];

#[derive(Debug, Clone)]
enum Step {
    Create {
        id: usize,
        max_age: u64,
    },
    LookUp {
        id: usize,
    },
    Seen {
        id: usize,
    },
    /// With a successor: the ID is to be replaced.
    Authenticate {
        id: usize,
        authid: Option<&'static str>,
        next: Option<usize>,
    },
    Replace {
        id: usize,
        next: usize,
    },
    Revoke {
        id: usize,
    },
    Purge {
        limit: usize,
    },
    Reopen,
}

/// A step, and how many milliseconds pass before it. Time never stands still, so that no two records tie.
fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => (0..IDS, proptest::sample::select(&MAX_AGES)).prop_map(|(id, max_age)| Step::Create { id, max_age }),
        2 => (0..IDS).prop_map(|id| Step::LookUp { id }),
        4 => (0..IDS).prop_map(|id| Step::Seen { id }),
        3 => (0..IDS, proptest::sample::select(&[None, Some("joe"), Some("eve")]), proptest::option::of(0..IDS))
            .prop_map(|(id, authid, next)| Step::Authenticate { id, authid, next }),
        4 => (0..IDS, 0..IDS).prop_map(|(id, next)| Step::Replace { id, next }),
        1 => (0..IDS).prop_map(|id| Step::Revoke { id }),
        1 => (0..4_usize).prop_map(|limit| Step::Purge { limit }),
        1 => Just(Step::Reopen),
    ];
    (prop_oneof![1..2_000_u64, 1..200_000_u64, 1..20_000_000_u64], step)
}

/// Why the model does not make a change.
#[derive(Debug, PartialEq)]
enum Refused {
    Exists,
    Full,
    Outdated,
    Replaced(TrackingId),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists => Self::Exists,
            StoreError::Full { .. } => Self::Full,
            StoreError::Outdated => Self::Outdated,
            StoreError::Replaced { by } => Self::Replaced(by),
            other => panic!("{other}"),
        }
    }
}

/// Records by ID in the order in which they were noted.
#[derive(Debug, Default)]
struct Model {
    records: Vec<(usize, CookieRecord)>,
    limit: usize,
}

impl Model {
    fn expires(record: &CookieRecord) -> u64 {
        record.created.as_millis() + u64::from(record.max_age.as_seconds()) * 1000
    }

    fn find(&self, id: usize) -> Option<usize> {
        self.records.iter().position(|(other, _)| *other == id)
    }

    fn find_live(&self, id: usize, now: u64) -> Option<usize> {
        self.find(id).filter(|at| now < Self::expires(&self.records[*at].1))
    }

    fn coarseness(record: &CookieRecord) -> u64 {
        (u64::from(record.max_age.as_seconds()) * 1000 / 24).clamp(60_000, 86_400_000)
    }

    fn renew(&mut self, place: usize, change: impl FnOnce(&mut CookieRecord), now: u64) {
        let (id, mut record) = self.records.remove(place);
        change(&mut record);
        record.last_seen = at(now);
        self.records.push((id, record));
    }

    fn look_up(&self, id: usize, now: u64) -> Option<CookieRecord> {
        self.find_live(id, now).map(|place| self.records[place].1.clone())
    }

    fn seen(&mut self, id: usize, now: u64) {
        let Some(place) = self.find_live(id, now) else { return };
        let record = &self.records[place].1;
        if now - record.last_seen.as_millis() >= Self::coarseness(record) {
            self.renew(place, |_| (), now);
        }
    }

    fn create(&mut self, id: usize, max_age: u64, now: u64) -> Result<(), Refused> {
        if self.find_live(id, now).is_some() {
            return Err(Refused::Exists);
        }
        if !self.makes_room(id, now) {
            return Err(Refused::Full);
        }
        self.records.push((id, record(now, max_age)));
        Ok(())
    }

    /// Drops what has expired or had the ID before, and what must go for one more; whether there is room then.
    fn makes_room(&mut self, id: usize, now: u64) -> bool {
        self.records.retain(|(other, record)| *other != id && now < Self::expires(record));
        if self.records.len() >= self.limit {
            let oldest = self.records.iter().position(|(_, record)| record.authentication.is_none());
            return oldest.map(|oldest| self.records.remove(oldest)).is_some();
        }
        true
    }

    fn authenticate(&mut self, id: usize, authentication: Option<Authentication>, now: u64) {
        let Some(place) = self.find_live(id, now) else { return };
        let record = &self.records[place].1;
        let is_same = match (&record.authentication, &authentication) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                (&old.authid, &old.succession) == (&new.authid, &new.succession)
                    && now - old.at.as_millis() < Self::coarseness(record)
            }
            _ => false,
        };
        if !is_same {
            self.renew(place, |record| record.authentication = authentication.map(Into::into), now);
        }
    }

    fn replace(&mut self, number: usize, next: usize, now: u64) -> Result<(), Refused> {
        let place = self.find_live(number, now).ok_or(Refused::Outdated)?;
        let before = self.records[place].1.clone();
        match before.authentication.as_ref().map(|authentication| &authentication.succession) {
            None => {}
            Some(Some(Succession { id: by, since: Some(_) })) => return Err(Refused::Replaced(by.clone())),
            Some(Some(Succession { id: planned, since: None })) if *planned == id(next) => {}
            Some(_) => return Err(Refused::Outdated),
        }
        let authentication = before.authentication.as_deref().cloned();
        let mark = |model: &mut Self| {
            if let (Some(place), Some(who)) = (model.find(number), authentication.clone()) {
                let succession = Some(Succession { id: id(next), since: Some(at(now)) });
                let who = Authentication { succession, ..who };
                model.renew(place, |record| record.authentication = Some(who.into()), now);
            }
        };
        if let Some(taken) = self.find_live(next, now) {
            let found = self.records[taken].1.lineage.as_ref();
            if authentication.is_none() || found.is_none_or(|found| found.predecessor != id(number)) {
                return Err(Refused::Exists);
            }
            mark(self);
            return Ok(());
        }
        mark(self);
        if !self.makes_room(next, now) {
            self.records.retain(|(other, _)| *other != number);
        }
        let authentication = authentication.map(|who| Arc::new(Authentication { succession: None, ..who }));
        let made = CookieRecord { authentication, ..in_place_of(number, record(now, 600)) };
        self.records.push((next, made));
        Ok(())
    }
}

fn any_history_is_answered_like_by_the_model(kind: Kind) {
    // Each case on Redis starts a server.
    let config = ProptestConfig::with_cases(if kind == Kind::Redis { 16 } else { 48 });
    // LMDB and Redis are bounded in bytes, not in records.
    let limit = if matches!(kind, Kind::Lmdb | Kind::Redis) {
        Just(1_000).boxed()
    } else {
        prop_oneof![Just(1_000), 1..5_usize].boxed()
    };
    proptest!(config, |(limit in limit, steps in proptest::collection::vec(step(), 1..80))| {
        run(kind, limit, steps)?;
    });
}

fn run(kind: Kind, limit: usize, steps: Vec<(u64, Step)>) -> Result<(), TestCaseError> {
    let place = StoreFolder { limit, ..StoreFolder::new(kind) };
    let mut model = Model { limit, ..Model::default() };
    let mut now = 1_000_000;
    let mut store = place.open(now);
    for (pause, step) in steps {
        now += pause;
        match step {
            Step::Create { id: number, max_age } => {
                let made = wait(store.create(&id(number), record(now, max_age)));
                prop_assert_eq!(made.map_err(Refused::from), model.create(number, max_age, now));
            }
            Step::LookUp { id: number } => {
                let found = store.look_up(&id(number), at(now)).wait().unwrap();
                prop_assert_eq!(found, model.look_up(number, now));
            }
            Step::Seen { id: number } => {
                store.seen(&id(number), at(now));
                model.seen(number, now);
                // A note is not waited for; a change behind it is.
                wait(store.revoke(&id(IDS), at(now))).unwrap();
            }
            Step::Authenticate { id: number, authid, next } => {
                let succession = next.map(|next| Succession { id: id(next), since: None });
                let authentication =
                    authid.map(|authid| Authentication { succession, ..authentication(authid, now) });
                wait(store.authenticate(&id(number), authentication.clone(), at(now))).unwrap();
                model.authenticate(number, authentication, now);
            }
            Step::Replace { id: number, next } => {
                let replaced = wait(store.replace(&id(number), &replacement(next), at(now)));
                prop_assert_eq!(replaced.map_err(Refused::from), model.replace(number, next, now));
            }
            Step::Revoke { id: number } => {
                wait(store.revoke(&id(number), at(now))).unwrap();
                model.records.retain(|(other, _)| *other != number);
            }
            Step::Purge { limit } => {
                // How many it drops depends on what was dropped to make room; none of it was visible any more.
                prop_assert!(store.purge(at(now), limit).unwrap() <= limit);
            }
            Step::Reopen if kind.is_durable() => {
                drop(store);
                store = place.open(now);
            }
            Step::Reopen => {}
        }
        let mut records = Vec::new();
        store.scan(at(now), &mut |id, record| records.push((id.clone(), record.clone()))).unwrap();
        if kind == Kind::Redis {
            // It knows no IDs, so that a scan tells only how many there are.
            let count = records.len();
            let found =
                (0..IDS).filter_map(|n| Some((id(n), store.look_up(&id(n), at(now)).wait().unwrap()?)));
            records = found.collect();
            prop_assert_eq!(records.len(), count);
        }
        let mut expected: Vec<_> = model
            .records
            .iter()
            .filter(|(_, record)| now < Model::expires(record))
            .map(|(number, record)| (id(*number), record.clone()))
            .collect();
        records.sort_by(|one, other| one.0.expose().cmp(other.0.expose()));
        expected.sort_by(|one, other| one.0.expose().cmp(other.0.expose()));
        prop_assert_eq!(records, expected);
    }
    Ok(())
}
