//! What verifies the tokens of a gateway: a JWK Set (RFC 7517), for servers that fetch it.

use std::sync::{Mutex, PoisonError};

use super::{
    Signer,
    keys::{Retired, until},
};
use crate::time::Timestamp;

/// How many keys of earlier configurations are still published. Where there are more, the keys whose tokens end first are left out.
const MAX_RETIRED: usize = 64;

/// The public keys of all signers of a gateway.
#[derive(Debug, Default)]
pub struct PublicKeys(Mutex<Published>);

#[derive(Debug, Default)]
struct Published {
    signers: Vec<Signer>,
    /// Keys that the configuration no longer has, or with which it signs for a shorter time: each once.
    retired: Vec<Retired>,
}

impl PublicKeys {
    /// The configuration has these signers from now on. What those before them have signed still counts.
    pub(crate) fn are(&self, signers: Vec<Signer>, now: Timestamp) {
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut published.signers, signers);
        let retired = before.iter().flat_map(|signer| {
            let counts = signer.lifetime.as_secs();
            signer.keys.public(now).into_iter().map(move |key| Retired::new(key, counts, now))
        });
        published.retire(retired);
        published.keep(now);
    }

    /// The JWK Set.
    pub fn document(&self, now: Timestamp) -> String {
        let published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<_> = published.signers.iter().flat_map(|signer| signer.keys.public(now)).collect();
        keys.extend(
            published
                .retired
                .iter()
                .filter(|retired| retired.counts_at(now))
                .map(|retired| retired.key.clone()),
        );
        let mut members: Vec<&str> = Vec::with_capacity(keys.len());
        for key in &keys {
            // Several paths may have the same key.
            if !members.contains(&key.public()) {
                members.push(key.public());
            }
        }
        format!("{{\"keys\":[{}]}}", members.join(","))
    }
}

impl Published {
    /// Keys leave the configuration, or stay with another lifetime. Several signers may have had the same key.
    fn retire(&mut self, keys: impl Iterator<Item = Retired>) {
        for next in keys {
            match self.retired.iter_mut().find(|retired| retired.key.kid() == next.key.kid()) {
                Some(retired) => retired.until = retired.until.max(next.until),
                None => self.retired.push(next),
            }
        }
    }

    /// Keeps the keys whose tokens still count, as far as there are places.
    fn keep(&mut self, now: Timestamp) {
        let current: Vec<_> = self
            .signers
            .iter()
            .flat_map(|signer| {
                let until = until(signer.lifetime.as_secs(), now);
                signer.keys.current().into_iter().map(move |key| (key, until))
            })
            .collect();
        // A key that signs now, and as long as before, counts at least as long when it leaves, and takes no place until then.
        let stays_as_long = |retired: &Retired| {
            current.iter().any(|(key, until)| retired.until <= *until && retired.key.kid() == key.kid())
        };
        self.retired.retain(|retired| retired.counts_at(now) && !stays_as_long(retired));
        self.retired.sort_by_key(|retired| retired.until);
        let too_many = self.retired.len().saturating_sub(MAX_RETIRED);
        self.retired.drain(..too_many);
    }
}
