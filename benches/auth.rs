//! Whether the time that an authentication takes tells which principals exist.
//!
//! Each method is run from HELLO to refusal for principals that exist and for such that do not, always with a wrong
//! answer; once with principals in the configuration, and once with principals in a file. `cargo bench --bench auth` prints the two medians
//! of each method and how far they are apart; it fails if that is 5 % or more.
//!
//! The two are measured in turn, a few exchanges of the one and a few of the other: what else the machine does, and
//! how fast it is at the moment, then meets both of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench reports to its terminal, its figures are far below 2^52, and failing loudly is fine"
)]

use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, process::ExitCode, sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use wampgate::{
    config::{
        AuthOptions, CryptosignOptions, CryptosignPrincipal, FilePrincipal, Kdf, PrincipalFile, Salting,
        ScramOptions, ScramPrincipal, Secret, SecretKey, TicketOptions, TicketPrincipal, WampCraOptions,
        WampCraPrincipal,
    },
    internals::WrongClients,
    policy::{Name, Uri},
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

/// A file of one method with all principals, each with these members.
fn file<P: FilePrincipal>(folder: &Path, method: &str, members: &Value) -> Arc<PrincipalFile<P>> {
    let all: BTreeMap<_, _> = names(true).map(|name| (name, members)).collect();
    let file = folder.join(method);
    fs::write(&file, json!(all).to_string()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let realms = vec![(Uri::parse("realm1").unwrap(), Some(vec![name("frontend")]))];
    PrincipalFile::open(&file, Some(realms)).unwrap()
}

/// The same principals as `config` has, in files.
fn files(folder: &Path) -> AuthOptions {
    let role = "frontend";
    let ticket = json!({ "ticket": "secret!!!", "role": role });
    // 32 bytes: a file has the key that is derived from the password.
    let key = format!("{}=", "AQEB".repeat(10) + "AQE");
    let wampcra = json!({ "secret": key, "salt": "salt123", "iterations": 1000, "keylen": 32, "role": role });
    let scram = json!({
        "kdf": "pbkdf2", "iterations": 4096, "salt": "01".repeat(16), "role": role,
        "stored-key": "02".repeat(32), "server-key": "03".repeat(32),
    });
    let cryptosign = json!({ "authorized_keys": ["01".repeat(32)], "role": role });
    AuthOptions {
        ticket: Some(TicketOptions {
            principals: BTreeMap::new(),
            file: Some(file(folder, "ticket", &ticket)),
        }),
        wampcra: Some(WampCraOptions {
            principals: BTreeMap::new(),
            file: Some(file(folder, "wampcra", &wampcra)),
        }),
        scram: Some(ScramOptions { principals: BTreeMap::new(), file: Some(file(folder, "scram", &scram)) }),
        cryptosign: Some(CryptosignOptions {
            principals: BTreeMap::new(),
            file: Some(file(folder, "cryptosign", &cryptosign)),
        }),
        ..AuthOptions::default()
    }
}

fn config() -> AuthOptions {
    fn all<P>(principal: impl Fn() -> P) -> BTreeMap<Name, P> {
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
        ticket: Some(TicketOptions { principals: all(ticket), file: None }),
        wampcra: Some(WampCraOptions { principals: all(wampcra), file: None }),
        scram: Some(ScramOptions { principals: all(scram), file: None }),
        cryptosign: Some(CryptosignOptions { principals: all(cryptosign), file: None }),
        ..AuthOptions::default()
    }
}

/// The names of principals that exist, or as many that do not: one right before each that does, as long.
fn names(is_known: bool) -> impl Iterator<Item = String> {
    let last = if is_known { 'b' } else { 'a' };
    (0..PRINCIPALS).map(move |number| format!("user{number:03}{last}"))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_nanos() as f64)
}

fn main() -> ExitCode {
    // `cargo test` runs benches as well, and wants to know only whether they run.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let folder = tempfile::tempdir().unwrap();
    let mut is_close = true;
    for (place, config) in [("configuration", config()), ("file", files(folder.path()))] {
        println!("principals in the {place}:");
        is_close &= compare(&config, rounds);
    }
    if is_close || rounds == 1 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compares the times of each method; whether all of them are close.
fn compare(config: &AuthOptions, rounds: usize) -> bool {
    let clients = |is_known| WrongClients::new(config.clone(), names(is_known)).expect("random bytes");
    let (known, unknown) = (clients(true), clients(false));
    let refuse = |clients: &WrongClients, method: &str| {
        clients.refuse(method).unwrap_or_else(|| panic!("{method} lets a client in, or does not ask"))
    };
    let mut is_close = true;
    for method in ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign"] {
        let (mut times_known, mut times_unknown) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            times_known.push(refuse(&known, method));
            times_unknown.push(refuse(&unknown, method));
        }
        let (known, unknown) = (median(times_known), median(times_unknown));
        let apart = unknown / known - 1.0;
        println!("{:<11} known {known:5.0} ns, unknown {unknown:5.0} ns: {:+.1} %", method, apart * 100.0);
        is_close &= apart.abs() < TOLERANCE;
    }
    is_close
}
