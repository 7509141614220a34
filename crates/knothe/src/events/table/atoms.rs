//! Values that many rows hold.

use super::lattice::Lattice;

/// The values of sorted numbers that far more rows hold than their neighbourhood explains, and how many rows hold each.
pub(super) fn atoms(sorted: &[f64], lattice: Option<&Lattice>) -> Vec<(f64, usize)> {
    if lattice.is_some() {
        return Vec::new();
    }
    let least = (sorted.len() / 100).max(5);
    sorted.chunk_by(|a, b| a == b).filter(|run| run.len() >= least).map(|run| (run[0], run.len())).take(8).collect()
}
