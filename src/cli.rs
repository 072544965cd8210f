//! The command line: one file per subcommand.

mod check;
mod cookies;
mod environment;
mod health;
mod init;
mod logging;
mod manual;
mod mapped;
mod notify;
mod output;
mod parse;
mod policy;
mod principals;
mod reconfigure;
mod reload;
mod run;
mod schema;
#[cfg(feature = "otel")]
mod traces;
mod version;

use std::{io, net::IpAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use wampgate::{
    config::{ConfigSource, LoadOptions},
    policy as policy_api,
};

pub(crate) use output::{complain, explain};
pub(crate) use parse::read;

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
    /// Write a configuration to start with, with comments and a file store
    Init(init::InitArgs),
    /// Check a configuration with its policies, and print every fault with its remedy
    Check(CheckArgs),
    /// Print the JSON Schema of the configuration
    Schema {
        /// Print a page for people instead: every key with its type, its default and its meaning
        #[arg(long)]
        markdown: bool,
    },
    /// Print the version, the features and the contracts of policies that this build speaks
    Version {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the completions of a shell: put them where your shell looks for them
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each subcommand into a folder
    Man {
        /// The folder; it must exist
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Ask a running gateway whether it is ready: the exit code is 0 if it is, and 1 if not
    Health(health::HealthArgs),
    /// Have a running gateway read its configuration again: the exit code is 0 if it goes by it, 1 if something is wrong with it, and 3 if
    /// a part of it needs a restart
    Reload(reconfigure::ReloadArgs),
    /// Show, revoke and move the cookies of a store, also while a gateway runs on it
    #[command(subcommand)]
    Cookies(cookies::CookiesCommand),
    /// Add, remove and list the principals of a file, for methods of type `file`
    #[command(subcommand)]
    Principals(principals::PrincipalsCommand),
    /// Compile a component for the gateway, which runs itself for that
    #[command(name = policy_api::COMPILE_COMMAND, hide = true)]
    CompileComponent {
        /// For which engine
        arguments: Vec<String>,
    },
    /// Start, test, ask and inspect a policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

/// What to do where no configuration was found.
const WHERE_CONFIGURATIONS_ARE: &str = "there is no .crossbar/config.json here; name a configuration with `--node-dir` or `--config`, or write one with \
     `wampgate init`";

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// The node directory, which holds config.json; relative paths in it are relative to this directory
    /// [env: `WAMPGATE_NODE_DIR`] [default: .crossbar; without a config.json there, a built-in configuration runs]
    #[arg(long, value_name = "DIR")]
    node_dir: Option<PathBuf>,
    /// A configuration file; its folder is the node directory, unless --node-dir names another one [env: `WAMPGATE_CONFIG`]
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
    /// Check the rest where secrets are absent: a secret's variable that is not set, or a file that cannot be read, is a warning, and so
    /// is a folder that is not there
    #[arg(long)]
    allow_missing_secrets: bool,
}

/// How to run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The port to listen at, instead of the one in the configuration, if that has one TCP transport
    /// [env: `WAMPGATE_PORT`]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The interface to listen at, instead of the one in the configuration: an IP address, such as 0.0.0.0 for all of IPv4
    /// [env: `WAMPGATE_INTERFACE`]
    #[arg(long, value_name = "ADDRESS")]
    interface: Option<IpAddr>,
    /// The form of the log lines on standard error [env: `WAMPGATE_LOG_FORMAT`] [default: text]
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// What the gateway logs: a level (error, warn, info, debug, trace), or directives such as `info,wampgate::policy=debug`
    /// [env: `WAMPGATE_LOG`] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Append every request to a policy to this file, with the answer: cases for `policy test`. The gateway replaces
    /// tracking IDs; the name must end in .jsonl
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Read the configuration again when its file changes, as SIGHUP and `wampgate reload` do
    #[arg(long)]
    watch: bool,
    /// Wait so long for a gateway that still has the cookie store or the node directory, because it drains. Without this the start
    /// fails at once
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=300))]
    take_over: u16,
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
    /// The arguments say it, or else the environment, or else it is the default.
    fn source(&self) -> ConfigSource {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // One argument leaves nothing to the environment: `--node-dir` means the configuration in that directory.
        let (file, node_dir) = match (&self.config, &self.node_dir) {
            (None, None) => (env("WAMPGATE_CONFIG"), env("WAMPGATE_NODE_DIR")),
            (file, node_dir) => (file.clone(), node_dir.clone()),
        };
        match (file, node_dir) {
            (Some(file), Some(node_dir)) => ConfigSource::FileAt { node_dir, file },
            (Some(file), None) => ConfigSource::File(file),
            (None, Some(dir)) => ConfigSource::NodeDir(dir),
            (None, None) => ConfigSource::Default,
        }
    }
}

impl RunArgs {
    /// How the configuration is read.
    fn load_options(&self) -> anyhow::Result<LoadOptions> {
        Ok(LoadOptions {
            port: environment::port(self.port)?,
            interface: environment::interface(self.interface)?,
            ..LoadOptions::default()
        })
    }
}

/// The program that this process is, on Linux also when its file has been replaced since. An empty root folder without `/proc` leaves
/// the path by which the process was started.
fn own_program() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() {
        return Some(own);
    }
    let started =
        || std::env::args_os().next().map(PathBuf::from).filter(|path| path.is_absolute() && path.is_file());
    std::env::current_exe().ok().or_else(started)
}

/// Runs the command. `main` prints an error with its causes.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let passed = |ok| if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match own_program() {
        Some(program) => policy_api::compile_apart(program),
        None => eprintln!(
            "wampgate: note: this process cannot find its own program, so it compiles components itself, without limits of \
             time and memory. Mount /proc, or start wampgate by its whole path"
        ),
    }
    if let Err(error) = mapped::explain_faults() {
        eprintln!(
            "wampgate: note: nothing would tell why the process ends if a mapped file was cut: {error}"
        );
    }
    match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Check(args)) => Ok(passed(check::check(&args, &mut output::stdout())?)),
        Some(Command::Schema { markdown }) => {
            schema::schema(markdown, &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Init(args)) => {
            init::init(&args, &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Version { json }) => {
            version::version(json, &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Completions { shell }) => {
            manual::completions(shell, &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man { dir }) => {
            manual::manual(dir.as_deref(), &mut output::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::CompileComponent { arguments }) => {
            let code = policy_api::compile_for_parent(
                &arguments,
                &mut io::stdin().lock(),
                &mut io::stdout().lock(),
            )?;
            Ok(ExitCode::from(code))
        }
        Some(Command::Health(args)) => health::health(&args, &mut output::stdout()),
        Some(Command::Reload(args)) => reconfigure::reload(&args, &mut output::stdout()),
        Some(Command::Cookies(command)) => cookies::run(command),
        Some(Command::Principals(command)) => principals::run(&command),
        Some(Command::Policy(command)) => {
            logging::start(LogFormat::Text, logging::LogFilter::of_policies(command.log_level()))?;
            Ok(passed(policy::run(&command, &mut io::stdin().lock(), &mut output::stdout())?))
        }
    }
}
