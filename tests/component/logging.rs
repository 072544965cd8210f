//! A policy's lines in the gateway's log.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Instant,
};

use tracing_subscriber::fmt::MakeWriter;
use wampgate::policy::{Decision, PolicyError, PolicyGate, PolicyOptions, WasmPolicy};

use super::support::{
    Cookie, DEADLINE, PUBLIC_ID, TRACKING_ID, ask, full_request, guest, load, options, policy,
};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a policy's answer leaves in the log, and the answer.
pub(crate) fn logged_by(policy: &WasmPolicy) -> (String, Result<Decision, PolicyError>) {
    logged_while(|| ask(policy, &[], Cookie::Known, &[]))
}

fn logged_while<T>(action: impl FnOnce() -> T) -> (String, T) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let outcome = tracing::subscriber::with_default(subscriber, action);
    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours = written.lines().filter(|line| line.contains("wampgate::policy"));
    (ours.flat_map(|line| [line, "\n"]).collect(), outcome)
}

fn logged(guest: &str) -> (String, Result<Decision, PolicyError>) {
    logged_by(&policy(guest))
}

#[test]
fn lines_are_bounded_and_neither_forged_nor_telling() {
    let (written, decision) = logged(guest::LOG_SECRETS);
    assert_eq!(decision, Ok(Decision::None));
    let lines: Vec<&str> = written.lines().collect();
    // 16 lines, and one that counts the other five.
    assert_eq!(lines.len(), 17, "{written}");
    assert!(lines[0].contains("WARN") && lines[0].contains("fine\\nERROR forged"), "{written}");
    assert!(lines[1].contains("INFO") && lines[1].contains("[tracking ID]"), "{written}");
    assert!(lines[16].contains("5 more lines"), "{written}");
    assert!(
        lines.iter().all(|line| line.contains("connection=\"c1\"") && line.contains(PUBLIC_ID)),
        "{written}"
    );
    assert!(!written.contains(TRACKING_ID), "{written}");
}

#[test]
fn a_failure_is_one_line_with_policy_connection_and_public_id() {
    let gate = PolicyGate::new("guest", Arc::new(policy(guest::TRAP)), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let decide = || full_request().with(|request| runtime.block_on(gate.decide(request)));
    let (written, decision) = logged_while(decide);
    assert!(matches!(decision, Err(PolicyError::Trap(_))), "{decision:?}");
    assert_eq!(written.lines().count(), 1, "{written}");
    for part in ["WARN", "policy=\"guest\"", "connection=\"c1\"", PUBLIC_ID, "the component trapped"] {
        assert!(written.contains(part), "{part}: {written}");
    }
    assert!(!written.contains(TRACKING_ID), "{written}");
}

/// Holds the first line up for twice the deadline, as a busy machine might.
struct Stalling(std::sync::atomic::AtomicBool);

impl Write for &Stalling {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            let until = Instant::now() + 2 * DEADLINE;
            while Instant::now() < until {
                std::thread::yield_now();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_decision_that_was_kept_from_running_beyond_its_deadline_still_counts() {
    static STALLING: Stalling = Stalling(std::sync::atomic::AtomicBool::new(false));
    let subscriber = tracing_subscriber::fmt().with_writer(|| &STALLING).finish();
    // A single line: with more of them the machine could keep it from running for many ticks more.
    let guest = r#"(func (export "decide") (param i32) (result i32)
        (call $log (i32.const 2) (i32.const 64) (i32.const 5)) (i32.store8 (i32.const 4) (i32.const 1)) (i32.const 0))"#;
    let options = PolicyOptions { deadline: DEADLINE, ..options() };
    let policy = load(guest, options).unwrap_or_else(|error| panic!("{error}"));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..10 {
            STALLING.0.store(false, std::sync::atomic::Ordering::Relaxed);
            let begun = Instant::now();
            let decision = ask(&policy, &[], Cookie::Known, &[]);
            assert!(begun.elapsed() >= 2 * DEADLINE, "it was not held up");
            // A busy machine may hold it up for so long that it does not count any more.
            if decision == Err(PolicyError::Deadline(DEADLINE)) && begun.elapsed() >= 25 * DEADLINE {
                continue;
            }
            assert_eq!(decision, Ok(Decision::None));
            return;
        }
        panic!("the machine held each of ten decisions up for half a second");
    });
}
