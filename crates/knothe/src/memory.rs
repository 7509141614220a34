//! The memory that is available. A request that cannot fit is refused before any memory is allocated.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::error::{Error, Result};

/// The bytes that this process may still ask for: those that the system has, within the limit of a control group. 0 if the system does not say.
pub fn available() -> u64 {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    let free = system.available_memory();
    // Without /proc nothing is known, and sysinfo panics if it is asked for more.
    if system.total_memory() == 0 {
        return free;
    }
    system.cgroup_limits().map_or(free, |group| free.min(group.total_memory.saturating_sub(group.rss)))
}

/// Checks that this many bytes are available for `what`. If the system does not report its memory, nothing is refused.
///
/// # Errors
/// [`Error::Memory`], with what is needed and what there is.
pub fn check(what: impl Into<String>, bytes: u64) -> Result<()> {
    match available() {
        available if available > 0 && bytes > available => Err(Error::Memory { what: what.into(), needed: bytes, available }),
        _ => Ok(()),
    }
}

/// The product of sizes, in bytes.
pub fn product(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_the_numbers() {
        assert!(check("nothing", 0).is_ok());
        let found = check("everything", product(&[1 << 40, 1 << 20])).map_err(|e| e.to_string());
        let expected = "everything: expected at most ";
        assert!(found.as_ref().is_err_and(|e| e.starts_with(expected) && e.ends_with("but 1073741824.0 GiB are needed")), "{found:?}");
        assert_eq!(product(&[usize::MAX, 2]), u64::MAX);
    }
}
