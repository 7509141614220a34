//! The sum-of-squares polynomial flow (Jaini et al. 2019).

use std::sync::Arc;

use super::{
    Description, FamilyOption, Initial, Recipe,
    product::{BOUND, Product},
};
use crate::univariate::{MonotoneMap, SumOfSquares};

/// Squared polynomials of each map.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Squared polynomials of each map, and Gaussians of a gaussian_mixture source", (1, 500), 3);

/// The degree of the polynomials.
const DEGREE: FamilyOption = FamilyOption::count("degree", "Degree of the polynomials", (0, 16), 4);

family! {
    Sos {
        name: "sos",
        about: "Sum-of-squares polynomial flow",
        details: "z_j = c + ∫₀^{x_j} Σ_k p_k(u)² du, where a masked network gives c and the coefficients of the polynomials p_k (Jaini, Selby & Yu 2019). With the generative form and one layer, the conditional moments are exact.",
        takes: Reals,
    }
}

impl Product for Sos {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS, DEGREE, BOUND.or(Initial::Number(SumOfSquares::BOUND))]
    }

    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap> {
        let (polynomials, degree) = (recipe.count(&COMPONENTS), recipe.count(&DEGREE));
        Arc::new(SumOfSquares { polynomials, degree, bound: Some(recipe.number(&BOUND)) })
    }
}
