//! `wampgate policy`: starts, tests, asks and inspects a policy, an authenticator or an authorizer, without a gateway.

mod inspect;
mod new;

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tracing_subscriber::filter::LevelFilter;

use wampgate::{
    policy::{ComponentKind, Grants, Instances, PolicyOptions},
    testkit::{
        AuthenticationQuestion, AuthorizationQuestion, Cases, Request, TestAuthenticator, TestAuthorizer,
        TestPolicy, ruling_json, verdict_json,
    },
};

/// The largest request that the command reads, in bytes; no HELLO is larger.
const MAX_REQUEST: u64 = 1024 * 1024;

/// Why standard input is not asked.
const NO_REQUEST: &str = "standard input is no request (docs/policy-cases.md has the format)";

/// What to do with a policy, an authenticator or an authorizer.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write a project to start a component from, which builds and passes its own test
    New(new::NewArgs),
    /// Ask a component the cases of a file, and those that every component of its kind must survive
    Test(TestArgs),
    /// Ask a component one request, read as JSON from standard input, and print its answer as JSON
    Decide(DecideArgs),
    /// Print the facts about a component: contract, imports, needed grants, size, time to compile
    Inspect(InspectArgs),
}

/// How to test.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// The cases: docs/policy-cases.md has the format
    #[arg(value_name = "CASES")]
    cases: Option<PathBuf>,
    /// The realm's roles: an answer with another role fails [default: those of each case; without any, all roles will do]
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    #[command(flatten)]
    options: OptionArgs,
}

/// How to ask.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    #[command(flatten)]
    options: OptionArgs,
}

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How the policy runs, unless a cases file says so.
#[derive(Debug, Default, Args)]
struct OptionArgs {
    /// The policy's configuration, a JSON object [default: that of the cases, or {}]
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// What the policy may import beyond `log`
    #[arg(long, value_name = "GRANT", value_enum, value_delimiter = ',')]
    grants: Vec<GrantArg>,
    /// How long a decision may take, in milliseconds [default: that of the cases, or 20]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    deadline: Option<u64>,
    /// Keep instances from one decision to the next
    #[arg(long)]
    warm: bool,
    /// Write the policy's log lines of this level and above to standard error
    /// [default: debug for `decide`, off for `test`]
    #[arg(long, value_name = "LEVEL", value_enum)]
    log: Option<LogLevel>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GrantArg {
    Clock,
    Random,
    Wasi,
}

impl OptionArgs {
    /// Puts these options over others.
    fn over(&self, mut options: PolicyOptions) -> anyhow::Result<PolicyOptions> {
        if let Some(config) = &self.config {
            let parsed: Map<String, Value> =
                serde_json::from_str(config).context("--config: use a JSON object such as '{}'")?;
            options.config = Value::Object(parsed).to_string();
        }
        for grant in &self.grants {
            match grant {
                GrantArg::Clock => options.grants.clock = true,
                GrantArg::Random => options.grants.random = true,
                GrantArg::Wasi => options.grants.wasi = true,
            }
        }
        if let Some(millis) = self.deadline {
            options.deadline = Duration::from_millis(millis);
        }
        if self.warm {
            options.instances = Instances::Warm;
        }
        Ok(options)
    }
}

impl PolicyCommand {
    /// What is logged of policies while the command runs.
    pub(super) fn log_level(&self) -> LevelFilter {
        let level = match self {
            Self::Test(args) => args.options.log.unwrap_or(LogLevel::Off),
            Self::Decide(args) => args.options.log.unwrap_or(LogLevel::Debug),
            _ => LogLevel::Off,
        };
        match level {
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Off => LevelFilter::OFF,
        }
    }
}

/// Runs the command. False if the policy failed.
pub(crate) fn run(
    command: &PolicyCommand,
    input: &mut impl Read,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    match command {
        PolicyCommand::New(args) => new::new(args, out),
        PolicyCommand::Test(args) => test(args, out),
        PolicyCommand::Decide(args) => decide(args, input, out),
        PolicyCommand::Inspect(args) => inspect::inspect(&args.component, args.json, out),
    }
}

fn test(args: &TestArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let report = match kind(&args.component) {
        ComponentKind::Authenticator => {
            let (cases, options) = args.cases(ComponentKind::Authenticator)?;
            TestAuthenticator::load_with(&args.component, options)?.with_roles(&args.roles).run_all(&cases)
        }
        ComponentKind::Authorizer if !args.roles.is_empty() => {
            bail!("an authorizer names no roles in its answers: leave out --roles")
        }
        ComponentKind::Authorizer => {
            let (cases, options) = args.cases(ComponentKind::Authorizer)?;
            TestAuthorizer::load_with(&args.component, options)?.run_all(&cases)
        }
        _ => {
            let (cases, options) = args.cases(ComponentKind::Policy)?;
            TestPolicy::load_with(&args.component, options)?.with_roles(&args.roles).run_all(&cases)
        }
    };
    writeln!(out, "{report}")?;
    Ok(report.passed())
}

impl TestArgs {
    /// The cases for a component of this kind, none without a file, and how they say that it runs.
    fn cases<C: DeserializeOwned>(&self, kind: ComponentKind) -> anyhow::Result<(Cases<C>, PolicyOptions)> {
        let cases = match &self.cases {
            Some(file) => Cases::read(file).map_err(|error| named(kind, error.into()))?,
            None => Cases::default(),
        };
        let options = self.options.over(cases.options.clone())?;
        Ok((cases, options))
    }
}

/// An error about what is asked, with the kind of component that it would be asked of: each has its own questions.
fn named(kind: ComponentKind, error: anyhow::Error) -> anyhow::Error {
    match kind {
        ComponentKind::Policy => error,
        kind => error
            .context(format!("the component is an {}, which has its own questions and answers", kind.name())),
    }
}

/// What a component seems to be. Where that is not to be seen, loading it as a policy tells what is wrong with it.
fn kind(component: &Path) -> ComponentKind {
    ComponentKind::guess(component).unwrap_or(ComponentKind::Policy)
}

fn decide(args: &DecideArgs, input: &mut impl Read, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut text = String::new();
    input.take(MAX_REQUEST + 1).read_to_string(&mut text).context("cannot read the request")?;
    if text.len() as u64 > MAX_REQUEST {
        bail!("the request is larger than {MAX_REQUEST} bytes");
    }
    let options = args.options.over(PolicyOptions::default())?;
    let kind = kind(&args.component);
    let (answer, is_ok) = match kind {
        ComponentKind::Authenticator => {
            let question: AuthenticationQuestion = read(&text, kind)?;
            let answer = TestAuthenticator::load_with(&args.component, options)?.authenticate(&question);
            (verdict_json(&answer), answer.is_ok())
        }
        ComponentKind::Authorizer => {
            let question: AuthorizationQuestion = read(&text, kind)?;
            let answer = TestAuthorizer::load_with(&args.component, options)?.authorize(&question);
            (ruling_json(&answer), answer.is_ok())
        }
        _ => {
            let request: Request = read(&text, kind)?;
            let policy = TestPolicy::load_with(&args.component, options)?;
            policy.answer(&request).map_err(|fault| anyhow!(fault)).context(NO_REQUEST)?
        }
    };
    writeln!(out, "{answer}")?;
    Ok(is_ok)
}

/// The question that stands on standard input.
fn read<Q: DeserializeOwned>(text: &str, kind: ComponentKind) -> anyhow::Result<Q> {
    serde_json::from_str(text).context(NO_REQUEST).map_err(|error| named(kind, error))
}

/// The grants as words.
fn grant_names(grants: Grants) -> Vec<&'static str> {
    let words = [("clock", grants.clock), ("random", grants.random), ("wasi", grants.wasi)];
    words.into_iter().filter_map(|(word, given)| given.then_some(word)).collect()
}
