//! Where whole numbers end.

use super::lattice::Lattice;

/// The ends of sorted values of a lattice, where they are hard.
pub(super) fn edges(sorted: &[f64], _lattice: &Lattice) -> [Option<f64>; 2] {
    let low = sorted.first().copied().unwrap_or(0.0);
    [(low >= 0.0).then_some(0.0), None]
}
