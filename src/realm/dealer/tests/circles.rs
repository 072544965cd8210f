//! Questions about sessions that wait for the answers, as the gateway asks authorizers: session 1 asks, 2 and 3 decide.

use super::*;
use crate::{
    realm::router::testing::registers,
    wamp::message::{CancelMode, CancelOptions, Invoke, RegisterOptions},
};

const CIRCLE: &str = "wampgate.error.circle";

fn world(invoke: Invoke, concurrency: Option<u64>, callees: &[u64]) -> (World, u64) {
    let mut world = World::open(1..=5);
    let mut id = 0;
    for callee in callees {
        let options = RegisterOptions { invoke, concurrency, ..RegisterOptions::default() };
        match only(world.send(*callee, registers(1, "com.p", options))) {
            (_, RouterMessage::Registered { registration, .. }) => id = registration,
            other => panic!("{other:?}"),
        }
    }
    (world, id)
}

/// Sessions 2 and 3 decide one question at a time, and have calls of this session to answer first.
fn busy(caller: u64) -> (World, u64) {
    let (mut world, id) = world(Invoke::RoundRobin, Some(1), &[2, 3]);
    for request in 1..=2 {
        world.invoke(caller, request, "com.p");
    }
    (world, id)
}

fn ask(world: &mut World, about: u64, request: u64) -> Sent {
    ask_of(world, about, request, "com.p")
}

fn ask_of(world: &mut World, about: u64, request: u64, procedure: &'static str) -> Sent {
    world.router.asks_about(Some(SessionId(about)));
    let sent = world.send(1, call(request, procedure));
    world.router.asks_about(None);
    sent
}

fn cancel(request: u64) -> ClientMessage {
    ClientMessage::Cancel { request, options: CancelOptions { mode: CancelMode::KillNoWait } }
}

/// Whom a question goes to.
fn asked(sent: Sent) -> u64 {
    match only(sent) {
        (callee, RouterMessage::Invocation { .. }) => callee,
        other => panic!("{other:?}"),
    }
}

fn is_circle(sent: Sent, request: u64) {
    assert_eq!(refused(sent), (1, code::CALL, request, CIRCLE.to_owned()));
}

fn ends(mut world: World) {
    for session in 1..=5 {
        if world.members.get(SessionId(session)).is_some() {
            world.leave(session);
        }
    }
    assert!(world.router.is_empty());
}

#[test]
fn a_busy_authorizer_is_not_asked_about_itself_later() {
    let (mut world, _) = world(Invoke::Single, Some(1), &[2]);
    assert_eq!(asked(ask(&mut world, 4, 1)), 2);
    is_circle(ask(&mut world, 2, 2), 2);
    assert_eq!(ask(&mut world, 5, 3), []);
    let sent = world.send(2, yields(1));
    assert!(matches!(sent[1], (2, RouterMessage::Invocation { .. })), "{sent:?}");
    is_circle(ask(&mut world, 2, 4), 4);
    world.send(2, yields(2));
    ends(world);
}

#[test]
fn of_several_authorizers_one_answers_that_can() {
    for invoke in [Invoke::First, Invoke::Last, Invoke::RoundRobin, Invoke::Random] {
        for concurrency in [None, Some(8)] {
            let (mut world, _) = world(invoke, concurrency, &[2, 3]);
            for request in 1..=8 {
                assert_eq!(asked(ask(&mut world, 2, request)), 3, "{invoke:?}");
                // Session 2 waits for session 3.
                is_circle(ask(&mut world, 3, 100 + request), 100 + request);
                world.send(3, yields(request));
            }
            world.leave(3);
            is_circle(ask(&mut world, 2, 200), 200);
            ends(world);
        }
    }
}

#[test]
fn a_question_stays_in_the_queue_until_one_is_free_that_can_answer() {
    let (mut world, _) = busy(4);
    assert_eq!(ask(&mut world, 2, 1), []);
    is_circle(ask(&mut world, 3, 2), 2);
    assert_eq!(world.send(5, call(1, "com.p")), []);
    // The free place is for the call behind the question.
    let sent = world.send(2, yields(1));
    assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [4, 2]);
    let sent = world.send(3, yields(1));
    assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [4, 3]);
    is_circle(ask(&mut world, 3, 3), 3);
    assert_eq!(world.send(3, yields(2)), result(1, 1));
    assert_eq!(asked(ask(&mut world, 2, 4)), 3);
    ends(world);
}

#[test]
fn the_last_callee_that_can_answer_leaves() {
    for unregisters in [true, false] {
        let (mut world, id) = busy(4);
        assert_eq!(ask(&mut world, 2, 1), []);
        let sent = if unregisters { world.send(3, unregister(5, id)) } else { world.leave(3) };
        let answers = sent.into_iter().filter(|(to, _)| *to == 1).collect();
        is_circle(answers, 1);
        ends(world);
    }
}

#[test]
fn a_circle_of_any_length_is_found_and_ends_with_its_questions() {
    let mut world = World::open(1..=5);
    for (callee, procedure) in [(2, "com.two"), (3, "com.three"), (4, "com.four"), (5, "com.five")] {
        world.register(callee, procedure);
    }
    assert_eq!(asked(ask_of(&mut world, 2, 1, "com.three")), 3);
    assert_eq!(asked(ask_of(&mut world, 3, 2, "com.four")), 4);
    for (request, procedure) in [(3, "com.two"), (4, "com.three"), (5, "com.four")] {
        is_circle(ask_of(&mut world, 4, request, procedure), request);
    }
    assert_eq!(asked(ask_of(&mut world, 4, 6, "com.five")), 5);
    is_circle(ask_of(&mut world, 5, 7, "com.two"), 7);
    world.send(4, yields(1));
    assert_eq!(asked(ask_of(&mut world, 5, 8, "com.two")), 2);
    ends(world);
}

#[test]
fn of_questions_that_nothing_can_answer_any_more_only_the_one_in_the_circle_is_refused() {
    let (mut world, _) = busy(4);
    assert_eq!(ask(&mut world, 5, 1), []);
    assert_eq!(ask(&mut world, 2, 2), []);
    let sent = world.leave(3);
    is_circle(sent.into_iter().filter(|(to, _)| *to == 1).collect(), 2);
    let sent = world.send(2, yields(1));
    assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [4, 2]);
    assert_eq!(world.send(2, yields(2)), result(1, 1));
    ends(world);
}

#[test]
fn a_question_goes_to_a_free_callee_as_soon_as_that_one_waits_no_more() {
    type End = fn(&mut World) -> Sent;
    let ways: [(bool, End); 5] = [
        (false, |world| world.send(4, yields(1))),
        (false, |world| world.send(4, fails(1))),
        (false, |world| world.send(1, cancel(1))),
        (false, |world| world.leave(4)),
        (true, |world| world.send(1, cancel(1))),
    ];
    for (number, (is_queued, end)) in ways.into_iter().enumerate() {
        let (mut world, _) = busy(5);
        world.send(2, yields(1));
        let one = RegisterOptions { concurrency: Some(1), ..RegisterOptions::default() };
        world.send(4, registers(2, "com.four", one));
        world.register(5, "com.five");
        if is_queued {
            world.invoke(3, 1, "com.four");
        }
        assert_eq!(ask_of(&mut world, 2, 1, "com.four").is_empty(), is_queued, "{number}");
        assert_eq!(asked(ask_of(&mut world, 4, 2, "com.five")), 5, "{number}");
        // Session 2 is free, and waits for session 4, which waits for session 5. Session 3 is busy.
        assert_eq!(ask(&mut world, 5, 3), [], "{number}");
        let sent = end(&mut world);
        let to_two = sent.into_iter().filter(|(to, _)| *to == 2).collect();
        assert_eq!(asked(to_two), 2, "{number}");
        ends(world);
    }
}
