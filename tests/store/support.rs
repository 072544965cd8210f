//! Stores in folders of their own, and records to put into them.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use wampgate::store::{
    self, Authentication, Commit, CookieRecord, CookieStore, Durability, Lineage, MaxAge, OnError,
    OpenConnections, OpenedStore, RedisOptions, RedisUrl, Replacement, Revocation, StoreError,
    StoreOpenError, StoreOptions, Succession, SyncMode, Timestamp, TrackingId,
};

use crate::support::{
    PATIENCE,
    redis::{RedisCluster, RedisServer},
};

/// The tests themselves, for those that go on in a process of their own. It is there also after a build beside them has replaced the file.
pub(crate) const THIS_BINARY: &str = "/proc/self/exe";

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    File,
    Lmdb,
    Redis,
}

/// Makes a test for every store on this machine out of a function that takes one. A store elsewhere has its own bounds, drops
/// what has expired by itself, and does not know IDs.
macro_rules! for_local_stores {
    ($($test:ident),+ $(,)?) => {
        for_every_store!(@ memory Memory $($test)+);
        for_every_store!(@ file File $($test)+);
        for_every_store!(@ lmdb Lmdb $($test)+);
    };
}
pub(crate) use for_local_stores;

/// Makes a test for every store out of a function that takes one.
macro_rules! for_every_store {
    ($($test:ident),+ $(,)?) => {
        for_every_store!(@ memory Memory $($test)+);
        for_every_store!(@ file File $($test)+);
        for_every_store!(@ lmdb Lmdb $($test)+);
        mod redis {
            $(#[test] fn $test() {
                if crate::support::redis::is_there() {
                    super::$test(crate::store::support::Kind::Redis);
                }
            })+
        }
    };
    (@ $name:ident $kind:ident $($test:ident)+) => {
        mod $name {
            $(#[test] fn $test() { super::$test(crate::store::support::Kind::$kind); })+
        }
    };
}
pub(crate) use for_every_store;

impl Kind {
    pub(crate) fn is_durable(self) -> bool {
        self != Self::Memory
    }

    /// Whether the store drops expired records when it is asked to, and not by itself.
    pub(crate) fn purges(self) -> bool {
        self != Self::Redis
    }
}

/// Set for the long mode: what every store does, with a Redis Cluster in the place of one server.
/// `WAMPGATE_TEST_REDIS_CLUSTER=1 cargo test --test integration -- redis --skip gateway --skip kill --skip store::redis`
const IN_A_CLUSTER: &str = "WAMPGATE_TEST_REDIS_CLUSTER";

/// A folder with a store in it.
pub(crate) struct StoreFolder {
    pub(crate) kind: Kind,
    pub(crate) limit: usize,
    pub(crate) per_principal: usize,
    pub(crate) max_size: usize,
    pub(crate) sync: SyncMode,
    /// Of a store on Redis.
    pub(crate) durability: Durability,
    pub(crate) folder: TempDir,
    /// The server of a store elsewhere.
    pub(crate) redis: Option<RedisServer>,
    /// Instead of it, in the long mode.
    pub(crate) cluster: Option<RedisCluster>,
}

impl StoreFolder {
    pub(crate) fn new(kind: Kind) -> Self {
        let is_in_a_cluster = kind == Kind::Redis && std::env::var_os(IN_A_CLUSTER).is_some();
        Self {
            kind,
            limit: 1_000_000,
            // Many tests have many records of one name.
            per_principal: 0,
            max_size: 16 << 20,
            // Other programs may have so much to write to the disk that a store tells its clients that the disk hangs.
            sync: SyncMode::Never,
            folder: tempfile::tempdir().unwrap(),
            durability: Durability::Server,
            redis: (kind == Kind::Redis && !is_in_a_cluster).then(RedisServer::start),
            cluster: is_in_a_cluster.then(RedisCluster::start),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(if self.kind == Kind::Lmdb { "cookies" } else { "cookies.dat" })
    }

    pub(crate) fn config(&self) -> StoreOptions {
        self.config_at(self.path())
    }

    /// The same store elsewhere.
    pub(crate) fn config_at(&self, path: PathBuf) -> StoreOptions {
        let (max_cookies, max_per_principal, sync) = (self.limit, self.per_principal, self.sync);
        match self.kind {
            Kind::Memory => StoreOptions::Memory { max_cookies, max_per_principal },
            Kind::File => StoreOptions::File { path, max_cookies, max_per_principal, sync },
            Kind::Lmdb => StoreOptions::Lmdb { path, max_size: self.max_size, max_per_principal, sync },
            Kind::Redis => {
                let url = match &self.cluster {
                    Some(cluster) => cluster.url(),
                    None => self.redis.as_ref().unwrap().url(),
                };
                redis_options(&url, max_per_principal, self.durability)
            }
        }
    }

    /// The store, and a set of IDs that count as open.
    pub(crate) fn open_with_clients(&self, now: u64) -> (Arc<dyn CookieStore>, Arc<Clients>) {
        let (opened, clients) = self.open_shared(now);
        (opened.store, clients)
    }

    /// The store with its revocations, as a gateway has it beside others.
    pub(crate) fn open_shared(&self, now: u64) -> (OpenedStore, Arc<Clients>) {
        let opened = store::open(&self.config(), at(now)).unwrap();
        let clients = Arc::<Clients>::default();
        let subscriber: Arc<dyn OpenConnections> = Arc::clone(&clients) as _;
        opened.revocations.subscribe(Arc::downgrade(&subscriber));
        (opened, clients)
    }

    pub(crate) fn try_open(&self, now: u64) -> Result<Arc<dyn CookieStore>, StoreOpenError> {
        store::open(&self.config(), at(now)).map(|opened| opened.store)
    }

    pub(crate) fn open(&self, now: u64) -> Arc<dyn CookieStore> {
        self.try_open(now).unwrap()
    }
}

/// IDs that have an open connection.
#[derive(Default)]
pub(crate) struct Clients {
    open: Mutex<HashSet<TrackingId>>,
    ended: Mutex<Vec<Revocation>>,
}

impl Clients {
    pub(crate) fn enter(&self, number: usize) {
        self.open.lock().unwrap().insert(id(number));
    }

    /// Waits until they were told of a revocation.
    pub(crate) fn await_end(&self, revocation: &Revocation) {
        let end = Instant::now() + PATIENCE;
        while !self.ended.lock().unwrap().contains(revocation) {
            assert!(Instant::now() < end, "not told");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn leave(&self, number: usize) {
        self.open.lock().unwrap().remove(&id(number));
    }
}

impl OpenConnections for Clients {
    fn end(&self, revocation: &Revocation) -> usize {
        self.ended.lock().unwrap().push(revocation.clone());
        0
    }

    fn is_open(&self, id: &TrackingId) -> bool {
        self.open.lock().unwrap().contains(id)
    }

    fn open(&self, is_wanted: &dyn Fn(&TrackingId) -> bool) -> Vec<TrackingId> {
        self.open.lock().unwrap().iter().filter(|id| is_wanted(id)).cloned().collect()
    }
}

/// Waits for a change.
pub(crate) fn wait(commit: Commit) -> Result<(), StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(commit)
}

/// Waits for many changes, which must all succeed.
pub(crate) fn wait_all(commits: impl IntoIterator<Item = Commit>) {
    for commit in commits {
        wait(commit).unwrap();
    }
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn id(number: usize) -> TrackingId {
    TrackingId::parse(&format!("clientclientclient-{number:05}")).unwrap()
}

/// A record that is made at a moment and lives for so many seconds.
pub(crate) fn record(created: u64, max_age: u64) -> CookieRecord {
    CookieRecord::new(at(created), MaxAge::from_seconds(max_age).unwrap())
}

pub(crate) fn authentication(authid: &str, now: u64) -> Authentication {
    Authentication {
        authid: authid.into(),
        authrole: "frontend".into(),
        authmethod: "ticket".into(),
        authrealm: "realm1".into(),
        authextra: r#"{"name": "Jö \"the\" \\ client"}"#.into(),
        at: at(now),
        succession: None,
    }
}

/// An authentication on an ID that is to be replaced, or was since a moment.
pub(crate) fn planned(authid: &str, now: u64, next: usize, since: Option<u64>) -> Authentication {
    let succession = Some(Succession { id: id(next), since: since.map(at) });
    Authentication { succession, ..authentication(authid, now) }
}

/// An ID that is to replace another one, for ten minutes.
pub(crate) fn replacement(next: usize) -> Replacement {
    Replacement { id: id(next), public_id: "public-id".into(), max_age: MaxAge::from_seconds(600).unwrap() }
}

/// The record of an ID that has replaced another one by [`replacement`].
pub(crate) fn in_place_of(predecessor: usize, record: CookieRecord) -> CookieRecord {
    let lineage = Lineage { public_id: "public-id".into(), predecessor: id(predecessor) };
    CookieRecord { lineage: Some(lineage.into()), ..record }
}

/// The live record of an ID.
pub(crate) fn look_up(store: &dyn CookieStore, id: &TrackingId, now: u64) -> Option<CookieRecord> {
    store.look_up(id, at(now)).wait().unwrap()
}

/// The authid that a live record carries; nothing for a record without, or for none.
pub(crate) fn authid(store: &dyn CookieStore, id: &TrackingId, now: u64) -> Option<String> {
    let record = look_up(store, id, now)?;
    record.authentication.as_ref().map(|authentication| authentication.authid.clone())
}

/// Whether an ID has a live record.
pub(crate) fn knows(store: &dyn CookieStore, id: &TrackingId, now: u64) -> bool {
    look_up(store, id, now).is_some()
}

/// What a test's store on a Redis is.
pub(crate) fn redis_options(url: &str, max_per_principal: usize, durability: Durability) -> StoreOptions {
    StoreOptions::Redis(Box::new(RedisOptions {
        url: RedisUrl::parse(url).unwrap(),
        prefix: "test:".to_owned(),
        // For machines that do much else.
        timeout: Duration::from_secs(10),
        on_error: OnError::Deny,
        durability,
        max_outage: Duration::from_mins(5),
        max_per_principal,
        public_id_key: None,
    }))
}
