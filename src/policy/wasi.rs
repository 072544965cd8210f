//! WASI 0.2 for policies whose tool chain cannot do without: it opens nothing and waits for nothing.
//!
//! No files, no network, no environment, no arguments. Standard input is at its end. What goes to standard output and
//! standard error are lines of the policy's log, within the same limits. The clocks and the random numbers are real,
//! the clocks to the millisecond.
//!
//! Nothing here waits: a decision runs on a thread that serves connections, and the deadline can stop only the guest's own
//! code. All that a guest waits for is ready at once, and a sleep is over at once.
//!
//! A component may import the rest of WASI as well; a call of it ends the decision.

mod streams;

use std::{sync::LazyLock, time::Instant};

use rand::{TryRng as _, rngs::SysRng};
use wasmtime::{
    Result, StoreContextMut,
    component::{
        Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val,
        types::ComponentItem,
    },
};

use self::streams::{InputStream, OutputStream};
use super::{instance::Instance, random::random_bytes};

/// How the names of WASI's imports begin.
pub(super) const NAMESPACE: &str = "wasi:";
/// The version that is there, whatever its last number.
const VERSION: &str = "0.2.";
/// Handles that an instance may hold: a guest that only ever opens would fill the host's tables.
const MAX_HANDLES: u32 = 1024;
/// Random bytes in one call. Python asks for 2,496 when it starts.
const MAX_RANDOM_BYTES: u64 = 16 * 1024;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// The error that ends a decision which calls what is not there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotThere {
    #[error("it called `{0}`, which policies do not have")]
    Function(String),
    #[error("it called `exit`")]
    Exit,
}

/// The error that ends a decision which only ever opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_HANDLES} handles")]
pub(super) struct TooManyHandles;

/// Something to wait for; it is always ready.
struct Pollable;
/// Why a stream failed; none ever does.
struct Failure;
/// A file or a folder. There is none.
struct Descriptor;
struct TerminalInput;
struct TerminalOutput;
/// The other resources, of which there are none.
struct Nothing;

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Whether an import is one of those that the grant `wasi` links.
pub(super) fn is_known(import: &str) -> bool {
    interface(import).is_some()
}

/// `io/streams` of `wasi:io/streams@0.2.6`.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix(NAMESPACE)?.split_once('@')?;
    version.starts_with(VERSION).then_some(interface)
}

/// Defines everything that a component imports of WASI, under the names and versions that it uses.
pub(super) fn add(linker: &mut Linker<Instance>, component: &Component) -> Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) = (interface(import), item.ty)
        else {
            continue;
        };
        let mut linker = linker.instance(import)?;
        for (name, item) in instance.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => resource(&mut linker, name)?,
                ComponentItem::ComponentFunc(_) => function(&mut linker, import, interface, name)?,
                // Types need no definition.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Defines a resource. One of the same name is the same in all interfaces.
fn resource(linker: &mut LinkerInstance<'_, Instance>, name: &str) -> Result<()> {
    let resource = match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<Failure>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Nothing>(),
    };
    linker.resource(name, resource, |mut store, _| {
        let handles = &mut store.data_mut().streams.handles;
        *handles = handles.saturating_sub(1);
        Ok(())
    })
}

/// A new handle.
fn own<T: 'static>(mut store: StoreContextMut<'_, Instance>, which: u32) -> Result<(Resource<T>,)> {
    let handles = &mut store.data_mut().streams.handles;
    if *handles >= MAX_HANDLES {
        return Err(TooManyHandles.into());
    }
    *handles += 1;
    Ok((Resource::new_own(which),))
}

/// Defines a function.
fn function(
    linker: &mut LinkerInstance<'_, Instance>,
    import: &str,
    interface: &str,
    name: &str,
) -> Result<()> {
    match (interface, name) {
        ("cli/environment", "get-environment") => {
            linker.func_wrap(name, |_, ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("cli/environment", "get-arguments") => linker.func_wrap(name, |_, ()| Ok((Vec::<String>::new(),))),
        ("cli/environment", "initial-cwd") => linker.func_wrap(name, |_, ()| Ok((None::<String>,))),
        ("cli/exit", "exit") => {
            linker.func_wrap(name, |_, (_,): (Result<(), ()>,)| -> Result<()> { Err(NotThere::Exit.into()) })
        }
        ("cli/terminal-stdin", "get-terminal-stdin") => {
            linker.func_wrap(name, |_, ()| Ok((None::<Resource<TerminalInput>>,)))
        }
        ("cli/terminal-stdout", "get-terminal-stdout") | ("cli/terminal-stderr", "get-terminal-stderr") => {
            linker.func_wrap(name, |_, ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        ("filesystem/preopens", "get-directories") => {
            linker.func_wrap(name, |_, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        ("filesystem/types", "filesystem-error-code") => linker.func_new(name, |_, _, _, results| {
            results.fill(Val::Option(None));
            Ok(())
        }),
        ("io/error", "[method]error.to-debug-string") => {
            linker.func_wrap(name, |_, (_,): (Resource<Failure>,)| Ok((String::new(),)))
        }
        ("io/poll", "[method]pollable.ready") => {
            linker.func_wrap(name, |_, (_,): (Resource<Pollable>,)| Ok((true,)))
        }
        ("io/poll", "[method]pollable.block") => {
            linker.func_wrap(name, |_, (_,): (Resource<Pollable>,)| Ok(()))
        }
        ("io/poll", "poll") => linker.func_wrap(name, |_, (all,): (Vec<Resource<Pollable>>,)| {
            Ok(((0..).zip(&all).map(|(place, _)| place).collect::<Vec<u32>>(),))
        }),
        ("clocks/monotonic-clock", "now") => linker.func_wrap(name, |_, ()| Ok((monotonic(),))),
        ("clocks/monotonic-clock", "resolution") => linker.func_wrap(name, |_, ()| Ok((NANOS_PER_MILLI,))),
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            linker.func_wrap(name, |store, (_,): (u64,)| own::<Pollable>(store, 0))
        }
        ("clocks/wall-clock", "now") => linker.func_wrap(name, |_, ()| Ok((wall(),))),
        ("clocks/wall-clock", "resolution") => {
            let resolution = || Datetime { seconds: 0, nanoseconds: 1_000_000 };
            linker.func_wrap(name, move |_, ()| Ok((resolution(),)))
        }
        ("random/random", "get-random-bytes") | ("random/insecure", "get-insecure-random-bytes") => {
            linker.func_wrap(name, |_, (count,): (u64,)| Ok((random_bytes(count, MAX_RANDOM_BYTES)?,)))
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            linker.func_wrap(name, |_, ()| Ok((SysRng.try_next_u64()?,)))
        }
        ("random/insecure-seed", "insecure-seed") => {
            linker.func_wrap(name, |_, ()| Ok(((SysRng.try_next_u64()?, SysRng.try_next_u64()?),)))
        }
        _ if streams::function(linker, interface, name)? => Ok(()),
        _ => {
            let called = format!("{import}#{name}");
            linker.func_new(name, move |_, _, _, _| Err(NotThere::Function(called.clone()).into()))
        }
    }
}

/// Nanoseconds since the first question, in whole milliseconds. With finer ones a guest could measure what others do on
/// this machine.
fn monotonic() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(NANOS_PER_MILLI)
}

fn wall() -> Datetime {
    let millis = crate::time::Timestamp::now().as_millis();
    let nanoseconds = u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000;
    Datetime { seconds: millis / 1000, nanoseconds }
}
