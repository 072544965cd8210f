//! What an instance is given: `log`, and the interfaces that the operator has granted.

use wasmtime::{
    Engine, Result,
    component::{Component, HasSelf, Linker},
};

use super::{Grants, bindings, instance::Instance, log::Level, random::random_bytes, wasi};
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

/// A linker that is empty but for what a component imports.
pub(super) fn linker(engine: &Engine, component: &Component, imports: Imports) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    v0_1::add(&mut linker, imports)?;
    v0_2::add(&mut linker, imports)?;
    v0_3::add(&mut linker, imports)?;
    if imports.granted.wasi {
        wasi::add(&mut linker, component)?;
    }
    Ok(linker)
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
serve!(v0_3);
