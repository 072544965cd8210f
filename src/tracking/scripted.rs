//! For tests: a store in memory whose calls a test can watch, answer itself, or interleave with others.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;

use super::{Clients, Tracker};
use crate::{
    cookie::{CookieOptions, PublicIdKey, TrackingId},
    store::{
        Authentication, Commit, CookieRecord, CookieStore, Lookup, MemoryStore, OpenedStore, Replacement,
        StoreAnswer, StoreError,
    },
    time::Timestamp,
};

/// What is about to happen, or has just happened.
#[derive(Debug)]
pub(crate) enum StoreCall<'a> {
    LookUp,
    LookedUp(&'a TrackingId),
    Create,
    Replace,
    Revoke,
}

/// What a test does at each call; an error is the call's answer, instead of the store's.
type Script = Box<dyn FnMut(&MemoryStore, StoreCall<'_>) -> Result<(), StoreError> + Send>;

/// A look-up that waits for its answer.
type Unanswered = (TrackingId, Timestamp, oneshot::Sender<Result<Option<CookieRecord>, StoreError>>);

pub(crate) struct ScriptedStore {
    pub(crate) store: MemoryStore,
    script: Mutex<Script>,
    /// Whether look-ups find expired records as well, as those of a careless store.
    is_careless: bool,
    /// Whether answers come from another thread, as those of a store on another machine.
    is_remote: bool,
    /// The look-ups of a store that answers none before the test has it answer.
    stuck: Option<Mutex<Vec<Unanswered>>>,
}

impl ScriptedStore {
    pub(crate) fn new(
        script: impl FnMut(&MemoryStore, StoreCall<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), ..Self::plain() })
    }

    pub(crate) fn careless() -> Arc<Self> {
        Arc::new(Self { is_careless: true, ..Self::plain() })
    }

    pub(crate) fn remote() -> Arc<Self> {
        Arc::new(Self { is_remote: true, ..Self::plain() })
    }

    pub(crate) fn hanging() -> Arc<Self> {
        Arc::new(Self { stuck: Some(Mutex::default()), ..Self::plain() })
    }

    /// Has a store that hangs answer what waits; how many that were.
    pub(crate) fn answer_waiting(&self) -> usize {
        let waiting = self.stuck.as_ref().map(|stuck| std::mem::take(&mut *stuck.lock().unwrap()));
        let waiting = waiting.unwrap_or_default();
        let count = waiting.len();
        for (id, now, sender) in waiting {
            // The receiver is gone if the caller does not wait.
            drop(sender.send(self.store.look_up(&id, now).wait()));
        }
        count
    }

    /// How many look-ups of a store that hangs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.stuck.as_ref().map_or(0, |stuck| stuck.lock().unwrap().len())
    }

    fn plain() -> Self {
        let script: Script = Box::new(|_, _| Ok(()));
        let store = MemoryStore::new(1000);
        Self { store, script: Mutex::new(script), is_careless: false, is_remote: false, stuck: None }
    }

    fn answer<T: Send + 'static>(&self, outcome: Result<T, StoreError>) -> StoreAnswer<T> {
        if !self.is_remote {
            return StoreAnswer::done(outcome);
        }
        let (sender, receiver) = oneshot::channel();
        // The receiver is gone if the caller does not wait.
        std::thread::spawn(move || drop(sender.send(outcome)));
        StoreAnswer::Waiting(receiver)
    }

    fn call(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        // The calls that the script makes itself, through a tracker, are not scripted.
        self.script.try_lock().map_or(Ok(()), |mut script| script(&self.store, call))
    }
}

/// A tracker of a store, with the default cookie.
pub(crate) fn tracker(store: &Arc<impl CookieStore + 'static>) -> Tracker {
    let store = Arc::clone(store) as Arc<dyn CookieStore>;
    let key = Arc::new(PublicIdKey::random().unwrap());
    Tracker::new(CookieOptions::default(), Clients::new(&OpenedStore::local(store), key))
}

impl CookieStore for ScriptedStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        if let Err(error) = self.call(StoreCall::LookUp) {
            return Lookup::done(Err(error));
        }
        if let Some(stuck) = &self.stuck {
            let (sender, receiver) = oneshot::channel();
            stuck.lock().unwrap().push((id.clone(), now, sender));
            return Lookup::Waiting(receiver);
        }
        let now = if self.is_careless { Timestamp::from_millis(0) } else { now };
        let found = self.store.look_up(id, now).wait();
        self.answer(self.call(StoreCall::LookedUp(id)).and(found))
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        self.store.seen(id, now);
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        match self.call(StoreCall::Create) {
            Ok(()) => self.answer(self.store.create(id, record).wait()),
            Err(error) => Commit::done(Err(error)),
        }
    }

    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit {
        match self.call(StoreCall::Replace) {
            Ok(()) => self.answer(self.store.replace(id, next, now).wait()),
            Err(error) => Commit::done(Err(error)),
        }
    }

    fn authenticate(&self, id: &TrackingId, who: Option<Authentication>, now: Timestamp) -> Commit {
        self.answer(self.store.authenticate(id, who, now).wait())
    }

    fn revoke(&self, id: &TrackingId, now: Timestamp) -> Commit {
        self.answer(self.call(StoreCall::Revoke).and_then(|()| self.store.revoke(id, now).wait()))
    }

    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.purge(now, limit)
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        self.store.scan(now, each)
    }
}

impl fmt::Debug for ScriptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedStore(..)")
    }
}
