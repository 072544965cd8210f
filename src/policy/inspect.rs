//! What a component is, without running more of it than what says what it needs.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::{
    ComponentKind, Grants, Instances, Needs, PolicyEngine, PolicyLoadError, PolicyLoadFault, PolicyOptions,
    authentication::Authenticator,
    authid::AuthidPolicy,
    authorization::Authorizer,
    component::Wasm,
    load::{self, CheckedComponent, Hex, Names},
    world::World,
};

/// What there is to know about a component.
#[derive(Debug)]
pub struct Inspection {
    /// The file.
    pub policy: String,
    /// Its size in bytes.
    pub size: usize,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// What it is, as far as its exports tell.
    pub kind: Option<ComponentKind>,
    /// The version of the contract that it is built for.
    pub contract: Option<String>,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// What it has to be granted.
    pub grants: Grants,
    /// What it says that it needs with an empty configuration; none: it is built for a version of the contract in which it
    /// cannot say, or it did not answer.
    pub needs: Option<Needs>,
    /// How long it took to compile, if it compiles.
    pub compile_time: Option<Duration>,
    /// Why the gateway would not take it, even with these grants.
    pub fault: Option<PolicyLoadFault>,
}

impl Inspection {
    /// Reads and compiles a component. An error only if it cannot be read.
    pub fn of_file(
        engine: &PolicyEngine,
        file: &Path,
        instances: Instances,
    ) -> Result<Self, PolicyLoadError> {
        let policy = file.display().to_string();
        match load::read(file, None) {
            Ok(bytes) => Ok(Self::of_bytes(engine, policy, &bytes, instances)),
            Err(fault) => Err(PolicyLoadError { policy, fault }),
        }
    }

    fn of_bytes(engine: &PolicyEngine, policy: String, bytes: &[u8], instances: Instances) -> Self {
        let mut inspection = Self {
            policy,
            size: bytes.len(),
            sha256: Hex(&Sha256::digest(bytes).into()).to_string(),
            kind: None,
            contract: None,
            imports: Vec::new(),
            exports: Vec::new(),
            grants: Grants::default(),
            needs: None,
            compile_time: None,
            fault: None,
        };
        let begun = Instant::now();
        match load::translate(engine, instances, bytes) {
            Ok(component) => {
                inspection.compile_time = Some(begun.elapsed());
                let names = load::names(engine.wasmtime(instances), &component);
                inspection.kind = ComponentKind::of_exports(&names.exports);
                inspection.grants = load::needed_grants(&names.imports);
                match inspection.kind {
                    Some(ComponentKind::Authenticator) => {
                        inspection.look::<Authenticator>(engine, component, &names, instances);
                    }
                    Some(ComponentKind::Authorizer) => {
                        inspection.look::<Authorizer>(engine, component, &names, instances);
                    }
                    _ => inspection.look::<AuthidPolicy>(engine, component, &names, instances),
                }
                (inspection.imports, inspection.exports) = (names.imports, names.exports);
            }
            Err(fault) => inspection.fault = Some(fault),
        }
        inspection
    }

    /// Looks at a component as one of a kind.
    fn look<W: World>(
        &mut self,
        engine: &PolicyEngine,
        component: Component,
        names: &Names,
        instances: Instances,
    ) {
        self.contract = load::contract_version::<W>(&names.exports);
        let options = PolicyOptions { grants: self.grants, instances, ..PolicyOptions::default() };
        let needs = load::check_names::<W>(names, self.grants).and_then(|(version, imports)| {
            let checked = CheckedComponent { component, version, imports };
            let component = Wasm::<W>::link(engine, &self.policy, &checked, options)?;
            component.ask_needs().map_err(PolicyLoadFault::AskNeeds)
        });
        match needs {
            Ok(needs) => self.needs = needs,
            Err(fault) => self.fault = Some(fault),
        }
    }
}
