//! The heap: a static arena inside the first memory page.
//!
//! A decision runs in a fresh instance, so whatever an instance needs to set up is paid for by every
//! decision. An allocator that fetches its first segment with `memory.grow` costs as much again as the whole
//! decision; one that begins in an arena costs nothing. Only a request that does not fit the arena makes the
//! memory grow.

use core::{alloc::Layout, arch::wasm32, mem::MaybeUninit};

use talc::{
    base::{Talc, binning::Binning},
    cell::TalcSyncCell,
    source::Source,
    wasm::WasmBinning,
};

/// Bytes of heap that every instance has. With 32 KiB of stack and the statics it fits one page of 64 KiB,
/// and a HELLO with 8 headers and a full record takes about 3 KiB of it.
const ARENA: usize = 24 * 1024;

/// Bytes of a page of memory.
const PAGE: usize = 64 * 1024;

/// What an allocation may need beside its own size: the allocator's bookkeeping at both ends of a new heap.
const OVERHEAD: usize = 256;

#[global_allocator]
static HEAP: TalcSyncCell<ArenaThenPages, WasmBinning> =
    TalcSyncCell::new_wasm(ArenaThenPages { arena_used: false });

/// Hands the allocator the arena first, and then as many pages as it lacks.
#[derive(Debug)]
struct ArenaThenPages {
    arena_used: bool,
}

// SAFETY: `acquire` neither allocates nor touches `HEAP` except through the reference that it is given.
unsafe impl Source for ArenaThenPages {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        static mut MEMORY: [MaybeUninit<u8>; ARENA] = [MaybeUninit::uninit(); ARENA];

        let (base, size) = if talc.source.arena_used {
            let pages = (layout.size() + layout.align() + OVERHEAD).div_ceil(PAGE);
            let end_before = wasm32::memory_grow::<0>(pages);
            if end_before == usize::MAX {
                return Err(());
            }
            (core::ptr::without_provenance_mut(end_before * PAGE), pages * PAGE)
        } else {
            talc.source.arena_used = true;
            ((&raw mut MEMORY).cast::<u8>(), ARENA)
        };
        // SAFETY: nobody else knows the arena, which is handed out once, or pages that have just been added.
        unsafe { talc.claim(base, size) }.map(|_| ()).ok_or(())
    }
}
