//! `wampgate cookies`: shows, revokes and moves the cookies of a store.
//!
//! While a gateway runs on the node directory, the gateway carries the command out, through its socket. Otherwise this
//! process opens the store itself. Tracking IDs are credentials, so that the command prints them only with `--reveal`.

mod listing;
mod output;
mod place;
mod revoke;
mod transfer;

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};

use self::{
    output::{Listing, Output},
    place::{Chosen, StoreAccess},
};
use super::{LogFormat, SourceArgs, logging};
use tracing_subscriber::filter::LevelFilter;
use wampgate::{
    admin::{ClientError, Command, Failure, IdArgument, Reply},
    store::{self, StoreOptions},
};

/// What to do with the cookies.
#[derive(Debug, Subcommand)]
pub(crate) enum CookiesCommand {
    /// List the live cookies, and count them
    Ls(listing::ListArgs),
    /// Show one cookie with everything that the store knows about it
    Show {
        /// A tracking ID or a public ID (write -- before one that begins with -h)
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove cookies for good, and end their connections
    Revoke(revoke::RevokeArgs),
    /// Drop expired cookies now; a running gateway drops them every minute
    Purge(StoreArgs),
    /// Rewrite the file of a store without its dead lines; the gateway does so when half of the lines are dead
    Compact(StoreArgs),
    /// Keep the whole lines of a damaged file; the damaged file stays beside it
    Repair(StoreArgs),
    /// Write all live cookies, with their IDs, as JSON Lines
    Export(transfer::ExportArgs),
    /// Add the cookies of another file, also of Crossbar's cookies.dat; cookies that the store has stay as they are
    Import(transfer::ImportArgs),
}

/// Which store, and how to print.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The path of the service that has the store, such as /ws; needed if the configuration has several stores
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The transport that the path belongs to: its id, or its place in the list from 0 on
    #[arg(long, value_name = "ID")]
    transport: Option<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Print tracking IDs. A tracking ID is a credential: keep the output to yourself
    #[arg(long)]
    reveal: bool,
}

/// A format of cookies as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Crossbar's cookies.dat.
    Crossbar,
    /// The file store's own: the same with last visits and checksums.
    Wampgate,
}

/// Runs one of the commands. `main` prints an error.
pub(crate) fn run(command: CookiesCommand) -> anyhow::Result<ExitCode> {
    logging::start(LogFormat::Text, logging::LogFilter::of_gateway(LevelFilter::WARN))?;
    let outcome = match command {
        CookiesCommand::Ls(args) => listing::list(&args),
        CookiesCommand::Show { id, store } => {
            perform(&store, Command::Show(IdArgument(id)), Listing::Details)
        }
        CookiesCommand::Revoke(args) => revoke::revoke(args),
        CookiesCommand::Purge(store) => perform(&store, Command::Purge, Listing::None),
        CookiesCommand::Compact(store) => perform(&store, Command::Compact, Listing::None),
        CookiesCommand::Repair(store) => repair(&store),
        CookiesCommand::Export(args) => transfer::export(&args),
        CookiesCommand::Import(args) => transfer::import(&args),
    };
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // The reader has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    }
}

fn perform(args: &StoreArgs, command: Command, listing: Listing) -> anyhow::Result<()> {
    let place = StoreAccess::reach(place::choose(args)?, false)?;
    let mut output = Output::new(args.json, listing);
    let summary = place.perform(command, args.reveal, None, &mut |reply| {
        match reply {
            Reply::Record(entry) => output.record(&entry)?,
            Reply::Progress { done, total } => output.progress(done, total),
            _ => {}
        }
        Ok(())
    });
    output.end_progress();
    Ok(output.summary(&summary?)?)
}

fn repair(args: &StoreArgs) -> anyhow::Result<()> {
    let Chosen { store, .. } = place::choose(args)?;
    let path: PathBuf = match store {
        StoreOptions::File { path, .. } => path,
        StoreOptions::Lmdb { path, .. } => bail!(
            "{} is an LMDB environment, whose changes are never half done: if the disk has damaged it, put a sound copy \
             in its place",
            path.display()
        ),
        StoreOptions::Memory { .. } => bail!("a store in memory has no file to repair"),
        StoreOptions::Redis(_) => bail!("Redis repairs its own files: `redis-check-aof --fix`"),
        _ => bail!("only a store of type \"file\" has a file that this command can repair"),
    };
    place::must_exist(&path)?;
    let repaired = store::repair(&path)?;
    Ok(Output::new(args.json, Listing::None).repaired(&path, &repaired)?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| match cause.downcast_ref::<Failure>() {
        Some(Failure::Gone(io)) => Some(io),
        _ => match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Output(io)) => Some(io),
            _ => cause.downcast_ref::<io::Error>(),
        },
    });
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

impl From<Format> for store::LineFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Crossbar => Self::Crossbar,
            Format::Wampgate => Self::Wampgate,
        }
    }
}
