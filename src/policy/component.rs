//! A WebAssembly component, compiled and checked, of whatever kind.

use std::{sync::Arc, time::Duration};

use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use super::{
    ContractError, PolicyEngine, PolicyError, PolicyFile, PolicyOptions,
    contract::Version,
    deadline, host,
    instance::Instance,
    limits::{Limits, OutOfMemory},
    load::{self, CheckedComponent, PolicyLoadError, PolicyLoadFault},
    log::{DecisionLog, PolicyLog, TooManyCalls},
    needs::Needs,
    random,
    subject::{Subject, Whom},
    text::{blank_out, clean},
    trap,
    warm::{Running, WarmPool},
    wasi,
    world::World,
};

/// What a guest may pass to the host in one call, in bytes. wasmtime's default lets 128 MiB through.
const HOST_CALL_BYTES: usize = 64 * 1024;
/// Bytes that are kept of a policy's own error.
const ERROR_BYTES: usize = 1024;
/// Errors of `check-config` that are shown.
const CONFIG_ERRORS: usize = 32;
/// The least time for `check-config` and `needs`: they run once, and no client waits for them.
const CHECK_CONFIG_DEADLINE: Duration = Duration::from_secs(1);

/// A component, compiled and checked.
///
/// Every decision runs in a fresh instance, so that nothing passes from one client to the next, unless the
/// operator has chosen [`super::Instances::Warm`]. An instance gets no more than `log`, what it has been granted, the
/// deadline and the memory that it was loaded with.
pub(crate) struct Wasm<W: World> {
    options: PolicyOptions,
    engine: PolicyEngine,
    version: Version,
    code: W::Code,
    log: Arc<PolicyLog>,
    /// Whether the component can write to the log.
    logs: bool,
    /// Whether the component is asked about requests of which it sees every header, as in tests.
    sees_all_headers: bool,
    /// What it says that it needs, from version 0.3.0 of the contract on.
    needs: Option<Needs>,
    /// Instances that wait for their next decision, where they live longer than one.
    warm: Option<WarmPool<W::Guest>>,
}

// === impl Wasm ===

impl<W: World> Wasm<W> {
    /// Loads a component from its file. Reads and compiles: not for a connection's task. With `sees_all_headers` for a test, whose
    /// questions show it every header that they have.
    pub(crate) fn read(
        engine: &PolicyEngine,
        file: &PolicyFile,
        sees_all_headers: bool,
    ) -> Result<Self, PolicyLoadError> {
        let name = file.component.display().to_string();
        match load::read(&file.component, file.sha256.as_ref()) {
            Ok(bytes) => Self::make(engine, &name, &bytes, file.options.clone(), sees_all_headers),
            Err(fault) => Err(PolicyLoadError { policy: name, fault }),
        }
    }

    /// Loads a component from memory. `name` stands for it in logs and errors.
    pub(crate) fn make(
        engine: &PolicyEngine,
        name: &str,
        bytes: &[u8],
        options: PolicyOptions,
        sees_all_headers: bool,
    ) -> Result<Self, PolicyLoadError> {
        Self::prepare(engine, name, bytes, options)
            .and_then(|policy| Self { sees_all_headers, ..policy }.accepted())
            .map_err(|fault| PolicyLoadError { policy: name.to_owned(), fault })
    }

    /// The same component with another configuration, which it checks.
    pub(crate) fn with_config(&self, config: String) -> Result<Self, PolicyLoadError> {
        let options = PolicyOptions { config, ..self.options.clone() };
        let policy = Self {
            engine: self.engine.clone(),
            version: self.version,
            code: self.code.clone(),
            log: Arc::clone(&self.log),
            logs: self.logs,
            sees_all_headers: self.sees_all_headers,
            needs: None,
            warm: WarmPool::for_options(&options),
            options,
        };
        policy.accepted().map_err(|fault| PolicyLoadError { policy: self.log.policy().to_owned(), fault })
    }

    /// The version of the contract that it was built for.
    pub(crate) fn contract(&self) -> &'static str {
        self.version.number()
    }

    /// What the component says that it needs with its configuration. None: it is built for a version of the contract in which
    /// it cannot say.
    pub(crate) fn needs(&self) -> Option<&Needs> {
        self.needs.as_ref()
    }

    /// Whether it chooses upstreams besides.
    pub(crate) fn routes(&self) -> bool {
        W::routes(&self.code)
    }

    /// The policy, if it accepts its configuration and is given what it needs.
    fn accepted(mut self) -> Result<Self, PolicyLoadFault> {
        if self.options.routes && !self.routes() {
            return Err(PolicyLoadFault::NoRouting);
        }
        self.check_config()?;
        self.needs = self.ask_needs().map_err(PolicyLoadFault::AskNeeds)?;
        if let Some(needs) = &self.needs {
            let missing = needs.missing(&self.options, !self.sees_all_headers);
            if !missing.is_empty() {
                return Err(PolicyLoadFault::Needs(missing));
            }
        }
        Ok(self)
    }

    /// Asks the component what it needs.
    pub(super) fn ask_needs(&self) -> Result<Option<Needs>, PolicyError> {
        let deadline = self.options.deadline.max(CHECK_CONFIG_DEADLINE);
        self.run(deadline, self.log_of_no_client(), |guest, store| {
            W::needs(guest, store, &self.options.config)
        })
    }

    /// The log of a call that is about no client: what a panic says there is of use as well.
    fn log_of_no_client(&self) -> Option<DecisionLog> {
        self.logs.then(|| DecisionLog::new(&self.log, Whom::default()))
    }

    /// Loads all but what runs code of the guest.
    fn prepare(
        engine: &PolicyEngine,
        name: &str,
        bytes: &[u8],
        options: PolicyOptions,
    ) -> Result<Self, PolicyLoadFault> {
        let available = engine.max_memory();
        if options.max_memory > available {
            return Err(PolicyLoadFault::MaxMemory { asked: options.max_memory, available });
        }
        let loaded = load::compile::<W>(engine, options.instances, bytes, options.grants)?;
        Self::link(engine, name, &loaded, options)
    }

    /// Gives a compiled component what it imports.
    pub(super) fn link(
        engine: &PolicyEngine,
        name: &str,
        loaded: &CheckedComponent,
        options: PolicyOptions,
    ) -> Result<Self, PolicyLoadFault> {
        let export = |error: wasmtime::Error| load::no_such::<W>(&format!("{error:#}"));
        let code = host::linker(engine.wasmtime(options.instances), &loaded.component, loaded.imports)
            .and_then(|linker| linker.instantiate_pre(&loaded.component))
            .and_then(|component| W::code(loaded.version, component))
            .map_err(export)?;
        let log = Arc::new(PolicyLog::new(name.into()));
        let warm = WarmPool::for_options(&options);
        Ok(Self {
            options,
            engine: engine.clone(),
            version: loaded.version,
            code,
            log,
            logs: loaded.imports.log || loaded.imports.granted.wasi,
            sees_all_headers: false,
            needs: None,
            warm,
        })
    }

    fn check_config(&self) -> Result<(), PolicyLoadFault> {
        let deadline = self.options.deadline.max(CHECK_CONFIG_DEADLINE);
        let checked = self
            .run(deadline, self.log_of_no_client(), |guest, store| {
                W::check_config(guest, store, &self.options.config)
            })
            .map_err(|error| match error {
                // Also what wasmtime says when the functions have other types than the contract's.
                PolicyError::Contract(error) if self.routes() => load::no_such::<W>(&format!(
                    "{error}; it exports `routing` besides, which has to be as the contract has it, too"
                )),
                PolicyError::Contract(error) => load::no_such::<W>(&error.to_string()),
                error => PolicyLoadFault::CheckConfig(error),
            })?;
        checked.map_err(|errors| {
            PolicyLoadFault::Config(
                errors.iter().take(CONFIG_ERRORS).map(|text| clean(text, None, ERROR_BYTES)).collect(),
            )
        })
    }

    /// Asks; nothing of the answer is checked but its types.
    pub(crate) fn ask(&self, question: &W::Question<'_>) -> Result<W::Raw, PolicyError> {
        W::check_size(question)?;
        self.ask_by(question, |guest, store, config| W::call(guest, store, config, question))
    }

    /// Asks by a call; the question has been found to be as large as the contract says at most.
    pub(super) fn ask_by<T>(
        &self,
        question: &impl Subject,
        call: impl FnOnce(&W::Guest, &mut Store<Instance>, &str) -> wasmtime::Result<Result<T, String>>,
    ) -> Result<T, PolicyError> {
        let log = self.logs.then(|| DecisionLog::new(&self.log, question.whom()));
        let answer =
            self.run(self.options.deadline, log, |guest, store| call(guest, store, &self.options.config))?;
        answer.map_err(|text| {
            let Whom { credential, tracking_id, .. } = question.whom();
            PolicyError::Refused(clean(&blank_out(&text, credential), tracking_id, ERROR_BYTES))
        })
    }

    /// Makes an instance, or takes a warm one, and calls it. A fresh one is dropped with everything that it
    /// has touched, and so is a warm one whose call has failed.
    fn run<T>(
        &self,
        deadline: Duration,
        log: Option<DecisionLog>,
        call: impl FnOnce(&W::Guest, &mut Store<Instance>) -> wasmtime::Result<T>,
    ) -> Result<T, PolicyError> {
        let _running = self.engine.in_flight();
        let explained = |error: wasmtime::Error| explain(&error, deadline);
        let Some(pool) = &self.warm else {
            let mut store = self.store();
            prepare(&mut store, deadline, log);
            let guest = W::instantiate(&self.code, &mut store).map_err(explained)?;
            return call(&guest, &mut store).map_err(explained);
        };
        let mut running = if let Some(mut running) = pool.take() {
            prepare(&mut running.store, deadline, log);
            running
        } else {
            let mut store = self.store();
            prepare(&mut store, deadline, log);
            let guest = W::instantiate(&self.code, &mut store).map_err(explained)?;
            Running { store, guest }
        };
        let answer = call(&running.guest, &mut running.store).map_err(explained)?;
        pool.give_back(running);
        Ok(answer)
    }

    fn store(&self) -> Store<Instance> {
        let limits = Limits::new(self.options.max_memory, self.engine.bounds(self.options.instances));
        let mut store = Store::new(self.engine.wasmtime(self.options.instances), Instance::new(limits));
        store.limiter(|instance| &mut instance.limits);
        store
    }
}

/// Gives an instance the time, the log and the fuel of its next call.
fn prepare(store: &mut Store<Instance>, deadline: Duration, log: Option<DecisionLog>) {
    store.data_mut().log = log;
    deadline::set(store, deadline);
    store.set_hostcall_fuel(HOST_CALL_BYTES);
}

impl<W: World> std::fmt::Debug for Wasm<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without its configuration, in which the operator may have put secrets.
        f.debug_struct(W::EXPORT)
            .field("name", &self.log.policy())
            .field("deadline", &self.options.deadline)
            .field("max_memory", &self.options.max_memory)
            .finish_non_exhaustive()
    }
}

/// The error that a call's failure becomes.
fn explain(error: &wasmtime::Error, deadline: Duration) -> PolicyError {
    if let Some(&OutOfMemory(limit)) = error.downcast_ref() {
        return PolicyError::Memory(limit);
    }
    if error.is::<TooManyCalls>() || error.is::<random::TooManyBytes>() || error.is::<wasi::TooManyHandles>()
    {
        return PolicyError::HostCalls;
    }
    if let Some(called) = error.downcast_ref::<wasi::NotThere>() {
        return PolicyError::Trap(trap::located(&called.to_string(), error));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return PolicyError::Overloaded;
    }
    let cause = error.root_cause().to_string();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => PolicyError::Deadline(deadline),
        Some(cause) => PolicyError::Trap(trap::located(&cause.to_string(), error)),
        // wasmtime keeps this error's type to itself.
        None if cause.contains("fuel allocated for hostcalls") => PolicyError::HostCalls,
        // The rest are values that do not fit the contract's types.
        None if error.is::<WasmBacktrace>() => {
            ContractError::Types(clean(&trap::located(&cause, error), None, ERROR_BYTES)).into()
        }
        None => ContractError::Types(clean(&format!("{error:#}"), None, ERROR_BYTES)).into(),
    }
}
