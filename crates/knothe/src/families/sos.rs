//! The sum-of-squares polynomial flow (Jaini et al. 2019).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain, product};
use crate::{error::Result, network::Network, placement::Placement, univariate::SumOfSquares};

/// Squared polynomials of each map.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Squared polynomials of each map, and Gaussians of a gaussian_mixture source", (1, 500), 3);

/// The degree of the polynomials.
const DEGREE: FamilyOption = FamilyOption::count("degree", "Degree of the polynomials", (0, 16), 4);
/// Where a map ends to bend.
const BOUND: FamilyOption = FamilyOption::number(
    "bound",
    "Bound B: the map is curved within [-B, B] and a straight line outside",
    (0.0, f64::INFINITY),
    SumOfSquares::BOUND,
);

/// z_j = c + ∫₀^x Σ_k p_k(u)² du, with the coefficients of the polynomials p_k from a masked network (Jaini, Selby & Yu 2019).
#[derive(Clone, Copy, Debug)]
pub struct Sos;

impl Family for Sos {
    fn description(&self) -> Description {
        Description {
            name: "sos",
            about: "Sum-of-squares polynomial flow",
            details: "z_j = c + ∫₀^{x_j} Σ_k p_k(u)² du, where a masked network gives c and the coefficients of the polynomials p_k (Jaini, Selby & Yu 2019). With the generative form and one layer, the conditional moments are exact.",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        product::options(&[chain::LAYERS, COMPONENTS, DEGREE, BOUND], "density")
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        product::check(recipe)
    }

    fn size(&self, recipe: &Recipe) -> usize {
        product::size(recipe, recipe.count(&COMPONENTS))
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let map =
            SumOfSquares { polynomials: recipe.count(&COMPONENTS), degree: recipe.count(&DEGREE), bound: Some(recipe.number(&BOUND)) };
        product::build(recipe, Arc::new(map), place, rng)
    }
}
