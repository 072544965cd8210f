//! Warm instances and grants.

use wampgate::policy::{Grants, Instances, PolicyError, PolicyLoadFault, PolicyOptions};

use super::support::{Cookie, ask, authid, guest, load, options};

fn warm() -> PolicyOptions {
    PolicyOptions { instances: Instances::Warm, ..options() }
}

/// How many decisions the instance has seen, with this one.
fn mark(policy: &wampgate::policy::WasmPolicy) -> String {
    authid(ask(policy, &[], Cookie::Off, &[]))
}

#[test]
fn a_warm_instance_lives_for_many_decisions_and_a_fresh_one_for_one() {
    let kept = load(guest::MARK, warm()).unwrap();
    assert_eq!([mark(&kept), mark(&kept), mark(&kept)], ["11", "22", "33"]);
    let fresh = load(guest::MARK, options()).unwrap();
    assert_eq!([mark(&fresh), mark(&fresh)], ["11", "11"]);
}

#[test]
fn an_instance_that_failed_is_never_used_again() {
    // Answers the first decision and traps on the second, which leaves its count behind.
    let guest = guest::MARK.replace(
        "(i32.store8 (i32.const 64)",
        "(if (i32.eq (global.get $count) (i32.const 50)) (then (unreachable)))\n  (i32.store8 (i32.const 64)",
    );
    let policy = load(&guest, warm()).unwrap();
    for _ in 0..3 {
        assert_eq!(mark(&policy), "11");
        assert!(matches!(ask(&policy, &[], Cookie::Off, &[]), Err(PolicyError::Trap(_))));
    }
}

#[test]
fn an_instance_that_has_grown_is_replaced() {
    // Takes a page more with every decision; the second one is beyond half of what it may have.
    let guest = guest::MARK.replace(
        "(i32.store8 (i32.const 64)",
        "(drop (memory.grow (i32.const 1)))\n  (i32.store8 (i32.const 64)",
    );
    let policy = load(&guest, PolicyOptions { max_memory: 4 * 65_536, ..warm() }).unwrap();
    assert_eq!([mark(&policy), mark(&policy), mark(&policy), mark(&policy)], ["11", "22", "11", "22"]);
}

#[test]
fn no_more_instances_are_kept_than_configured() {
    let policy = load(guest::MARK, PolicyOptions { max_concurrent: 0, ..warm() }).unwrap();
    assert_eq!([mark(&policy), mark(&policy)], ["11", "11"]);
}

#[test]
fn thirty_thousand_decisions_do_not_wear_an_instance_out() {
    let policy = load(
        guest::TRAP
            .replace("(unreachable)", "(i32.store8 (i32.const 4) (i32.const 1)) (i32.const 0)")
            .as_str(),
        warm(),
    )
    .unwrap();
    for _ in 0..30_000 {
        ask(&policy, &[], Cookie::Off, &[]).unwrap();
    }
}

#[test]
fn a_grant_is_what_makes_the_difference() {
    let exporting_nothing = |grants| load(guest::WANTS_CLOCK, PolicyOptions { grants, ..options() });
    let fault = exporting_nothing(Grants::default()).expect_err("it loads").fault;
    assert!(matches!(fault, PolicyLoadFault::Import { .. }), "{fault}");
    // Past its import, it is refused for what it does not export.
    let fault = exporting_nothing(Grants { clock: true, ..Grants::default() }).expect_err("it loads").fault;
    assert!(matches!(fault, PolicyLoadFault::Export(_)), "{fault}");
}
