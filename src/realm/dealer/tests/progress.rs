use std::time::Duration;

use super::*;
use crate::{
    realm::router::testing::{calls, registers},
    wamp::{
        ClientFeatures, Payload,
        message::{CallOptions, CancelOptions, RegisterOptions, YieldOptions},
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
fn callee_that_announces_no_progress_is_not_asked_for_it_and_may_send_it_all_the_same() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    assert!(!details(world.send(1, calls(7, "com.p", receiving()))).receive_progress);
    assert_eq!(world.send(2, progresses(1)), part(1, 7));
    assert_eq!(world.send(2, yields(1)), result(1, 7));
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
    assert_eq!(world.send(1, calls(7, "com.p", sending(true))), []);
    assert_eq!(world.send(1, calls(7, "com.p", sending(false))), []);
}

#[test]
fn continuation_under_another_name_is_a_protocol_violation() {
    let mut world = pair();
    world.register(2, "com.q");
    world.send(1, calls(7, "com.p", sending(true)));
    world.try_send(1, calls(7, "com.q", sending(true))).unwrap_err();
}

/// Caller 1, and callee 2 of `com.p` that takes one invocation at a time and works on the call 6 of session 3.
fn busy() -> World {
    let mut world = World::open([1, 2, 3]);
    world.announces(2, &CALLEE);
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    let one = RegisterOptions { concurrency: Some(1), ..RegisterOptions::default() };
    world.send(2, registers(1, "com.p", one));
    world.invoke(3, 6, "com.p");
    world
}

fn chunk(request: u64, progress: bool, args: impl Into<bytes::Bytes>) -> ClientMessage {
    let payload = Payload { args: Some(args.into()), ..payload("[]") };
    ClientMessage::Call { request, options: sending(progress), procedure: uri("com.p"), payload }
}

#[test]
fn later_invocations_wait_in_order_with_a_first_one_that_waits() {
    let mut world = busy();
    for (args, progress) in [("[0]", true), ("[1]", true), ("[2]", false)] {
        assert_eq!(world.send(1, chunk(7, progress, args)), []);
    }
    world.try_send(1, chunk(7, false, "[3]")).unwrap_err();
    world.try_send(1, calls(7, "com.q", sending(true))).unwrap_err();
    assert_eq!(world.send(3, call(8, "com.p")), [], "the next one waits behind all of it");
    let sent = world.send(2, yields(1));
    let invocations: Vec<_> = sent
        .into_iter()
        .filter_map(|(to, message)| match message {
            RouterMessage::Invocation { request, details, payload, .. } => {
                Some((to, request, details.progress, payload.args.unwrap()))
            }
            _ => None,
        })
        .collect();
    let expected = [(true, "[0]"), (true, "[1]"), (false, "[2]")];
    assert_eq!(invocations, expected.map(|(progress, args)| (2, 2, progress, args.into())));
    let sent = world.send(2, yields(2));
    assert_eq!(sent[0], result(1, 7)[0]);
    assert!(matches!(sent[1], (2, RouterMessage::Invocation { request: 3, .. })));
    for session in [1, 2, 3] {
        world.leave(session);
    }
    assert!(world.router.is_empty());
}

#[test]
fn later_invocations_go_on_after_a_first_one_that_has_waited() {
    let mut world = busy();
    world.send(1, chunk(7, true, "[0]"));
    world.send(1, chunk(7, true, "[1]"));
    assert_eq!(world.send(2, yields(1)).len(), 3, "RESULT and two INVOCATIONs");
    let (_, message) = only(world.send(1, chunk(7, false, "[2]")));
    assert!(matches!(message, RouterMessage::Invocation { request: 2, .. }));
    assert_eq!(world.send(2, yields(2)), result(1, 7));
}

#[test]
fn later_invocations_count_against_the_queue_and_end_their_call_where_it_is_full() {
    let mut world = busy();
    let large = vec![b' '; MAX_QUEUED_BYTES / 2];
    assert_eq!(world.send(1, chunk(7, true, large.clone())), []);
    let answer = refused(world.send(1, chunk(7, true, large.clone())));
    assert_eq!(answer, (1, code::CALL, 7, "wamp.error.unavailable".to_owned()));
    assert_eq!(world.send(1, chunk(7, true, large.clone())), []);
    assert_eq!(world.send(1, chunk(7, false, large.clone())), []);
    assert_eq!(world.send(1, chunk(8, true, large)), [], "the bytes of the other call are free again");
    assert_eq!(world.send(2, yields(1)).len(), 2, "RESULT, and the first INVOCATION of call 8");
}

#[test]
fn what_comes_after_the_end_of_a_call_that_waits_is_dropped() {
    let mut world = busy();
    world.send(1, chunk(7, true, "[0]"));
    let cancel = ClientMessage::Cancel { request: 7, options: CancelOptions::default() };
    assert_eq!(refused(world.send(1, cancel)).3, "wamp.error.canceled");
    assert_eq!(world.send(1, chunk(7, true, "[1]")), []);
    assert_eq!(world.send(1, chunk(7, false, "[2]")), []);
    world.send(1, chunk(8, true, "[0]"));
    world.leave(2);
    assert_eq!(world.send(1, chunk(8, false, "[1]")), []);
    assert_eq!(refused(world.send(1, chunk(8, false, "[1]"))).3, "wamp.error.no_such_procedure");
}

#[test]
fn refused_call_gets_one_error_and_does_not_start_with_a_later_invocation() {
    let rules = vec![rule("com.p"), rule("wamp.no")];
    let mut world = World::listed(rules, [1, 2]);
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    for (procedure, error) in [
        ("com.p", "wamp.error.no_such_procedure"),
        ("wamp.no", "wamp.error.no_such_procedure"),
        ("com.forbidden", "wamp.error.not_authorized"),
    ] {
        for request in [7, 8] {
            let answer = refused(world.send(1, calls(request, procedure, sending(true))));
            assert_eq!(answer, (1, code::CALL, request, error.to_owned()));
        }
        for request in [8, 7] {
            assert_eq!(world.send(1, calls(request, procedure, sending(true))), []);
            assert_eq!(world.send(1, calls(request, procedure, sending(false))), []);
        }
    }
    let answer = refused(world.send(1, calls(9, "com.p", sending(true))));
    assert_eq!(answer.3, "wamp.error.no_such_procedure");
    world.register(2, "com.p");
    world.announces(2, &CALLEE);
    assert_eq!(world.send(1, calls(9, "com.p", sending(true))), [], "though the procedure is there by now");
    assert_eq!(world.send(1, calls(9, "com.p", sending(false))), []);
    world.invoke(1, 9, "com.p");
    world.leave(1);
    world.leave(2);
    assert!(world.router.is_empty());
}

#[test]
fn call_beyond_the_limit_of_pending_calls_is_refused_once() {
    let mut world = pair();
    for request in 1..=max_pending_calls() {
        world.invoke(1, request, "com.p");
    }
    let more = max_pending_calls() + 1;
    assert_eq!(refused(world.send(1, calls(more, "com.p", sending(true)))).3, "wamp.error.unavailable");
    world.send(2, yields(1));
    assert_eq!(world.send(1, calls(more, "com.p", sending(true))), []);
    assert_eq!(world.send(1, calls(more, "com.p", sending(false))), []);
}

#[test]
fn continuation_under_a_name_that_is_not_allowed_gets_no_answer_of_its_own() {
    let mut world = World::listed(vec![rule("com.p")], [1, 2]);
    world.register(2, "com.p");
    world.announces(2, &CALLEE);
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    world.send(1, calls(7, "com.p", sending(true)));
    world.try_send(1, calls(7, "com.forbidden", sending(true))).unwrap_err();
}
