//! A defect of the program is one line like every other error, never a trace.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;

use crate::failure::Failure;

/// The latest panic. Readers of damaged files panic and are caught inside the library, so a panic alone is no reason to speak.
static LATEST: Mutex<String> = Mutex::new(String::new());

/// Runs a command; a panic that nothing has caught becomes [`Failure::Defect`].
pub fn defects(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    set_hook(Box::new(|panic| {
        if let Ok(mut latest) = LATEST.lock() {
            *latest = panic.to_string().lines().collect::<Vec<_>>().join(" ");
        }
    }));
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(Failure::Defect(LATEST.lock().map_or_else(|_| String::new(), |l| l.clone()))))
}
