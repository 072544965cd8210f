//! What a component costs in each language: the table of `docs/policies.md`, measured with the components that
//! `plugins/build-all.sh` has left in `plugins/`.
//!
//! `cargo bench --bench languages` measures what is there and says what is missing; names behind `--` (`default`,
//! `returning-js`, `own-topics`) choose some of them. All limits are on. A policy is asked a full question, an authenticator and an
//! authorizer the first of their cases. What is measured:
//!
//! - *compiled*: loading without a compile cache.
//! - *started*: loading with a warm one, up to the first answer; the median of a few.
//! - *fresh*, *warm*: the median of answers with a fresh instance for each, and with one instance for all.
//! - *grown*: the largest resident memory of the process during the warm answers, less what it was when they had
//!   settled. The instance is the same all the time: one that fails fails the run, and one is replaced for its size
//!   only when it has doubled.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints figures, and failing loudly is fine"
)]

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/support/full_request.rs"]
mod full_request;
#[path = "../tests/support/resident.rs"]
mod resident;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use wampgate::{
    policy::{Instances, JoinRequest, PolicyEngine, PolicyEngineOptions, PolicyOptions, WasmPolicy},
    testkit::{
        AuthenticationCase, AuthenticationQuestion, AuthorizationCase, AuthorizationQuestion, Case, Cases,
        TestAuthenticator, TestAuthorizer,
    },
};

use self::full_request::full_request;

/// Answers of one warm instance.
const WARM_ANSWERS: usize = 30_000;
/// Answers after which a language's memory must have settled.
const SETTLED: usize = 3_000;
/// Between two looks at the memory.
const LOOK_EVERY: usize = 500;
/// What the process as a whole may take more in the meantime, in KiB: a leak of some 40 bytes an answer shows.
const MAX_GROWTH_KIB: u64 = 1024;
/// How long fresh instances are measured.
const FRESH_TIME: Duration = Duration::from_secs(3);
/// Starts whose median counts.
const STARTS: usize = 5;
/// So long that no answer is stopped: the bench measures how long each one takes.
const DEADLINE: Duration = Duration::from_secs(10);
/// Twice the default, for an instance that is to be seen growing before it is replaced.
const MAX_MEMORY: usize = 64 * 1024 * 1024;

struct Component {
    name: String,
    bytes: Vec<u8>,
    /// Its configuration, as its cases have it.
    config: String,
    asked: Asked,
}

/// What a component is asked, which depends on its kind.
enum Asked {
    /// A full question.
    Policy,
    Authenticator(Box<AuthenticationQuestion>),
    Authorizer(Box<AuthorizationQuestion>),
}

/// What is measured of components of every kind.
struct Answers {
    fresh: Duration,
    warm: Duration,
    grown_kib: u64,
}

struct Figures {
    /// Only of policies: what tests the other kinds has a cache of its own.
    loading: Option<Loading>,
    answers: Answers,
}

struct Loading {
    compiled: Duration,
    started: Duration,
}

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (components, missing) = components(&chosen);
    println!(
        "| component | size | compiled once in | started in | fresh | warm | grown in {WARM_ANSWERS} answers |"
    );
    println!("|---|---|---|---|---|---|---|");
    for component in components {
        let Figures { loading, answers } = measure(&component);
        let [compiled, started] = loading.map_or(["–".to_owned(), "–".to_owned()], |loading| {
            [loading.compiled, loading.started].map(shown)
        });
        let Component { name, bytes, .. } = component;
        println!(
            "| {name} | {} kB | {compiled} | {started} | {} | {} | {} KiB |",
            bytes.len().div_ceil(1000),
            shown(answers.fresh),
            shown(answers.warm),
            answers.grown_kib
        );
        assert!(answers.grown_kib <= MAX_GROWTH_KIB, "{name} keeps memory of its answers");
    }
    if !missing.is_empty() {
        println!(
            "\nNot built, and so not measured: {}. `plugins/build-all.sh` builds them.",
            missing.join(", ")
        );
    }
}

/// The default policy and the examples; the names of those that have not been built.
fn components(chosen: &[String]) -> (Vec<Component>, Vec<String>) {
    let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let mut folders: Vec<PathBuf> = fs::read_dir(plugins)
        .expect("plugins/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("build.sh").is_file() || path.ends_with("default"))
        .collect();
    folders.sort();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for folder in folders {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).expect("a name");
        if !chosen.is_empty() && !chosen.contains(&name) {
            continue;
        }
        let text = folder.join("component.wat");
        let component = match name.as_str() {
            "default" => fs::read(folder.join("wampgate-default-policy.wasm")).ok(),
            _ if text.is_file() => Some(wat::parse_file(text).expect("a component")),
            _ => fs::read(folder.join("component.wasm")).ok(),
        };
        match component {
            Some(bytes) => {
                let (config, asked) = asked(&folder.join("cases.json"));
                found.push(Component { name, bytes, config, asked });
            }
            None => missing.push(name),
        }
    }
    (found, missing)
}

/// A component's configuration and what it is asked: its cases tell its kind, which are read as no other kind's.
fn asked(cases: &Path) -> (String, Asked) {
    if !cases.exists() {
        return (Cases::<Case>::default().options.config, Asked::Policy);
    }
    if let Ok(cases) = Cases::<Case>::read(cases) {
        return (cases.options.config, Asked::Policy);
    }
    if let Ok(Cases { options, cases }) = Cases::<AuthorizationCase>::read(cases) {
        let question = cases.into_iter().next().expect("a case").request;
        return (options.config, Asked::Authorizer(Box::new(question)));
    }
    let cases = Cases::<AuthenticationCase>::read(cases);
    let Cases { options, cases } = cases.unwrap_or_else(|error| panic!("{error}"));
    let question = cases.into_iter().next().expect("a case").request;
    (options.config, Asked::Authenticator(Box::new(question)))
}

fn measure(component: &Component) -> Figures {
    let Component { name, bytes, config, asked } = component;
    let options = |instances| PolicyOptions {
        config: config.clone(),
        instances,
        deadline: DEADLINE,
        max_memory: MAX_MEMORY,
        ..PolicyOptions::default()
    };
    match asked {
        Asked::Policy => full_request().with(|request| measure_policy(name, bytes, request, options)),
        Asked::Authenticator(question) => {
            let load = |instances| {
                TestAuthenticator::from_bytes(name, bytes, options(instances))
                    .unwrap_or_else(|error| panic!("{error}"))
            };
            let (fresh, warm) = (load(Instances::Fresh), load(Instances::Warm));
            let answers =
                answers(|| timed(|| fresh.authenticate(question)), || timed(|| warm.authenticate(question)));
            Figures { loading: None, answers }
        }
        Asked::Authorizer(question) => {
            let load = |instances| {
                TestAuthorizer::from_bytes(name, bytes, options(instances))
                    .unwrap_or_else(|error| panic!("{error}"))
            };
            let (fresh, warm) = (load(Instances::Fresh), load(Instances::Warm));
            let answers =
                answers(|| timed(|| fresh.authorize(question)), || timed(|| warm.authorize(question)));
            Figures { loading: None, answers }
        }
    }
}

fn measure_policy(
    name: &str,
    bytes: &[u8],
    request: &JoinRequest<'_>,
    options: impl Fn(Instances) -> PolicyOptions,
) -> Figures {
    let cache = TempDir::new().expect("a folder");
    let engine = || {
        let cache = Some(cache.path().to_owned());
        PolicyEngine::new(&PolicyEngineOptions { max_memory: MAX_MEMORY, cache }).expect("an engine")
    };
    let load = |engine: &PolicyEngine, instances| {
        WasmPolicy::from_bytes(engine, name, bytes, options(instances))
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let begun = Instant::now();
    drop(load(&engine(), Instances::Fresh));
    let compiled = begun.elapsed();
    let started = median((0..STARTS).map(|_| {
        let engine = engine();
        let begun = Instant::now();
        timed(|| load(&engine, Instances::Fresh).decide(request));
        begun.elapsed()
    }));
    let (fresh, warm) = (load(&engine(), Instances::Fresh), load(&engine(), Instances::Warm));
    let answers = answers(|| timed(|| fresh.decide(request)), || timed(|| warm.decide(request)));
    Figures { loading: Some(Loading { compiled, started }), answers }
}

fn answers(fresh: impl Fn() -> Duration, warm: impl Fn() -> Duration) -> Answers {
    let end = Instant::now() + FRESH_TIME;
    let fresh = median(std::iter::from_fn(|| (Instant::now() < end).then(&fresh)));
    // All of it is taken before the memory is looked at.
    let mut times = vec![Duration::ZERO; WARM_ANSWERS];
    let (mut settled, mut largest) = (0, 0);
    for (count, time) in times.iter_mut().enumerate() {
        if count == SETTLED {
            settled = resident::kib("self");
        } else if count > SETTLED && count.is_multiple_of(LOOK_EVERY) {
            largest = largest.max(resident::kib("self"));
        }
        *time = warm();
    }
    Answers { fresh, warm: median(times), grown_kib: largest.saturating_sub(settled) }
}

fn timed<T, E: std::fmt::Display>(ask: impl FnOnce() -> Result<T, E>) -> Duration {
    let begun = Instant::now();
    let answer = ask();
    let taken = begun.elapsed();
    answer.unwrap_or_else(|error| panic!("{error}"));
    taken
}

fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().expect("a measurement")
}

/// With two digits or three, as people write it.
fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..10.0 => format!("{micros:.1} µs"),
        ..1e3 => format!("{micros:.0} µs"),
        ..1e4 => format!("{:.1} ms", micros / 1e3),
        ..1e6 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}
