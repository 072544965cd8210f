//! What calls are charged while they wait for their answers.

use bytes::Bytes;

use super::*;
use crate::{
    realm::router::testing::{calls, registers},
    wamp::{
        ClientFeatures, Payload,
        message::{CallOptions, CancelMode, CancelOptions, RegisterOptions},
    },
};

const COUNT: u64 = 2_000;
const TOTAL: usize = 2_000;

fn party(world: &mut World, session: u64) -> &Party {
    &world.router.dealer().parties[&SessionId(session)]
}

fn charged(world: &mut World) -> usize {
    party(world, 1).charge.bytes()
}

/// A caller 1 that has called a callee 2 so many times.
fn busy() -> World {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    for request in 1..=COUNT {
        world.invoke(1, request, "com.p");
    }
    world
}

#[test]
fn calls_that_wait_are_charged_to_their_caller_and_few_are_free() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    for request in 1..=32 {
        world.invoke(1, request, "com.p");
    }
    assert_eq!(charged(&mut world), 0);
    let mut world = busy();
    assert!(charged(&mut world) >= TOTAL * memory::CALL - memory::FREE);
    for request in 1..COUNT {
        world.send(2, yields(request));
    }
    assert!(charged(&mut world) <= TOTAL * memory::CALL / 2, "{}", charged(&mut world));
    world.send(2, yields(COUNT));
    assert_eq!(charged(&mut world), 0);
}

#[test]
fn the_tables_give_back_what_many_calls_have_needed() {
    let mut world = busy();
    for request in 1..=COUNT {
        world.send(2, yields(request));
    }
    assert!(party(&mut world, 1).calls.capacity() <= 64);
    assert!(party(&mut world, 2).invocations.capacity() <= 64);
}

#[test]
fn an_invocation_whose_call_has_ended_is_charged_to_its_callee() {
    let mut world = World::open([1, 2]);
    let options = RegisterOptions { concurrency: Some(10), ..RegisterOptions::default() };
    world.send(2, registers(1, "com.p", options));
    world.invoke(1, 7, "com.p");
    let options = CancelOptions { mode: CancelMode::Skip };
    world.send(1, ClientMessage::Cancel { request: 7, options });
    assert_eq!(party(&mut world, 2).abandoned.bytes(), memory::CALL);
    world.send(2, yields(1));
    assert_eq!(party(&mut world, 2).abandoned.bytes(), 0);
}

#[test]
fn time_is_charged_and_given_back() {
    let mut world = World::open([1, 2]);
    world.register(2, "com.p");
    for request in 1..=COUNT {
        world.send(1, calls(request, "com.p", CallOptions { timeout: 1000, ..CallOptions::default() }));
    }
    assert!(world.router.dealer().deadlines.charged() >= TOTAL * 128 - memory::FREE);
    for request in 1..=COUNT {
        world.send(2, yields(request));
    }
    assert_eq!(world.router.dealer().deadlines.charged(), 0);
}

/// A registration of session 2 whose only place is taken by a call of session 1.
fn taken(world: &mut World) -> u64 {
    let options = RegisterOptions { concurrency: Some(1), ..RegisterOptions::default() };
    let RouterMessage::Registered { registration, .. } =
        only(world.send(2, registers(1, "com.p", options))).1
    else {
        panic!("not registered");
    };
    world.invoke(1, 1, "com.p");
    registration
}

#[test]
fn what_waits_for_a_callee_keeps_nothing_of_its_frame_but_its_payload() {
    let mut world = World::open([1, 2]);
    world.announces(1, &[ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS]);
    taken(&mut world);
    let frame = Bytes::from(vec![b' '; 2_000]);
    for progress in [true, false] {
        let message = ClientMessage::Call {
            request: 2,
            options: CallOptions { progress, ..CallOptions::default() },
            procedure: uri("com.p"),
            payload: Payload { args: Some(frame.slice(..2)), ..payload("[]") },
        };
        assert_eq!(world.send(1, message), []);
        assert!(frame.is_unique(), "{progress}");
    }
}

#[test]
fn a_queue_gives_back_what_many_calls_have_needed() {
    for leaves in [false, true] {
        let mut world = World::open([1, 2, 3]);
        let registration = taken(&mut world);
        for request in 1..=64 {
            assert_eq!(world.send(3, call(request, "com.p")), []);
        }
        if leaves {
            world.leave(3);
        } else {
            for request in 1..=64 {
                let options = CancelOptions { mode: CancelMode::Skip };
                world.send(3, ClientMessage::Cancel { request, options });
            }
        }
        let registration = world.router.dealer().procedures.get_mut(registration).unwrap();
        let calls = std::mem::take(&mut registration.queue).into_calls();
        assert_eq!((calls.len(), calls.capacity()), (0, 0), "{leaves}");
    }
}

/// Requests whose places in a table of 8,192 stand one behind the other.
fn chosen() -> impl Iterator<Item = u64> {
    const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;
    let inverse = (0..6).fold(FACTOR, |x, _| x.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(x))));
    (0..7168_u64).map(move |place| {
        let request = |n: u64| (n << 13 | place).rotate_right(26).wrapping_mul(inverse);
        (0..1 << 51).map(request).find(|request| (1..1 << 53).contains(request)).unwrap()
    })
}

#[test]
fn a_client_that_chooses_its_requests_leaves_no_places_behind() {
    let mut world = World::open([1, 2]);
    world.send(2, register(1, "com.p"));
    for request in chosen() {
        world.send(1, call(request, "com.p"));
    }
    for request in chosen() {
        let options = CancelOptions { mode: CancelMode::Skip };
        world.send(1, ClientMessage::Cancel { request, options });
    }
    for request in 1..=50 {
        world.send(1, call(request, "com.p"));
    }
    let places = world.router.dealer().parties[&SessionId(1)].calls.capacity();
    assert!(places <= 128, "{places}");
}
