use std::time::Duration;

use super::*;
use crate::{
    realm::router::testing::{calls, registers},
    wamp::{
        ClientFeatures,
        message::{CallOptions, CancelMode, CancelOptions, InterruptOptions, RegisterOptions},
    },
};

const CANCELED: &str = "wamp.error.canceled";
const TIMEOUT: &str = "wamp.error.timeout";

/// A caller 1 and a callee 2 of `com.p`, which can be interrupted or not.
fn pair(interruptible: bool) -> World {
    let mut world = World::open([1, 2, 3]);
    world.register(2, "com.p");
    if interruptible {
        world.announces(2, &[ClientFeatures::CALL_CANCELING]);
    }
    world
}

fn cancel(request: u64, mode: CancelMode) -> ClientMessage {
    ClientMessage::Cancel { request, options: CancelOptions { mode } }
}

fn interrupt(mode: CancelMode, reason: &'static str) -> (u64, RouterMessage) {
    (2, RouterMessage::Interrupt { request: 1, options: InterruptOptions { mode, reason } })
}

fn timed(timeout: u64) -> CallOptions {
    CallOptions { timeout, ..CallOptions::default() }
}

#[test]
fn skip_answers_at_once_and_does_not_tell_the_callee() {
    let mut world = pair(true);
    world.invoke(1, 7, "com.p");
    let answer = refused(world.send(1, cancel(7, CancelMode::Skip)));
    assert_eq!(answer, (1, code::CALL, 7, CANCELED.to_owned()));
    assert_eq!(world.send(2, yields(1)), [], "the result is discarded");
    world.invoke(1, 7, "com.p");
}

#[test]
fn kill_tells_the_callee_and_passes_its_answer_on() {
    let mut world = pair(true);
    world.invoke(1, 7, "com.p");
    assert_eq!(world.send(1, cancel(7, CancelMode::Kill)), [interrupt(CancelMode::Kill, CANCELED)]);
    assert_eq!(world.send(1, cancel(7, CancelMode::Kill)), [], "once is enough");
    assert_eq!(world.send(2, yields(1)), result(1, 7));
}

#[test]
fn killnowait_tells_the_callee_and_answers_at_once() {
    let mut world = pair(true);
    world.invoke(1, 7, "com.p");
    let mut sent = world.send(1, cancel(7, CancelMode::KillNoWait));
    assert_eq!(sent.pop(), Some(interrupt(CancelMode::KillNoWait, CANCELED)));
    assert_eq!(refused(sent).3, CANCELED);
    assert_eq!(world.send(2, fails(1)), []);
}

#[test]
fn callee_that_cannot_be_interrupted_is_skipped() {
    for mode in [CancelMode::Skip, CancelMode::Kill, CancelMode::KillNoWait] {
        let mut world = pair(false);
        world.invoke(1, 7, "com.p");
        assert_eq!(refused(world.send(1, cancel(7, mode))).3, CANCELED, "{mode:?}");
        assert_eq!(world.send(2, yields(1)), []);
        world.leave(1);
        world.leave(2);
        assert!(world.router.is_empty());
    }
}

#[test]
fn cancel_of_a_call_that_has_ended_is_ignored() {
    let mut world = pair(true);
    world.invoke(1, 7, "com.p");
    world.send(2, yields(1));
    assert_eq!(world.send(1, cancel(7, CancelMode::Kill)), []);
    assert_eq!(world.send(3, cancel(7, CancelMode::Kill)), [], "nor is that of a client that never called");
}

#[test]
fn caller_that_leaves_interrupts_its_callee() {
    let mut world = pair(true);
    world.invoke(1, 7, "com.p");
    assert_eq!(world.leave(1), [interrupt(CancelMode::KillNoWait, CANCELED)]);
    assert_eq!(world.send(2, yields(1)), []);
}

#[test]
fn call_that_is_not_answered_in_time_ends_with_a_timeout() {
    let mut world = pair(true);
    world.send(1, calls(7, "com.p", timed(100)));
    world.send(1, calls(8, "com.p", timed(300)));
    assert_eq!(world.pass(Duration::from_millis(99)), []);
    let mut sent = world.pass(Duration::from_millis(1));
    assert_eq!(sent.pop(), Some(interrupt(CancelMode::KillNoWait, TIMEOUT)));
    assert_eq!(refused(sent), (1, code::CALL, 7, TIMEOUT.to_owned()));
    assert_eq!(world.send(2, yields(1)), [], "too late");
    assert_eq!(world.send(2, yields(2)), result(1, 8), "the other one has time left");
    assert_eq!(world.pass(Duration::from_secs(10)), []);
    assert_eq!(world.router.next_deadline(), None);
}

#[test]
fn callee_that_keeps_time_by_itself_is_told_how_much_there_is() {
    for knows in [true, false] {
        let mut world = World::open([1, 2]);
        if knows {
            world.announces(2, &[ClientFeatures::CALL_TIMEOUT]);
        }
        let options = RegisterOptions { forward_timeout: true, ..RegisterOptions::default() };
        world.send(2, registers(1, "com.p", options));
        let (_, message) = only(world.send(1, calls(7, "com.p", timed(100))));
        let RouterMessage::Invocation { details, .. } = message else { panic!("{message:?}") };
        assert_eq!(details.timeout, if knows { 100 } else { 0 });
        assert_eq!(world.pass(Duration::from_secs(1)).is_empty(), knows);
    }
}

#[test]
fn killed_call_still_runs_out_of_time() {
    let mut world = pair(true);
    world.send(1, calls(7, "com.p", timed(100)));
    world.send(1, cancel(7, CancelMode::Kill));
    assert_eq!(refused(world.pass(Duration::from_millis(100))).3, TIMEOUT);
}
