//! What the callers of the store, its thread and its revocations have in common.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    cache::Cache,
    layout::{Digest, Names},
    recent::Recent,
};
use crate::{
    cookie::PublicIdKey,
    store::{HearsAttempts, OpenConnections, RedisOptions, StoreTally, owed::Owed, subscribers::Subscribers},
};

/// What all parts of a store on Redis share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: RedisOptions,
    pub(super) names: Names,
    /// The key that all gateways have in common.
    pub(super) key: Arc<PublicIdKey>,
    /// The same as it stands in Redis; none: in a file.
    pub(super) key_text: Option<KeyText>,
    /// What distinguishes this gateway, or this command, from the others.
    pub(super) gateway: String,
    pub(super) cache: Cache,
    /// What was revoked while Redis did not answer or took no changes. By digests: a revocation may know no more of a client.
    pub(super) owed: Owed<Digest>,
    /// Those of them whose clients have logged out.
    pub(super) left: Owed<Digest>,
    /// What was revoked in the last moments, which Redis may forget.
    pub(super) recent: Recent,
    pub(super) tally: StoreTally,
    /// Whether Redis answers, and this gateway hears of revocations.
    is_up: AtomicBool,
    /// When the open connections were compared with their records the last time.
    checked: Mutex<Instant>,
    /// Whose connections end.
    pub(super) subscribers: Subscribers<dyn OpenConnections>,
    /// Who counts attempts to log in.
    pub(super) hearing: Subscribers<dyn HearsAttempts>,
}

/// The key of public IDs as Redis has it. `Debug` does not show it.
pub(super) struct KeyText(pub(super) String);

impl State {
    pub(super) fn new(
        options: RedisOptions,
        (key, key_text): (Arc<PublicIdKey>, Option<KeyText>),
        tally: StoreTally,
    ) -> Self {
        Self {
            names: Names::new(&options.prefix),
            options,
            key,
            key_text,
            gateway: format!("{:032x}", rand::random::<u128>()),
            cache: Cache::default(),
            owed: Owed::default(),
            left: Owed::default(),
            recent: Recent::default(),
            tally,
            is_up: AtomicBool::new(false),
            checked: Mutex::new(Instant::now()),
            subscribers: Subscribers::default(),
            hearing: Subscribers::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Redis answers, and what other gateways revoke is heard from now on; whether that is news.
    pub(super) fn comes_up(&self) -> bool {
        let is_news = !self.is_up.swap(true, Ordering::AcqRel);
        if is_news {
            self.cache.switch(true);
        }
        is_news
    }

    /// Redis does not answer, or revocations may be missed; whether that is news.
    pub(super) fn goes_down(&self) -> bool {
        let is_news = self.is_up.swap(false, Ordering::AcqRel);
        self.cache.switch(false);
        if is_news {
            self.recent.breaks();
        }
        self.tally.is_failing();
        is_news
    }

    /// At this moment the gateway began to compare the open connections with their records, and it has come to the end.
    pub(super) fn has_checked(&self, at: Instant) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// For how long the open connections have not been compared with their records.
    pub(super) fn unchecked_for(&self) -> Duration {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyText")
    }
}
