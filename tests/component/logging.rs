//! A policy's lines in the gateway's log.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;
use wampgate::policy::Decision;

use crate::support::{Cookie, PUBLIC_ID, TRACKING_ID, ask, guest, policy};

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

#[test]
fn lines_are_bounded_and_neither_forged_nor_telling() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let chatty = policy(guest::LOG_SECRETS);
    let decision = tracing::subscriber::with_default(subscriber, || ask(&chatty, &[], Cookie::Known, &[]));
    assert_eq!(decision, Ok(Decision::None));

    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of_the_policy: Vec<&str> = written.lines().filter(|line| line.contains("wampgate::policy")).collect();
    // 16 lines, and one that counts the other five.
    assert_eq!(of_the_policy.len(), 17, "{written}");
    assert!(
        of_the_policy[0].contains("WARN") && of_the_policy[0].contains("fine\\nERROR forged"),
        "{written}"
    );
    assert!(of_the_policy[1].contains("INFO") && of_the_policy[1].contains("[tracking ID]"), "{written}");
    assert!(of_the_policy[16].contains("5 more lines"), "{written}");
    assert!(of_the_policy.iter().all(|line| line.contains("c-17") && line.contains(PUBLIC_ID)), "{written}");
    assert!(!written.contains(TRACKING_ID), "{written}");
}
