//! WASI's streams: standard input, which is at its end, and two ways to the log.

use wasmtime::{
    Result, StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, Lower, Resource},
};

use super::{Failure, Pollable, own};
use crate::policy::{instance::Instance, log::Level};

/// Bytes that a guest is told to write at once.
const CHUNK: u64 = 4096;

/// Standard input.
pub(super) struct InputStream;

/// Standard output or standard error, which are told apart by their representation.
pub(super) struct OutputStream;

const STDOUT: u32 = 1;
const STDERR: u32 = 2;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "a case of WASI's that does not happen here")]
    LastOperationFailed(Resource<Failure>),
    #[component(name = "closed")]
    Closed,
}

type Input = (Resource<InputStream>, u64);
type Output = (Resource<OutputStream>,);
type OutputBytes = (Resource<OutputStream>, Vec<u8>);

/// Defines a function of the streams; false if it is none of theirs.
pub(super) fn function(
    linker: &mut LinkerInstance<'_, Instance>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    match (interface, name) {
        ("cli/stdin", "get-stdin") => linker.func_wrap(name, |store, ()| own::<InputStream>(store, 0)),
        ("cli/stdout", "get-stdout") => {
            linker.func_wrap(name, |store, ()| own::<OutputStream>(store, STDOUT))
        }
        ("cli/stderr", "get-stderr") => {
            linker.func_wrap(name, |store, ()| own::<OutputStream>(store, STDERR))
        }
        ("io/streams", "[method]input-stream.read" | "[method]input-stream.blocking-read") => {
            linker.func_wrap(name, |_, _: Input| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))
        }
        ("io/streams", "[method]input-stream.skip" | "[method]input-stream.blocking-skip") => {
            linker.func_wrap(name, |_, _: Input| Ok((Err::<u64, _>(StreamError::Closed),)))
        }
        ("io/streams", "[method]input-stream.subscribe") => {
            linker.func_wrap(name, |store, _: (Resource<InputStream>,)| own::<Pollable>(store, 0))
        }
        ("io/streams", "[method]output-stream.check-write") => {
            linker.func_wrap(name, |_, _: Output| Ok((Ok::<_, StreamError>(CHUNK),)))
        }
        ("io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            linker.func_wrap(name, |store, (stream, bytes): OutputBytes| {
                write(store, stream.rep(), &bytes)?;
                Ok((Ok::<_, StreamError>(()),))
            })
        }
        ("io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            linker.func_wrap(name, |_, _: Output| Ok((Ok::<_, StreamError>(()),)))
        }
        ("io/streams", "[method]output-stream.subscribe") => {
            linker.func_wrap(name, |store, _: Output| own::<Pollable>(store, 0))
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn write(mut store: StoreContextMut<'_, Instance>, stream: u32, bytes: &[u8]) -> Result<()> {
    let Instance { streams, log, .. } = store.data_mut();
    let (lines, level) = if stream == STDERR {
        (&mut streams.stderr, Level::Warn)
    } else {
        (&mut streams.stdout, Level::Info)
    };
    Ok(lines.write(bytes, level, log.as_mut())?)
}
