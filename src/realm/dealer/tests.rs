mod canceling;
mod charges;
mod circles;
mod progress;
mod sharing;

use super::*;
use crate::{
    realm::{
        options::SessionLimits,
        router::testing::{Sent, World, call, only, payload, refused, register, rule, uri, yields},
    },
    wamp::{
        ClientMessage, MAX_ID, RouterMessage,
        message::{ErrorDetails, InvocationDetails, ResultDetails, code},
    },
};

fn unregister(request: u64, registration: u64) -> ClientMessage {
    ClientMessage::Unregister { request, registration }
}

fn fails(request: u64) -> ClientMessage {
    let (details, error) = (ErrorDetails::default(), uri("com.failed"));
    ClientMessage::InvocationError { request, details, error, payload: payload("[\"why\"]") }
}

fn result(caller: u64, request: u64) -> Sent {
    vec![(
        caller,
        RouterMessage::Result {
            request,
            details: ResultDetails::default(),
            payload: payload("[\"result\"]"),
        },
    )]
}

#[test]
fn invocation_has_registration_and_the_callers_payload() {
    let mut world = World::listed(vec![rule("com.p")], [1, 2]);
    let registration = world.register(2, "com.p");
    let sent = world.send(1, call(7, "com.p"));
    let details = InvocationDetails::default();
    let payload = payload("[\"call\"]");
    assert_eq!(sent, [(2, RouterMessage::Invocation { request: 1, registration, details, payload })]);
}

#[test]
fn yield_becomes_the_result_of_the_call() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (callee, invocation) = world.invoke(1, 7, "com.p");
    assert_eq!(world.send(callee, yields(invocation)), result(1, 7));
}

#[test]
fn error_of_the_invocation_becomes_the_error_of_the_call() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (callee, invocation) = world.invoke(1, 7, "com.p");
    let error = RouterMessage::Error {
        request_type: code::CALL,
        request: 7,
        details: ErrorDetails::default(),
        error: uri("com.failed"),
        payload: payload("[\"why\"]"),
    };
    assert_eq!(world.send(callee, fails(invocation)), [(1, error)]);
}

#[test]
fn second_registration_is_procedure_already_exists_for_anybody() {
    let mut world = World::open([1, 2]);
    world.register(1, "com.p");
    for session in [1, 2] {
        let answer = world.send(session, register(5, "com.p"));
        let expected = (session, code::REGISTER, 5, "wamp.error.procedure_already_exists".to_owned());
        assert_eq!(refused(answer), expected);
    }
    assert_eq!(world.invoke(2, 1, "com.p").0, 1, "the first registration stands");
}

#[test]
fn unregistered_procedure_is_free_again() {
    let mut world = World::open([1, 2]);
    let registration = world.register(1, "com.p");
    assert_eq!(world.send(1, unregister(5, registration)), [(1, RouterMessage::Unregistered { request: 5 })]);
    assert_eq!(refused(world.send(2, call(1, "com.p"))).3, "wamp.error.no_such_procedure");
    assert_ne!(world.register(2, "com.p"), registration);
}

#[test]
fn unregistering_what_is_not_ones_own_is_no_such_registration() {
    let mut world = World::open([1, 2]);
    let registration = world.register(1, "com.p");
    for registration in [registration, 0, 999] {
        let answer = world.send(2, unregister(5, registration));
        assert_eq!(refused(answer), (2, code::UNREGISTER, 5, "wamp.error.no_such_registration".to_owned()));
    }
    world.invoke(2, 1, "com.p");
}

#[test]
fn call_of_what_nobody_registered_is_no_such_procedure() {
    let mut world = World::open([1]);
    let answer = world.send(1, call(7, "com.p"));
    assert_eq!(refused(answer), (1, code::CALL, 7, "wamp.error.no_such_procedure".to_owned()));
    assert!(world.router.is_empty());
}

#[test]
fn invocations_are_counted_from_1_for_each_callee() {
    let mut world = World::open([1, 2, 3]);
    world.register(2, "com.p");
    world.register(2, "com.q");
    world.register(3, "com.r");
    assert_eq!(world.invoke(1, 70, "com.p"), (2, 1));
    assert_eq!(world.invoke(3, 71, "com.q"), (2, 2));
    assert_eq!(world.invoke(1, 72, "com.r"), (3, 1));
    assert_eq!(world.invoke(1, 73, "com.p"), (2, 3));
}

#[test]
fn invocations_wrap_to_1_after_the_largest_identifier() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    world.router.dealer().parties.get_mut(&SessionId(2)).unwrap().last_invocation = MAX_ID;
    assert_eq!(world.invoke(1, 7, "com.p"), (2, 1));
}

#[test]
fn answers_may_come_in_any_order() {
    let mut world = World::open([1, 2, 3]);
    world.register(3, "com.p");
    let (_, first) = world.invoke(1, 70, "com.p");
    let (_, second) = world.invoke(2, 70, "com.p");
    let (_, third) = world.invoke(1, 71, "com.p");
    assert_eq!(world.send(3, yields(third)), result(1, 71));
    assert_eq!(world.send(3, yields(first)), result(1, 70));
    assert_eq!(world.send(3, yields(second)), result(2, 70));
}

#[test]
fn second_answer_to_an_invocation_is_ignored() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (_, invocation) = world.invoke(1, 7, "com.p");
    world.send(2, yields(invocation));
    assert_eq!(world.send(2, yields(invocation)), []);
    assert_eq!(world.send(2, fails(invocation)), []);
}

#[test]
fn answer_to_an_invocation_that_was_never_sent_is_a_protocol_violation() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    world.invoke(1, 7, "com.p");
    for invocation in [0, 2] {
        world.try_send(2, yields(invocation)).unwrap_err();
        world.try_send(2, fails(invocation)).unwrap_err();
    }
    world.try_send(1, yields(1)).unwrap_err();
    assert_eq!(world.send(2, yields(1)), result(1, 7), "the other's invocation is still waiting");
}

#[test]
fn callee_leaving_cancels_the_calls_it_has_not_answered() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (_, answered) = world.invoke(1, 6, "com.p");
    world.send(2, yields(answered));
    world.invoke(1, 7, "com.p");
    assert_eq!(refused(world.leave(2)), (1, code::CALL, 7, "wamp.error.canceled".to_owned()));
    assert_eq!(refused(world.send(1, call(8, "com.p"))).3, "wamp.error.no_such_procedure");
}

#[test]
fn answer_for_a_caller_that_has_left_is_ignored() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (_, first) = world.invoke(1, 7, "com.p");
    let (_, second) = world.invoke(1, 8, "com.p");
    assert_eq!(world.leave(1), []);
    assert_eq!(world.send(2, yields(first)), []);
    assert_eq!(world.send(2, fails(second)), []);
}

#[test]
fn call_that_was_passed_on_may_be_answered_after_unregistering() {
    let mut world = World::open([1, 2]);
    let registration = world.register(2, "com.p");
    let (_, invocation) = world.invoke(1, 7, "com.p");
    world.send(2, unregister(5, registration));
    assert_eq!(world.send(2, yields(invocation)), result(1, 7));
}

#[test]
fn session_may_call_itself_and_leave_in_the_middle() {
    let mut world = World::open([1]);
    world.register(1, "com.p");
    let (_, invocation) = world.invoke(1, 7, "com.p");
    assert_eq!(world.send(1, yields(invocation)), result(1, 7));
    world.invoke(1, 8, "com.p");
    assert_eq!(world.leave(1), []);
    assert!(world.router.is_empty());
}

#[test]
fn requests_of_callers_are_echoed_also_out_of_sequence_and_again() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    let (_, first) = world.invoke(1, 713_845_233, "com.p");
    let (_, second) = world.invoke(1, 5, "com.p");
    assert_eq!(world.send(2, yields(second)), result(1, 5));
    let (_, third) = world.invoke(1, 5, "com.p");
    assert_eq!(world.send(2, yields(first)), result(1, 713_845_233));
    assert_eq!(world.send(2, yields(third)), result(1, 5));
}

#[test]
fn second_call_with_the_request_of_one_that_waits_is_a_protocol_violation() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    world.invoke(1, 5, "com.p");
    world.try_send(1, call(5, "com.p")).unwrap_err();
    assert_eq!(world.send(2, yields(1)), result(1, 5));
}

#[test]
fn session_may_have_so_many_registrations_and_no_more() {
    let mut world = World::open([1]);
    let first = world.register(1, "com.first");
    for procedure in 1..MAX_REGISTRATIONS {
        world.register(1, &format!("com.p{procedure}"));
    }
    let answer = world.send(1, register(5, "com.more"));
    assert_eq!(refused(answer), (1, code::REGISTER, 5, "wamp.error.unavailable".to_owned()));
    world.send(1, unregister(6, first));
    world.register(1, "com.more");
}

fn max_pending_calls() -> u64 {
    SessionLimits::default().max_pending_calls as u64
}

#[test]
fn session_may_have_so_many_pending_calls_and_no_more() {
    let mut world = World::open([1, 2, 3]);
    world.register(2, "com.p");
    for request in 0..max_pending_calls() {
        world.invoke(1, request, "com.p");
    }
    let more = max_pending_calls();
    let answer = world.send(1, call(more, "com.p"));
    assert_eq!(refused(answer), (1, code::CALL, more, "wamp.error.unavailable".to_owned()));
    world.invoke(3, 1, "com.p");
    world.send(2, yields(1));
    world.invoke(1, more, "com.p");
}

#[test]
fn leaving_leaves_nothing_behind() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    world.register(1, "com.q");
    world.invoke(1, 1, "com.p");
    world.invoke(2, 1, "com.q");
    assert_eq!(only(world.leave(1)).0, 2, "session 2 waited for com.q");
    assert_eq!(world.leave(2), []);
    assert!(world.router.is_empty());
}
