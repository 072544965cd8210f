//! Passwords: asked for at a terminal without showing them, or read from standard input.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::cli::output::complain;

/// The first line of standard input; at a terminal, what the operator types twice.
pub(super) fn ask() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let _hidden = Hidden::begin()?;
    complain(&"Password: ");
    let password = line();
    complain(&"\nThe same again: ");
    let again = line();
    complain(&"\n");
    let password = password?;
    if again? != password {
        bail!("the two are not the same: nothing was changed");
    }
    Ok(password)
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("the password cannot be read")?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        bail!("the password is empty: pipe it into the command, or type it at a terminal");
    }
    Ok(password.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped. `stty` is part of every system that has terminals, and a crate for
/// two system calls would be one more to trust with passwords.
struct Hidden;

impl Hidden {
    fn begin() -> anyhow::Result<Self> {
        if stty("-echo") {
            return Ok(Self);
        }
        bail!(
            "the terminal cannot hide what you type (`stty -echo` fails): pipe the password into the command"
        );
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(argument: &str) -> bool {
    let stty = Command::new("stty").arg(argument).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    stty.is_ok_and(|status| status.success())
}
