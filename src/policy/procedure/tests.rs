use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::poll;

use super::*;
use crate::policy::subject::Whom;

/// A client at an address.
struct At(&'static str);

impl Subject for At {
    fn whom(&self) -> Whom<'_> {
        Whom { connection: "0123456789abcdef", peer: self.0, ..Whom::default() }
    }
}

const LOUD: At = At("203.0.113.9:1");
const QUIET: At = At("203.0.113.10:1");

/// Keeps what it is called with, and answers what it is told to.
#[derive(Debug, Default)]
struct Scripted {
    held: Mutex<Vec<Place>>,
    called: AtomicUsize,
    fails: Option<CallFailure>,
    waits: bool,
}

impl Callee for Scripted {
    fn call<'a>(&'a self, call: Call<'a>) -> Calling<'a> {
        self.called.fetch_add(1, Relaxed);
        Box::pin(async move {
            if self.waits {
                self.held.lock().unwrap().push(call.place);
                std::future::pending::<()>().await;
            }
            self.fails.map_or(Ok(Said::Result(Value::Null)), Err)
        })
    }
}

fn gate(callee: &Arc<Scripted>, most: usize) -> ProcedureGate {
    let options = ProcedureOptions {
        max_concurrent: most,
        ..ProcedureOptions::new(Uri::known("com.example.authenticate"))
    };
    let callees = HashMap::from([("realm1".into(), Arc::clone(callee) as Arc<dyn Callee>)]);
    ProcedureGate::new(options, Tally::of(&["yes"]), callees)
}

async fn ask(gate: &ProcedureGate, subject: &(impl Subject + Sync), realm: &str) -> Result<(), PolicyError> {
    gate.decide(subject, realm, (None, Vec::new()), |_| Ok(()), |()| "yes").await
}

#[tokio::test]
async fn each_failure_is_no_answer_and_is_counted() {
    for (failure, kind) in [
        (CallFailure::Absent, "unreachable"),
        (CallFailure::Left, "unreachable"),
        (CallFailure::Busy, "unreachable"),
        (CallFailure::NotAllowed, "unreachable"),
        (CallFailure::Circle, "unreachable"),
        (CallFailure::NoRealm, "unreachable"),
        (CallFailure::TooLate, "deadline"),
        (CallFailure::Unreadable, "contract"),
    ] {
        let gate = gate(&Arc::new(Scripted { fails: Some(failure), ..Scripted::default() }), 1);
        let error = ask(&gate, &QUIET, "realm1").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{failure:?}");
        let counted: Vec<_> = gate.tally.decisions().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(kind, 1)]);
    }
    let gate = gate(&Arc::default(), 1);
    assert_eq!(ask(&gate, &QUIET, "realm2").await.unwrap_err().kind(), "unreachable");
    assert_eq!(ask(&gate, &QUIET, "realm1").await, Ok(()));
}

#[tokio::test]
async fn one_address_holds_a_share_of_the_calls_and_the_others_go_on() {
    let callee = Arc::new(Scripted { waits: true, ..Scripted::default() });
    let gate = gate(&callee, 8);
    let mut loud: Vec<_> = (0..20).map(|_| Box::pin(ask(&gate, &LOUD, "realm1"))).collect();
    for waiting in &mut loud {
        assert!(poll!(waiting).is_pending());
    }
    assert_eq!(callee.called.load(Relaxed), 2, "a quarter of eight");
    let mut quiet = Box::pin(ask(&gate, &QUIET, "realm1"));
    assert!(poll!(&mut quiet).is_pending());
    assert_eq!(callee.called.load(Relaxed), 3);
    // The realm has done with one of them: the next of that address is called.
    let first = callee.held.lock().unwrap().remove(0);
    drop(first);
    for waiting in &mut loud {
        assert!(poll!(waiting).is_pending());
    }
    assert_eq!(callee.called.load(Relaxed), 4);
    // Who does not wait any more leaves its place where it is, until the realm has done with the call.
    drop(loud);
    let mut again = Box::pin(ask(&gate, &LOUD, "realm1"));
    assert!(poll!(&mut again).is_pending());
    assert_eq!(callee.called.load(Relaxed), 4);
}

#[tokio::test]
async fn a_peer_about_whom_calls_come_too_late_again_and_again_has_to_wait() {
    let callee = Arc::new(Scripted { fails: Some(CallFailure::TooLate), ..Scripted::default() });
    let gate = gate(&callee, 8);
    let mut kinds = Vec::new();
    for _ in 0..10 {
        kinds.push(ask(&gate, &LOUD, "realm1").await.unwrap_err().kind());
    }
    assert_eq!(kinds.last(), Some(&"penalty"), "{kinds:?}");
    assert_eq!(ask(&gate, &QUIET, "realm1").await.unwrap_err().kind(), "deadline");
}

#[tokio::test]
async fn a_place_is_waited_for_no_longer_than_an_answer() {
    let callee = Arc::new(Scripted { waits: true, ..Scripted::default() });
    let mut gate = gate(&callee, 1);
    gate.options.timeout = Duration::from_millis(50);
    let mut first = Box::pin(ask(&gate, &LOUD, "realm1"));
    assert!(poll!(&mut first).is_pending());
    assert_eq!(ask(&gate, &QUIET, "realm1").await, Err(PolicyError::Overloaded));
    assert_eq!(callee.called.load(Relaxed), 1);
}
