//! `wampgate completions` and `wampgate man`: what shells and `man` know of the command, made of the declarations of its help.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// Writes the completions of a shell.
pub(crate) fn completions(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    // The generator ends the program if it cannot write, so that it writes into memory.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wampgate", &mut text);
    out.write_all(&text)?;
    out.flush()
}

/// Writes the manual page, or with a folder those of all subcommands: `wampgate.1`, `wampgate-run.1` and so on.
pub(crate) fn manual(dir: Option<&Path>, out: &mut impl Write) -> anyhow::Result<()> {
    match dir {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir)
            .with_context(|| format!("cannot write the pages into {}", dir.display())),
        None => Ok(Man::new(Cli::command()).render(out)?),
    }
}
