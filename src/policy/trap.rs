//! Where a policy trapped: the functions that were running, for the operator and for the policy's author.

use std::num::NonZeroUsize;

use wasmtime::{FrameInfo, WasmBacktrace};

use super::text::clean;

/// The most functions that are told: the innermost ones say what went wrong, and a policy may recurse deeply.
pub(super) const MAX_FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(16);

/// Bytes that are told of a function's name. The names are the component's, so they are cleaned like all of its texts.
const NAME_BYTES: usize = 160;

/// Adds the functions that were running to what is said of a failure, the innermost one first.
pub(super) fn located(what: &str, error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let names: Vec<String> = frames.iter().map(name).collect();
    match names.split_first() {
        None => what.to_owned(),
        Some((first, [])) => format!("{what}, in {first}"),
        Some((first, callers)) => format!("{what}, in {first}, called by {}", callers.join(" < ")),
    }
}

/// A function's name, or its number where the module has no names.
fn name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => clean(&format!("{:#}", rustc_demangle::demangle(name)), None, NAME_BYTES),
        None => match frame.module_offset() {
            Some(offset) => format!("function {} at {offset:#x}", frame.func_index()),
            None => format!("function {}", frame.func_index()),
        },
    }
}
