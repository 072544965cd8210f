use std::time::Duration;

use super::*;
use crate::{
    realm::router::testing::calls,
    wamp::{
        ClientFeatures,
        message::{CallOptions, YieldOptions},
    },
};

const CALLEE: [ClientFeatures; 3] = [
    ClientFeatures::CALL_CANCELING,
    ClientFeatures::CALLEE_PROGRESSIVE_RESULTS,
    ClientFeatures::CALLEE_PROGRESSIVE_INVOCATIONS,
];

fn pair() -> World {
    let mut world = World::open([1, 2, 3]);
    world.register(2, "com.p");
    world.announces(2, &CALLEE);
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    world
}

fn receiving() -> CallOptions {
    CallOptions { receive_progress: true, ..CallOptions::default() }
}

fn sending(progress: bool) -> CallOptions {
    CallOptions { progress, ..CallOptions::default() }
}

fn progresses(request: u64) -> ClientMessage {
    let options = YieldOptions { progress: true, ..YieldOptions::default() };
    ClientMessage::Yield { request, options, payload: payload("[\"part\"]") }
}

fn part(caller: u64, request: u64) -> Sent {
    let details = ResultDetails { progress: true, ..ResultDetails::default() };
    vec![(caller, RouterMessage::Result { request, details, payload: payload("[\"part\"]") })]
}

fn details(sent: Sent) -> InvocationDetails {
    match only(sent) {
        (2, RouterMessage::Invocation { request: 1, details, .. }) => details,
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_come_one_by_one_and_the_final_one_ends_the_call() {
    let mut world = pair();
    assert!(details(world.send(1, calls(7, "com.p", receiving()))).receive_progress);
    assert_eq!(world.send(2, progresses(1)), part(1, 7));
    assert_eq!(world.send(2, progresses(1)), part(1, 7));
    assert_eq!(world.send(2, yields(1)), result(1, 7));
    assert_eq!(world.send(2, progresses(1)), []);
}

#[test]
fn caller_that_takes_one_result_gets_the_final_one() {
    let mut world = pair();
    assert!(!details(world.send(1, call(7, "com.p"))).receive_progress);
    assert_eq!(world.send(2, progresses(1)), []);
    assert_eq!(world.send(2, yields(1)), result(1, 7));
}

#[test]
fn callee_that_knows_no_progress_is_not_asked_for_it() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    assert!(!details(world.send(1, calls(7, "com.p", receiving()))).receive_progress);
}

#[test]
fn each_result_gives_the_caller_as_much_time_again() {
    let mut world = pair();
    world.send(1, calls(7, "com.p", CallOptions { timeout: 100, ..receiving() }));
    for _ in 0..3 {
        assert_eq!(world.pass(Duration::from_millis(99)), []);
        assert_eq!(world.send(2, progresses(1)), part(1, 7));
    }
    assert_eq!(world.pass(Duration::from_millis(100)).len(), 2, "ERROR and INTERRUPT");
    assert_eq!(world.send(2, yields(1)), []);
}

#[test]
fn invocations_of_one_call_go_to_one_callee_under_one_number() {
    let mut world = pair();
    assert!(details(world.send(1, calls(7, "com.p", sending(true)))).progress);
    assert!(details(world.send(1, calls(7, "com.p", sending(true)))).progress);
    assert!(!details(world.send(1, calls(7, "com.p", sending(false)))).progress);
    world.try_send(1, calls(7, "com.p", sending(false))).unwrap_err();
    assert_eq!(world.send(2, yields(1)), result(1, 7));
}

#[test]
fn what_the_caller_sends_before_it_knows_of_the_end_is_dropped() {
    let mut world = pair();
    world.send(1, calls(7, "com.p", sending(true)));
    assert_eq!(world.send(2, yields(1)), result(1, 7));
    assert_eq!(world.send(1, calls(7, "com.p", sending(true))), []);
    assert_eq!(world.send(1, calls(7, "com.p", sending(false))), []);
    world.invoke(1, 7, "com.p");
}

#[test]
fn so_many_ended_calls_are_remembered_and_no_more() {
    let mut world = pair();
    for request in 1..=MAX_COMPLETED as u64 + 1 {
        world.send(1, calls(request, "com.p", sending(true)));
        world.send(2, yields(request));
    }
    assert_eq!(world.send(1, calls(2, "com.p", sending(false))), []);
    assert!(matches!(only(world.send(1, call(1, "com.p"))).1, RouterMessage::Invocation { .. }));
}

#[test]
fn progress_takes_what_both_sides_have_announced() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    world.try_send(1, calls(7, "com.p", sending(true))).unwrap_err();
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    let answer = refused(world.send(1, calls(7, "com.p", sending(true))));
    assert_eq!(answer, (1, code::CALL, 7, "wamp.error.feature_not_supported".to_owned()));
}

#[test]
fn continuation_under_another_name_is_a_protocol_violation() {
    let mut world = pair();
    world.register(2, "com.q");
    world.send(1, calls(7, "com.p", sending(true)));
    world.try_send(1, calls(7, "com.q", sending(true))).unwrap_err();
}
