//! What a message to one URI costs where others have many subscriptions or registrations: an exact one, one by prefix and one by wildcard
//! fit it, among a hundred of each and among a hundred thousand of each.
//!
//! `cargo bench --bench patterns` prints a line for each and their ratio; it fails if the ratio is more than 2.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports to its terminal, and failing loudly is fine"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use wampgate::{
    internals::{Pattern, PatternMap, UriMatch},
    policy::Uri,
};

const FEW: usize = 100;
const MANY: usize = 100_000;

/// How often the URI is looked up, and how many times that is measured: the best one counts.
const LOOK_UPS: u32 = 100_000;
const ROUNDS: usize = 9;

/// How much more it may cost among many.
const MOST: f64 = 2.0;

/// So many of each kind, one of which fits [`uri`].
fn map(count: usize) -> PatternMap<usize> {
    let mut map = PatternMap::default();
    for n in 0..count {
        for (text, matching) in [
            (format!("com.example.house{n}.room.door"), UriMatch::Exact),
            (format!("com.example.house{n}.ro"), UriMatch::Prefix),
            (format!("com.example.house{n}..door"), UriMatch::Wildcard),
        ] {
            let pattern = Pattern::parse(&text, matching).unwrap();
            *map.get_or_insert_with(&pattern, || n) = n;
        }
    }
    map
}

/// A URI in the middle.
fn uri(count: usize) -> Uri {
    Uri::parse(&format!("com.example.house{}.room.door", count / 2)).unwrap()
}

fn measure(count: usize) -> Duration {
    let (map, uri) = (map(count), uri(count));
    let once = || {
        let mut found = map.exact(&uri).into_iter().count();
        map.each_pattern(uri.as_str(), |_| found += 1);
        found
    };
    assert_eq!(once(), 3);
    let round = || {
        let begun = Instant::now();
        for _ in 0..LOOK_UPS {
            black_box(once());
        }
        begun.elapsed() / LOOK_UPS
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

fn main() -> ExitCode {
    let (few, many) = (measure(FEW), measure(MANY));
    let ratio = many.as_secs_f64() / few.as_secs_f64();
    println!(
        "among {FEW} of each kind {few:?}, among {MANY} of each kind {many:?}: {ratio:.2} times as much"
    );
    if ratio > MOST {
        println!("more than {MOST} times as much");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
