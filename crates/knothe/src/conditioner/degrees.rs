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
    /// Every degree once, so that no path is cut, and the other units' drawn uniformly.
    Random,
}

impl Degrees {
    /// The degrees of each hidden layer, sorted so that masks are block-triangular.
    ///
    /// Degrees run over 1..dim, and with a context also over 0, for units that read the context alone. A layer that is too
    /// narrow for one unit of each would leave some conditional without units of its own, so that is an error.
    pub fn draw(self, dim: usize, context_dim: usize, hidden: &[usize], rng: &mut impl Rng) -> Result<Vec<Vec<usize>>> {
        let highest = dim.saturating_sub(1);
        let lowest = if context_dim > 0 { 0 } else { 1.min(highest) };
        let span = highest - lowest + 1;
        if let Some(&narrow) = hidden.iter().find(|&&h| h < span) {
            let reading = if context_dim > 0 { " and a context" } else { "" };
            return Err(Error::invalid("hidden", format!("at least {span} units a layer for {dim} columns{reading}"), narrow));
        }
        let uniform = |rng: &mut _| lowest + ((u128::from(Rng::next_u64(rng)) * span as u128) >> 64) as usize;
        Ok(hidden
            .iter()
            .map(|&h| {
                let mut degrees: Vec<usize> = match self {
                    Degrees::Sequential => (0..h).map(|u| lowest + u * span / h).collect(),
                    Degrees::Random => (lowest..=highest).chain((span..h).map(|_| uniform(rng))).collect(),
                };
                degrees.sort_unstable();
                degrees
            })
            .collect())
    }
}
