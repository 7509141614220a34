//! Memory, and what happens when there is no more of it.

use std::alloc::{GlobalAlloc, Layout};
use std::io::Write;

use mimalloc::MiMalloc;

/// A step of a fit asks for many small pieces of memory, and mimalloc gives them faster than the system does. Where it has none, the command ends with one line in
/// the place of a signal.
pub struct Memory;

// SAFETY: every call goes to mimalloc as it is; what it refuses ends the process.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { MiMalloc.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.dealloc(old, layout) }
    }
}

fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        // Nothing here asks for memory: standard error has no buffer.
        let mib = bytes.div_ceil(1 << 20);
        let _ = writeln!(std::io::stderr(), "error: out of memory: expected {mib} MiB more, found less");
        knothe::file::remove_unfinished();
        std::process::exit(1);
    }
    memory
}
