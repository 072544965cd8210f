//! `wampgate principals`: writes the files of `"type": "file"`.
//!
//! The command needs no gateway. A gateway that runs sees the new file within a second, and ends the sessions of principals that were
//! removed or changed.

mod derive;
mod edit;
mod password;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use self::{
    derive::{Form, Kdf},
    edit::Edit,
};
use super::{complain, output};
use wampgate::config::Name;

/// The exit code if the file was changed, and a gateway would refuse what it holds now.
const REFUSED: u8 = 3;

/// What to do with a file of principals.
#[derive(Debug, Subcommand)]
pub(crate) enum PrincipalsCommand {
    /// Add a principal: asks for its password, or reads it from standard input
    Add(AddArgs),
    /// Remove principals; a gateway that runs ends their sessions
    ///
    /// The exit code is 3 if they were removed and a gateway would refuse what the file still holds: it then goes on with what the file held before.
    Rm {
        /// The file
        file: PathBuf,
        /// Their authids
        #[arg(required = true)]
        authids: Vec<String>,
    },
    /// List the principals with their methods, roles and realms, without their credentials
    Ls {
        /// The file
        file: PathBuf,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Print what a principal's entry needs besides its role, and write nothing
    Hash(CredentialArgs),
}

/// A new principal.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The file; the command makes it if there is none
    file: PathBuf,
    /// The name of the principal
    authid: String,
    /// The role that it gets
    #[arg(long)]
    role: String,
    /// The realm that it belongs to; without it, any
    #[arg(long)]
    realm: Option<String>,
    /// Take the place of a principal of this name
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    credential: CredentialArgs,
}

/// What a principal proves its identity by.
#[derive(Debug, Args)]
pub(crate) struct CredentialArgs {
    /// The method that the principal's client offers
    #[arg(long, value_enum, default_value_t = Method::Scram)]
    method: Method,
    /// How the client derives its keys from the password, for scram and wamp-scram [default: argon2id-13]
    #[arg(long, value_enum)]
    kdf: Option<KdfName>,
    /// The public key of the principal, in 64 hexadecimal digits, for cryptosign; without it, the command draws a key pair and prints
    /// the private key once
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
}

/// The methods that have principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// A password for autobahn for Python and other clients of Crossbar.io; the file holds what verifies it, and nothing that opens a session
    Scram,
    /// A password for clients that follow the WAMP specification; the file holds what verifies it, and nothing that opens a session
    WampScram,
    /// The file holds a key that is derived from the password
    Wampcra,
    /// The file holds the secret itself
    Ticket,
    /// The file holds a public key
    Cryptosign,
}

/// How keys are derived for SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KdfName {
    /// Argon2id, which takes memory from those who try passwords
    #[value(name = "argon2id-13")]
    Argon2id13,
    /// PBKDF2, for clients of wamp-scram that have nothing else
    Pbkdf2,
}

/// Does what the command says.
pub(crate) fn run(command: &PrincipalsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PrincipalsCommand::Add(args) => add(args)?,
        PrincipalsCommand::Rm { file, authids } => return remove(file, authids),
        PrincipalsCommand::Ls { file, json } => list(file, *json)?,
        PrincipalsCommand::Hash(args) => {
            let (credential, private) = args.credential()?;
            tell_of_private(private)?;
            writeln!(output::stdout(), "{}", serde_json::to_string_pretty(&credential)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add(args: &AddArgs) -> anyhow::Result<()> {
    for (what, text) in [("authid", &args.authid), ("role", &args.role)] {
        if let Err(error) = Name::parse(text) {
            bail!("the {what} is not valid ({error}): use {}", Name::RULE);
        }
    }
    // Whether the file can be written, and whether a gateway would take it, shows before anyone types a password.
    let ticket = Map::from_iter([("ticket".to_owned(), "stands in for the credential".into())]);
    if args.put(ticket)?.1 && !args.replace {
        bail!("the file has a principal of this name already: remove it first, or use `--replace`");
    }
    let (credential, private) = args.credential.credential()?;
    let (edit, was_there) = args.put(credential)?;
    if was_there && !args.replace {
        bail!("the file has got a principal of this name meanwhile");
    }
    edit.finish()?;
    tell_of_private(private)
}

impl AddArgs {
    /// The file with the principal, not written yet, and whether the file had a principal of this name.
    fn put(&self, mut principal: Map<String, Value>) -> anyhow::Result<(Edit, bool)> {
        principal.insert("role".to_owned(), self.role.as_str().into());
        if let Some(realm) = &self.realm {
            principal.insert("realm".to_owned(), realm.as_str().into());
        }
        let mut edit = Edit::begin(&self.file)?;
        let was_there = edit.principals.insert(self.authid.clone(), Value::Object(principal)).is_some();
        if let Err(faults) = edit.check()? {
            bail!("a gateway would refuse the file, so that nothing was changed: {faults}");
        }
        Ok((edit, was_there))
    }
}

/// A private key is printed once, and stays nowhere.
fn tell_of_private(private: Option<String>) -> anyhow::Result<()> {
    if let Some(private) = private {
        writeln!(output::stdout(), "private key, for the client alone: {private}")?;
    }
    Ok(())
}

fn remove(file: &Path, authids: &[String]) -> anyhow::Result<ExitCode> {
    let mut edit = Edit::begin(file)?;
    for authid in authids {
        if edit.principals.remove(authid).is_none() {
            bail!("there is no principal `{authid}` in {}: nothing was changed", file.display());
        }
    }
    let checked = edit.check()?;
    edit.finish()?;
    Ok(match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => {
            complain(&format_args!(
                "wampgate: {} was changed, but a gateway refuses it and goes on with what it held before, until you mend this: {faults}\n",
                file.display()
            ));
            REFUSED.into()
        }
    })
}

fn list(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let principals = edit::read(file)?.with_context(|| format!("there is no file {}", file.display()))?;
    let mut out = output::stdout();
    for (authid, principal) in principals.iter().filter(|(_, principal)| principal.is_object()) {
        let text = |name: &str| principal.get(name).and_then(Value::as_str);
        let (method, role, realm) = (method_of(principal), text("role"), text("realm"));
        if as_json {
            writeln!(out, "{}", json!({ "authid": authid, "method": method, "role": role, "realm": realm }))?;
        } else {
            let realm = realm.map(|realm| format!("  realm {realm}")).unwrap_or_default();
            writeln!(out, "{authid}  {}  role {}{realm}", method.unwrap_or("?"), role.unwrap_or("?"))?;
        }
    }
    if principals.is_empty() && !as_json {
        writeln!(out, "no principals")?;
    }
    out.flush()?;
    Ok(())
}

fn method_of(principal: &Value) -> Option<&'static str> {
    let methods = [
        ("ticket", "ticket"),
        ("secret", "wampcra"),
        ("stored-key", "scram"),
        ("authorized_keys", "cryptosign"),
    ];
    methods.into_iter().find(|(member, _)| principal.get(member).is_some()).map(|(_, method)| method)
}

impl CredentialArgs {
    /// The members of an entry, and the private key if one was drawn.
    fn credential(&self) -> anyhow::Result<(Map<String, Value>, Option<String>)> {
        if self.key.is_some() && self.method != Method::Cryptosign {
            bail!("`--key` is for `--method cryptosign`");
        }
        if self.kdf.is_some() && !matches!(self.method, Method::Scram | Method::WampScram) {
            bail!("`--kdf` is for `--method scram` and `--method wamp-scram`");
        }
        Ok(match self.method {
            Method::Scram if self.kdf == Some(KdfName::Pbkdf2) => bail!(
                "autobahn for Python offers `scram`, and fails at PBKDF2: leave `--kdf` out, or use `--method wamp-scram` for another client"
            ),
            Method::Scram => (derive::scram(&password::ask()?, Kdf::argon2id(Form::Text))?, None),
            Method::WampScram => {
                let kdf = match self.kdf {
                    Some(KdfName::Pbkdf2) => Kdf::PBKDF2,
                    Some(KdfName::Argon2id13) | None => Kdf::argon2id(Form::Bytes),
                };
                (derive::scram(&password::ask()?, kdf)?, None)
            }
            Method::Wampcra => (derive::wampcra(&password::ask()?), None),
            Method::Ticket => {
                let ticket = password::ask()?;
                if ticket.starts_with('$') {
                    bail!(
                        "a ticket must not begin with `$`, which stands for a variable elsewhere: use another one"
                    );
                }
                (Map::from_iter([("ticket".to_owned(), ticket.into())]), None)
            }
            Method::Cryptosign => {
                let (public, private) = if let Some(key) = &self.key {
                    (derive::public_key(key)?, None)
                } else {
                    let (public, private) = derive::key_pair();
                    (public, Some(private))
                };
                (Map::from_iter([("authorized_keys".to_owned(), json!([public]))]), private)
            }
        })
    }
}
