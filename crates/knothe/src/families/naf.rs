//! The neural autoregressive flow of deep sigmoidal maps (Huang et al. 2018).

use std::sync::Arc;

use super::{Description, FamilyOption, Recipe, product::Product};
use crate::univariate::{MonotoneMap, Sigmoidal};

/// Units of each sigmoidal map.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Units of each sigmoidal map, and Gaussians of a gaussian_mixture source", (1, 500), 16);

family! {
    Naf {
        name: "naf",
        about: "Neural autoregressive flow of deep sigmoidal maps",
        details: "z_j = logit Σ_k w_k sigmoid(a_k x_j + b_k), with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DSF).",
        takes: Reals,
    }
}

impl Product for Naf {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS]
    }

    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap> {
        Arc::new(Sigmoidal(recipe.count(&COMPONENTS)))
    }
}
