//! Compiling in a process of its own, which may take so much time and memory and no more.
//!
//! A component of some megabytes can keep the compiler busy for minutes and fill gigabytes, and nothing can stop a thread that
//! compiles. The system can stop a process. The command `wampgate` therefore runs itself again for each component that comes
//! from a file; a program that embeds the library compiles within itself, unless it names a program too.
//!
//! The parent writes the component to the other process's standard input and reads native code from its standard output.

use std::{
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use wasmtime::component::Component;

use super::{Instances, PolicyEngine, PolicyEngineOptions};

/// Why there is no native code.
#[derive(Debug)]
pub(super) enum CompileFault {
    /// The component does not compile.
    Compile(String),
    /// Compiling takes too much, namely this.
    Costly(String),
}

impl CompileFault {
    fn new(error: &wasmtime::Error) -> Self {
        Self::Compile(format!("{error:#}"))
    }
}

/// The argument by which a program finds that it has to call [`compile_for_parent`].
pub const COMPILE_COMMAND: &str = "compile-component";

/// What compiling a component may take. One that brings a whole Python takes 16 seconds and 350 MiB.
const BUDGET: Budget = Budget { seconds: 60, memory: 1024 * 1024 * 1024, patience: Duration::from_mins(3) };

/// How much processor time there is behind the budget, in seconds. The system warns at the budget, and kills behind it.
const GRACE: u64 = 5;

/// The largest native code that is read, in bytes: several times the largest component.
const MAX_CODE: u64 = 512 * 1024 * 1024;

/// The exit code of a process that has told why the component does not compile.
const DOES_NOT_COMPILE: u8 = 3;

/// The bounds of one compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Budget {
    /// Processor time, in seconds.
    seconds: u64,
    /// Memory, in bytes.
    memory: u64,
    /// Time by the clock, on a machine that is busy with other things.
    patience: Duration,
}

/// What the other process is asked to do.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    instances: Instances,
    max_memory: usize,
    seconds: u64,
    memory: u64,
    cache: Option<PathBuf>,
}

/// The program that compiles for this process.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// From now on this process has components compiled by `program`, which gets the argument [`COMPILE_COMMAND`] and those that
/// [`compile_for_parent`] takes. The first call counts.
pub fn compile_apart(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// Compiles a component in another process; none: no program is named for that.
pub(super) fn compile(
    engine: &PolicyEngine,
    instances: Instances,
    bytes: &[u8],
) -> Option<Result<Component, CompileFault>> {
    let program = PROGRAM.get()?;
    let budget = BUDGET.within_own();
    let mut command = Command::new(program);
    command.arg(COMPILE_COMMAND).arg(word(instances));
    command
        .args([engine.max_memory() as u64, budget.seconds, budget.memory].map(|number| number.to_string()));
    command.args(engine.cache());
    Some(run(&mut command, bytes, budget).and_then(|code| adopt(engine, instances, &code)))
}

/// What the other process does: reads a component, and writes its native code or why it does not compile. The exit code.
///
/// It limits its own process, for which it must be the only thing to do.
pub fn compile_for_parent(
    arguments: &[String],
    input: &mut impl Read,
    output: &mut impl Write,
) -> io::Result<u8> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "this command is for the gateway's own use");
    let order = parse(arguments).ok_or_else(invalid)?;
    match order.carry_out(input) {
        Ok(code) => output.write_all(&code).map(|()| 0),
        Err(why) => output.write_all(why.as_bytes()).map(|()| DOES_NOT_COMPILE),
    }
}

impl Order {
    /// Reads a component and compiles it; its native code, or why there is none.
    fn carry_out(self, input: &mut impl Read) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| format!("no process to compile it in: {error}");
        self.limit().map_err(failed)?;
        let engine =
            PolicyEngine::new(&PolicyEngineOptions { max_memory: self.max_memory, cache: self.cache })
                .map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        input.take(MAX_CODE).read_to_end(&mut bytes).map_err(failed)?;
        let component = Component::from_binary(engine.wasmtime(self.instances), &bytes);
        component.and_then(|component| component.serialize()).map_err(|error| format!("{error:#}"))
    }

    /// Bounds the calling process, and ends it with its parent.
    fn limit(&self) -> io::Result<()> {
        let between = |current, maximum| Rlimit { current: Some(current), maximum: Some(maximum) };
        // A signal of its own tells that the time is over, unless the operator's own limit lies there.
        let most = getrlimit(Resource::Cpu).maximum.unwrap_or(u64::MAX);
        setrlimit(Resource::Cpu, between(self.seconds, most.min(self.seconds.saturating_add(GRACE))))?;
        // Address space costs nothing, and engines reserve much of it.
        setrlimit(Resource::Data, between(self.memory, self.memory))?;
        setrlimit(Resource::Core, between(0, 0))?;
        #[cfg(target_os = "linux")]
        {
            // A parent that has ended before sends no signal; then the limits above bound what is left to do.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // Where the machine or the container has too little memory, the system ends this process and not the gateway. Without
            // `/proc` the system decides.
            let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        }
        Ok(())
    }
}

/// Compiles a component in this process.
pub(super) fn translate(
    engine: &PolicyEngine,
    instances: Instances,
    bytes: &[u8],
) -> Result<Component, CompileFault> {
    Component::from_binary(engine.wasmtime(instances), bytes).map_err(|error| CompileFault::new(&error))
}

fn parse(arguments: &[String]) -> Option<Order> {
    let (instances, numbers, cache) = match arguments {
        [instances, numbers @ .., cache] if numbers.len() == 3 => {
            (instances, numbers, Some(PathBuf::from(cache)))
        }
        [instances, numbers @ ..] => (instances, numbers, None),
        [] => return None,
    };
    let [max_memory, seconds, memory] = numbers else { return None };
    let instances = [Instances::Fresh, Instances::Warm].into_iter().find(|kind| word(*kind) == instances)?;
    Some(Order {
        instances,
        max_memory: max_memory.parse().ok()?,
        seconds: seconds.parse().ok()?,
        memory: memory.parse().ok()?,
        cache,
    })
}

const fn word(instances: Instances) -> &'static str {
    match instances {
        Instances::Fresh => "fresh",
        Instances::Warm => "warm",
    }
}

impl Budget {
    /// The same, or as much as the operator lets this process have (`ulimit`) if that is less.
    fn within_own(self) -> Self {
        let own = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
        Self {
            // The signal that tells that the time is over comes before the limit that kills.
            seconds: self.seconds.min(own(Resource::Cpu).saturating_sub(1).max(1)),
            memory: self.memory.min(own(Resource::Data)),
            ..self
        }
    }

    /// What was too much for it; none: the process ended for another reason.
    fn exceeded(self, status: ExitStatus, is_late: bool) -> Option<String> {
        let number = status.signal()?;
        Some(if is_late {
            format!("more than {} seconds", self.patience.as_secs())
        } else if number == Signal::XCPU.as_raw() {
            format!("more than {} seconds of processor time", self.seconds)
        } else if number == Signal::KILL.as_raw() {
            "more memory than the system had for it".to_owned()
        } else {
            format!("more than {} MiB of memory ({status})", self.memory / 1024 / 1024)
        })
    }
}

/// Runs the other process to its end.
fn run(command: &mut Command, bytes: &[u8], budget: Budget) -> Result<Vec<u8>, CompileFault> {
    let failed = |error: io::Error| CompileFault::Compile(format!("no process to compile it in: {error}"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let (done, finished) = mpsc::channel::<()>();
    // Without the watchdog the process gets no component and no time.
    let answer = watch(&child, finished, budget.patience).and_then(|watchdog| {
        let answer = exchange(&mut child, bytes);
        // The number of a process that has ended is free only after `wait`, so that the watchdog kills no other one.
        drop(done);
        let is_late = watchdog.join().unwrap_or(true);
        answer.map(|answer| (answer, is_late))
    });
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let (answer, is_late) = answer.map_err(failed)?;
    match status.code() {
        Some(0) => Ok(answer),
        Some(code) if code == i32::from(DOES_NOT_COMPILE) => {
            Err(CompileFault::Compile(String::from_utf8_lossy(&answer).into_owned()))
        }
        _ => Err(match budget.exceeded(status, is_late) {
            Some(what) => CompileFault::Costly(what),
            None => CompileFault::Compile(format!("the process that compiled it failed ({status})")),
        }),
    }
}

/// Writes the component, which the other process reads whole before it writes, and reads the answer.
fn exchange(child: &mut Child, bytes: &[u8]) -> io::Result<Vec<u8>> {
    if let Some(mut input) = child.stdin.take() {
        // A process that has ended tells more by how it ended.
        let _ = input.write_all(bytes);
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_CODE).read_to_end(&mut answer)?;
    }
    Ok(answer)
}

/// Kills a process that outlasts all patience. The thread tells whether it has.
fn watch(
    child: &Child,
    finished: mpsc::Receiver<()>,
    patience: Duration,
) -> io::Result<thread::JoinHandle<bool>> {
    let process = Pid::from_child(child);
    thread::Builder::new().name("compile-watch".to_owned()).spawn(move || {
        let is_late = finished.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
        if is_late {
            let _ = kill_process(process, Signal::KILL);
        }
        is_late
    })
}

/// Takes over what the other process has compiled.
fn adopt(engine: &PolicyEngine, instances: Instances, code: &[u8]) -> Result<Component, CompileFault> {
    #[allow(unsafe_code, reason = "the code comes from this very program, over a pipe that nothing else has")]
    // SAFETY: `Component::serialize` of the same version of wasmtime, with the same settings, made these bytes. wasmtime refuses
    // those of other versions and settings.
    let component = unsafe { Component::deserialize(engine.wasmtime(instances), code) };
    component.map_err(|error| CompileFault::new(&error))
}

#[cfg(test)]
mod tests;
