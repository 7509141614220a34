//! Flows of mixture-of-logistics distribution functions (Ho et al. 2019).

use std::sync::Arc;

use super::{Description, FamilyOption, Recipe, product::Product};
use crate::univariate::{self, Affine, Composed, MonotoneMap, Standard};

/// Logistic laws of each mixture.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Logistic distributions of each mixture, and Gaussians of a gaussian_mixture source", (1, 500), 8);

family! {
    MixtureCdf {
        name: "mixture_cdf",
        about: "Flow of mixture-of-logistics distribution functions",
        details: "z_j = a logit Σ_k w_k sigmoid((x_j − m_k)/s_k) + b, with all parameters from a masked network (the univariate map of Flow++, Ho et al. 2019).",
        takes: Reals,
    }
}

impl Product for MixtureCdf {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS]
    }

    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap> {
        let cdf = univariate::MixtureCdf { law: Standard::Logistic, components: recipe.count(&COMPONENTS) };
        Arc::new(Composed(cdf, Affine::default()))
    }
}
