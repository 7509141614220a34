//! `knothe fit`.

use crate::{failure::Failure, fit_arguments::FitArguments};

/// Fits a density to a table.
pub fn run(_arguments: FitArguments) -> Result<(), Failure> {
    Err(Failure::usage("fit: not built yet", ""))
}
