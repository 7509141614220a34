//! The candidates of a race for rows of a table.

use serde::{Deserialize, Serialize};

use crate::{
    families::{Gaussian, GaussianMixture, MafMog, Nsf, Recipe},
    fit::FitConfig,
    space::Space,
};

/// Components of the mixtures of Gaussians, and the training rows that each component has at least.
const COMPONENTS: [usize; 7] = [2, 4, 8, 16, 32, 64, 128];
const ROWS_EACH: usize = 20;
/// Bins of the Gaussian copula's marginals at most, and the training rows of each at least.
const BINS: usize = 256;
const ROWS_PER_BIN: usize = 10;

/// A recipe, and the settings of its fit. The race sets the number of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What the network is made of.
    pub recipe: Recipe,
    /// The settings.
    pub config: FitConfig,
}

/// The candidates for this many training rows: the Gaussian, the Gaussian copula and mixtures of Gaussians, which take no steps, and flows of several sizes, with and without regularisation.
/// What a space does not allow is left out. `standardised` says that the coding has standardised the columns, so that networks need not.
pub fn candidates(space: &Space, context_dim: usize, rows: usize, standardised: bool, seed: u64) -> Vec<Candidate> {
    let plain = FitConfig { seed, ..FitConfig::of_rows(rows) };
    // Noise and decay keep networks from learning single rows.
    let regular = FitConfig { noise: 0.02, weight_decay: 0.3, ..plain.clone() };
    let marginals = (rows / ROWS_PER_BIN).min(BINS);
    let mut recipes = vec![(Gaussian::new(space.clone()), &plain)];
    // Without reals, all of these have the same independent codes.
    let reals = space.dim() > space.discrete();
    if marginals > 1 && reals {
        recipes.push((Gaussian::new(space.clone()).marginals(marginals), &plain));
    }
    let mixture = |count: usize| (GaussianMixture::new(space.clone()).components(count), &plain);
    recipes.extend(COMPONENTS.into_iter().filter(|count| count * ROWS_EACH <= rows && reals).map(mixture));
    recipes.extend([
        (MafMog::new(space.clone()), &plain),
        (Nsf::new(space.clone()), &plain),
        (MafMog::new(space.clone()).hidden([64, 64]), &regular),
        (Nsf::new(space.clone()).hidden([64, 64]), &regular),
        (MafMog::new(space.clone()).random_order(true), &plain),
        (MafMog::new(space.clone()).hidden([256, 256]).layers(5), &plain),
    ]);
    let candidate = |(recipe, config): (Recipe, &FitConfig)| {
        let own = recipe.context(context_dim).seed(seed);
        let twice = standardised && own.family().option("standardise").is_some();
        Candidate { recipe: if twice { own.standardise(false) } else { own }, config: config.clone() }
    };
    recipes.into_iter().map(candidate).filter(|candidate| candidate.recipe.size().is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tables_have_no_large_mixtures() {
        let names =
            |rows| -> Vec<String> { candidates(&3usize.into(), 0, rows, true, 0).iter().map(|c| c.recipe.name().to_owned()).collect() };
        let mixtures = |rows| names(rows).iter().filter(|name| *name == "gaussian_mixture").count();
        assert_eq!([10, 40, 100, 10_000].map(mixtures), [0, 1, 2, 7]);
        assert_eq!(names(10_000).len(), 15);
        // One column has no coupling, and all of these families.
        assert_eq!(candidates(&1usize.into(), 2, 10_000, true, 0).len(), 15);
        let all = candidates(&3usize.into(), 0, 10_000, true, 0);
        assert!((1..all.len()).all(|k| !all[..k].contains(&all[k])), "no candidate is there twice");
        let codes = Space::new(crate::space::Shape::Columns(3), crate::space::Law::Codes(3));
        assert_eq!(candidates(&codes, 0, 10_000, true, 0).iter().filter(|c| c.recipe.family().closed_form()).count(), 1);
    }
}
