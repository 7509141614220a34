//! Memory, and what happens when there is no more of it.

use std::alloc::{GlobalAlloc, Layout};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
        // Several threads may be refused at once, and one of them speaks. The others give it time, and so does a second refusal of the same thread.
        static SPOKEN: AtomicBool = AtomicBool::new(false);
        if SPOKEN.swap(true, Ordering::SeqCst) {
            std::thread::sleep(Duration::from_secs(1));
            #[cfg(unix)]
            // SAFETY: ends the process without a call of anything else.
            #[allow(unsafe_code)]
            unsafe {
                libc::_exit(1);
            }
            #[cfg(not(unix))]
            std::process::abort();
        }
        // Nothing here asks for memory, and the line is written at once.
        let mut line = [0; 128];
        let mut left = &mut line[..];
        let _ = writeln!(left, "error: out of memory: expected {} MiB more, found less", bytes.div_ceil(1 << 20));
        let length = 128 - left.len();
        let _ = std::io::stderr().write_all(&line[..length]);
        knothe::file::remove_unfinished();
        std::process::exit(1);
    }
    memory
}
