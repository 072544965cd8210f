//! `wampgate reload`: has a running gateway read its configuration again, and says what came of it.

use std::{io::Write, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{SourceArgs, complain};
use wampgate::admin::{AdminClient, ClientError, ReloadReport, SOCKET};

/// The exit code if the gateway has to be started again for a part of the configuration.
const NEEDS_RESTART: u8 = 3;

/// Whom to tell.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Print the gateway's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Asks the gateway that runs on the node directory, and prints its answer.
///
/// The configuration itself is not read here: the gateway reads it, with its own environment, and says everything that is wrong.
pub(crate) fn reload(args: &ReloadArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let node_dir = args.source.source().node_dir();
    let socket = node_dir.join(SOCKET);
    let connected = AdminClient::connect(&node_dir)
        .with_context(|| format!("cannot ask the gateway at {}", socket.display()))?;
    let Some(client) = connected else {
        bail!(
            "no gateway listens at {}: none runs on this node directory, it starts, or it drains",
            socket.display()
        );
    };
    let report = match client.reload() {
        Ok(report) => report,
        Err(ClientError::Refused(faults)) => {
            complain(&format_args!("wampgate: the gateway goes on by its old configuration:\n{faults}\n"));
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    print(&report, args.json, out)?;
    Ok(if report.needs_restart.is_empty() { ExitCode::SUCCESS } else { NEEDS_RESTART.into() })
}

fn print(report: &ReloadReport, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if as_json {
        writeln!(out, "{}", serde_json::to_string(report)?)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}
