//! Whether the time that an authentication takes tells which principals exist.
//!
//! Each method is run from HELLO to refusal for a principal that exists and for one that does not, both times
//! with a wrong answer. `cargo bench --bench auth` prints the medians; those of `known` and `unknown` should
//! differ by less than 5 %.

use std::{collections::BTreeMap, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Map;
use wampgate::{
    auth::{self, Applicant, Method, Step},
    config::{
        AuthConfig, CryptosignConfig, CryptosignPrincipal, Kdf, Salting, ScramConfig, ScramPrincipal, Secret,
        SecretKey, TicketConfig, TicketPrincipal, WampCraConfig, WampCraPrincipal,
    },
    cookie::PublicIdKey,
    time::Timestamp,
    wamp::{SessionId, Uri, message::HelloDetails},
};

/// As many principals as a configuration file may well have.
const PRINCIPALS: usize = 100;

fn config() -> AuthConfig {
    fn everybody<P>(principal: impl Fn() -> P) -> BTreeMap<String, P> {
        (0..PRINCIPALS).map(|number| (format!("user{number:03}"), principal())).collect()
    }
    let role = || "frontend".to_owned();
    let salting = Salting { salt: "salt123".to_owned(), iterations: 1000, key_length: 32 };
    let key = salting.derive("secret!!!");
    let ticket =
        || TicketPrincipal { ticket: Secret::new("secret!!!".to_owned()), role: role(), realm: None };
    let wampcra =
        || WampCraPrincipal { key: key.clone(), salting: Some(salting.clone()), role: role(), realm: None };
    let scram = || ScramPrincipal {
        kdf: Kdf::Pbkdf2 { iterations: 4096 },
        salt: vec![1; 16],
        stored_key: SecretKey([2; 32]),
        server_key: SecretKey([3; 32]),
        role: role(),
        realm: None,
    };
    let cryptosign = || CryptosignPrincipal { keys: vec![[1; 32]], role: role(), realm: None };
    AuthConfig {
        ticket: Some(TicketConfig { principals: everybody(ticket) }),
        wampcra: Some(WampCraConfig { principals: everybody(wampcra) }),
        scram: Some(ScramConfig { principals: everybody(scram) }),
        cryptosign: Some(CryptosignConfig { principals: everybody(cryptosign) }),
        ..AuthConfig::default()
    }
}

fn known_and_unknown(criterion: &mut Criterion) {
    let (config, realm) = (config(), Uri::known("realm1"));
    let Ok(key) = PublicIdKey::random() else { return };
    let now = Timestamp::from_millis(1_700_000_000_000);
    for method in [Method::Ticket, Method::WampCra, Method::Scram, Method::WampScram, Method::Cryptosign] {
        let mut group = criterion.benchmark_group(method.name());
        for (name, authid) in [("known", "user050"), ("unknown", "user05x")] {
            let hello = HelloDetails {
                authid: Some(authid.to_owned()),
                authextra: Map::from_iter([
                    ("nonce".to_owned(), "c2l4dGVlbiBieXRlcyAhIQ==".into()),
                    ("pubkey".to_owned(), "01".repeat(32).into()),
                ]),
                ..HelloDetails::default()
            };
            let applicant = Applicant {
                config: Some(&config),
                realm: &realm,
                hello: &hello,
                tracked: None,
                session: SessionId(1),
                key: &key,
                tls_exporter: None,
            };
            let extra = Map::new();
            group.bench_function(name, |bencher| {
                bencher.iter(|| match auth::begin(method, black_box(&applicant), now, &mut rand::rng()) {
                    Ok(Step::Challenge { pending, .. }) => pending.finish("wrong", &extra, now).is_err(),
                    Ok(Step::Done(_)) | Err(_) => false,
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, known_and_unknown);
criterion_main!(benches);
