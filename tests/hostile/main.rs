//! Hostile policies, authenticators and authorizers in a running gateway, and honest clients who must not notice: the real binary over
//! loopback, a path for every hostile guest, and a steady load of joins at other paths.
//!
//! A few rounds with bounds that a busy machine keeps, unless `WAMPGATE_HOSTILE_ROUNDS` asks for more. From a hundred rounds on
//! the bounds are those that the gateway promises, on a machine that does nothing else:
//!
//! ```sh
//! WAMPGATE_HOSTILE_ROUNDS=100 cargo test --release --test hostile -- --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper of a test fails as loudly as the test itself, and figures are for people"
)]

#[allow(dead_code, reason = "the tests of components need more of it")]
#[path = "../component/guests.rs"]
mod guests;
#[allow(dead_code, unused_imports, reason = "the other black-box tests need more of it")]
#[path = "../support/lib.rs"]
mod support;

mod attackers;
mod components;
mod joins;

use std::{thread, time::Duration};

use serde_json::json;

use self::{
    attackers::{DEADLINE, Refusals},
    joins::Joins,
    support::{
        Gateway,
        config::{With as _, tracked, web_paths},
        resident,
    },
};

const DEFAULT: &[u8] = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");

/// How often everything is tried.
const ROUNDS: usize = 3;
/// How many hostile clients come at a time: one, and then as many as the smallest machine has cores, so that loops occupy them
/// all.
const ATTACKERS: [usize; 2] = [1, 2];
/// So many rounds make the promises count.
const MANY_ROUNDS: usize = 100;

/// Bounds of what may happen.
struct Bounds {
    /// Whether the honest policies, and the guests that end by themselves, have more time than the default.
    patient: bool,
    /// Honest joins each second.
    joins: u16,
    /// How long they are watched before and after, for the comparison.
    undisturbed: Duration,
    /// What a refusal may take beyond the policy's deadline, as its client sees it.
    late: Duration,
    /// What the slowest percent of the honest joins may take among hostile ones, for what it takes before and after.
    p99: fn(Duration) -> Duration,
    /// What the process may keep, in KiB: allocators do not give everything back.
    kept: u64,
}

const PROMISED: Bounds = Bounds {
    patient: false,
    joins: 320,
    undisturbed: Duration::from_secs(10),
    late: Duration::from_millis(10),
    p99: |undisturbed| 2 * undisturbed,
    kept: 8 * 1024,
};
/// For a build without optimisation beside other work: a gateway that lets a loop run on, or honest clients wait for it, is
/// found out all the same.
const ON_A_BUSY_MACHINE: Bounds = Bounds {
    patient: true,
    joins: 40,
    undisturbed: Duration::from_secs(1),
    late: Duration::from_secs(10),
    p99: |undisturbed| 10 * undisturbed + Duration::from_secs(5),
    kept: 64 * 1024,
};

#[test]
fn hostile_components_are_stopped_in_time_and_honest_clients_do_not_notice() {
    let rounds = std::env::var("WAMPGATE_HOSTILE_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let bounds = if rounds < MANY_ROUNDS { ON_A_BUSY_MACHINE } else { PROMISED };
    let gateway = &gateway(&bounds);
    let process = gateway.pid().to_string();
    components::prepare(gateway);

    thread::scope(|scope| {
        let joins = Joins::start(scope, gateway, bounds.joins);
        let watch = || thread::sleep(bounds.undisturbed);
        let attack = |attackers, rounds| {
            let reloads = scope.spawn(move || components::attack(gateway, rounds));
            let refusals = attackers::attack(gateway, attackers, rounds);
            (refusals, reloads.join().unwrap())
        };
        // What the gateway keeps ready for each policy it takes with the first decision.
        attack(1, 1);
        let resident_before = resident::kib(&process);
        let (before, ()) = joins.during(watch);
        let attacks = ATTACKERS.map(|attackers| joins.during(|| attack(attackers, rounds)));
        let (after, ()) = joins.during(watch);
        let resident_after = resident::kib(&process);

        let undisturbed = (p(99, &before) + p(99, &after)) / 2;
        println!("{rounds} rounds, {} honest joins a second", bounds.joins);
        println!("honest joins before: {}", shown(&before));
        for (attackers, (honest, (refusals, reloads))) in ATTACKERS.iter().zip(&attacks) {
            println!("{attackers} attackers at a time");
            for Refusals { guest, times } in refusals {
                println!("  {guest:<19} refused after {}", shown(times));
            }
            println!("  components          refused after {}", shown(reloads));
            println!("  honest joins        {}", shown(honest));
        }
        println!("honest joins after:  {}", shown(&after));
        println!("resident: {resident_before} KiB before, {resident_after} KiB after");

        attackers::assert_told(gateway, 1 + ATTACKERS.len() * rounds);
        for (honest, (refusals, _)) in &attacks {
            for Refusals { guest, times } in refusals {
                let slowest = p(100, times);
                assert!(slowest < DEADLINE + bounds.late, "{guest} is refused after {slowest:?}");
            }
            let (p99, allowed) = (p(99, honest), (bounds.p99)(undisturbed));
            assert!(p99 <= allowed, "{p99:?} among hostile ones, {undisturbed:?} without");
        }
        let kept = resident_after.saturating_sub(resident_before);
        assert!(kept <= bounds.kept, "{kept} KiB more than before");
    });
}

/// A gateway with every guest at a path of its own, and two honest services: one with the policy that is built in, and one
/// that has the same policy from a file.
fn gateway(bounds: &Bounds) -> Gateway {
    let [built_in, from_file] = joins::PATHS;
    let reloaded = tracked().with("policy", json!({ "component": components::FILE }));
    let mut paths = json!({ built_in: tracked(), from_file: reloaded });
    let mut files = vec![(components::FILE.to_owned(), DEFAULT.to_vec())];
    for (name, component, service) in attackers::services(bounds.patient) {
        paths[name] = service;
        files.push((format!("{name}.wasm"), component));
    }
    let prepare = if bounds.patient { Gateway::prepare } else { Gateway::prepare_exactly };
    let config =
        web_paths(&paths).with("version", json!(2)).with("realms", attackers::realms(bounds.patient));
    let gateway = prepare(&config);
    files.into_iter().fold(gateway, |gateway, (name, component)| gateway.file(&name, component)).run()
}

/// The time below which so many percent are.
fn p(percent: usize, sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn shown(sorted: &[Duration]) -> String {
    let (half, most, all) = (p(50, sorted), p(99, sorted), p(100, sorted));
    format!("{half:.2?} (median of {}), p99 {most:.2?}, at most {all:.2?}", sorted.len())
}
