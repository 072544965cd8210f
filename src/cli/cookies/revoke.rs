//! `wampgate cookies revoke`: removes cookies for good. It asks before it removes all of them.

use std::io::{self, BufRead as _, Write as _};

use anyhow::bail;
use clap::{ArgGroup, Args};

use super::{
    super::complain,
    StoreArgs,
    output::{Listing, counted},
    perform,
    place::{self, StoreAccess},
};
use wampgate::admin::{Command, IdArgument, Selection, Summary};

/// Which cookies to revoke.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "authid", "all"])))]
pub(crate) struct RevokeArgs {
    /// A tracking ID or a public ID (write -- before one that begins with -h)
    #[arg(allow_hyphen_values = true)]
    id: Option<String>,
    /// Every cookie that is authenticated as AUTHID
    #[arg(long, value_name = "AUTHID")]
    authid: Option<String>,
    /// Every cookie; asks before, unless --yes is there
    #[arg(long)]
    all: bool,
    /// Tell how many cookies and connections it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Revokes the cookies.
pub(super) fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let selection = match (args.id, args.authid) {
        (Some(id), _) => Selection::Id(IdArgument(id)),
        (None, Some(authid)) => Selection::Authid(authid),
        // The group requires one of its arguments, so that this is `--all`.
        (None, None) => Selection::All,
    };
    if args.dry_run {
        return perform(&args.store, Command::CountRevoked(selection), Listing::None);
    }
    if args.all && !args.yes {
        ask(&args.store)?;
    }
    perform(&args.store, Command::Revoke(selection), Listing::None)
}

/// Asks whether all cookies shall go. Fails if the answer is another than yes.
fn ask(store: &StoreArgs) -> anyhow::Result<()> {
    let place = StoreAccess::reach(place::choose(store)?, false)?;
    let command = Command::CountRevoked(Selection::All);
    let (records, connections) = match place.perform(command, false, None, &mut |_| Ok(()))? {
        Summary::Revocable { records: 0, .. } => return Ok(()),
        Summary::Revocable { records, connections } => (records, connections),
        _ => bail!("nothing is revoked: the gateway did not count its cookies, add --yes to do without"),
    };
    let (records, connections) = (counted(records, "cookie"), counted(connections, "connection"));
    complain(&format_args!("revoke {records} and close {connections}, for good? [y/N] "));
    io::stderr().flush()?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        bail!("nothing is revoked: there is no answer, add --yes where nothing can answer");
    }
    if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        bail!("nothing is revoked");
    }
    Ok(())
}
