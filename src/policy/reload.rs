//! Policies that change while the gateway runs.
//!
//! The reloader reads a new file, checks it against its pin, compiles it and asks it about its configuration. Only then
//! does the new policy decide. If anything is wrong with it, the old policy goes on.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use sha2::{Digest, Sha256};

use super::{
    PolicyEngine, PolicyFile, PolicyGate, PolicyLoadError, PolicyLoadFault, PolicyMetrics, WasmPolicy, aside,
    load::{self, Hex},
};
use crate::time::Timestamp;

/// Every policy of a gateway that comes from a file.
#[derive(Debug)]
pub struct Reloader {
    engine: PolicyEngine,
    metrics: PolicyMetrics,
    policies: RwLock<Vec<Arc<Reloadable>>>,
}

/// A policy and where it comes from.
#[derive(Debug)]
struct Reloadable {
    file: PolicyFile,
    gate: Arc<PolicyGate>,
    /// The hash of what was read last, good or not: the reloader neither tries the same bytes a second time nor
    /// complains about them again.
    last: Mutex<Option<[u8; 32]>>,
    /// What decides now.
    deciding: Mutex<Deciding>,
}

/// A component that decides.
#[derive(Debug, Clone)]
pub struct Deciding {
    /// The policy's name.
    pub policy: String,
    /// The version of the contract that the component was built for.
    pub contract: &'static str,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Since when it decides.
    pub since: Timestamp,
}

impl Deciding {
    /// A policy that decides from now on.
    pub(crate) fn from_now(policy: &str, component: &WasmPolicy, bytes: &[u8]) -> Self {
        let sha256 = Hex(&Sha256::digest(bytes).into()).to_string();
        let (contract, since) = (component.contract(), Timestamp::now());
        Self { policy: policy.to_owned(), contract, sha256, since }
    }
}

/// What came of reloading one policy.
#[derive(Debug)]
pub enum Reload {
    /// The new component decides from now on.
    Replaced(PathBuf),
    /// The old one goes on.
    Kept(PolicyLoadError),
}

impl Reloader {
    /// A reloader without policies.
    pub fn new(engine: PolicyEngine) -> Self {
        Self::measured(engine, PolicyMetrics::default())
    }

    /// A reloader without policies, which counts what comes of those that it loads.
    pub(crate) fn measured(engine: PolicyEngine, metrics: PolicyMetrics) -> Self {
        Self { engine, metrics, policies: RwLock::default() }
    }

    /// Loads a policy, and remembers it: the next service with the same policy gets the same gate. Reads and compiles:
    /// not for a connection's task.
    pub fn load(&self, file: &PolicyFile) -> Result<Arc<PolicyGate>, PolicyLoadError> {
        if let Some(known) = self.policies().iter().find(|known| known.file == *file) {
            return Ok(Arc::clone(&known.gate));
        }
        let named = |fault| PolicyLoadError { policy: file.component.display().to_string(), fault };
        let bytes = load::read(&file.component, file.sha256.as_ref()).map_err(named)?;
        let policy = self.compile(file, &bytes)?;
        let name = file.component.display().to_string();
        let deciding = Mutex::new(Deciding::from_now(&name, &policy, &bytes));
        let gate = PolicyGate::new(&name, Arc::new(policy), file.options.max_concurrent);
        let gate = Arc::new(gate.counting(self.metrics.tally(&name)));
        let last = Mutex::new(Some(Sha256::digest(&bytes).into()));
        let loaded = Reloadable { file: file.clone(), gate: Arc::clone(&gate), last, deciding };
        self.policies.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(loaded));
        Ok(gate)
    }

    /// Forgets every policy that is not one of these. Decisions that run finish.
    pub(crate) fn keep(&self, files: &[&PolicyFile]) {
        let mut policies = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        policies.retain(|policy| files.contains(&&policy.file));
    }

    /// The gates of the policies.
    pub(crate) fn gates(&self) -> Vec<Arc<PolicyGate>> {
        self.policies().iter().map(|policy| Arc::clone(&policy.gate)).collect()
    }

    /// What decides now, for each policy.
    pub(crate) fn deciding(&self) -> Vec<Deciding> {
        let of =
            |policy: &Arc<Reloadable>| policy.deciding.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.policies().iter().map(of).collect()
    }

    /// The files that the policies came from.
    pub fn files(&self) -> Vec<PathBuf> {
        self.policies().iter().map(|policy| policy.file.component.clone()).collect()
    }

    /// Loads every policy whose file has other bytes than before. Reads and compiles: not for a connection's
    /// task. What is unchanged, good or bad, is not in the list.
    pub fn reload(&self) -> Vec<Reload> {
        self.policies().iter().filter_map(|policy| self.reload_one(policy)).collect()
    }

    /// A copy, so that nothing waits for a policy that is being compiled.
    fn policies(&self) -> Vec<Arc<Reloadable>> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload_one(&self, policy: &Reloadable) -> Option<Reload> {
        let Reloadable { file, gate, last, deciding } = policy;
        // Held throughout: of two reloads at once the later one must win.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match load::read(&file.component, None) {
            Ok(bytes) => bytes,
            Err(fault) => {
                // The operator hears once of a file that is gone.
                last.take()?;
                gate.tally().count_reload(false);
                let policy = file.component.display().to_string();
                return Some(Reload::Kept(PolicyLoadError { policy, fault }));
            }
        };
        let hash: [u8; 32] = Sha256::digest(&found).into();
        if last.replace(hash) == Some(hash) {
            return None;
        }
        let loaded = load::check_pin(&found, file.sha256.as_ref())
            .map_err(|fault| PolicyLoadError { policy: file.component.display().to_string(), fault })
            .and_then(|()| self.compile_aside(file, &found));
        gate.tally().count_reload(loaded.is_ok());
        Some(match loaded {
            Ok(new) => {
                *deciding.lock().unwrap_or_else(PoisonError::into_inner) =
                    Deciding::from_now(gate.name(), &new, &found);
                gate.replace(Arc::new(new));
                Reload::Replaced(file.component.clone())
            }
            Err(error) => Reload::Kept(error),
        })
    }

    /// Compiling takes a core for up to seconds, in which the connections have work to do.
    fn compile_aside(&self, file: &PolicyFile, bytes: &[u8]) -> Result<WasmPolicy, PolicyLoadError> {
        aside::run(|| self.compile(file, bytes)).unwrap_or_else(|error| {
            let policy = file.component.display().to_string();
            Err(PolicyLoadError { policy, fault: PolicyLoadFault::Thread(error) })
        })
    }

    fn compile(&self, file: &PolicyFile, bytes: &[u8]) -> Result<WasmPolicy, PolicyLoadError> {
        let name = file.component.display().to_string();
        WasmPolicy::from_bytes(&self.engine, &name, bytes, file.options.clone())
    }
}

/// What was done, in one line.
impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced(file) => write!(f, "the component {}", file.display()),
            Self::Kept(error) => {
                write!(f, "nothing for a component, since the new one cannot be used: {error}")
            }
        }
    }
}

impl Reload {
    /// Tells the operator.
    pub fn log(&self) {
        match self {
            Self::Replaced(file) => {
                tracing::info!(target: "wampgate::policy", policy = %file.display(), "policy reloaded");
            }
            Self::Kept(error) => {
                tracing::error!(target: "wampgate::policy", "the old policy goes on, as the new one cannot: {error}");
            }
        }
    }
}
