//! `wampgate policy new`: writes a project to start a component from, with its build and its cases.

mod project;

use std::{
    env, fmt, fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, bail};
use clap::Args;

use self::project::{File, Kind, Language};

/// The longest name, in bytes: a file's name with room for endings.
const MAX_NAME: usize = 64;

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The project's name: a-z, 0-9, and hyphens between them; it begins with a letter
    #[arg(value_name = "NAME")]
    name: ProjectName,
    /// What to write
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    kind: Kind,
    /// The language to write it in
    #[arg(long, value_name = "LANGUAGE", value_enum)]
    lang: Language,
    /// The folder to write it into, which must be empty or not exist yet [default: NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A name that the package manager of every language accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProjectName(String);

impl FromStr for ProjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() > MAX_NAME {
            return Err(format!("use at most {MAX_NAME} characters"));
        }
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) || !text.split('-').all(is_word) {
            return Err(
                "use a-z, 0-9 and single hyphens between them, with a letter first, such as `my-policy`"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes a project, and prints what to do next.
pub(super) fn new(args: &NewArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name.0));
    let files = project::files(args.kind, args.lang, &args.name.0);
    claim(&folder)?;
    for file in &files {
        let path = folder.join(file.path);
        write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    tell(args, &folder, &files, out)?;
    Ok(true)
}

/// Makes sure that the folder exists and is empty.
fn claim(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => bail!("{shown} is not empty: choose another name, or another folder with --dir"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {shown}"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot use {shown} as a folder")),
    }
}

/// Writes a new file, never over an existing one. Scripts become executable, as far as the umask allows.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if text.starts_with("#!") { 0o777 } else { 0o666 };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

fn tell(args: &NewArgs, folder: &Path, files: &[File], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} is {} in {}:\n", folder.display(), args.kind.title(), args.lang.title())?;
    for file in files {
        writeln!(out, "    {}", file.path)?;
    }
    writeln!(out, "\nNext:\n\n    cd {}", quoted(folder))?;
    // The project's test needs the gateway.
    if let Some(gateway) = gateway_off_path() {
        writeln!(out, "    export WAMPGATE={}", quoted(&gateway))?;
    }
    for command in args.lang.commands() {
        writeln!(out, "    {command}")?;
    }
    writeln!(out, "\nREADME.md says how to go on.")
}

/// This program, unless `$WAMPGATE` or PATH leads to one.
fn gateway_off_path() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::var_os("WAMPGATE").is_some()
        || env::split_paths(&path).any(|folder| folder.join("wampgate").is_file());
    if found { None } else { env::current_exe().ok() }
}

/// The path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
    if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ProjectName, quoted};

    #[test]
    fn names_are_those_that_every_package_manager_takes() {
        for name in ["a", "my-policy", "v2", "a1-2b", &"x".repeat(64)] {
            assert_eq!(name.parse(), Ok(ProjectName(name.to_owned())));
        }
        let bad = ["", "-", "a-", "-a", "a--b", "2a", "A", "a_b", "a.b", "a b", "a/b", "..", "é", "fn\n"];
        for name in bad.into_iter().chain([&*"x".repeat(65)]) {
            assert!(name.parse::<ProjectName>().is_err_and(|fault| fault.starts_with("use ")), "{name}");
        }
    }

    #[test]
    fn paths_are_quoted_where_a_shell_would_read_something_else() {
        assert_eq!(quoted(Path::new("../a/my-policy")), "../a/my-policy");
        assert_eq!(quoted(Path::new("my $HOME's")), r"'my $HOME'\''s'");
    }
}
