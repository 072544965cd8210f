//! How long the gateway takes from its start to the first WELCOMEs, with a policy in JavaScript and one in Python: once without
//! compiled code, and then with it.
//!
//! `cargo bench --bench start`, once `plugins/build-all.sh js python` has built the two.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints figures, and failing loudly is fine"
)]

#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../tests/support/lib.rs"]
mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use self::support::{
    Client, Gateway, Jar,
    config::{With as _, tracked, web_paths},
};

const POLICIES: [&str; 2] = ["returning-js", "returning-python"];
/// Starts with compiled code.
const STARTS: usize = 7;
/// What a start with compiled code may take.
const PROMISED: Duration = Duration::from_secs(1);
/// Compiling a whole Python takes a minute on a busy machine.
const COLD_PATIENCE: Duration = Duration::from_mins(5);

/// From the start of the process until it listens, and until each policy has let a client in.
struct Start {
    listening: Duration,
    welcomed: Duration,
}

fn main() {
    let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let components = POLICIES.map(|name| plugins.join(name).join("component.wasm"));
    if let Some(missing) = components.iter().find(|component| !component.is_file()) {
        println!("{} is missing: plugins/build-all.sh js python", missing.display());
        return;
    }
    for instances in ["fresh", "warm"] {
        let mut paths = json!({});
        for (name, component) in POLICIES.iter().zip(&components) {
            // The deadline is not what is measured.
            let policy = json!({ "component": component, "instances": instances, "deadline": "1s" });
            paths[name] = tracked().with("policy", policy);
        }
        let cache = tempfile::tempdir().unwrap();
        let start = || {
            let mut gateway = Gateway::prepare(&web_paths(&paths))
                .environment("XDG_CACHE_HOME", cache.path().to_str().expect("a path in UTF-8"));
            gateway.patience = COLD_PATIENCE;
            let begun = Instant::now();
            let gateway = gateway.run();
            let listening = begun.elapsed();
            for name in POLICIES {
                Client::open_at(&gateway, &mut Jar::default(), &format!("/{name}")).joins();
            }
            Start { listening, welcomed: begun.elapsed() }
        };
        let cold = start();
        let mut warm: Vec<Start> = (0..STARTS).map(|_| start()).collect();
        warm.sort_by_key(|start| start.welcomed);
        let (median, slowest) = (&warm[STARTS / 2], &warm[STARTS - 1]);
        println!("{instances} instances of {}:", POLICIES.join(" and "));
        println!(
            "  nothing compiled yet   listens after {:.2?}, last WELCOME after {:.2?}",
            cold.listening, cold.welcomed
        );
        println!(
            "  compiled before        listens after {:.2?}, last WELCOME after {:.2?} (median of {STARTS}), {:.2?} at most",
            median.listening, median.welcomed, slowest.welcomed
        );
        assert!(median.welcomed < PROMISED, "a start takes {:?}", median.welcomed);
    }
    let sizes = components.map(|component| fs::metadata(component).unwrap().len() / 1000);
    println!("components: {sizes:?} kB");
}
