//! The world `authid-policy`: a component, or another [`Policy`], that decides about a HELLO.

use std::{fmt, sync::Arc};

use wasmtime::{Store, component::InstancePre};

use super::{
    Decision, JoinRequest, Needs, Policy, PolicyEngine, PolicyError, PolicyFile, PolicyLoadError,
    PolicyOptions, RawChoice, RawDecision, Recorder, RoutingRequest, Tally,
    component::Wasm,
    contract::{Component, Guest, Version},
    gate::{Gate, Put},
    instance::Instance,
    lower,
    subject::{Subject, Whom},
    world::World,
};

/// What an authid policy's answers are called in metrics.
pub(crate) const ANSWERS: &[&str] = &["anonymous", "none", "defer", "deny", ROUTED];

/// What the choice of an upstream is called there.
const ROUTED: &str = "routed";

/// The world.
#[derive(Debug)]
pub(crate) struct AuthidPolicy;

/// A policy that is a WebAssembly component, compiled and checked.
///
/// Every decision runs in a fresh instance, so that nothing passes from one client to the next, unless the
/// operator has chosen [`super::Instances::Warm`]. An instance gets no more than `log`, what it has been granted, the
/// deadline and the memory that it was loaded with.
pub struct WasmPolicy(Wasm<AuthidPolicy>);

/// A policy with a bounded number of decisions at once. Those that find no free place wait, and their peers take turns.
#[derive(Debug)]
pub struct PolicyGate(Gate<AuthidPolicy>);

impl World for AuthidPolicy {
    type Question<'a> = JoinRequest<'a>;
    type Raw = RawDecision;
    type Answer = Decision;
    type Code = Component;
    type Guest = Guest;
    type Asked = dyn Policy;
    type Recorder = Recorder;

    const NAME: &'static str = "policy";
    const EXPORT: &'static str = "policy";
    const VERSIONS: &'static [Version] = Version::ALL;
    const ANSWERS: &'static [&'static str] = ANSWERS;

    fn code(version: Version, component: InstancePre<Instance>) -> wasmtime::Result<Component> {
        Component::new(version, component)
    }

    fn routes(code: &Component) -> bool {
        code.routes()
    }

    fn instantiate(code: &Component, store: &mut Store<Instance>) -> wasmtime::Result<Guest> {
        code.instantiate(store)
    }

    fn check_config(
        guest: &Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        guest.check_config(store, config)
    }

    fn needs(guest: &Guest, store: &mut Store<Instance>, config: &str) -> wasmtime::Result<Option<Needs>> {
        guest.needs(store, config)
    }

    fn check_size(question: &JoinRequest<'_>) -> Result<(), PolicyError> {
        lower::check_size(question)
    }

    fn call(
        guest: &Guest,
        store: &mut Store<Instance>,
        config: &str,
        question: &JoinRequest<'_>,
    ) -> wasmtime::Result<Result<RawDecision, String>> {
        guest.decide(store, config, question)
    }

    fn ask(asked: &dyn Policy, question: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        super::decide(asked, question)
    }

    fn record(recorder: &Recorder, question: &JoinRequest<'_>, answer: &Result<Decision, PolicyError>) {
        recorder.record(question, answer);
    }

    fn kind(answer: &Decision) -> &'static str {
        answer.kind()
    }
}

// === impl WasmPolicy ===

impl WasmPolicy {
    /// Loads a component from its file. Reads and compiles: not for a connection's task.
    pub fn load(engine: &PolicyEngine, file: &PolicyFile) -> Result<Self, PolicyLoadError> {
        Wasm::read(engine, file, false).map(Self)
    }

    /// Loads a component from its file for a test, whose requests show it every header that they have.
    #[cfg(feature = "testkit")]
    pub(crate) fn load_for_test(engine: &PolicyEngine, file: &PolicyFile) -> Result<Self, PolicyLoadError> {
        Wasm::read(engine, file, true).map(Self)
    }

    /// Loads a component from memory for a test, whose requests show it every header that they have.
    #[cfg(feature = "testkit")]
    pub(crate) fn from_bytes_for_test(
        engine: &PolicyEngine,
        name: &str,
        bytes: &[u8],
        options: PolicyOptions,
    ) -> Result<Self, PolicyLoadError> {
        Wasm::make(engine, name, bytes, options, true).map(Self)
    }

    /// Loads a component from memory. `name` stands for it in logs and errors.
    pub fn from_bytes(
        engine: &PolicyEngine,
        name: &str,
        bytes: &[u8],
        options: PolicyOptions,
    ) -> Result<Self, PolicyLoadError> {
        Wasm::make(engine, name, bytes, options, false).map(Self)
    }

    /// The same component with another configuration, which it checks.
    pub fn with_config(&self, config: String) -> Result<Self, PolicyLoadError> {
        self.0.with_config(config).map(Self)
    }

    /// The version of the contract that it was built for.
    pub fn contract(&self) -> &'static str {
        self.0.contract()
    }

    /// What the component says that it needs with its configuration. None: it is built for a version of the contract in which
    /// it cannot say.
    pub fn needs(&self) -> Option<&Needs> {
        self.0.needs()
    }

    /// Asks, and checks the answer, as the gateway does.
    pub fn decide(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        super::decide(self, request)
    }

    /// Whether it chooses upstreams.
    pub fn routes(&self) -> bool {
        self.0.routes()
    }

    /// Asks for the upstream of a client, and checks the answer, as the gateway does.
    pub fn choose_upstream(&self, request: &RoutingRequest<'_>) -> Result<String, PolicyError> {
        super::choose_upstream(self, request)
    }
}

impl Policy for WasmPolicy {
    fn answer(&self, request: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        self.0.ask(request)
    }

    fn route(&self, request: &RoutingRequest<'_>) -> Result<RawChoice, PolicyError> {
        request.check_size()?;
        let chosen =
            self.0.ask_by(request, |guest, store, config| guest.choose_upstream(store, config, request))?;
        Ok(RawChoice(chosen))
    }
}

/// A client that goes on to one of several upstreams.
struct Choose<'a>(&'a RoutingRequest<'a>);

impl Put<AuthidPolicy> for Choose<'_> {
    type Answer = String;

    fn whom(&self) -> Whom<'_> {
        self.0.whom()
    }

    fn ask(&self, asked: &dyn Policy) -> Result<String, PolicyError> {
        super::choose_upstream(asked, self.0)
    }

    fn record(&self, recorder: &Recorder, answer: &Result<String, PolicyError>) {
        recorder.record_choice(self.0, answer);
    }

    fn kind(_: &String) -> &'static str {
        ROUTED
    }
}

impl From<Wasm<AuthidPolicy>> for WasmPolicy {
    fn from(component: Wasm<AuthidPolicy>) -> Self {
        Self(component)
    }
}

impl fmt::Debug for WasmPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl PolicyGate ===

impl PolicyGate {
    /// A gate that lets `max_concurrent` decisions through at once, at least one. `name` stands for the policy in logs
    /// and metrics.
    pub fn new(name: &str, policy: Arc<dyn Policy>, max_concurrent: usize) -> Self {
        Self(Gate::new(name, policy, max_concurrent))
    }

    /// Counts there what comes of the decisions, instead of nowhere.
    #[must_use]
    pub fn counting(self, tally: Tally) -> Self {
        Self(self.0.counting(tally))
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What came of its decisions.
    pub fn tally(&self) -> &Tally {
        self.0.tally()
    }

    /// Whether the policy can be expected to answer: it has not failed all of the last questions.
    pub(crate) fn is_answering(&self) -> bool {
        self.0.is_answering()
    }

    /// Lets another policy decide from now on. Decisions that run finish on the old one, which goes with the
    /// last of them.
    pub fn replace(&self, policy: Arc<dyn Policy>) {
        self.0.replace(policy);
    }

    /// Records every request and its answer from now on. A gate has one recorder, the first.
    pub fn record(&self, recorder: Arc<Recorder>) {
        self.0.record(recorder);
    }

    /// Decides on the calling task, at once if there is a free place. [`PolicyError::Overloaded`] if too many
    /// are waiting, [`PolicyError::Penalty`] if too many decisions about this peer ran into their deadline.
    pub fn decide<'a>(
        &'a self,
        request: &'a JoinRequest<'a>,
    ) -> impl Future<Output = Result<Decision, PolicyError>> + Send + 'a {
        self.0.decide(request)
    }

    /// Has the policy choose the upstream of a client, in the same way and counted together with its decisions.
    pub async fn choose_upstream(&self, request: &RoutingRequest<'_>) -> Result<String, PolicyError> {
        self.0.put(Choose(request)).await
    }
}
