//! The `wampgate` command: arguments, logging, configuration, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use wampgate::cli::Cli;

fn main() -> ExitCode {
    match wampgate::cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wampgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
