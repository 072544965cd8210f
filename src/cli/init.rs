//! `wampgate init`: writes a configuration to start with.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;

/// The configuration, with comments.
const START: &str = include_str!("../../examples/start.json");

/// Where to write it.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The node directory; it is made if it does not exist [env: `WAMPGATE_NODE_DIR`]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes `config.json` into the node directory. A file that is there stays as it is.
pub(crate) fn init(args: &InitArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let env = || std::env::var_os("WAMPGATE_NODE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let dir = args.dir.clone().or_else(env).unwrap_or_else(|| PathBuf::from(".crossbar"));
    // Cookies and keys will stand there, which are the gateway's own.
    if dir.exists() && !dir.is_dir() {
        bail!("{} is a file: name the directory that config.json goes into", dir.display());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.with_context(|| format!("cannot make the node directory {}", dir.display()))?;
    let path = dir.join("config.json");
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(
            "{} is there already and stays as it is: edit it, or name another directory",
            path.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    file.write_all(START.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    let node_dir = match &args.dir {
        Some(dir) => format!(" --node-dir {}", dir.display()),
        None => String::new(),
    };
    writeln!(out, "wrote {}", path.display())?;
    writeln!(
        out,
        "read its comments, check what you change with `wampgate check{node_dir}`, and start with `wampgate run{node_dir}`"
    )?;
    Ok(out.flush()?)
}
