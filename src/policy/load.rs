//! From a file to a component that the gateway may ask. Whatever is wrong with it shows here, before a client waits.

use std::{fmt, io, path::Path};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{
    DEFAULT_POLICY, Grants, Instances, PolicyEngine, PolicyError,
    apart::{self, CompileFault},
    contract::{CONTRACT_VERSIONS, PACKAGE, Version},
    host::Imports,
    wasi,
    world::World,
};
use crate::file::{self, ReadError};

/// The largest component that is read, in bytes. One that brings a whole Python has 18 MB.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// How a WebAssembly binary begins: the magic number and, as one more byte each, version and layer.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("policy {policy}: {fault}")]
pub struct PolicyLoadError {
    /// The policy's name: the file, or `default`.
    pub policy: String,
    /// What is wrong.
    pub fault: PolicyLoadFault,
}

/// What is wrong with a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLoadFault {
    /// The file cannot be read.
    #[error("cannot read the component: {0}")]
    Read(io::Error),
    /// The file is a folder, a pipe or a device.
    #[error("not a file")]
    NotAFile,
    /// The file is too large to be a policy.
    #[error("the file is larger than {MAX_COMPONENT_BYTES} bytes")]
    TooLarge,
    /// The system has no thread that could compile the component.
    #[error("no thread to compile the component: {0}")]
    Thread(io::Error),
    /// The file is not the one that has been pinned.
    #[error("sha256 is {}, and the configuration says {}", Hex(found), Hex(pinned))]
    Hash {
        /// What the configuration says.
        pinned: [u8; 32],
        /// What the file has.
        found: [u8; 32],
    },
    /// The file is no WebAssembly at all.
    #[error("not a WebAssembly component: {hint}")]
    NotWasm {
        /// What it looks like.
        hint: &'static str,
    },
    /// The file is a core module.
    #[error(
        "a core module, not a component: link it with wasm-component-ld, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The component does not compile: damaged, truncated, or of a kind that is not supported.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// The component takes too much time or memory to compile.
    #[error("the component takes {0} to compile: make it smaller, or split its largest functions")]
    Costly(String),
    /// The component imports something that the gateway does not give it.
    #[error("it imports `{import}`, {advice}")]
    Import {
        /// The import's name.
        import: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The component was built for another version of the contract.
    #[error("it is built for `{found}`, and this gateway speaks the versions {}", served_versions())]
    Version {
        /// The import or export with its version.
        found: String,
    },
    /// The component is not what it is used as.
    #[error("{0}")]
    Export(String),
    /// The engine's slots are smaller than the policy's memory.
    #[error("max_memory: {asked} bytes are more than the {available} that the engine was made for")]
    MaxMemory {
        /// What is configured.
        asked: usize,
        /// What there is.
        available: usize,
    },
    /// `check-config` refuses the configuration.
    #[error("config: {}", .0.join("; "))]
    Config(Vec<String>),
    /// It is to choose among several upstreams, and cannot.
    #[error(
        "it does not export `wampgate:authid/routing@0.3.0`, by which a policy chooses among the `upstreams` of a path: build it for the world `routing-policy`, or write one `upstream` there"
    )]
    NoRouting,
    /// The operator does not give it what it needs.
    #[error("it needs {}", .0.join("; and "))]
    Needs(Vec<String>),
    /// `needs` gave no answer.
    #[error("it could not say what it needs: {0}")]
    AskNeeds(PolicyError),
    /// `check-config` gave no answer.
    #[error("it could not check its configuration: {0}")]
    CheckConfig(PolicyError),
}

/// A compiled component whose imports the gateway gives it.
pub(super) struct CheckedComponent {
    pub(super) component: Component,
    /// The version of the contract that it is built for.
    pub(super) version: Version,
    /// What it imports.
    pub(super) imports: Imports,
}

/// Reads a component's file.
pub(super) fn read(path: &Path, pinned: Option<&[u8; 32]>) -> Result<Vec<u8>, PolicyLoadFault> {
    let bytes = file::read(path, MAX_COMPONENT_BYTES).map_err(|error| match error {
        ReadError::NotAFile(_) => PolicyLoadFault::NotAFile,
        ReadError::TooLarge => PolicyLoadFault::TooLarge,
        error => PolicyLoadFault::Read(error.into()),
    })?;
    check_pin(&bytes, pinned)?;
    Ok(bytes)
}

/// Checks bytes against the hash that the configuration names, if it names one.
pub(super) fn check_pin(bytes: &[u8], pinned: Option<&[u8; 32]>) -> Result<(), PolicyLoadFault> {
    let found: [u8; 32] = Sha256::digest(bytes).into();
    match pinned {
        Some(&pinned) if pinned != found => Err(PolicyLoadFault::Hash { pinned, found }),
        _ => Ok(()),
    }
}

/// The names of what a component imports and exports.
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Compiles a component and checks its imports and exports by name.
pub(super) fn compile<W: World>(
    engine: &PolicyEngine,
    instances: Instances,
    bytes: &[u8],
    grants: Grants,
) -> Result<CheckedComponent, PolicyLoadFault> {
    let component = translate(engine, instances, bytes)?;
    let (version, imports) = check_names::<W>(&names(engine.wasmtime(instances), &component), grants)?;
    Ok(CheckedComponent { component, version, imports })
}

/// Compiles a component: in another process, if there is one for that. The policy that is built in is known to compile.
pub(super) fn translate(
    engine: &PolicyEngine,
    instances: Instances,
    bytes: &[u8],
) -> Result<Component, PolicyLoadFault> {
    check_kind(bytes)?;
    let apart = if bytes == DEFAULT_POLICY { None } else { apart::compile(engine, instances, bytes) };
    apart.unwrap_or_else(|| apart::translate(engine, instances, bytes)).map_err(|fault| match fault {
        CompileFault::Compile(why) => PolicyLoadFault::Compile(why),
        CompileFault::Costly(what) => PolicyLoadFault::Costly(what),
    })
}

/// What a component imports and exports.
pub(super) fn names(engine: &Engine, component: &Component) -> Names {
    let world = component.component_type();
    Names {
        imports: world.imports(engine).map(|(name, _)| name.to_owned()).collect(),
        exports: world.exports(engine).map(|(name, _)| name.to_owned()).collect(),
    }
}

/// Checks what a component imports and exports.
pub(super) fn check_names<W: World>(
    names: &Names,
    grants: Grants,
) -> Result<(Version, Imports), PolicyLoadFault> {
    let Names { imports, exports } = names;
    // Further exports do no harm: some tool chains add their own, and a component may be a policy for another version
    // as well.
    let version = version_of::<W>(exports);
    // Before anything else: with another version nothing fits.
    let own = exports.iter().filter(|_| version.is_none());
    if let Some(found) = imports.iter().chain(own).find(|name| is_of_another_version(name)) {
        return Err(PolicyLoadFault::Version { found: found.clone() });
    }
    for import in imports {
        check_import(import, grants)?;
    }
    let Some(version) = version else {
        let advice = exports.iter().find_map(|name| place_of(name)).unwrap_or_default();
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(no_such::<W>(&format!("it exports {exports}{advice}")));
    };
    let log = imports.iter().any(|name| interface_of(name) == Some("log"));
    Ok((version, Imports { log, granted: needed_grants(imports) }))
}

/// What a component with these imports has to be granted.
pub(super) fn needed_grants(imports: &[String]) -> Grants {
    let has = |interface: &str| imports.iter().any(|name| interface_of(name) == Some(interface));
    Grants {
        clock: has("clock"),
        random: has("random"),
        wasi: imports.iter().any(|name| name.starts_with(wasi::NAMESPACE)),
    }
}

/// The version of the contract for which a component with these exports is of a kind, whether it is served or not.
pub(super) fn contract_version<W: World>(exports: &[String]) -> Option<String> {
    let served = version_of::<W>(exports).map(|version| version.number().to_owned());
    served.or_else(|| {
        let of_kind = |name: &str| {
            let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
            (interface == W::EXPORT).then(|| version.to_owned())
        };
        exports.iter().find_map(|name| of_kind(name))
    })
}

fn version_of<W: World>(exports: &[String]) -> Option<Version> {
    Version::of(W::EXPORT, W::VERSIONS, exports)
}

/// The fault of a component that is not of this kind, or not as the contract has it.
pub(super) fn no_such<W: World>(why: &str) -> PolicyLoadFault {
    let newest = W::VERSIONS.last().map(|version| version.export(W::EXPORT)).unwrap_or_default();
    let older = if W::VERSIONS.len() > 1 { " or an older version" } else { "" };
    PolicyLoadFault::Export(format!(
        "it is no {} as the contract has it, which exports `{newest}`{older}: {why}",
        W::NAME
    ))
}

fn served_versions() -> String {
    match CONTRACT_VERSIONS.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn check_kind(bytes: &[u8]) -> Result<(), PolicyLoadFault> {
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(PolicyLoadFault::CoreModule),
        Some(_) => Ok(()),
        None if bytes.is_empty() => Err(PolicyLoadFault::NotWasm { hint: "the file is empty" }),
        None if bytes.trim_ascii_start().starts_with(b"(") || bytes.starts_with(b";;") => {
            Err(PolicyLoadFault::NotWasm { hint: "text, translate it with `wasm-tools parse`" })
        }
        None => Err(PolicyLoadFault::NotWasm { hint: "it does not begin with \\0asm" }),
    }
}

fn is_of_another_version(name: &str) -> bool {
    name.strip_prefix(PACKAGE)
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(_, version)| !CONTRACT_VERSIONS.contains(&version))
}

/// The name of one of the contract's interfaces.
fn interface_of(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next())
}

/// Where the configuration names a component with this export, for one that it names elsewhere.
fn place_of(export: &str) -> Option<&'static str> {
    Some(match interface_of(export)? {
        "policy" => "; it is a policy: name it as the `policy` of a websocket service",
        "authentication" => {
            "; it is an authenticator: name it for a method in `auth`, with \"type\": \"component\""
        }
        "authorization" => "; it is an authorizer: name it as the `authorizer` of a role",
        _ => return None,
    })
}

/// Whether a policy with these grants may have an import.
fn check_import(import: &str, grants: Grants) -> Result<(), PolicyLoadFault> {
    let advice = match interface_of(import) {
        // Types cannot be called.
        Some("types" | "log") => return Ok(()),
        Some("clock") if grants.clock => return Ok(()),
        Some("random") if grants.random => return Ok(()),
        Some("clock") => "which takes the grant `clock`: add it to the policy's `grants`",
        Some("random") => "which takes the grant `random`: add it to the policy's `grants`",
        _ if wasi::is_known(import) && grants.wasi => return Ok(()),
        _ if wasi::is_known(import) => {
            "which takes the grant `wasi`: build without it (for Rust: the target wasm32-unknown-unknown), or add it to the policy's `grants`"
        }
        _ if import.starts_with(wasi::NAMESPACE) => {
            "and there is WASI 0.2 only: build for that, or without it"
        }
        _ => "which is not granted to any policy",
    };
    Err(PolicyLoadFault::Import { import: import.to_owned(), advice })
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
