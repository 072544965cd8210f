//! The `wampgate` command: arguments, logging, configuration, run, exit code.
//!
//! The command is a program on top of the library: it uses the library's public items and nothing else. What only the
//! command needs (clap, anyhow, tracing-subscriber, signals) therefore stays out of the crate that policy authors and
//! embedders compile.

mod cli;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    match cli::read(env::args_os()).map_or_else(|unusable| unusable.exit(), cli::run) {
        Ok(code) => code,
        Err(error) => {
            cli::complain(&format!("wampgate: {}\n", cli::explain(&error)));
            ExitCode::FAILURE
        }
    }
}
