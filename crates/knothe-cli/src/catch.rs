//! A defect of the program is one line like every other error, never a trace.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;

use crate::failure::Failure;

/// The latest panic. Readers of damaged files panic and are caught inside the library, so a panic alone is no reason to speak.
static LATEST: Mutex<String> = Mutex::new(String::new());

/// Runs a command; a panic that nothing has caught becomes [`Failure::Defect`].
pub fn defects(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    set_hook(Box::new(|panic| {
        // A scope says only that one of its threads has panicked, which has said where and why.
        let scope = panic.payload_as_str() == Some("a scoped thread panicked");
        if let Ok(mut latest) = LATEST.lock()
            && (!scope || latest.is_empty())
        {
            *latest = panic.to_string().lines().collect::<Vec<_>>().join(" ");
        }
    }));
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(Failure::Defect(LATEST.lock().map_or_else(|_| String::new(), |l| l.clone()))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_of_a_thread_is_told_where_it_was() {
        let scope = || {
            std::thread::scope(|scope| {
                scope.spawn(|| panic!("on a thread"));
            });
            Ok(())
        };
        let pool = || {
            rayon::join(|| panic!("in the pool"), || ());
            Ok(())
        };
        for (run, expected) in [(&scope as &dyn Fn() -> _, "on a thread"), (&pool, "in the pool")] {
            match defects(run) {
                Err(Failure::Defect(what)) => assert!(what.contains(expected) && what.contains("catch.rs"), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
