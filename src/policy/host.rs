//! What an instance is given: `log`, and the interfaces that the operator has granted.

use wasmtime::{
    Engine, Result,
    component::{HasSelf, Linker},
};

use super::{
    bindings::wampgate::authid::{clock, log, random},
    limits::Limits,
    log::DecisionLog,
};
use crate::time::Timestamp;

/// Bytes that `random` gives in one call: what the contract says.
const MAX_RANDOM_BYTES: u32 = 1024;

/// What a component imports. It may have all of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Imports {
    pub(super) log: bool,
    pub(super) clock: bool,
    pub(super) random: bool,
}

/// What the host keeps for one instance.
pub(super) struct Instance {
    pub(super) limits: Limits,
    pub(super) log: Option<DecisionLog>,
}

/// The error that ends a decision which asks for more than the contract's share of randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_RANDOM_BYTES} random bytes in one call")]
pub(super) struct TooManyBytes;

/// A linker that is empty but for what a component imports.
pub(super) fn linker(engine: &Engine, imports: Imports) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    if imports.log {
        log::add_to_linker::<Instance, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    }
    if imports.clock {
        clock::add_to_linker::<Instance, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    }
    if imports.random {
        random::add_to_linker::<Instance, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    }
    Ok(linker)
}

impl Instance {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, log: None }
    }
}

impl log::Host for Instance {
    fn log(&mut self, level: log::Level, message: String) -> Result<()> {
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
        if count > MAX_RANDOM_BYTES {
            return Err(TooManyBytes.into());
        }
        let mut bytes = vec![0; usize::try_from(count)?];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes)?;
        Ok(bytes)
    }
}
