//! What verifies the tokens of a gateway: a JWK Set (RFC 7517), for servers that fetch it.

use std::sync::{Mutex, PoisonError};

use super::{Signer, keys::Retired};
use crate::time::Timestamp;

/// How many keys of earlier configurations are still published. The oldest makes room for the next.
const MAX_RETIRED: usize = 64;

/// The public keys of all signers of a gateway.
#[derive(Debug, Default)]
pub struct PublicKeys(Mutex<Published>);

#[derive(Debug, Default)]
struct Published {
    signers: Vec<Signer>,
    /// Keys that the configuration no longer has.
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
        published.retired.retain(|retired| retired.counts_at(now));
        published.retired.extend(retired);
        let kids: Vec<String> = published
            .signers
            .iter()
            .flat_map(|signer| signer.keys.public(now))
            .map(|key| key.kid().to_owned())
            .collect();
        published.retired.retain(|retired| !kids.iter().any(|kid| kid == retired.key.kid()));
        let too_many = published.retired.len().saturating_sub(MAX_RETIRED);
        published.retired.drain(..too_many);
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
