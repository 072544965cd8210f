//! Random histories: every store answers like a model that is too simple to be wrong.

use proptest::prelude::*;
use wampgate::store::{CookieRecord, StoreError};

use super::support::{Kind, Place, at, authentication, for_every_store, id, record, wait};

for_every_store!(any_history_is_answered_like_by_the_model);

/// How many IDs there are: few, so that operations meet.
const IDS: usize = 6;

/// Lifetimes in seconds: shorter and longer than the coarseness of sightings, and than most pauses.
const MAX_AGES: [u64; 4] = [1, 90, 1_500, 86_400];

#[derive(Debug, Clone)]
enum Step {
    Create { id: usize, max_age: u64 },
    LookUp { id: usize },
    Authenticate { id: usize, authid: Option<&'static str> },
    Revoke { id: usize },
    Purge { limit: usize },
    Reopen,
}

/// A step, and how many milliseconds pass before it. Time never stands still, so that no two records tie.
fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => (0..IDS, proptest::sample::select(&MAX_AGES)).prop_map(|(id, max_age)| Step::Create { id, max_age }),
        4 => (0..IDS).prop_map(|id| Step::LookUp { id }),
        3 => (0..IDS, proptest::sample::select(&[None, Some("joe"), Some("eve")]))
            .prop_map(|(id, authid)| Step::Authenticate { id, authid }),
        1 => (0..IDS).prop_map(|id| Step::Revoke { id }),
        1 => (0..4_usize).prop_map(|limit| Step::Purge { limit }),
        1 => Just(Step::Reopen),
    ];
    (prop_oneof![1..2_000_u64, 1..200_000_u64, 1..20_000_000_u64], step)
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

    fn look_up(&mut self, id: usize, now: u64) -> Option<CookieRecord> {
        let place = self.find_live(id, now)?;
        let before = self.records[place].1.clone();
        if now - before.last_seen.as_millis() >= Self::coarseness(&before) {
            self.renew(place, |_| (), now);
        }
        Some(before)
    }

    /// Whether a record was made; if not, whether for lack of room.
    fn create(&mut self, id: usize, max_age: u64, now: u64) -> Result<(), bool> {
        if self.find_live(id, now).is_some() {
            return Err(false);
        }
        self.records.retain(|(other, record)| *other != id && now < Self::expires(record));
        if self.records.len() >= self.limit {
            let oldest = self.records.iter().position(|(_, record)| record.authentication.is_none());
            self.records.remove(oldest.ok_or(true)?);
        }
        self.records.push((id, record(now, max_age)));
        Ok(())
    }

    fn authenticate(&mut self, id: usize, authid: Option<&str>, now: u64) {
        let Some(place) = self.find_live(id, now) else { return };
        let record = &self.records[place].1;
        let is_same = match (&record.authentication, authid) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                old.authid == new && now - old.at.as_millis() < Self::coarseness(record)
            }
            _ => false,
        };
        if !is_same {
            let authentication = authid.map(|authid| authentication(authid, now).into());
            self.renew(place, |record| record.authentication = authentication, now);
        }
    }
}

fn any_history_is_answered_like_by_the_model(kind: Kind) {
    let config = ProptestConfig::with_cases(48);
    // LMDB is bounded in bytes, not in records.
    let limit =
        if kind == Kind::Lmdb { Just(1_000).boxed() } else { prop_oneof![Just(1_000), 1..5_usize].boxed() };
    proptest!(config, |(limit in limit, steps in proptest::collection::vec(step(), 1..80))| {
        run(kind, limit, steps)?;
    });
}

fn run(kind: Kind, limit: usize, steps: Vec<(u64, Step)>) -> Result<(), TestCaseError> {
    let place = Place { limit, ..Place::new(kind) };
    let mut model = Model { limit, ..Model::default() };
    let mut now = 1_000_000;
    let mut store = place.open(now);
    for (pause, step) in steps {
        now += pause;
        match step {
            Step::Create { id: number, max_age } => {
                let made = wait(store.create(&id(number), record(now, max_age)));
                match model.create(number, max_age, now) {
                    Ok(()) => prop_assert!(made.is_ok(), "{made:?}"),
                    Err(false) => prop_assert!(matches!(made, Err(StoreError::Exists)), "{made:?}"),
                    Err(true) => prop_assert!(matches!(made, Err(StoreError::Full { .. })), "{made:?}"),
                }
            }
            Step::LookUp { id: number } => {
                let found = store.look_up(&id(number), at(now)).unwrap();
                prop_assert_eq!(found, model.look_up(number, now));
                // A note is not waited for; a change behind it is.
                wait(store.revoke(&id(IDS), at(now))).unwrap();
            }
            Step::Authenticate { id: number, authid } => {
                let authentication = authid.map(|authid| authentication(authid, now));
                wait(store.authenticate(&id(number), authentication, at(now))).unwrap();
                model.authenticate(number, authid, now);
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
