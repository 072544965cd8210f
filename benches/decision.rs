//! What one decision of the default policy costs: store, fresh instance, call, drop, with all limits on.
//!
//! `native` copies the same request on the heap and drops it again, in the same run: the yardstick, because
//! it scales with the machine's state as the decisions do. `scaling` says how many times as many decisions two
//! threads make that share one engine, and what the machine has to give: the same of `native`.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark: criterion's macros, figures of its own, and failing loudly is fine"
)]

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/support/full_request.rs"]
mod full_request;

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use wampgate::policy::{JoinRequest, PolicyEngine, PolicyEngineOptions, WasmPolicy, default_policy};

use self::full_request::full_request;

/// Decisions of one thread in one measurement of the scaling: some tens of milliseconds.
const SCALING_DECISIONS: usize = 5_000;
/// Copies of a request for each decision.
const COPIES: usize = 10;
/// Measurements of each kind.
const SCALING_ROUNDS: usize = 15;

/// The request's texts on the heap, as a plugin in the same process would take them.
fn native(request: &JoinRequest<'_>) -> (Vec<String>, Vec<(String, String)>) {
    let connection = &request.connection;
    let mut texts: Vec<String> =
        [connection.id, connection.peer, connection.host, connection.path, connection.subprotocol]
            .map(str::to_owned)
            .into();
    texts.extend(connection.origin.map(str::to_owned));
    if let Some(cookie) = &request.cookie {
        texts.extend([cookie.id, cookie.public_id].map(str::to_owned));
        if let Some(was) = cookie.authentication {
            texts.extend(
                [was.authid, was.authrole, was.authmethod, was.authrealm, was.authextra].map(str::to_owned),
            );
        }
    }
    if let Some(hello) = &request.hello {
        texts.extend(hello.realm.map(str::to_owned));
        texts.extend(hello.authmethods.iter().map(|method| (*method).to_owned()));
        texts.push(hello.authextra.to_owned());
    }
    let headers = connection.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    (texts, headers.collect())
}

fn policy() -> WasmPolicy {
    let options = PolicyEngineOptions { cache: None, ..PolicyEngineOptions::default() };
    let engine = PolicyEngine::new(&options).expect("an engine");
    default_policy(&engine).expect("the default policy")
}

fn decision(criterion: &mut Criterion) {
    let policy = policy();
    let decide = |request: &JoinRequest<'_>| policy.decide(black_box(request)).expect("a decision");
    let full = full_request();
    let mut no_headers = full.clone();
    no_headers.connection.headers.clear();

    let mut group = criterion.benchmark_group("decision");
    full.with(|full| {
        group.bench_function("native", |bench| bench.iter(|| native(black_box(full))));
        group.bench_function("8-headers", |bench| bench.iter(|| decide(full)));
    });
    no_headers.with(|request| group.bench_function("no-headers", |bench| bench.iter(|| decide(request))));
    group.finish();
}

/// How many times as much two threads do as one, in the same time.
fn scaling(_: &mut Criterion) {
    let policy = policy();
    full_request().with(|request| {
        let decide = || drop(policy.decide(black_box(request)).expect("a decision"));
        // As many copies as take about as long as a decision.
        let native = || (0..COPIES).for_each(|_| drop(native(black_box(request))));
        // In turns, so that whatever else the machine does meets all of them.
        let mut factors = (Vec::new(), Vec::new());
        for _ in 0..SCALING_ROUNDS {
            factors.0.push(2.0 * on_threads(1, decide) / on_threads(2, decide));
            factors.1.push(2.0 * on_threads(1, native) / on_threads(2, native));
        }
        println!(
            "decision/scaling: two threads decide {:.2} x as often as one; native copies {:.2} x\n",
            median(factors.0),
            median(factors.1)
        );
    });
}

/// How long so many threads take, each of which does as much, in seconds.
fn on_threads(threads: usize, work: impl Fn() + Sync) -> f64 {
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..SCALING_DECISIONS).for_each(|_| work()));
        }
    });
    begun.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().expect("a value")
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    targets = decision, scaling
}
criterion_main!(benches);
