//! An allocator that keeps all that it is given back, and a search of the process's own memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{read_volatile, with_exposed_provenance};

/// What needles are masked with, byte by byte.
pub(crate) const KEY: u8 = 0x5a;

/// The system's allocator, but that memory is never used again: nothing is written over what a
/// dropped value left, not even by the allocator's own lists.
struct Keeping;

// SAFETY: as `System`; memory that is not given back is not given out twice either. Growing allocates
// anew and copies, which is `GlobalAlloc`'s own default.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about the layout is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Keeping = Keeping;

/// Places that hold a needle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Outside the stack: heap, statics, thread-local memory.
    pub(crate) heap: usize,
    /// On the main thread's stack, above or below its pointer.
    pub(crate) stack: usize,
}

/// Searches all readable and writable memory for a masked needle. Says on standard error where the
/// places outside the stack are.
pub(crate) fn count(masked: &[u8]) -> Found {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc/self/maps");
    let mut found = Found::default();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(permissions)) = (fields.next(), fields.next()) else { continue };
        if !permissions.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let Some((start, end)) = range.split_once('-') else { continue };
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        let places = search(address(start), address(end), masked);
        if line.ends_with("[stack]") {
            found.stack += places.len();
        } else {
            places.iter().for_each(|at| eprintln!("{at:#x} of {line}"));
            found.heap += places.len();
        }
    }
    found
}

/// Places in [start, end) that hold the needle. No byte of it is kept unmasked.
#[inline(never)]
fn search(start: usize, end: usize, masked: &[u8]) -> Vec<usize> {
    let Some(last) = (end - start).checked_sub(masked.len()) else { return Vec::new() };
    // SAFETY: the kernel says that all of [start, end) is mapped and readable, and this process has
    // one thread, which unmaps nothing meanwhile. Memory of live objects is read as bytes, volatile.
    let byte = |at: usize| unsafe { read_volatile(with_exposed_provenance::<u8>(start + at)) };
    (0..=last)
        .filter(|at| masked.iter().enumerate().all(|(i, masked)| byte(at + i) ^ KEY == *masked))
        .map(|at| start + at)
        .collect()
}
