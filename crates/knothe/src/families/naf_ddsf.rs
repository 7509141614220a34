//! The neural autoregressive flow of dense deep sigmoidal maps (Huang et al. 2018).

use std::sync::Arc;

use super::{Description, FamilyOption, Recipe, product::Product};
use crate::univariate::{DeepSigmoidal, MonotoneMap};

/// Units of each layer of the sigmoidal maps.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Units of each layer of the sigmoidal maps, and Gaussians of a gaussian_mixture source", (1, 100), 8);

family! {
    NafDdsf {
        name: "naf_ddsf",
        about: "Neural autoregressive flow of dense deep sigmoidal maps",
        details: "Dense deep sigmoidal maps of two layers, with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DDSF).",
        takes: Reals,
    }
}

impl Product for NafDdsf {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS]
    }

    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap> {
        Arc::new(DeepSigmoidal { units: recipe.count(&COMPONENTS), ..DeepSigmoidal::default() })
    }
}
