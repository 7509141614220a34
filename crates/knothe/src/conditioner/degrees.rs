//! Degrees of hidden units: a unit of degree d reads only the first d coordinates of the order (Germain et al. 2015, §4).

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How hidden units get their degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degrees {
    /// Every degree equally often.
    #[default]
    Sequential,
    /// Drawn uniformly, never below the smallest degree of the layer before.
    Random,
}

impl Degrees {
    /// The degrees of each hidden layer, sorted so that masks are block-triangular.
    ///
    /// Degrees run over 1..dim; with a context also over 0, for units that read the context alone. Sequential degrees
    /// of a layer narrower than dim − 1 would leave some conditional without units of its own, so that is an error.
    pub fn draw(self, dim: usize, context_dim: usize, hidden: &[usize], rng: &mut impl Rng) -> Result<Vec<Vec<usize>>> {
        let highest = dim - 1;
        let mut lowest = 1.min(highest);
        if let Some(&narrow) = hidden.iter().find(|&&h| h < highest.max(1)) {
            return Err(Error::invalid("hidden", format!("at least {} units a layer for {dim} columns", highest.max(1)), narrow));
        }
        if context_dim > 0 && hidden.iter().all(|&h| h > highest) {
            lowest = 0;
        }
        Ok(hidden
            .iter()
            .map(|&h| {
                let span = (highest - lowest + 1) as u64;
                let mut degrees: Vec<usize> = match self {
                    Degrees::Sequential => (0..h as u64).map(|u| lowest + (u * span / h as u64) as usize).collect(),
                    Degrees::Random => (0..h).map(|_| lowest + ((u128::from(rng.next_u64()) * u128::from(span)) >> 64) as usize).collect(),
                };
                degrees.sort_unstable();
                lowest = degrees[0];
                degrees
            })
            .collect())
    }
}
