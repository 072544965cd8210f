//! Guests that misbehave: the gateway stops each in time, for the right reason, and no other decision suffers.

use std::{sync::Arc, time::Instant};

use tokio::runtime::Builder;
use wampgate::policy::{
    PolicyEngine, PolicyEngineOptions, PolicyError, PolicyGate, PolicyLoadFault, PolicyOptions, WasmPolicy,
};

use super::support::{
    Cookie, DEADLINE, ENGINE, TRACKING_ID, ask, authid, bytes, fault, full_request, guest, honest, load,
    options, policy,
};

/// What a guest's decision fails with, and with an honest decision right behind it.
fn failure(guest: &str) -> PolicyError {
    failure_of(&policy(guest))
}

fn failure_of(hostile: &WasmPolicy) -> PolicyError {
    let honest = honest();
    let mut failure = None;
    for _ in 0..3 {
        let decision = ask(hostile, &[], Cookie::Known, &["anonymous"]);
        failure = Some(decision.expect_err("it decided"));
        assert_eq!(authid(ask(&honest, &[], Cookie::Known, &[])), TRACKING_ID);
    }
    failure.expect("three decisions")
}

/// A guest that never ends by itself, with a deadline that is soon over.
fn endless_loop() -> WasmPolicy {
    let options = PolicyOptions { deadline: DEADLINE, ..options() };
    load(guest::ENDLESS_LOOP, options).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn endless_loop_is_stopped_at_the_deadline() {
    let begun = Instant::now();
    assert_eq!(failure_of(&endless_loop()), PolicyError::Deadline(DEADLINE));
    assert!(begun.elapsed() >= 3 * DEADLINE, "stopped before its time");
}

/// Two threads that compute leave a thread of low priority on the same core one or two hundredths of it.
#[cfg(target_os = "linux")]
#[test]
fn a_decision_that_waits_for_its_core_has_its_time_all_the_same() {
    use std::{
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
        time::Duration,
    };

    use rustix::{
        process::setpriority_process,
        thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    };

    // Some thirty milliseconds of work: three seconds or so at that share, and far from 25 times the deadline.
    let guest = r#"(func (export "decide") (param i32) (result i32) (local $left i32)
        (local.set $left (i32.const 90000000))
        (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.store8 (i32.const 4) (i32.const 1)) (i32.const 0))"#;
    let deadline = Duration::from_secs(1);
    let policy =
        load(guest, PolicyOptions { deadline, ..options() }).unwrap_or_else(|error| panic!("{error}"));
    let stay = || {
        let all = sched_getaffinity(None).unwrap();
        let mut core = CpuSet::new();
        core.set((0..CpuSet::MAX_CPU).find(|&core| all.is_set(core)).unwrap());
        sched_setaffinity(None, &core).unwrap();
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                stay();
                while !is_over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let asking = scope.spawn(|| {
            stay();
            setpriority_process(None, 15).unwrap();
            let ask = || {
                let begun = Instant::now();
                (ask(&policy, &[], Cookie::Known, &[]), begun.elapsed())
            };
            // Where many other threads want that core as well, it may take too long once.
            (0..5).map(|_| ask()).find(|(decision, _)| decision.is_ok()).unwrap_or_else(ask)
        });
        let (decision, took) = asking.join().unwrap();
        is_over.store(true, Relaxed);
        assert!(decision.is_ok(), "{decision:?} after {took:?}");
    });
}

#[test]
fn a_thread_of_its_own_gives_no_more_time() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let gate = PolicyGate::new("guest", Arc::new(endless_loop()), 1);
    let decide = || full_request().with(|request| runtime.block_on(gate.decide(request)));
    let begun = Instant::now();
    // The third one has it, after two that took long.
    for _ in 0..3 {
        assert_eq!(decide(), Err(PolicyError::Deadline(DEADLINE)));
    }
    assert!(begun.elapsed() >= 3 * DEADLINE, "stopped before its time");
    gate.replace(Arc::new(honest()));
    assert_eq!(authid(decide()), TRACKING_ID);
}

#[test]
fn endless_start_is_stopped_when_it_is_loaded() {
    let fault = fault(&bytes(guest::ENDLESS_START));
    assert!(matches!(fault, PolicyLoadFault::CheckConfig(PolicyError::Deadline(_))), "{fault}");
}

#[test]
fn memory_bomb_is_stopped_at_its_limit() {
    assert_eq!(failure(guest::MEMORY_BOMB), PolicyError::Memory(PolicyOptions::default().max_memory));
}

#[test]
fn table_bomb_is_stopped_at_its_limit() {
    assert_eq!(failure(guest::TABLE_BOMB), PolicyError::Memory(160_000));
}

#[test]
fn memory_is_given_as_configured_and_no_more() {
    assert_eq!(failure(guest::FORTY_MEGABYTES), PolicyError::Memory(PolicyOptions::default().max_memory));

    let max_memory = 48 * 1024 * 1024;
    let options = PolicyOptions { max_memory, ..options() };
    let load =
        |engine| WasmPolicy::from_bytes(engine, "guest", &bytes(guest::FORTY_MEGABYTES), options.clone());
    // The engine for all tests has room for the default only, and says so.
    let fault = load(&ENGINE).expect_err("it loads").fault;
    assert!(
        matches!(fault, PolicyLoadFault::MaxMemory { asked, available } if asked == max_memory && available < asked)
    );

    let large = PolicyEngine::new(&PolicyEngineOptions { max_memory, cache: None }).expect("an engine");
    let policy = load(&large).unwrap_or_else(|error| panic!("{error}"));
    assert!(ask(&policy, &[], Cookie::Off, &[]).is_ok());
}

fn assert_traps(guest: &str, why: &str) {
    match failure(guest) {
        PolicyError::Trap(text) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn deep_recursion_traps() {
    assert_traps(guest::RECURSION, "call stack exhausted");
}

#[test]
fn unreachable_code_traps() {
    assert_traps(guest::TRAP, "unreachable");
}

#[test]
fn reading_out_of_bounds_traps() {
    assert_traps(guest::OUT_OF_BOUNDS, "out of bounds memory access");
}

#[test]
fn too_much_data_for_the_host_is_refused() {
    for guest in [guest::HUGE_STRING, guest::LOG_HUGE, guest::LOG_FLOOD] {
        assert_eq!(failure(guest), PolicyError::HostCalls);
    }
}

#[test]
fn values_that_the_contract_does_not_have_are_refused() {
    for (guest, why) in [
        (guest::BAD_UTF8, "utf-8"),
        (guest::BAD_POINTER, "out of bounds"),
        (guest::BAD_ANSWER, "pointer"),
        (guest::BAD_CASE, "9"),
        (guest::LOG_BAD_LEVEL, "4"),
    ] {
        match failure(guest) {
            PolicyError::Contract(error) => assert!(error.to_string().contains(why), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
