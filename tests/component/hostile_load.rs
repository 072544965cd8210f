//! Hostile guests while honest ones decide: everybody gets the answer that is theirs, in time.
//!
//! Three rounds, or as many as `WAMPGATE_HOSTILE_ROUNDS` says.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use wampgate::policy::{LoadFault, PolicyError, WasmPolicy, default_policy};

use crate::support::{
    Cookie, DEADLINE, ENGINE, SLACK, TRACKING_ID, ask, authid, bytes, fault, guest, policy,
};

const ROUNDS: usize = 3;
/// What may stay of the memory that the suite has taken, in KiB: allocators do not give everything back.
const RSS_SLACK_KIB: u64 = 64 * 1024;
/// Undisturbed decisions, as the yardstick.
const QUIET: usize = 2_000;

/// What a guest is stopped for.
type Stopped = fn(&PolicyError) -> bool;
/// What a component is refused for.
type Refused = fn(&LoadFault) -> bool;

fn hostile_at_decide() -> Vec<(&'static str, WasmPolicy, Stopped)> {
    let deadline: Stopped = |error| *error == PolicyError::Deadline(DEADLINE);
    let memory: Stopped = |error| matches!(error, PolicyError::Memory(_));
    let trap: Stopped = |error| matches!(error, PolicyError::Trap(_));
    let host_calls: Stopped = |error| *error == PolicyError::HostCalls;
    let contract: Stopped = |error| matches!(error, PolicyError::Contract(_));
    [
        ("endless loop", guest::ENDLESS_LOOP, deadline),
        ("memory bomb", guest::MEMORY_BOMB, memory),
        ("table bomb", guest::TABLE_BOMB, memory),
        ("deep recursion", guest::RECURSION, trap),
        ("panic", guest::TRAP, trap),
        ("out of bounds", guest::OUT_OF_BOUNDS, trap),
        ("flood of lines", guest::LOG_FLOOD, host_calls),
        ("huge line", guest::LOG_HUGE, host_calls),
        ("huge string", guest::HUGE_STRING, host_calls),
        ("bad UTF-8", guest::BAD_UTF8, contract),
        ("bad pointer", guest::BAD_POINTER, contract),
        ("bad case", guest::BAD_CASE, contract),
        ("bad answer", guest::BAD_ANSWER, contract),
    ]
    .into_iter()
    .map(|(name, text, stopped)| (name, policy(text), stopped))
    .collect()
}

/// Components that are refused when they are loaded.
fn hostile_at_load() -> Vec<(&'static str, Vec<u8>, Refused)> {
    vec![
        ("wrong exports", bytes(guest::HALF), |fault| matches!(fault, LoadFault::Export(_))),
        ("forbidden import", bytes(guest::WANTS_WASI), |fault| matches!(fault, LoadFault::Import { .. })),
        (
            "random bytes",
            (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            |fault| matches!(fault, LoadFault::NotWasm { .. }),
        ),
        (
            "random bytes behind the magic number",
            b"\0asm\x0d\0\x01\0"
                .iter()
                .copied()
                .chain((0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8))
                .collect(),
            |fault| matches!(fault, LoadFault::Compile(_)),
        ),
        ("100 MB of nothing", vec![0; 100_000_000], |fault| matches!(fault, LoadFault::NotWasm { .. })),
    ]
}

fn honest(policy: &WasmPolicy) -> Duration {
    let begun = Instant::now();
    assert_eq!(authid(ask(policy, &[], Cookie::Known, &["anonymous"])), TRACKING_ID);
    begun.elapsed()
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn hostile_guests_harm_nobody() {
    let rounds = std::env::var("WAMPGATE_HOSTILE_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let decent = default_policy(&ENGINE).unwrap();
    let (guests, components) = (hostile_at_decide(), hostile_at_load());
    assert!(guests.len() + components.len() >= 12);

    let quiet = p99((0..QUIET).map(|_| honest(&decent)).collect());
    let before = resident_kib();
    let stop = AtomicBool::new(false);
    let times = thread::scope(|scope| {
        let honest_ones = scope.spawn(|| {
            let mut times = Vec::new();
            while !stop.load(Relaxed) {
                times.push(honest(&decent));
            }
            times
        });
        for _ in 0..rounds {
            for (name, policy, stopped) in &guests {
                let begun = Instant::now();
                let failure = ask(policy, &[], Cookie::Known, &["anonymous"]).expect_err(name);
                let taken = begun.elapsed();
                assert!(stopped(&failure), "{name}: {failure}");
                assert!(taken < DEADLINE + SLACK, "{name}: {taken:?}");
            }
            for (name, bytes, refused) in &components {
                let fault = fault(bytes);
                assert!(refused(&fault), "{name}: {fault}");
            }
        }
        stop.store(true, Relaxed);
        honest_ones.join().unwrap()
    });
    assert!(times.len() > 100, "there was no load");
    let (decisions, disturbed, after) = (times.len(), p99(times), resident_kib());
    // The figures are for `--nocapture`; a machine that is busy with other things would fail bounds on them.
    eprintln!(
        "honest p99: {quiet:?} undisturbed, {disturbed:?} among hostile ones ({decisions} decisions, {rounds} rounds)"
    );
    eprintln!("resident: {before} KiB before, {after} KiB after");
    assert!(disturbed < DEADLINE, "honest decisions take {disturbed:?}");
    assert!(after < before + RSS_SLACK_KIB, "{before} KiB before, {after} KiB after");
}
