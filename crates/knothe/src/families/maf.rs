//! The masked autoregressive flow (Papamakarios et al. 2017).

use std::sync::Arc;

use super::{Description, Recipe, product::Product};
use crate::univariate::{Affine, MonotoneMap};

family! {
    Maf {
        name: "maf",
        about: "Masked autoregressive flow: density in one pass",
        details: "x_j = σ_j(x_<j) z_j + μ_j(x_<j), several times in alternating orders (Papamakarios, Pavlakou & Murray 2017). The density takes one pass; samples take the time of about one pass as well.",
        takes: Reals,
    }
}

impl Product for Maf {
    const FORM: &'static str = "generative";

    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn map(&self, _: &Recipe) -> Arc<dyn MonotoneMap> {
        Arc::new(Affine::default())
    }
}
