//! Whether the time that an authentication takes tells which principals exist.
//!
//! Each method is run from HELLO to refusal for principals that exist and for such that do not, always with a wrong
//! answer. `cargo bench --bench auth` prints the two medians of each method and how far they are apart; it fails if that is
//! 5 % or more.
//!
//! The two are measured in turn, a few exchanges of the one and a few of the other: what else the machine does, and
//! how fast it is at the moment, then meets both of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench reports to its terminal, its figures are far below 2^52, and failing loudly is fine"
)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::Map;
use wampgate::{
    auth::{self, Applicant, Method, MethodStep},
    config::{
        AuthOptions, CryptosignOptions, CryptosignPrincipal, Kdf, Salting, ScramOptions, ScramPrincipal,
        Secret, SecretKey, TicketOptions, TicketPrincipal, WampCraOptions, WampCraPrincipal,
    },
    cookie::PublicIdKey,
    identity::Name,
    time::Timestamp,
    wamp::{Dictionary, SessionId, Uri, message::HelloDetails},
};

/// As many principals as a configuration file may well have.
const PRINCIPALS: usize = 100;

/// How far apart the medians may be.
const TOLERANCE: f64 = 0.05;

/// How often all principals of each kind are met, for each method.
const ROUNDS: usize = 3000;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn config() -> AuthOptions {
    fn everybody<P>(principal: impl Fn() -> P) -> BTreeMap<Name, P> {
        (0..PRINCIPALS).map(|number| (name(&format!("user{number:03}b")), principal())).collect()
    }
    let role = || name("frontend");
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
    AuthOptions {
        ticket: Some(TicketOptions { principals: everybody(ticket) }),
        wampcra: Some(WampCraOptions { principals: everybody(wampcra) }),
        scram: Some(ScramOptions { principals: everybody(scram) }),
        cryptosign: Some(CryptosignOptions { principals: everybody(cryptosign) }),
        ..AuthOptions::default()
    }
}

/// Principals that exist, or as many that do not: one right before each that does, with as long a name.
fn hellos(is_known: bool) -> Vec<HelloDetails> {
    let last = if is_known { 'b' } else { 'a' };
    let hello = |number: usize| HelloDetails {
        authid: Some(format!("user{number:03}{last}")),
        authextra: Map::from_iter([
            ("nonce".to_owned(), "c2l4dGVlbiBieXRlcyAhIQ==".into()),
            ("pubkey".to_owned(), "01".repeat(32).into()),
        ])
        .into(),
        ..HelloDetails::default()
    };
    (0..PRINCIPALS).map(hello).collect()
}

/// Runs each of these clients to its refusal; how long one takes.
fn refuse(method: Method, applicants: &[Applicant<'_>], now: Timestamp) -> Duration {
    let extra = Dictionary::default();
    let mut rng = rand::rng();
    let begin = Instant::now();
    for applicant in applicants {
        let refused = match auth::begin(method, black_box(applicant), now, &mut rng) {
            Ok(MethodStep::Challenge { pending, .. }) => pending.finish("wrong", &extra, now).is_err(),
            Ok(MethodStep::Done(_)) | Err(_) => false,
        };
        assert!(black_box(refused), "{method:?} lets somebody in, or does not ask");
    }
    begin.elapsed() / u32::try_from(applicants.len()).unwrap_or(u32::MAX)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_nanos() as f64)
}

fn main() -> ExitCode {
    // `cargo test` runs benches as well, and wants to know only whether they run.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let (config, realm) = (config(), Uri::known("realm1"));
    let Ok(key) = PublicIdKey::random() else { return ExitCode::FAILURE };
    let now = Timestamp::from_millis(1_700_000_000_000);
    let applicant = |hello| Applicant {
        config: Some(&config),
        realm: &realm,
        hello,
        tracked: None,
        session: SessionId(1),
        key: &key,
        tls_exporter: None,
    };
    let hellos = [true, false].map(hellos);
    let [known, unknown] = hellos.each_ref().map(|hellos| hellos.iter().map(applicant).collect::<Vec<_>>());
    let mut is_close = true;
    for method in [Method::Ticket, Method::WampCra, Method::Scram, Method::WampScram, Method::Cryptosign] {
        let (mut times_known, mut times_unknown) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            times_known.push(refuse(method, &known, now));
            times_unknown.push(refuse(method, &unknown, now));
        }
        let (known, unknown) = (median(times_known), median(times_unknown));
        let apart = unknown / known - 1.0;
        println!(
            "{:<11} known {known:5.0} ns, unknown {unknown:5.0} ns: {:+.1} %",
            method.name(),
            apart * 100.0
        );
        is_close &= apart.abs() < TOLERANCE;
    }
    if is_close || rounds == 1 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
