//! Calls while all clients together may hold little (`max_memory`): each thing that a call is charged for, used up and given back.

use std::time::Instant;

use serde_json::{Value, json};

use super::room::fill_up;
use crate::{
    gateway::realm::{call, capable, register, sentence},
    support::{
        Client, Gateway, Jar, PATIENCE,
        client::uri,
        code,
        config::{With as _, tracked, web},
    },
};

const PROCEDURE: &str = "com.example.slow";

/// How many calls of a session are free.
const FREE: usize = 32;

/// How many calls that end at a time are free, of all sessions of a realm.
const FREE_TIMED: usize = 64;

/// So much that a few of them fill the memory, and so little that nothing else is charged for them.
const LARGE: usize = 7 * 1024;

/// A gateway with little memory, and a callee of [`PROCEDURE`].
fn start(registration: &Value) -> (Gateway, Client, Value) {
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let mut callee = capable(&gateway);
    let registration = register(&mut callee, registration, PROCEDURE).unwrap();
    (gateway, callee, registration)
}

/// Calls, and does not wait for an answer; the ERROR if the call is refused for want of memory, and for what it was wanted.
#[track_caller]
fn try_call(caller: &mut Client, options: &Value, args: &Value) -> Result<u64, String> {
    try_call_of(PROCEDURE, caller, options, args)
}

/// The same, for another procedure.
#[track_caller]
fn try_call_of(procedure: &str, caller: &mut Client, options: &Value, args: &Value) -> Result<u64, String> {
    let request = call(caller, options, procedure, args);
    is_taken(caller, request).map(|()| request)
}

/// Whether a call that was sent waits for its callee.
#[track_caller]
fn is_taken(caller: &mut Client, request: u64) -> Result<(), String> {
    // The realm does one thing after the other: what it says of the call comes before the answer to this.
    caller.publish("com.example.marker", &json!([]), &json!({})).unwrap();
    if caller.is_waiting_for_nothing() {
        return Ok(());
    }
    let error = caller.result(request).unwrap_err();
    assert_eq!(uri(&error), "wamp.error.unavailable", "{error}");
    let said = sentence(&error);
    let (_, for_what) = said.split_once("no memory left for ").unwrap_or_else(|| panic!("{error}"));
    Err(for_what.to_owned())
}

/// Calls until there is no memory left; the calls.
#[track_caller]
fn fill(caller: &mut Client, options: &Value, args: &Value, for_what: &str) -> Vec<u64> {
    let mut waiting = Vec::new();
    loop {
        match try_call(caller, options, args) {
            Ok(request) => waiting.push(request),
            Err(wanted) => {
                assert!(wanted.starts_with(for_what), "{wanted}");
                return waiting;
            }
        }
        assert!(waiting.len() < 150, "7 KiB each, and always memory for one more");
    }
}

#[track_caller]
fn is_answered(callee: &mut Client, caller: &mut Client, request: u64) {
    let invocation = callee.expect(code::INVOCATION);
    callee.send(&json!([code::YIELD, invocation[1], {}]));
    caller.result(request).unwrap();
}

#[track_caller]
fn cancel(caller: &mut Client, request: u64) {
    caller.send(&json!([code::CANCEL, request, { "mode": "skip" }]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
}

const FOR_ANSWERS: &str = "calls that wait for their answers";
const FOR_CALLEES: &str = "calls that wait:";

#[test]
fn calls_that_wait_for_their_answers_count_as_memory() {
    let (gateway, mut callee, _) = start(&json!({}));
    let mut caller = capable(&gateway);
    // Less is left than what calls are charged by and by.
    let others = fill_up(&gateway, 100);
    let none = json!({});
    let waiting = fill(&mut caller, &none, &json!([]), FOR_ANSWERS);
    assert_eq!(waiting.len(), FREE);
    // One that has its answer makes room for another one.
    is_answered(&mut callee, &mut caller, waiting[0]);
    try_call(&mut caller, &none, &json!([])).unwrap();
    try_call(&mut caller, &none, &json!([])).unwrap_err();
    // So do other clients. The gateway notices in its own time that they are gone.
    drop(others);
    let begun = Instant::now();
    while try_call(&mut caller, &none, &json!([])).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing was given back");
    }
    try_call(&mut caller, &none, &json!([])).unwrap();
}

#[test]
fn calls_that_end_at_a_time_count_as_memory() {
    let (gateway, _callee, _) = start(&json!({}));
    let mut callers = [capable(&gateway), capable(&gateway), capable(&gateway)];
    let _others = fill_up(&gateway, 100);
    let timed = json!({ "timeout": 3_600_000 });
    let mut waiting = Vec::new();
    for caller in &mut callers[..FREE_TIMED / FREE] {
        waiting = fill(caller, &timed, &json!([]), FOR_ANSWERS);
        assert_eq!(waiting.len(), FREE);
    }
    let [_, second, third] = &mut callers;
    assert!(try_call(third, &timed, &json!([])).unwrap_err().starts_with(FOR_ANSWERS));
    try_call(third, &json!({}), &json!([])).unwrap();
    cancel(second, waiting[0]);
    try_call(third, &timed, &json!([])).unwrap();
    try_call(third, &timed, &json!([])).unwrap_err();
}

/// What the callee has got, the gateway keeps no longer, except what it says again with each later invocation.
#[test]
fn what_is_kept_for_later_invocations_counts_as_memory_until_the_last_one() {
    let (gateway, mut callee, _) = start(&json!({}));
    let mut caller = capable(&gateway);
    let (long, procedure) = ("x".repeat(64), "x".repeat(1024));
    register(&mut callee, &json!({}), &procedure).unwrap();
    let packed = json!({ "ppt_scheme": long, "ppt_serializer": long, "ppt_cipher": long, "ppt_keyid": "x".repeat(256) });
    let try_call =
        |caller: &mut Client, options: &Value, args: &Value| try_call_of(&procedure, caller, options, args);
    let more = packed.clone().with("progress", json!(true));
    let none = json!([]);
    let mut kept = Vec::new();
    while let Ok(request) = try_call(&mut caller, &more, &none) {
        // It is read, so that nothing else is kept than what is looked at.
        callee.expect(code::INVOCATION);
        kept.push(request);
        assert!(kept.len() < 600, "2 KiB each, and always memory for one more");
    }
    assert!(kept.len() > 350, "{}", kept.len());
    // A call that does not go on keeps none of it.
    try_call(&mut caller, &packed, &none).unwrap();
    callee.expect(code::INVOCATION);
    // One that goes on needs nothing more. The last invocation ends what was kept, and so does an answer or a CANCEL.
    for (request, options) in [(kept[0], &more), (kept[0], &packed), (kept[1], &more)] {
        caller.send(&json!([code::CALL, request, options, procedure, []]));
        let invocation = callee.expect(code::INVOCATION);
        assert_eq!(invocation[3], *options, "{request}");
    }
    try_call(&mut caller, &more, &none).unwrap();
    try_call(&mut caller, &more, &none).unwrap_err();
    callee.expect(code::INVOCATION);
    cancel(&mut caller, kept[2]);
    try_call(&mut caller, &more, &none).unwrap();
    try_call(&mut caller, &more, &none).unwrap_err();
}

#[test]
fn later_invocations_that_wait_for_a_callee_count_as_memory_and_end_their_call_where_there_is_none() {
    let (gateway, mut callee, _) = start(&json!({ "concurrency": 1 }));
    let mut caller = capable(&gateway);
    let first = try_call(&mut caller, &json!({}), &json!([])).unwrap();
    let (more, large) = (json!({ "progress": true }), json!(["x".repeat(LARGE)]));
    let mut counts = Vec::new();
    for _ in 0..2 {
        let request = try_call(&mut caller, &more, &large).unwrap();
        let mut count = 1;
        loop {
            caller.send(&json!([code::CALL, request, more, PROCEDURE, large]));
            count += 1;
            if let Err(wanted) = is_taken(&mut caller, request) {
                assert!(wanted.starts_with(FOR_CALLEES), "{wanted}");
                break;
            }
            assert!(count < 150, "7 KiB each, and always memory for one more");
        }
        counts.push(count);
        // What was sent before the caller knew is no new call.
        caller.send(&json!([code::CALL, request, {}, PROCEDURE, large]));
        is_taken(&mut caller, request).unwrap();
    }
    assert!(counts[0] > 100, "{counts:?}");
    assert_eq!(counts[0], counts[1], "the call that has ended has given everything back");
    is_answered(&mut callee, &mut caller, first);
    caller.echoes();
}

#[test]
fn calls_that_wait_for_their_callee_count_as_memory() {
    let slow = json!({ "concurrency": 1 });
    let (gateway, mut callee, registration) = start(&slow);
    let mut caller = Client::joined(&gateway, &mut Jar::default()).0;
    let large = json!(["x".repeat(LARGE)]);
    // One that its callee has, and as many as there is room for behind it.
    let fill = |caller: &mut Client| fill(caller, &json!({}), &large, FOR_CALLEES);

    let served = fill(&mut caller);
    assert!(served.len() > 100, "{}", served.len());
    for request in &served {
        is_answered(&mut callee, &mut caller, *request);
    }

    // Each way out of the queue gives back what a call was charged.
    let canceled = fill(&mut caller);
    assert_eq!(canceled.len(), served.len());
    for request in canceled.iter().skip(1) {
        cancel(&mut caller, *request);
    }
    is_answered(&mut callee, &mut caller, canceled[0]);

    let left = fill(&mut caller);
    assert_eq!(left.len(), served.len());
    callee.unregister(&registration).unwrap();
    for request in left.iter().skip(1) {
        assert_eq!(uri(&caller.result(*request).unwrap_err()), "wamp.error.canceled");
    }
    is_answered(&mut callee, &mut caller, left[0]);

    register(&mut callee, &slow, PROCEDURE).unwrap();
    assert_eq!(fill(&mut caller).len(), served.len());
}
