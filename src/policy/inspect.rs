//! What a component is, without running more of it than what says what it needs.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{
    Grants, Instances, Needs, PolicyEngine, PolicyLoadError, PolicyLoadFault, PolicyOptions, WasmPolicy,
    load::{self, CheckedComponent, Hex},
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
    /// The version of the contract that it exports a policy for.
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
                inspection.contract = load::contract_version(&names.exports);
                inspection.grants = load::needed_grants(&names.imports);
                let options =
                    PolicyOptions { grants: inspection.grants, instances, ..PolicyOptions::default() };
                let needs = load::check_names(&names, inspection.grants).and_then(|(version, imports)| {
                    let checked = CheckedComponent { component, version, imports };
                    let policy = WasmPolicy::link(engine, &inspection.policy, &checked, options)?;
                    policy.ask_needs().map_err(PolicyLoadFault::AskNeeds)
                });
                match needs {
                    Ok(needs) => inspection.needs = needs,
                    Err(fault) => inspection.fault = Some(fault),
                }
                (inspection.imports, inspection.exports) = (names.imports, names.exports);
            }
            Err(fault) => inspection.fault = Some(fault),
        }
        inspection
    }
}
