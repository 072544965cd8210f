use std::time::Duration;

use super::*;
use crate::{
    realm::{
        Permission,
        router::testing::{calls, registers},
    },
    wamp::{
        ClientFeatures,
        message::{CallOptions, CancelOptions, Invoke, RegisterOptions},
        pattern::UriMatch,
    },
};

fn invoke(invoke: Invoke) -> RegisterOptions {
    RegisterOptions { invoke, ..RegisterOptions::default() }
}

fn limited(concurrency: u64) -> RegisterOptions {
    RegisterOptions { concurrency: Some(concurrency), ..invoke(Invoke::RoundRobin) }
}

fn matching(matching: UriMatch) -> RegisterOptions {
    RegisterOptions { matching, ..RegisterOptions::default() }
}

/// Sessions 2 to 4 have registered `com.p` together; session 1 calls.
fn shared(options: &RegisterOptions) -> World {
    let mut world = World::open(1..=5);
    let mut ids: Vec<u64> = (2..=4)
        .map(|callee| match only(world.send(callee, registers(1, "com.p", options.clone()))) {
            (_, RouterMessage::Registered { registration, .. }) => registration,
            other => panic!("{other:?}"),
        })
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "one registration for all");
    world
}

fn callees(world: &mut World, calls: u64) -> Vec<u64> {
    (0..calls).map(|n| world.invoke(1, 100 + n, "com.p").0).collect()
}

#[test]
fn policy_chooses_the_callee() {
    assert_eq!(callees(&mut shared(&invoke(Invoke::First)), 3), [2, 2, 2]);
    assert_eq!(callees(&mut shared(&invoke(Invoke::Last)), 3), [4, 4, 4]);
    assert_eq!(callees(&mut shared(&invoke(Invoke::RoundRobin)), 7), [2, 3, 4, 2, 3, 4, 2]);
    let mut random = callees(&mut shared(&invoke(Invoke::Random)), 30);
    random.sort_unstable();
    random.dedup();
    assert_eq!(random, [2, 3, 4]);
}

#[test]
fn others_go_on_when_one_callee_leaves() {
    let mut world = shared(&invoke(Invoke::RoundRobin));
    assert_eq!(callees(&mut world, 2), [2, 3]);
    world.leave(3);
    assert_eq!((0..3).map(|n| world.invoke(1, n, "com.p").0).collect::<Vec<_>>(), [4, 2, 4]);
    world.leave(2);
    world.leave(4);
    assert_eq!(refused(world.send(1, call(9, "com.p"))).3, "wamp.error.no_such_procedure");
}

#[test]
fn another_policy_or_the_same_session_cannot_join() {
    let mut world = shared(&invoke(Invoke::RoundRobin));
    for (session, options) in
        [(5, invoke(Invoke::Random)), (5, RegisterOptions::default()), (2, invoke(Invoke::RoundRobin))]
    {
        let answer = refused(world.send(session, registers(9, "com.p", options)));
        assert_eq!(answer.3, "wamp.error.procedure_already_exists");
    }
}

#[test]
fn callee_gets_no_more_invocations_than_it_takes_at_once_and_the_others_wait_in_order() {
    let mut world = shared(&limited(1));
    assert_eq!(callees(&mut world, 3), [2, 3, 4]);
    for request in [7, 8] {
        assert_eq!(world.send(1, call(request, "com.p")), [], "all are busy");
    }
    let sent = world.send(3, yields(1));
    let [(1, RouterMessage::Result { request: 101, .. }), (3, RouterMessage::Invocation { request: 2, .. })] =
        sent.as_slice()
    else {
        panic!("{sent:?}");
    };
    assert_eq!(world.send(3, yields(2))[0], result(1, 7)[0]);
    assert_eq!(world.send(3, yields(3)), result(1, 8));
}

#[test]
fn call_that_waits_can_be_canceled_runs_out_of_time_and_goes_with_its_caller() {
    let mut world = shared(&limited(1));
    callees(&mut world, 3);
    world.send(1, calls(7, "com.p", CallOptions { timeout: 50, ..CallOptions::default() }));
    world.send(1, call(8, "com.p"));
    world.send(5, call(9, "com.p"));
    assert_eq!(
        refused(world.pass(Duration::from_millis(50))),
        (1, code::CALL, 7, "wamp.error.timeout".to_owned())
    );
    let cancel = ClientMessage::Cancel { request: 8, options: CancelOptions::default() };
    assert_eq!(refused(world.send(1, cancel)).3, "wamp.error.canceled");
    world.leave(5);
    assert_eq!(world.send(2, yields(1)).len(), 1, "nothing waits any more");
}

#[test]
fn calls_of_a_caller_that_leaves_are_not_passed_on_after_it() {
    let mut world = World::open([1, 2, 3]);
    world.announces(2, &[ClientFeatures::CALL_CANCELING]);
    world.send(2, registers(1, "com.p", limited(1)));
    world.invoke(1, 1, "com.p");
    for request in 2..=5 {
        assert_eq!(world.send(1, call(request, "com.p")), []);
    }
    let (callee, message) = only(world.leave(1));
    assert!(matches!((callee, message), (2, RouterMessage::Interrupt { request: 1, .. })));
    assert_eq!(world.invoke(3, 1, "com.p"), (2, 2), "the callee's place is free");
    world.leave(2);
    world.leave(3);
    assert!(world.router.is_empty());
}

#[test]
fn callee_that_goes_on_with_a_canceled_call_has_no_place_for_another() {
    let mut world = World::open([1, 2]);
    world.send(2, registers(1, "com.p", limited(1)));
    world.invoke(1, 7, "com.p");
    let cancel = |request| ClientMessage::Cancel { request, options: CancelOptions::default() };
    assert_eq!(refused(world.send(1, cancel(7))).3, "wamp.error.canceled");
    assert_eq!(world.send(1, call(8, "com.p")), []);
    let (callee, message) = only(world.send(2, yields(1)));
    assert!(matches!((callee, message), (2, RouterMessage::Invocation { request: 2, .. })));
    assert_eq!(world.send(2, yields(2)), result(1, 8));
}

#[test]
fn callee_that_leaves_a_registration_and_comes_back_answers_for_no_place_of_now() {
    let mut world = shared(&limited(1));
    let first: Vec<(u64, u64)> = (1..=3).map(|request| world.invoke(1, request, "com.p")).collect();
    let registration = 1;
    let left = world.send(2, ClientMessage::Unregister { request: 2, registration });
    assert_eq!(left, [(2, RouterMessage::Unregistered { request: 2 })]);
    let back = world.send(2, registers(3, "com.p", limited(1)));
    assert_eq!(back, [(2, RouterMessage::Registered { request: 3, registration })]);
    let (callee, number) = world.invoke(1, 4, "com.p");
    assert_eq!((first[0], callee, number), ((2, 1), 2, 2));
    assert_eq!(world.send(1, calls(5, "com.p", CallOptions::default())), []);
    // What it was invoked for before it left took a place that is gone.
    assert!(matches!(only(world.send(2, yields(1))), (1, RouterMessage::Result { request: 1, .. })));
    let sent = world.send(2, yields(2));
    assert!(
        matches!(
            sent.as_slice(),
            [
                (1, RouterMessage::Result { request: 4, .. }),
                (2, RouterMessage::Invocation { request: 3, .. })
            ]
        ),
        "{sent:?}"
    );
}

#[test]
fn queue_is_bounded_and_ends_with_the_last_callee() {
    let mut world = World::open([1, 2, 3]);
    world.send(2, registers(1, "com.p", limited(1)));
    world.invoke(1, 1, "com.p");
    for request in 2..MAX_QUEUED_CALLS as u64 + 2 {
        assert_eq!(world.send(1, call(request, "com.p")), []);
    }
    assert_eq!(refused(world.send(3, call(1, "com.p"))).3, "wamp.error.unavailable");
    let sent = world.leave(2);
    assert_eq!(sent.len(), MAX_QUEUED_CALLS + 1, "each gets an answer");
    world.leave(1);
    world.leave(3);
    assert!(world.router.is_empty());
}

#[test]
fn forced_registration_cancels_the_calls_that_wait_for_the_others() {
    let mut world = World::open([1, 2, 3]);
    world.send(2, registers(1, "com.p", limited(1)));
    world.invoke(1, 1, "com.p");
    world.send(1, call(2, "com.p"));
    let sent = world.send(3, registers(1, "com.p", RegisterOptions { force_reregister: true, ..limited(1) }));
    let (errors, registered) = sent.split_at(1);
    assert_eq!(refused(errors.to_vec()), (1, code::CALL, 2, "wamp.error.canceled".to_owned()));
    assert!(matches!(registered, [(3, RouterMessage::Registered { .. })]), "{registered:?}");
    assert_eq!(world.send(2, yields(1)), result(1, 1));
}

#[test]
fn forced_registration_takes_the_place_of_the_others() {
    let mut world = shared(&invoke(Invoke::First));
    world.announces(2, &[ClientFeatures::REGISTRATION_REVOCATION]);
    let forced = RegisterOptions { force_reregister: true, ..RegisterOptions::default() };
    let sent = world.send(5, registers(9, "com.p", forced));
    let [
        (2, RouterMessage::RegistrationRevoked { registration: old, .. }),
        (5, RouterMessage::Registered { request: 9, registration }),
    ] = sent.as_slice()
    else {
        panic!("only the callee that understands it is told: {sent:?}");
    };
    assert_ne!(old, registration);
    assert_eq!(world.invoke(1, 7, "com.p").0, 5);
    for session in 1..=5 {
        world.leave(session);
    }
    assert!(world.router.is_empty());
}

#[test]
fn pattern_that_says_most_is_invoked_and_told_what_was_called() {
    let mut world = World::open([1, 2]);
    let exact = world.register(2, "a1.b2.c3.d4.e55");
    let mut pattern = |text: &str, how| match only(world.send(2, registers(1, text, matching(how)))) {
        (_, RouterMessage::Registered { registration, .. }) => registration,
        other => panic!("{other:?}"),
    };
    let short = pattern("a1.b2.c3.", UriMatch::Prefix);
    let long = pattern("a1.b2.c3.d4", UriMatch::Prefix);
    let w4 = pattern("a1.b2..d4.e5", UriMatch::Wildcard);
    let w5 = pattern("a1.b2.c33..e5", UriMatch::Wildcard);
    let w6 = pattern("a1.b2..d4.e5..g7", UriMatch::Wildcard);
    pattern("a1.b2..d4..f6.g7", UriMatch::Wildcard);
    // The examples of the specification; a prefix is compared by characters, so the dot keeps `c33` out.
    for (number, (procedure, expected)) in [
        ("a1.b2.c3.d4.e55", exact),
        ("a1.b2.c3.d98.e74", short),
        ("a1.b2.c3.d4.e325", long),
        ("a1.b2.c55.d4.e5", w4),
        ("a1.b2.c33.d4.e5", w5),
        ("a1.b2.c88.d4.e5.f6.g7", w6),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, message) = only(world.send(1, call(number as u64, procedure)));
        let RouterMessage::Invocation { registration, details, .. } = message else { panic!("{message:?}") };
        assert_eq!(registration, expected, "{procedure}");
        assert_eq!(details.procedure, (expected != exact).then(|| uri(procedure)));
    }
    assert_eq!(refused(world.send(1, call(99, "a2.b2.c2.d2.e2"))).3, "wamp.error.no_such_procedure");
}

#[test]
fn pattern_covers_no_procedure_that_its_callee_may_not_register() {
    let rules = vec![
        Permission { matching: UriMatch::Prefix, ..rule("com.") },
        Permission { register: false, matching: UriMatch::Prefix, ..rule("com.secret.") },
        Permission { matching: UriMatch::Prefix, ..rule("wamp.") },
    ];
    let mut world = World::listed(rules, [1, 2]);
    world.send(2, registers(1, "com.", matching(UriMatch::Prefix)));
    assert_eq!(world.invoke(1, 1, "com.open").0, 2);
    assert_eq!(refused(world.send(1, call(2, "com.secret.x"))).3, "wamp.error.no_such_procedure");
    let mut open = World::open([1, 2]);
    open.send(2, registers(1, "", matching(UriMatch::Prefix)));
    assert_eq!(
        refused(open.send(1, call(2, "wamp.session.no_such_thing"))).3,
        "wamp.error.no_such_procedure"
    );
    assert_eq!(
        refused(open.send(2, registers(3, "wamp.", matching(UriMatch::Prefix)))).3,
        "wamp.error.invalid_uri"
    );
}
