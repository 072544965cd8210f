//! What one instance may take: memory, tables, instances.
//!
//! A refused `memory.grow` is something that a guest can shrug off or turn into an ordinary panic. To stop it
//! for certain, and to be able to say why, the limiter answers with an error of its own, which ends the call
//! and is found again by its type.

use wasmtime::{ResourceLimiter, Result};

use super::engine::Bounds;

/// The error that ends a call which wants too much memory; the limit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} bytes of memory are not allowed")]
pub(super) struct OutOfMemory(pub(super) usize);

/// Counts what an instance takes.
#[derive(Debug)]
pub(super) struct Limits {
    max_memory: usize,
    bounds: Bounds,
    /// All memories of the component together, in bytes.
    memory: usize,
}

impl Limits {
    pub(super) fn new(max_memory: usize, bounds: Bounds) -> Self {
        Self { max_memory, bounds, memory: 0 }
    }

    /// What the instance has, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let memory = self.memory.saturating_sub(current).saturating_add(desired);
        if memory > self.max_memory {
            return Err(OutOfMemory(self.max_memory).into());
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if desired > self.bounds.table_elements {
            return Err(OutOfMemory(self.bounds.table_elements * size_of::<usize>()).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.bounds.core_instances
    }

    fn memories(&self) -> usize {
        self.bounds.memories
    }

    fn tables(&self) -> usize {
        self.bounds.tables
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::{Limits, OutOfMemory};
    use crate::policy::engine::LEAN;

    #[test]
    fn several_memories_share_one_budget() {
        let mut limits = Limits::new(1000, LEAN);
        assert!(limits.memory_growing(0, 600, None).unwrap());
        assert!(limits.memory_growing(600, 700, None).unwrap());
        let error = limits.memory_growing(0, 301, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&OutOfMemory(1000)));
        assert!(limits.memory_growing(0, 300, None).unwrap());
    }

    #[test]
    fn a_table_has_a_bound_of_its_own() {
        let mut limits = Limits::new(1 << 30, LEAN);
        assert!(limits.table_growing(0, 20_000, None).unwrap());
        assert!(limits.table_growing(20_000, 20_001, None).unwrap_err().is::<OutOfMemory>());
    }
}
