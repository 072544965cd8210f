//! The command line: one file per subcommand.

mod check;
mod cookies;
mod logging;
mod policy;
mod reload;
mod run;
mod schema;

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use wampgate::config::ConfigSource;

/// A WebSocket gateway that gives every client an identity that survives reconnects.
#[derive(Debug, Parser)]
#[command(name = "wampgate", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (also without naming a subcommand)
    Run(RunArgs),
    /// Check a configuration with its policies, and print every fault with its remedy
    Check(CheckArgs),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Show, revoke and move the cookies of a store, also while a gateway runs on it
    #[command(subcommand)]
    Cookies(cookies::CookiesCommand),
    /// Start, test, ask and inspect a policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// The node directory, which holds config.json; relative paths in it are relative to this directory
    /// [default: .crossbar; without a config.json there, a built-in configuration runs]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    node_dir: Option<PathBuf>,
    /// A configuration file; its folder is the node directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What to check.
#[derive(Debug, Clone, Default, Args)]
struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Do not load the policies: their components and their configurations stay unchecked
    #[arg(long)]
    without_policies: bool,
}

/// How to run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The form of the log lines on standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What the gateway logs: a level (error, warn, info, debug, trace), or directives such as `info,wampgate::policy=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "WAMPGATE_LOG")]
    log: String,
    /// Append every request to a policy to this file, with the answer: cases for `policy test`. The gateway replaces
    /// tracking IDs; the name must end in .jsonl
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

impl SourceArgs {
    fn source(&self) -> ConfigSource {
        match (&self.config, &self.node_dir) {
            (Some(file), _) => ConfigSource::File(file.clone()),
            (None, Some(dir)) => ConfigSource::NodeDir(dir.clone()),
            (None, None) => ConfigSource::Default,
        }
    }
}

/// Runs the command. `main` prints an error with its causes.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let passed = |ok| if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Check(args)) => {
            let (source, policies) = (args.source.source(), !args.without_policies);
            Ok(passed(check::check(&source, policies, &mut io::stdout().lock())?))
        }
        Some(Command::Schema) => {
            schema::schema(&mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Cookies(command)) => cookies::run(command),
        Some(Command::Policy(command)) => {
            logging::start(LogFormat::Text, command.log_filter())?;
            Ok(passed(policy::run(&command, &mut io::stdin().lock(), &mut io::stdout().lock())?))
        }
    }
}
