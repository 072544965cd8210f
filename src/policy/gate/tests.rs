//! The gate with a policy that decides when the test says so.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::Poll,
    time::Duration,
};

use crate::policy::{
    Decision, JoinRequest, MAX_WAITING, Policy, PolicyError, RawDecision, aside, authid::AuthidPolicy,
};

type PolicyGate = super::Gate<AuthidPolicy>;

/// Says that it has begun, and then waits until it may go on.
#[derive(Debug)]
struct OnDemand {
    begun: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Policy for OnDemand {
    fn answer(&self, _: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        self.begun.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        Ok(RawDecision::None)
    }
}

fn gate(max_concurrent: usize) -> (Arc<PolicyGate>, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (may_go_on, go_on) = channel();
    let policy = OnDemand { begun, go_on: Mutex::new(go_on) };
    (Arc::new(PolicyGate::new("test", Arc::new(policy), max_concurrent)), has_begun, may_go_on)
}

fn decide_on_a_thread(gate: &Arc<PolicyGate>) -> std::thread::JoinHandle<Result<Decision, PolicyError>> {
    let gate = Arc::clone(gate);
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(gate.decide(&JoinRequest::EMPTY))
    })
}

#[test]
fn a_free_place_is_taken_without_waiting() {
    let (gate, begun, go_on) = gate(1);
    go_on.send(()).unwrap();
    let mut decision = pin!(gate.decide(&JoinRequest::EMPTY));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(decision.as_mut().poll(&mut context), Poll::Ready(Ok(Decision::None)));
    begun.try_recv().unwrap();
}

#[test]
fn the_one_too_many_waits_for_its_turn() {
    let (gate, begun, go_on) = gate(1);
    let first = decide_on_a_thread(&gate);
    begun.recv().unwrap();
    let second = decide_on_a_thread(&gate);
    while gate.places.waiting() == 0 {
        std::thread::yield_now();
    }
    assert!(begun.try_recv().is_err(), "two at once");
    for _ in 0..2 {
        go_on.send(()).unwrap();
    }
    assert_eq!(first.join().unwrap(), Ok(Decision::None));
    assert_eq!(second.join().unwrap(), Ok(Decision::None));
    assert_eq!(gate.places.waiting(), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_and_those_who_give_up_make_room() {
    let (gate, _begun, go_on) = gate(1);
    let place = gate.places.take().unwrap();
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(gate.decide(&JoinRequest::EMPTY))).collect();
    poll_fn(|context| {
        for decision in &mut waiting {
            assert!(decision.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    assert_eq!(gate.decide(&JoinRequest::EMPTY).await, Err(PolicyError::Overloaded));

    drop(waiting);
    drop(place);
    go_on.send(()).unwrap();
    assert_eq!(gate.decide(&JoinRequest::EMPTY).await, Ok(Decision::None));
}

#[test]
fn a_waiting_decision_may_move_between_threads() {
    fn must_be_send<T: Send>(_: &T) {}
    let (gate, _begun, _go_on) = gate(1);
    must_be_send(&gate.decide(&JoinRequest::EMPTY));
}

/// Works for longer than a fast decision does, by the processor's clock: by any other, a busy machine would work for others.
fn work_long() {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let begun = now();
    while now() - begun < rustix::time::Timespec::try_from(Duration::from_millis(2)).unwrap() {}
}

/// Takes its time, and says whether that is aside.
#[derive(Debug)]
struct Slow(Sender<bool>);

impl Policy for Slow {
    fn answer(&self, _: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        work_long();
        self.0.send(aside::is_here()).unwrap();
        Ok(RawDecision::None)
    }
}

#[tokio::test]
async fn a_policy_that_was_slow_is_asked_aside() {
    let (asked, was_asked) = channel();
    let gate = PolicyGate::new("test", Arc::new(Slow(asked)), 1);
    for _ in 0..3 {
        assert_eq!(gate.decide(&JoinRequest::EMPTY).await, Ok(Decision::None));
    }
    assert_eq!(was_asked.try_iter().collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn of_a_slow_policy_one_for_each_core_is_asked_and_the_others_wait() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let (gate, begun, go_on) = gate(cores + 1);
    for _ in 0..2 {
        gate.pace.watch(work_long);
    }
    assert!(gate.pace.is_slow());
    let running: Vec<_> = (0..cores).map(|_| decide_on_a_thread(&gate)).collect();
    for _ in &running {
        begun.recv().unwrap();
    }
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut one_more = pin!(gate.decide(&JoinRequest::EMPTY));
    // Asked here, it would not come back before the test lets it go on.
    assert!(one_more.as_mut().poll(&mut context).is_pending());
    assert!(begun.try_recv().is_err(), "more than there are cores");
    for _ in 0..=cores {
        go_on.send(()).unwrap();
    }
    for decision in running {
        assert_eq!(decision.join().unwrap(), Ok(Decision::None));
    }
    assert_eq!(one_more.as_mut().poll(&mut context), Poll::Ready(Ok(Decision::None)));
}
