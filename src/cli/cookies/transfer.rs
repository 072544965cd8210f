//! `export` and `import`: moves cookies to and from files, in the format of the file store or of Crossbar.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write, stdin, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{
    super::complain,
    Format, StoreArgs,
    output::{Listing, Output, Progress},
    place::{self, StoreAccess},
};
use wampgate::{
    admin::{Command, Reply},
    store::{StoreOptions, read_lines, write_line},
};

/// The name that stands for standard input or output.
const STANDARD: &str = "-";

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to create, with mode 0600; - is standard output
    #[arg(default_value = STANDARD)]
    file: PathBuf,
    /// The format to write
    #[arg(long, value_enum, default_value_t = Format::Wampgate)]
    format: Format,
    #[command(flatten)]
    store: StoreArgs,
}

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file to read; - is standard input
    #[arg(default_value = STANDARD)]
    file: PathBuf,
    /// The only format to accept [default: both, even mixed]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Leave out damaged lines; without this option a damaged line ends the import before it adds a cookie
    #[arg(long)]
    skip_damaged: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    if !args.store.reveal {
        bail!("an export holds tracking IDs, which are credentials: add --reveal if you want to write them");
    }
    let chosen = place::choose(&args.store)?;
    if let StoreOptions::Redis(options) = &chosen.store {
        bail!(
            "{} has no tracking IDs, only their digests, so that there is nothing to export: copy its data with \
             `redis-cli --rdb FILE`, or let a replica follow it",
            options.url
        );
    }
    let place = StoreAccess::reach(chosen, false)?;
    if is_standard(&args.file) {
        return write_to(BufWriter::new(stdout().lock()), place, args);
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    let name = args.file.display();
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name} is there already and stays as it is: name another file, or remove this one")
        }
        file => file.with_context(|| format!("cannot create {name}"))?,
    };
    let outcome = write_to(BufWriter::new(&file), place, args).and_then(|()| Ok(file.sync_all()?));
    if outcome.is_err() {
        // A reader could take half an export for a whole one.
        drop(fs::remove_file(&args.file));
    }
    outcome
}

fn write_to(mut out: impl Write, place: StoreAccess, args: &ExportArgs) -> anyhow::Result<()> {
    let mut progress = Progress::new(true);
    let mut line = Vec::new();
    let command = Command::List { authid: None, limit: None };
    let summary = place.perform(command, true, None, &mut |reply| {
        match reply {
            Reply::Record(entry) => {
                let (id, record) = entry.into_record().ok_or(io::ErrorKind::InvalidData)?;
                line.clear();
                write_line(&id, &record, args.format.into(), &mut line);
                out.write_all(&line)?;
            }
            Reply::Progress { done, total } => progress.show(done, total),
            _ => {}
        }
        Ok(())
    });
    progress.clear();
    let summary = summary?;
    out.flush()?;
    // Standard output may be the export itself.
    complain(&format_args!("exported {}\n", super::output::sentence(&summary)));
    Ok(())
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let chosen = place::choose(&args.store)?;
    let name = args.file.display();
    let text: Box<dyn Read> = if is_standard(&args.file) {
        Box::new(stdin().lock())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("cannot open {name}"))?)
    };
    // Reads everything before it adds the first cookie, so that a damaged file changes nothing.
    let (records, skipped) = read_lines(text, args.format.map(Into::into), args.skip_damaged)
        .with_context(|| format!("nothing was imported from {name}"))?;
    let place = StoreAccess::reach(chosen, true)?;
    let mut output = Output::new(args.store.json, Listing::None);
    let command = Command::Import { total: records.len() as u64 };
    let summary = place.perform(command, false, Some(&records), &mut |reply| {
        if let Reply::Progress { done, total } = reply {
            output.progress(done, total);
        }
        Ok(())
    });
    output.end_progress();
    if skipped > 0 {
        complain(&format_args!("left out damaged lines: {skipped}\n"));
    }
    Ok(output.summary(&summary?)?)
}

fn is_standard(file: &Path) -> bool {
    file == Path::new(STANDARD)
}
