//! Calls that take their time: progress in both directions, canceling, time-outs; and payload that clients pack themselves.

use serde_json::{Value, json};

use super::{call, capable, capable_with, joined_with, sentence};
use crate::support::{Client, Gateway, Jar, Serializer, bytes, client::uri, code, gateway::tracking_gateway};

const PROCEDURE: &str = "com.example.work";

/// A caller and a callee of [`PROCEDURE`].
#[track_caller]
fn pair(gateway: &Gateway) -> [Client; 2] {
    let mut callee = capable(gateway);
    callee.register(PROCEDURE).unwrap();
    [capable(gateway), callee]
}

#[track_caller]
fn yields(client: &mut Client, invocation: &Value, options: &Value, args: &Value) {
    client.send(&json!([code::YIELD, invocation[1], options, args]));
}

#[test]
fn progressive_results_come_one_by_one_in_every_serializer() {
    let gateway = tracking_gateway();
    let mut callee = capable(&gateway);
    callee.register(PROCEDURE).unwrap();
    for serializer in Serializer::ALL {
        let mut caller = capable_with(&gateway, serializer);
        let request = call(&mut caller, &json!({ "receive_progress": true }), PROCEDURE, &json!(["go"]));
        let invocation = callee.expect(code::INVOCATION);
        assert_eq!(invocation[3]["receive_progress"], true, "{invocation}");
        for part in 0..3 {
            yields(&mut callee, &invocation, &json!({ "progress": true }), &json!([part]));
        }
        yields(&mut callee, &invocation, &json!({}), &json!(["end"]));
        for part in 0..3 {
            let result = caller.result(request).unwrap();
            assert_eq!((&result[2], &result[3][0]), (&json!({ "progress": true }), &json!(part)), "{result}");
        }
        let result = caller.result(request).unwrap();
        assert_eq!((&result[2], &result[3][0]), (&json!({}), &json!("end")), "{result}");
    }
}

/// autobahn-js is such a callee.
#[test]
fn progressive_results_of_a_callee_that_cannot_be_interrupted() {
    let gateway = tracking_gateway();
    let features = json!({ "progressive_call_results": true, "progressive_call_invocations": true });
    let mut callee = joined_with(&gateway, Serializer::Json, &features);
    callee.register(PROCEDURE).unwrap();
    let mut caller = capable(&gateway);
    let request = call(&mut caller, &json!({ "receive_progress": true }), PROCEDURE, &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    assert_eq!(invocation[3], json!({ "receive_progress": true }));
    yields(&mut callee, &invocation, &json!({ "progress": true }), &json!([1]));
    assert_eq!(caller.result(request).unwrap()[2], json!({ "progress": true }));

    // The call ends, and the callee does not hear of it; what it still says goes nowhere.
    caller.send(&json!([code::CANCEL, request, { "mode": "kill" }]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
    for part in 2..100 {
        yields(&mut callee, &invocation, &json!({ "progress": true }), &json!([part]));
    }
    let request = call(&mut caller, &json!({}), PROCEDURE, &json!(["next"]));
    let next = callee.expect(code::INVOCATION);
    assert_eq!((&next[3], &next[4]), (&json!({}), &json!(["next"])));
    yields(&mut callee, &invocation, &json!({}), &json!([100]));
    yields(&mut callee, &next, &json!({}), &json!(["end"]));
    assert_eq!(caller.result(request).unwrap()[3], json!(["end"]));

    // Invocations that come one by one are only for callees that can be told of their end.
    let request = call(&mut caller, &json!({ "progress": true }), PROCEDURE, &json!([1]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.feature_not_supported");
}

#[test]
fn caller_that_takes_one_result_gets_the_final_one() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    let request = call(&mut caller, &json!({}), PROCEDURE, &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    assert_eq!(invocation[3].get("receive_progress"), None, "{invocation}");
    yields(&mut callee, &invocation, &json!({ "progress": true }), &json!(["part"]));
    yields(&mut callee, &invocation, &json!({}), &json!(["all"]));
    assert_eq!(caller.result(request).unwrap()[3], json!(["all"]));
}

#[test]
fn progressive_invocations_are_one_call() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    let request = call(&mut caller, &json!({ "progress": true }), PROCEDURE, &json!([1]));
    for (last, part) in [(false, 2), (true, 3)] {
        let options = if last { json!({}) } else { json!({ "progress": true }) };
        caller.send(&json!([code::CALL, request, options, PROCEDURE, [part]]));
    }
    let invocations: Vec<Value> = (0..3).map(|_| callee.expect(code::INVOCATION)).collect();
    for (place, invocation) in invocations.iter().enumerate() {
        assert_eq!(invocation[1], invocations[0][1], "one request");
        assert_eq!(invocation[4], json!([place + 1]));
        assert_eq!(invocation[3].get("progress"), (place < 2).then_some(&json!(true)), "{invocation}");
    }
    yields(&mut callee, &invocations[0], &json!({}), &json!(["sum", 6]));
    assert_eq!(caller.result(request).unwrap()[3], json!(["sum", 6]));
    // What crosses the result is dropped, and the session goes on.
    let request = call(&mut caller, &json!({ "progress": true }), PROCEDURE, &json!([1]));
    let invocation = callee.expect(code::INVOCATION);
    yields(&mut callee, &invocation, &json!({}), &json!(["enough"]));
    assert_eq!(caller.result(request).unwrap()[3], json!(["enough"]));
    caller.send(&json!([code::CALL, request, {}, PROCEDURE, [2]]));
    caller.echoes();
}

#[test]
fn progress_to_a_callee_that_knows_none_is_refused() {
    let gateway = tracking_gateway();
    let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
    callee.register(PROCEDURE).unwrap();
    let mut caller = capable(&gateway);
    let request = call(&mut caller, &json!({ "progress": true }), PROCEDURE, &json!([1]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.feature_not_supported");
    let (mut plain, _) = Client::joined(&gateway, &mut Jar::default());
    call(&mut plain, &json!({ "progress": true }), PROCEDURE, &json!([1]));
    plain.is_aborted("wamp.error.protocol_violation");
}

#[test]
fn canceling_in_its_three_modes() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    for mode in ["skip", "kill", "killnowait"] {
        let request = call(&mut caller, &json!({}), PROCEDURE, &json!([mode]));
        let invocation = callee.expect(code::INVOCATION);
        caller.send(&json!([code::CANCEL, request, { "mode": mode }]));
        if mode != "skip" {
            let interrupt = callee.expect(code::INTERRUPT);
            assert_eq!((&interrupt[1], &interrupt[2]["mode"]), (&invocation[1], &json!(mode)), "{interrupt}");
        }
        if mode == "kill" {
            callee.send(&json!([code::ERROR, code::INVOCATION, invocation[1], {}, "com.example.stopped"]));
            assert_eq!(uri(&caller.result(request).unwrap_err()), "com.example.stopped");
        } else {
            let error = caller.result(request).unwrap_err();
            assert_eq!(uri(&error), "wamp.error.canceled");
            assert!(sentence(&error).contains("canceled"), "{error}");
            yields(&mut callee, &invocation, &json!({}), &json!(["late"]));
        }
        // A CANCEL that crosses the answer does no harm.
        caller.send(&json!([code::CANCEL, request, {}]));
        caller.echoes();
    }
}

#[test]
fn caller_that_leaves_or_is_lost_interrupts_its_callee() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    call(&mut caller, &json!({}), PROCEDURE, &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    caller.leaves();
    assert_eq!(callee.expect(code::INTERRUPT)[1], invocation[1]);
    let mut lost = capable(&gateway);
    call(&mut lost, &json!({}), PROCEDURE, &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    drop(lost);
    assert_eq!(callee.expect(code::INTERRUPT)[1], invocation[1]);
}

#[test]
fn call_ends_when_its_time_is_up() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    let request = call(&mut caller, &json!({ "timeout": 50 }), PROCEDURE, &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    assert_eq!(invocation[3].get("timeout"), None, "the dealer keeps the time");
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.timeout");
    let interrupt = callee.expect(code::INTERRUPT);
    assert_eq!((&interrupt[1], &interrupt[2]["reason"]), (&invocation[1], &json!("wamp.error.timeout")));
    yields(&mut callee, &invocation, &json!({}), &json!(["late"]));
    caller.echoes();
}

#[test]
fn callee_that_keeps_the_time_gets_it() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    super::register(&mut callee, &json!({ "forward_timeout": true }), "com.example.timed").unwrap();
    call(&mut caller, &json!({ "timeout": 60_000 }), "com.example.timed", &json!([]));
    assert_eq!(callee.expect(code::INVOCATION)[3]["timeout"], 60_000);
}

#[test]
fn packed_payload_passes_with_its_attributes_in_every_serializer() {
    let gateway = tracking_gateway();
    let [mut caller, mut callee] = pair(&gateway);
    let packed =
        json!({ "ppt_scheme": "x_test", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k" });
    let args = json!([bytes([0, 1, 2, 255])]);
    let request = call(&mut caller, &packed, PROCEDURE, &args);
    let invocation = callee.expect(code::INVOCATION);
    assert_eq!((&invocation[3], &invocation[4]), (&packed, &args), "{invocation}");
    yields(&mut callee, &invocation, &packed, &args);
    let result = caller.result(request).unwrap();
    assert_eq!((&result[2], &result[3]), (&packed, &args), "{result}");
    let request = call(&mut caller, &packed, PROCEDURE, &args);
    let invocation = callee.expect(code::INVOCATION);
    callee.send(&json!([code::ERROR, code::INVOCATION, invocation[1], packed, "com.example.no", args]));
    let error = caller.result(request).unwrap_err();
    assert_eq!((&error[3], &error[5]), (&packed, &args), "{error}");
    for serializer in Serializer::ALL {
        let mut subscriber = capable_with(&gateway, serializer);
        subscriber.subscribe("com.example.packed").unwrap();
        super::publish(&mut caller, packed.clone(), "com.example.packed", &args).unwrap();
        let event = subscriber.expect(code::EVENT);
        assert_eq!((&event[3], &event[4]), (&packed, &args), "{event}");
    }
}

#[test]
fn packed_payload_of_or_for_a_client_that_has_not_announced_it_is_refused() {
    let gateway = tracking_gateway();
    let packed = json!({ "ppt_scheme": "x_test" });
    let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
    callee.register(PROCEDURE).unwrap();
    let mut caller = capable(&gateway);
    let request = call(&mut caller, &packed, PROCEDURE, &json!([]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.feature_not_supported");
    for message in [
        json!([code::CALL, 1, packed, PROCEDURE, []]),
        json!([code::PUBLISH, 1, packed, "com.example.topic", []]),
    ] {
        let (mut plain, _) = Client::joined(&gateway, &mut Jar::default());
        plain.send(&message);
        plain.is_aborted("wamp.error.protocol_violation");
    }
}

/// What a callee answers with a packed payload: the last result, one before it, and an error.
fn packed_answers(invocation: &Value) -> [Value; 3] {
    let packed = json!({ "ppt_scheme": "x_test" });
    let more = json!({ "ppt_scheme": "x_test", "progress": true });
    [
        json!([code::YIELD, invocation[1], packed, ["packed"]]),
        json!([code::YIELD, invocation[1], more, ["packed"]]),
        json!([code::ERROR, code::INVOCATION, invocation[1], packed, "com.example.no", ["packed"]]),
    ]
}

#[test]
fn packed_answer_of_a_callee_that_has_not_announced_it_ends_its_session() {
    let gateway = tracking_gateway();
    let mut caller = capable(&gateway);
    for (answer, element) in ["YIELD.Options", "YIELD.Options", "ERROR.Details"].into_iter().enumerate() {
        let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
        callee.register(PROCEDURE).unwrap();
        let request = call(&mut caller, &json!({ "receive_progress": true }), PROCEDURE, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        callee.send(&packed_answers(&invocation)[answer]);
        let refused = callee.is_aborted("wamp.error.protocol_violation");
        assert!(refused.message.contains(&format!("{element}.ppt_scheme of a client")), "{refused:?}");
        assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
    }
}

#[test]
fn packed_answer_for_a_caller_that_has_not_announced_it_ends_its_call_with_an_error() {
    let gateway = tracking_gateway();
    let mut callee = capable(&gateway);
    callee.register(PROCEDURE).unwrap();
    let (mut caller, _) = Client::joined(&gateway, &mut Jar::default());
    for (answer, what) in ["the result", "the result", "the error com.example.no"].into_iter().enumerate() {
        let request = call(&mut caller, &json!({ "receive_progress": true }), PROCEDURE, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        callee.send(&packed_answers(&invocation)[answer]);
        let error = caller.result(request).unwrap_err();
        assert_eq!(uri(&error), "wamp.error.feature_not_supported", "{error}");
        assert_eq!(error[3], json!({}), "nothing of the packing");
        let says = format!("{what} is packed, and this client has not announced payload_passthru_mode");
        assert_eq!(sentence(&error), says);
        if answer == 1 {
            // The callee goes on no longer, and what has crossed goes nowhere.
            let interrupt = callee.expect(code::INTERRUPT);
            let reason = json!("wamp.error.feature_not_supported");
            assert_eq!((&interrupt[1], &interrupt[2]["reason"]), (&invocation[1], &reason), "{interrupt}");
            yields(&mut callee, &invocation, &json!({}), &json!(["last"]));
        }
        callee.echoes();
        caller.echoes();
        assert!(caller.is_waiting_for_nothing());
    }
}
