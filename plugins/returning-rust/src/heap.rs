//! The heap of an answer: a part of the component's first memory page, and behind it the standard library's allocator.
//!
//! Each answer runs in a fresh instance, and so pays for what that instance sets up. The standard library's allocator alone fetches its
//! first segment from the gateway, which costs as much again as a small answer. An answer takes some hundred small blocks and gives all of them
//! back: this heap goes forward, back over its last block, and begins anew when nothing of it is in use. What does not fit
//! goes to the standard library's allocator, so that large questions, and warm instances that keep something, work as without it.
//!
//! Delete this file and its line in `lib.rs` to go without it: only the time changes.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, UnsafeCell},
};

/// Bytes. Stack, statics and this share a page of 64 KiB.
const ROOM: usize = 16 * 1024;

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: Heap = Heap::new();

#[repr(align(16))]
struct Room(UnsafeCell<[u8; ROOM]>);

struct Heap {
    room: Room,
    /// How many bytes of the room are behind the next block.
    taken: Cell<usize>,
    /// Blocks in the room that have not been given back.
    in_use: Cell<usize>,
}

// SAFETY: an instance of a component has one thread.
#[cfg(target_family = "wasm")]
unsafe impl Sync for Heap {}

impl Heap {
    const fn new() -> Self {
        Self { room: Room(UnsafeCell::new([0; ROOM])), taken: Cell::new(0), in_use: Cell::new(0) }
    }

    fn start(&self) -> *mut u8 {
        self.room.0.get().cast()
    }

    /// Where in the room a block begins, if it is there.
    fn place(&self, block: *mut u8) -> Option<usize> {
        let place = block.addr().wrapping_sub(self.start().addr());
        (place < ROOM).then_some(place)
    }

    /// Makes the room's last block end at another place, if it is the last one and there is room.
    fn moves_end(&self, block: *mut u8, old: usize, new: usize) -> bool {
        let Some(place) = self.place(block) else { return false };
        // A block has at most `isize::MAX` bytes, so that this does not overflow.
        let fits = place + old == self.taken.get() && place + new <= ROOM;
        if fits {
            self.taken.set(place + new);
        }
        fits
    }
}

// SAFETY: a block in the room begins behind all those that are in use, and ends within it. `System` gets back only what it gave.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = self.start().wrapping_add(self.taken.get());
        let gap = next.addr().wrapping_neg() & (layout.align() - 1);
        let begin = self.taken.get() + gap;
        if layout.size() > ROOM || begin + layout.size() > ROOM {
            // SAFETY: the caller's promises are those that `System` asks for.
            return unsafe { System.alloc(layout) };
        }
        self.taken.set(begin + layout.size());
        self.in_use.set(self.in_use.get() + 1);
        next.wrapping_add(gap)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.place(block).is_none() {
            // SAFETY: it is not of the room, so `System` gave it.
            return unsafe { System.dealloc(block, layout) };
        }
        let in_use = self.in_use.get() - 1;
        self.in_use.set(in_use);
        if in_use == 0 {
            self.taken.set(0);
        } else {
            self.moves_end(block, layout.size(), 0);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.place(block).is_none() {
            // SAFETY: it is not of the room, so `System` gave it.
            return unsafe { System.realloc(block, layout, size) };
        }
        if self.moves_end(block, layout.size(), size) {
            return block;
        }
        // SAFETY: the caller promises that the size is one that this alignment can have.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both have that many bytes, and the old block is in use until it is given back here.
            unsafe {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::{GlobalAlloc as _, Heap, Layout, ROOM};

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let heap = Heap::new();
        let (odd, wide) = (layout(3, 1), layout(16, 16));
        // SAFETY: each block is given back once, with its layout.
        unsafe {
            let (one, two, three) = (heap.alloc(odd), heap.alloc(wide), heap.alloc(odd));
            assert_eq!((heap.place(one), heap.place(two), heap.place(three)), (Some(0), Some(16), Some(32)));
            heap.dealloc(three, odd);
            assert_eq!(heap.place(heap.alloc(odd)), Some(32), "the last block's place is free again");
            heap.dealloc(two, wide);
            heap.dealloc(three, odd);
            heap.dealloc(one, odd);
            assert_eq!(heap.place(heap.alloc(wide)), Some(0), "nothing was in use");
        }
    }

    #[test]
    fn a_block_grows_where_it_is_or_takes_its_bytes_along() {
        let heap = Heap::new();
        // SAFETY: each block has the bytes that are written and read.
        unsafe {
            let block = heap.alloc(layout(4, 1));
            block.copy_from_nonoverlapping(b"wamp".as_ptr(), 4);
            assert_eq!(heap.realloc(block, layout(4, 1), 8), block);
            heap.alloc(layout(1, 1));
            for size in [16, ROOM + 1] {
                let moved = heap.realloc(heap.alloc(layout(4, 1)), layout(4, 1), 4);
                moved.copy_from_nonoverlapping(block, 4);
                heap.alloc(layout(1, 1));
                let moved = heap.realloc(moved, layout(4, 1), size);
                assert_eq!(std::slice::from_raw_parts(moved, 4), b"wamp");
                assert_eq!(heap.place(moved).is_some(), size < ROOM);
                heap.dealloc(moved, layout(size, 1));
            }
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_standard_allocator() {
        let heap = Heap::new();
        // SAFETY: each block is given back once, with its layout.
        unsafe {
            let most = heap.alloc(layout(ROOM, 1));
            assert_eq!(heap.place(most), Some(0));
            let more = heap.alloc(layout(1, 1));
            assert_eq!(heap.place(more), None);
            let more = heap.realloc(more, layout(1, 1), 100);
            heap.dealloc(most, layout(ROOM, 1));
            assert_eq!(heap.place(heap.alloc(layout(ROOM, 1))), Some(0));
            heap.dealloc(more, layout(100, 1));
        }
    }
}
