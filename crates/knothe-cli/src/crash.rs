//! A crash inside a third-party library.

use std::path::Path;
#[cfg(unix)]
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

#[cfg(unix)]
use crate::failure::printable;

/// The message, written before a crash, since a handler of signals must not allocate.
#[cfg(unix)]
static MESSAGE: OnceLock<String> = OnceLock::new();
/// Whether it has been written: several threads may crash at once.
#[cfg(unix)]
static SAID: AtomicBool = AtomicBool::new(false);

/// From now on, a crash of the process prints an error that names this target, and exits with code 1.
#[cfg(unix)]
#[allow(unsafe_code)]
pub fn name(target: &Path) {
    let path = target.display().to_string();
    let path = printable(&path, false);
    let hint = "check that the library has BridgeStan's interface, or run knothe in a debugger";
    let message = format!("error: knothe crashed while it used the target '{path}'\nhint: {hint}\n");
    if MESSAGE.set(message).is_err() {
        return;
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT] {
        // SAFETY: the action is zeroed, which is valid, and then filled. The handler calls only functions that are safe in a handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = crashed as *const () as libc::sighandler_t;
            // The stack of the thread may be the fault.
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Elsewhere the system says what crashed.
#[cfg(not(unix))]
pub fn name(_: &Path) {}

#[cfg(unix)]
#[allow(unsafe_code)]
extern "C" fn crashed(_: libc::c_int) {
    let message = MESSAGE.get().map_or("", String::as_str);
    let message = if SAID.swap(true, Ordering::SeqCst) { "" } else { message };
    // SAFETY: write and _exit are safe in a handler of signals (POSIX.1-2017, §2.4.3).
    unsafe {
        libc::write(2, message.as_ptr().cast(), message.len());
        libc::_exit(1);
    }
}
