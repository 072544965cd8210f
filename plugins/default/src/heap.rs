//! The heap: what stack and statics leave of the first memory page.
//!
//! A decision runs in a fresh instance, so whatever an instance needs to set up is paid for by every decision. An
//! allocator that fetches its first segment with `memory.grow` costs as much again as the whole decision, and one that
//! keeps lists of free blocks about a tenth of it. A call takes some fifty small blocks and gives all of them back
//! before the next one begins: this heap only goes forward, and begins anew when nothing of it is in use. An instance that
//! stays warm does not grow by it.

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::Cell,
    ptr,
};

/// Bytes of a page of memory.
const PAGE: usize = 64 * 1024;

unsafe extern "C" {
    /// Where stack and statics end; the linker's.
    static __heap_base: u8;
}

#[global_allocator]
static HEAP: Heap = Heap { next: Cell::new(BASE), end: Cell::new(0), in_use: Cell::new(0) };

const BASE: *mut u8 = (&raw const __heap_base).cast_mut();

#[derive(Debug)]
struct Heap {
    /// The next block begins here, or a little later.
    next: Cell<*mut u8>,
    /// The address at which the memory ends, as far as it is known here.
    end: Cell<usize>,
    /// Blocks that have not been given back.
    in_use: Cell<usize>,
}

// SAFETY: an instance of a component has one thread.
unsafe impl Sync for Heap {}

// SAFETY: blocks begin behind all those that are in use, and end where the memory does.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = self.next.get();
        let gap = next.addr().wrapping_neg() & (layout.align() - 1);
        let block = next.wrapping_add(gap);
        let Some(end) = block.addr().checked_add(layout.size()) else { return ptr::null_mut() };
        if end > self.end.get() && !self.reach(end) {
            return ptr::null_mut();
        }
        self.next.set(block.wrapping_add(layout.size()));
        self.in_use.set(self.in_use.get() + 1);
        block
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {
        let in_use = self.in_use.get() - 1;
        self.in_use.set(in_use);
        if in_use == 0 {
            self.next.set(BASE);
        }
    }
}

impl Heap {
    /// Sees to it that the memory reaches as far as this address; whether it does.
    #[cold]
    fn reach(&self, end: usize) -> bool {
        let missing = end.div_ceil(PAGE).saturating_sub(wasm32::memory_size::<0>());
        if missing > 0 && wasm32::memory_grow::<0>(missing) == usize::MAX {
            return false;
        }
        self.end.set(wasm32::memory_size::<0>().saturating_mul(PAGE));
        true
    }
}
