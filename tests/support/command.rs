//! Commands that end by themselves: what they print, and whether they succeed.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    /// The exit code; -1: it was ended by a signal.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program under test, without arguments.
pub(crate) fn wampgate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wampgate"))
}

/// Runs a command to its end, with a text on its standard input.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    Ran {
        success: output.status.success(),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What it has printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert!(self.success, "{self:?}");
        self.stdout
    }

    /// Why it has failed; it must have.
    #[track_caller]
    pub(crate) fn complained(self) -> String {
        assert!(!self.success, "{self:?}");
        assert_eq!(self.stdout, "");
        self.stderr
    }

    /// The JSON Lines that it has printed.
    #[track_caller]
    pub(crate) fn json(self) -> Vec<Value> {
        self.printed().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
