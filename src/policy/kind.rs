//! The kinds of components by name, for what treats them alike.

use std::path::Path;

use super::{
    PolicyEngine, PolicyFile, PolicyLoadError, authentication::Authenticator, authid::AuthidPolicy,
    authorization::Authorizer, component::Wasm, contract::PACKAGE, load, world::World,
};

/// A kind of component: a world of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComponentKind {
    /// `authid-policy`: decides who a client is when it says HELLO.
    Policy,
    /// `authenticator`: knows the principals of authentication methods.
    Authenticator,
    /// `authorizer`: decides what the sessions of a role may do.
    Authorizer,
}

impl ComponentKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Authenticator, Self::Authorizer];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => AuthidPolicy::NAME,
            Self::Authenticator => Authenticator::NAME,
            Self::Authorizer => Authorizer::NAME,
        }
    }

    /// The kind of a component that exports these interfaces; one that is of several counts as the first of [`ALL`](Self::ALL).
    pub(crate) fn of_exports(exports: &[String]) -> Option<Self> {
        let of_kind = |kind: &Self| {
            let begin = format!("{PACKAGE}{}@", kind.interface());
            exports.iter().any(|name| name.starts_with(&begin))
        };
        Self::ALL.into_iter().find(of_kind)
    }

    /// The kind that a component's file seems to be of, for a program that would load it as that: the name of its export stands in
    /// it. None: the file cannot be read, or it names no such export.
    pub fn guess(file: &Path) -> Option<Self> {
        let bytes = load::read(file, None).ok()?;
        let names = |kind: &Self| {
            let name = format!("{PACKAGE}{}@", kind.interface());
            bytes.windows(name.len()).any(|part| part == name.as_bytes())
        };
        Self::ALL.into_iter().find(names)
    }

    const fn interface(self) -> &'static str {
        match self {
            Self::Policy => AuthidPolicy::EXPORT,
            Self::Authenticator => Authenticator::EXPORT,
            Self::Authorizer => Authorizer::EXPORT,
        }
    }

    /// Loads a component of this kind from its file, as the gateway would, to see that it can be used. Reads and compiles.
    pub fn check(self, engine: &PolicyEngine, file: &PolicyFile) -> Result<(), PolicyLoadError> {
        match self {
            Self::Policy => Wasm::<AuthidPolicy>::read(engine, file, false).map(|_| ()),
            Self::Authenticator => Wasm::<Authenticator>::read(engine, file, false).map(|_| ()),
            Self::Authorizer => Wasm::<Authorizer>::read(engine, file, false).map(|_| ()),
        }
    }
}
