//! Policies that change while the gateway runs.
//!
//! The reloader reads a new file, checks it against its pin, compiles it and asks it about its configuration. Only then
//! does the new policy decide. If anything is wrong with it, the old policy goes on.

use std::{
    any::Any,
    convert::Infallible,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use sha2::{Digest, Sha256};

use super::{
    PolicyEngine, PolicyFile, PolicyGate, PolicyLoadError, PolicyLoadFault, PolicyMetrics, Recorder, Tally,
    WasmPolicy, aside,
    authid::AuthidPolicy,
    component::Wasm,
    gate::Gate,
    load::{self, Hex},
    world::World,
};
use crate::time::Timestamp;

/// Every policy of a gateway that comes from a file.
#[derive(Debug)]
pub struct Reloader {
    engine: PolicyEngine,
    metrics: PolicyMetrics,
    policies: RwLock<Vec<Arc<Reloadable>>>,
}

/// The way to a component of any kind.
pub(crate) trait AnyGate: Any + Send + Sync + fmt::Debug {
    /// The component's name.
    fn name(&self) -> &str;

    /// What came of its decisions.
    fn tally(&self) -> &Tally;

    /// Whether it can be expected to answer.
    fn is_answering(&self) -> bool;

    /// Records what it is asked, if its questions may be recorded.
    fn record(&self, recorder: &Arc<Recorder>);
}

/// The way to a component of one kind, which the reloader makes.
pub(crate) trait Served: AnyGate + Sized {
    /// The kind.
    type World: World;

    /// A gate before a component.
    fn new(name: &str, component: Wasm<Self::World>, max_concurrent: usize, tally: Tally) -> Self;

    /// Lets another component decide from now on.
    fn replace(&self, component: Wasm<Self::World>);
}

impl AnyGate for PolicyGate {
    fn name(&self) -> &str {
        self.name()
    }

    fn tally(&self) -> &Tally {
        self.tally()
    }

    fn is_answering(&self) -> bool {
        self.is_answering()
    }

    fn record(&self, recorder: &Arc<Recorder>) {
        self.record(Arc::clone(recorder));
    }
}

impl Served for PolicyGate {
    type World = AuthidPolicy;

    fn new(name: &str, component: Wasm<AuthidPolicy>, max_concurrent: usize, tally: Tally) -> Self {
        Self::new(name, Arc::new(WasmPolicy::from(component)), max_concurrent).counting(tally)
    }

    fn replace(&self, component: Wasm<AuthidPolicy>) {
        self.replace(Arc::new(WasmPolicy::from(component)));
    }
}

/// A component that no recorder hears: its questions may hold secrets, or no test has cases of its kind.
impl<W: World<Recorder = Infallible>> AnyGate for Gate<W> {
    fn name(&self) -> &str {
        self.name()
    }

    fn tally(&self) -> &Tally {
        self.tally()
    }

    fn is_answering(&self) -> bool {
        self.is_answering()
    }

    fn record(&self, _: &Arc<Recorder>) {}
}

impl<W: World<Asked = Wasm<W>, Recorder = Infallible>> Served for Gate<W> {
    type World = W;

    fn new(name: &str, component: Wasm<W>, max_concurrent: usize, tally: Tally) -> Self {
        Self::new(name, Arc::new(component), max_concurrent).counting(tally)
    }

    fn replace(&self, component: Wasm<W>) {
        self.replace(Arc::new(component));
    }
}

/// Makes a component of a file's bytes, and lets it decide behind a gate; the version of the contract that it is built for.
type Replace = fn(&PolicyEngine, &PolicyFile, &[u8], &dyn AnyGate) -> Result<&'static str, PolicyLoadError>;

/// A component and where it comes from.
#[derive(Debug)]
struct Reloadable {
    file: PolicyFile,
    gate: Arc<dyn AnyGate>,
    replace: Replace,
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
    /// A component for this version of the contract that decides from now on.
    pub(crate) fn from_now(policy: &str, contract: &'static str, bytes: &[u8]) -> Self {
        let sha256 = Hex(&Sha256::digest(bytes).into()).to_string();
        let since = Timestamp::now();
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
        self.load_as(file)
    }

    /// The same for a component of any kind. A component may be of several.
    pub(crate) fn load_as<G: Served>(&self, file: &PolicyFile) -> Result<Arc<G>, PolicyLoadError> {
        let of_kind = |known: &Arc<Reloadable>| {
            let gate: Arc<dyn Any + Send + Sync> = Arc::clone(&known.gate) as _;
            gate.downcast().ok().filter(|_| known.file == *file)
        };
        if let Some(gate) = self.policies().iter().find_map(of_kind) {
            return Ok(gate);
        }
        let named = |fault| PolicyLoadError { policy: file.component.display().to_string(), fault };
        let bytes = load::read(&file.component, file.sha256.as_ref()).map_err(named)?;
        let component = compile(&self.engine, file, &bytes)?;
        let name = file.component.display().to_string();
        let deciding = Mutex::new(Deciding::from_now(&name, component.contract(), &bytes));
        let tally = self.metrics.tally(&name, G::World::ANSWERS);
        let gate = Arc::new(G::new(&name, component, file.options.max_concurrent, tally));
        let last = Mutex::new(Some(Sha256::digest(&bytes).into()));
        let loaded = Reloadable {
            file: file.clone(),
            gate: Arc::clone(&gate) as _,
            replace: replace::<G>,
            last,
            deciding,
        };
        self.policies.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(loaded));
        Ok(gate)
    }

    /// Forgets every policy that is not one of these. Decisions that run finish.
    pub(crate) fn keep(&self, files: &[&PolicyFile]) {
        let mut policies = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        policies.retain(|policy| files.contains(&&policy.file));
    }

    /// The gates of the policies.
    pub(crate) fn gates(&self) -> Vec<Arc<dyn AnyGate>> {
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
        let Reloadable { file, gate, replace, last, deciding } = policy;
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
            .and_then(|()| aside(file, || replace(&self.engine, file, &found, &**gate)));
        gate.tally().count_reload(loaded.is_ok());
        Some(match loaded {
            Ok(contract) => {
                *deciding.lock().unwrap_or_else(PoisonError::into_inner) =
                    Deciding::from_now(gate.name(), contract, &found);
                Reload::Replaced(file.component.clone())
            }
            Err(error) => Reload::Kept(error),
        })
    }
}

/// Compiling takes a core for up to seconds, in which the connections have work to do.
fn aside<T: Send>(
    file: &PolicyFile,
    work: impl FnOnce() -> Result<T, PolicyLoadError> + Send,
) -> Result<T, PolicyLoadError> {
    aside::run(work).unwrap_or_else(|error| {
        let policy = file.component.display().to_string();
        Err(PolicyLoadError { policy, fault: PolicyLoadFault::Thread(error) })
    })
}

fn replace<G: Served>(
    engine: &PolicyEngine,
    file: &PolicyFile,
    bytes: &[u8],
    gate: &dyn AnyGate,
) -> Result<&'static str, PolicyLoadError> {
    let component = compile(engine, file, bytes)?;
    let contract = component.contract();
    // The function stands beside the gate that it was made for.
    if let Some(gate) = (gate as &dyn Any).downcast_ref::<G>() {
        gate.replace(component);
    }
    Ok(contract)
}

fn compile<W: World>(
    engine: &PolicyEngine,
    file: &PolicyFile,
    bytes: &[u8],
) -> Result<Wasm<W>, PolicyLoadError> {
    let name = file.component.display().to_string();
    Wasm::make(engine, &name, bytes, file.options.clone(), false)
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
