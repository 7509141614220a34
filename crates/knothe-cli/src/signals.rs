//! Ctrl-C, and the other signals that end a process.

use std::sync::atomic::{AtomicBool, Ordering};

use knothe::file::remove_unfinished;

use crate::failure::Failure;

/// Whether the command ends by itself when it is told to, as a fit does, which writes a checkpoint first.
static WAITS: AtomicBool = AtomicBool::new(false);
/// Whether the command has been told to end.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends the command at the first signal, or at the second where it ends by itself; no unfinished file stays.
fn stop(code: i32) {
    let first = !STOPPED.swap(true, Ordering::SeqCst);
    if !(first && WAITS.load(Ordering::SeqCst)) {
        remove_unfinished();
        std::process::exit(code);
    }
}

/// Watches for the signals that end a process, but for a hang-up that its parent has it ignore, as `nohup` does.
#[cfg(unix)]
pub fn watch() -> Result<(), Failure> {
    use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
    let failed = |e: std::io::Error| Failure::Defect(format!("cannot watch for signals: {e}"));
    let ignored = ignored();
    let all = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU];
    // Shells have jobs in the background ignore Ctrl-C; `kill -INT` is still meant for them.
    let watched = all.into_iter().filter(|&signal| signal != SIGHUP || ignored >> (signal - 1) & 1 == 0);
    let mut signals = signal_hook::iterator::Signals::new(watched).map_err(failed)?;
    // A file that grows beyond a limit is then an error of the write.
    signal_hook::flag::register(SIGXFSZ, Default::default()).map_err(failed)?;
    let watch = move || signals.forever().for_each(|signal| stop(128 + signal));
    std::thread::Builder::new().spawn(watch).map(drop).map_err(failed)
}

/// The signals that were ignored when the process started, the first in the lowest bit; none where the system does not tell.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Watches for Ctrl-C.
#[cfg(not(unix))]
pub fn watch() -> Result<(), Failure> {
    ctrlc::set_handler(|| stop(130)).map_err(|e| Failure::Defect(format!("cannot watch for Ctrl-C: {e}")))
}

/// Says whether the command ends by itself from now on.
pub fn wait(waits: bool) {
    WAITS.store(waits, Ordering::SeqCst);
}

/// Whether the command has been told to end.
pub fn stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}
