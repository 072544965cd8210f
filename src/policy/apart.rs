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

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
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

/// How much processor time compiling may take, in seconds. A component that brings a whole Python takes 16, and 350 MiB.
pub(super) const MAX_SECONDS: u64 = 60;

/// How much memory compiling may take, in bytes.
pub(super) const MAX_MEMORY: u64 = 1024 * 1024 * 1024;

/// How long it may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(3);

/// The largest native code that is read, in bytes: several times the largest component.
const MAX_CODE: u64 = 512 * 1024 * 1024;

/// The exit code of a process that has told why the component does not compile.
const DOES_NOT_COMPILE: u8 = 3;

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
    let mut command = Command::new(program);
    command.arg(COMPILE_COMMAND).arg(word(instances)).arg(engine.max_memory().to_string());
    command.args(engine.cache());
    Some(run(&mut command, bytes).and_then(|code| adopt(engine, instances, &code)))
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
    let (instances, max_memory, cache) = parse(arguments).ok_or_else(invalid)?;
    limit()?;
    let engine = PolicyEngine::new(&PolicyEngineOptions { max_memory, cache }).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    input.take(MAX_CODE).read_to_end(&mut bytes)?;
    let compiled = translate(&engine, instances, &bytes)
        .and_then(|component| component.serialize().map_err(|error| CompileFault::new(&error)));
    match compiled {
        Ok(code) => output.write_all(&code).map(|()| 0),
        Err(CompileFault::Compile(why) | CompileFault::Costly(why)) => {
            output.write_all(why.as_bytes()).map(|()| DOES_NOT_COMPILE)
        }
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

fn parse(arguments: &[String]) -> Option<(Instances, usize, Option<PathBuf>)> {
    let (instances, max_memory, cache) = match arguments {
        [instances, max_memory] => (instances, max_memory, None),
        [instances, max_memory, cache] => (instances, max_memory, Some(PathBuf::from(cache))),
        _ => return None,
    };
    let instances = [Instances::Fresh, Instances::Warm].into_iter().find(|kind| word(*kind) == instances)?;
    Some((instances, max_memory.parse().ok()?, cache))
}

const fn word(instances: Instances) -> &'static str {
    match instances {
        Instances::Fresh => "fresh",
        Instances::Warm => "warm",
    }
}

/// Bounds the calling process, and ends it with its parent.
fn limit() -> io::Result<()> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Cpu, both(MAX_SECONDS))?;
    // Address space costs nothing, and engines reserve much of it.
    setrlimit(Resource::Data, both(MAX_MEMORY))?;
    setrlimit(Resource::Core, both(0))?;
    // A parent that has ended before sends no signal; then the limits above bound what is left to do.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Runs the other process to its end.
fn run(command: &mut Command, bytes: &[u8]) -> Result<Vec<u8>, CompileFault> {
    let failed = |error: io::Error| CompileFault::Compile(format!("no process to compile it in: {error}"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let (done, finished) = mpsc::channel::<()>();
    let watchdog = watch(&child, finished);
    let answer = exchange(&mut child, bytes);
    // The number of a process that has ended is free only after `wait`, so that the watchdog kills no other one.
    drop(done);
    let is_late = watchdog.is_ok_and(|thread| thread.join().unwrap_or(true));
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let answer = answer.map_err(failed)?;
    match status.code() {
        Some(0) => Ok(answer),
        Some(code) if code == i32::from(DOES_NOT_COMPILE) => {
            Err(CompileFault::Compile(String::from_utf8_lossy(&answer).into_owned()))
        }
        _ => Err(CompileFault::Costly(why(status, is_late))),
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
fn watch(child: &Child, finished: mpsc::Receiver<()>) -> io::Result<thread::JoinHandle<bool>> {
    let process = Pid::from_child(child);
    thread::Builder::new().name("compile-watch".to_owned()).spawn(move || {
        let is_late = finished.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if is_late {
            let _ = kill_process(process, Signal::KILL);
        }
        is_late
    })
}

/// What was too much.
fn why(status: ExitStatus, is_late: bool) -> String {
    let number = status.signal();
    if is_late || number == Some(Signal::XCPU.as_raw()) || number == Some(Signal::KILL.as_raw()) {
        format!("more than {MAX_SECONDS} seconds of processor time")
    } else {
        format!("more than {} MiB of memory ({status})", MAX_MEMORY / 1024 / 1024)
    }
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
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Vec<u8>, CompileFault> {
        run(Command::new("sh").args(["-c", script]), &vec![b'x'; 200_000])
    }

    #[test]
    fn the_other_process_answers_or_tells_why_not() {
        assert_eq!(shell("cat > /dev/null; printf code").unwrap(), b"code");
        for (script, expected) in [
            ("cat > /dev/null; printf 'no such type'; exit 3", "no such type"),
            // It may end without having read anything.
            ("printf 'no such type'; exit 3", "no such type"),
            ("ulimit -t 1; while :; do :; done", "60 seconds of processor time"),
            ("kill -KILL $$", "60 seconds of processor time"),
            ("kill -ABRT $$", "1024 MiB of memory"),
            ("kill -SEGV $$", "1024 MiB of memory"),
        ] {
            let fault = format!("{:?}", shell(script).unwrap_err());
            assert!(fault.contains(expected), "{script}: {fault}");
        }
        let missing = format!("{:?}", run(&mut Command::new("/no/such/program"), b"").unwrap_err());
        assert!(missing.contains("no process to compile it in"), "{missing}");
    }

    #[test]
    fn the_command_is_for_the_gateway_alone() {
        let arguments: [&[&str]; 4] = [&[], &["fresh"], &["cold", "65536"], &["fresh", "much"]];
        for arguments in arguments {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert!(parse(&arguments).is_none(), "{arguments:?}");
        }
        let arguments = ["warm", "65536", "/cache"].map(str::to_owned);
        assert_eq!(parse(&arguments), Some((Instances::Warm, 65536, Some(PathBuf::from("/cache")))));
    }
}
