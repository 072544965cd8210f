//! What the command says when a mapped file is cut while it is read.
//!
//! A store of type `lmdb` looks at the length of its file before each look-up. A program may cut the file between that and the
//! look-up, and a disk may fail to read a page: the system then ends the process with SIGBUS, without a word.
//!
//! wasmtime has handlers of its own for the faults of components. On Linux they are those of other signals. Where SIGBUS is among
//! them (macOS, FreeBSD), wasmtime comes later, and hands on to the handler before it what no component has done.

use std::{io, os::fd::BorrowedFd, process};

use rustix::process::Signal;

const MESSAGE: &[u8] = b"wampgate: SIGBUS: a file that is mapped into memory was cut, or its disk cannot be read. \
    It is the data.mdb of a cookie store of type \"lmdb\" if there is one: put a sound copy in its place (docs/stores.md)\n";

/// From now on SIGBUS says why the process ends.
pub(crate) fn explain_faults() -> io::Result<()> {
    #[allow(unsafe_code, reason = "a handler of a signal may call few functions; this one calls two of them")]
    // SAFETY: write(2) to a descriptor that the process has from its start, and abort(3), are allowed in a handler of a signal.
    // Nothing is allocated and no lock is taken.
    let registered = unsafe {
        signal_hook_registry::register(Signal::BUS.as_raw(), || {
            // Nothing can be done if standard error takes nothing.
            let _ = rustix::io::write(BorrowedFd::borrow_raw(2), MESSAGE);
            process::abort();
        })
    };
    registered.map(drop)
}
