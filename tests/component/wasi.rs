//! The grant `wasi`: what a guest gets of WASI, and what ends its decision.

use wampgate::policy::{Grants, PolicyError, PolicyLoadFault, PolicyOptions, WasmPolicy};

use super::{
    logging::logged_by,
    support::{self, Cookie, DEADLINE, ENGINE, TRACKING_ID, ask, authid, options, text},
};

/// Imports of a guest in text, each with the name under which its functions are called.
const IMPORTS: &str = r#"
  (import "wasi:cli/environment@0.2.6" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:cli/exit@0.2.6" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:io/poll@0.2.6" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/error@0.2.6" (instance $failure (export "error" (type (sub resource)))))
  (alias export $failure "error" (type $error))
  (import "wasi:io/streams@0.2.6" (instance $streams
    (export "error" (type $e (eq $error)))
    (export "output-stream" (type $output (sub resource)))
    (type $v (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $failed (eq $v)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $failed)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stderr@0.2.6" (instance $stderr
    (export "output-stream" (type $o (eq $output)))
    (export "get-stderr" (func (result (own $o))))))
  (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
    (export "pollable" (type $p (eq $pollable)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:random/random@0.2.6" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:sockets/instance-network@0.2.6" (instance $network
    (export "network" (type $n (sub resource)))
    (export "instance-network" (func (result (own $n))))))
  (core func $environment (canon lower (func $environment "get-environment") (memory $memory) (realloc $realloc)))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $stderr (canon lower (func $stderr "get-stderr")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core func $now (canon lower (func $clock "now")))
  (core func $sleep (canon lower (func $clock "subscribe-duration")))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))
  (core func $number (canon lower (func $random "get-random-u64")))
  (core func $connect (canon lower (func $network "instance-network")))
"#;

const HOST: &str = r#"
  (export "environment" (func $environment)) (export "exit" (func $exit)) (export "block" (func $block))
  (export "stderr" (func $stderr)) (export "write" (func $write)) (export "now" (func $now))
  (export "sleep" (func $sleep)) (export "bytes" (func $bytes)) (export "number" (func $number))
  (export "connect" (func $connect))
"#;

/// The functions that a guest calls. Its answer is none, the case 1, unless it writes another.
fn guest(decide: &str) -> Vec<u8> {
    let functions = format!(
        r#"(import "host" "environment" (func $environment (param i32)))
        (import "host" "exit" (func $exit (param i32)))
        (import "host" "block" (func $block (param i32)))
        (import "host" "stderr" (func $stderr (result i32)))
        (import "host" "write" (func $write (param i32 i32 i32 i32)))
        (import "host" "now" (func $now (result i64)))
        (import "host" "sleep" (func $sleep (param i64) (result i32)))
        (import "host" "bytes" (func $bytes (param i64 i32)))
        (import "host" "number" (func $number (result i64)))
        (import "host" "connect" (func $connect (result i32)))
        (func (export "decide") (param i32) (result i32) {decide} (i32.store8 (i32.const 4) (i32.const 1)) (i32.const 0))"#
    );
    let text = text(&functions).replace(";; IMPORTS\n", IMPORTS).replace(";; HOST\n", HOST);
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn load(component: &[u8], wasi: bool) -> Result<WasmPolicy, PolicyLoadFault> {
    load_with(component, PolicyOptions { grants: Grants { wasi, ..Grants::default() }, ..options() })
}

fn load_with(component: &[u8], options: PolicyOptions) -> Result<WasmPolicy, PolicyLoadFault> {
    WasmPolicy::from_bytes(&ENGINE, "guest", component, options).map_err(|error| error.fault)
}

fn decide(functions: &str) -> Result<wampgate::policy::Decision, PolicyError> {
    let policy = load(&guest(functions), true).unwrap_or_else(|fault| panic!("{fault}"));
    ask(&policy, &[], Cookie::Known, &[])
}

#[test]
fn without_the_grant_it_is_refused_by_name_and_with_it_it_loads() {
    let fault = load(&guest(""), false).expect_err("it loads").to_string();
    assert!(fault.contains("wasi:cli/environment@0.2.6") && fault.contains("the grant `wasi`"), "{fault}");
    assert!(load(&guest(""), true).is_ok());
}

#[test]
fn another_wasi_is_refused_with_the_one_that_is_there() {
    let newer = r#"(component (import "wasi:cli/environment@0.3.0" (instance)))"#;
    let fault = load(&wat::parse_str(newer).unwrap(), true).expect_err("it loads").to_string();
    assert!(fault.contains("wasi:cli/environment@0.3.0") && fault.contains("WASI 0.2"), "{fault}");
}

#[test]
fn there_is_no_environment_and_a_clock_and_randomness() {
    let check = r"
        (call $environment (i32.const 64))
        (if (i32.load (i32.const 68)) (then (unreachable)))
        (if (i64.ne (i64.rem_u (call $now) (i64.const 1000000)) (i64.const 0)) (then (unreachable)))
        (if (i64.eq (call $number) (call $number)) (then (unreachable)))
        (call $bytes (i64.const 2496) (i32.const 64))
        (if (i32.ne (i32.load (i32.const 68)) (i32.const 2496)) (then (unreachable)))";
    assert!(decide(check).is_ok());
}

#[test]
fn nothing_waits() {
    // An hour.
    assert!(decide("(call $block (call $sleep (i64.const 3600000000000)))").is_ok());
    // A guest that sleeps for ever is a loop like any other.
    let sleepless = "(local $p i32) (local.set $p (call $sleep (i64.const 1))) (loop (call $block (local.get $p)) (br 0))";
    let grants = Grants { wasi: true, ..Grants::default() };
    let options = PolicyOptions { grants, deadline: DEADLINE, ..options() };
    let sleepless = load_with(&guest(sleepless), options).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(ask(&sleepless, &[], Cookie::Known, &[]), Err(PolicyError::Deadline(DEADLINE)));
}

#[test]
fn what_is_not_there_ends_the_decision_by_its_name() {
    match decide("(drop (call $connect))") {
        Err(PolicyError::Trap(text)) => {
            assert!(text.contains("wasi:sockets/instance-network@0.2.6"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    match decide("(call $exit (i32.const 0))") {
        Err(PolicyError::Trap(text)) => assert!(text.contains("exit"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn handles_random_bytes_and_lines_are_bounded() {
    for endless in [
        "(loop (drop (call $stderr)) (br 0))",
        "(call $bytes (i64.const 1000000000000) (i32.const 64))",
        "(local $s i32) (local.set $s (call $stderr)) (i32.store8 (i32.const 128) (i32.const 10))
         (i32.store8 (i32.const 127) (i32.const 65))
         (loop (call $write (local.get $s) (i32.const 127) (i32.const 2) (i32.const 64)) (br 0))",
    ] {
        assert_eq!(decide(endless), Err(PolicyError::HostCalls));
    }
}

#[test]
fn what_it_writes_is_its_log_without_the_tracking_id() {
    // The cookie's ID, on a line that does not end.
    let write = "(local $s i32) (local.set $s (call $stderr))
        (call $write (local.get $s) (i32.load offset=80 (local.get 0)) (i32.load offset=84 (local.get 0)) (i32.const 64))";
    let policy = load(&guest(write), true).unwrap();
    let (written, decision) = logged_by(&policy);
    assert!(decision.is_ok(), "{decision:?}");
    assert_eq!(written.lines().count(), 1, "{written}");
    assert!(written.contains("WARN") && written.contains("[tracking ID]"), "{written}");
    assert!(!written.contains(TRACKING_ID), "{written}");
}

#[test]
fn a_guest_that_needs_nothing_of_it_is_as_before() {
    let policy = load(&support::bytes(support::guest::MARK), true).unwrap();
    assert_eq!(authid(ask(&policy, &[], Cookie::Off, &[])), "11");
}
