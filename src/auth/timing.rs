//! Clients whose authentication fails, for the benchmark that measures how long that takes: it must not tell which principals
//! exist.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use serde_json::Map;

use super::{Applicant, AuthOptions, Method, MethodStep, StandIns, begin, unproved};
use crate::{
    cookie::{PublicIdKey, PublicIdKeyError},
    identity::Standing,
    time::Timestamp,
    wamp::{Dictionary, SessionId, Uri, message::HelloDetails},
};

/// Clients that give a wrong answer.
#[derive(Debug)]
pub struct WrongClients {
    config: AuthOptions,
    realm: Uri,
    key: PublicIdKey,
    stand_ins: StandIns,
    hellos: Vec<HelloDetails>,
}

impl WrongClients {
    /// Clients of these names.
    pub fn new(
        config: AuthOptions,
        authids: impl IntoIterator<Item = String>,
    ) -> Result<Self, PublicIdKeyError> {
        let hello = |authid| HelloDetails {
            authid: Some(authid),
            authextra: Map::from_iter([
                ("nonce".to_owned(), "c2l4dGVlbiBieXRlcyAhIQ==".into()),
                ("pubkey".to_owned(), "01".repeat(32).into()),
            ])
            .into(),
            ..HelloDetails::default()
        };
        let hellos = authids.into_iter().map(hello).collect();
        let key = PublicIdKey::random()?;
        let stand_ins = StandIns::new(Some(&config), &key);
        Ok(Self { config, realm: Uri::known("realm1"), key, stand_ins, hellos })
    }

    /// Runs each client from HELLO to its refusal. How long one takes; nothing if a client got in, or was not asked for anything,
    /// or if there is no such method.
    pub fn refuse(&self, method: &str) -> Option<Duration> {
        let method = Method::parse(method)?;
        let now = Timestamp::from_millis(1_700_000_000_000);
        let place = Standing::of_place(0);
        let unproved = unproved(place, Some(&self.config));
        let applicant = |hello| Applicant {
            place,
            unproved,
            config: Some(&self.config),
            realm: &self.realm,
            hello,
            tracked: None,
            session: SessionId(1),
            key: &self.key,
            stand_ins: &self.stand_ins,
            token: None,
            tls_exporter: None,
        };
        let applicants: Vec<_> = self.hellos.iter().map(applicant).collect();
        let extra = Dictionary::default();
        let mut rng = rand::rng();
        let begun = Instant::now();
        for applicant in &applicants {
            let refused = match begin(method, black_box(applicant), now, &mut rng) {
                Ok(MethodStep::Challenge { pending, .. }) => pending.finish("wrong", &extra, now).is_err(),
                Ok(MethodStep::Done(_)) | Err(_) => false,
            };
            black_box(refused).then_some(())?;
        }
        Some(begun.elapsed() / u32::try_from(applicants.len()).ok()?)
    }
}
