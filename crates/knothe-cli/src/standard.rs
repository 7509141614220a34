//! Whether standard output was open at the start.
//!
//! Rust's runtime opens /dev/null in the place of a closed descriptor before `main`. What is written there would be lost without an error.

use std::io;

/// An error if standard output was closed when the program started.
pub fn check_stdout() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if early::CLOSED.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod early {
    use std::sync::atomic::{AtomicBool, Ordering};

    pub static CLOSED: AtomicBool = AtomicBool::new(false);

    /// The loader calls the functions of this section before the runtime starts.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        // SAFETY: fcntl with F_GETFD only asks.
        let open = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } != -1;
        CLOSED.store(!open, Ordering::Relaxed);
    }
}
