//! What one instance may take: memory, tables, instances.
//!
//! A refused `memory.grow` is something that a guest can shrug off or turn into an ordinary panic. To stop it
//! for certain, and to be able to say why, the limiter answers with an error of its own, which ends the call
//! and is found again by its type.

use wasmtime::{ResourceLimiter, Result};

/// How large a component may be, apart from its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Core instances of one component.
    pub(super) core_instances: usize,
    /// Its memories; 1 in all that compilers make today.
    pub(super) memories: usize,
    /// Its tables; 1 or 2 in most.
    pub(super) tables: usize,
    /// Elements of one table: function pointers.
    pub(super) table_elements: usize,
}

/// The largest component that fits into a slot. Components made from one module have 1 to 4 core instances, one that brings a whole
/// Python in shared libraries 38; a small policy has a few function pointers and an interpreter some thousands. 20,000
/// is also wasmtime's default.
pub(super) const LEAN: Bounds =
    Bounds { core_instances: 64, memories: 4, tables: 16, table_elements: 20_000 };

/// The same for warm instances: room for a language's whole runtime, in shared libraries or in one piece.
pub(super) const ROOMY: Bounds =
    Bounds { core_instances: 128, memories: 4, tables: 64, table_elements: 100_000 };

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

    use super::{LEAN, Limits, OutOfMemory};

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
