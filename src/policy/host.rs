//! What an instance is given: `log`, and the interfaces that the operator has granted.

use wasmtime::{
    Engine, Result,
    component::{Component, HasSelf, Linker},
};

use super::{
    Grants, bindings,
    limits::Limits,
    log::{DecisionLog, Level},
    wasi::{self, Wasi},
};
use crate::time::Timestamp;

/// Bytes that `random` gives in one call: what the contract says.
const MAX_RANDOM_BYTES: u64 = 1024;

/// What a component imports. It may have all of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Imports {
    pub(super) log: bool,
    /// What of it is there by a grant only.
    pub(super) granted: Grants,
}

/// What the host keeps for one instance.
pub(super) struct Instance {
    pub(super) limits: Limits,
    pub(super) log: Option<DecisionLog>,
    pub(super) wasi: Wasi,
}

/// The error that ends a decision which asks for more than the contract's share of randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more random bytes in one call than a policy may have")]
pub(super) struct TooManyBytes;

/// A linker that is empty but for what a component imports.
pub(super) fn linker(engine: &Engine, component: &Component, imports: Imports) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    v0_1::add(&mut linker, imports)?;
    v0_2::add(&mut linker, imports)?;
    if imports.granted.wasi {
        wasi::add(&mut linker, component)?;
    }
    Ok(linker)
}

impl Instance {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, log: None, wasi: Wasi::default() }
    }

    /// Ends a decision: what it has left to say is written.
    pub(super) fn finish(&mut self) {
        self.wasi.finish(self.log.as_mut());
        self.log = None;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Bytes from the operating system, as many as a guest asks for and no more than it may have in one call.
pub(super) fn random_bytes(count: u64, most: u64) -> Result<Vec<u8>> {
    if count > most {
        return Err(TooManyBytes.into());
    }
    let mut bytes = vec![0; usize::try_from(count)?];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes)?;
    Ok(bytes)
}

/// The interfaces of a version of the contract: the same functions under its own names.
macro_rules! serve {
    ($version:ident) => {
        mod $version {
            use super::*;
            use bindings::$version::wampgate::authid::{clock, log, random};

            pub(super) fn add(linker: &mut Linker<Instance>, imports: Imports) -> Result<()> {
                if imports.log {
                    log::add_to_linker::<Instance, HasSelf<Instance>>(linker, |instance| instance)?;
                }
                if imports.granted.clock {
                    clock::add_to_linker::<Instance, HasSelf<Instance>>(linker, |instance| instance)?;
                }
                if imports.granted.random {
                    random::add_to_linker::<Instance, HasSelf<Instance>>(linker, |instance| instance)?;
                }
                Ok(())
            }

            impl log::Host for Instance {
                fn log(&mut self, level: log::Level, message: String) -> Result<()> {
                    let level = match level {
                        log::Level::Debug => Level::Debug,
                        log::Level::Info => Level::Info,
                        log::Level::Warn => Level::Warn,
                        log::Level::Error => Level::Error,
                    };
                    match &mut self.log {
                        Some(log) => Ok(log.line(level, &message)?),
                        None => Ok(()),
                    }
                }
            }

            impl clock::Host for Instance {
                fn now(&mut self) -> Result<u64> {
                    Ok(Timestamp::now().as_millis())
                }
            }

            impl random::Host for Instance {
                fn bytes(&mut self, count: u32) -> Result<Vec<u8>> {
                    random_bytes(count.into(), MAX_RANDOM_BYTES)
                }
            }
        }
    };
}

serve!(v0_1);
serve!(v0_2);
