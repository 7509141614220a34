//! The neural spline flow (Durkan et al. 2019).

use std::sync::Arc;

use super::{
    Description, FamilyOption, Form, Recipe,
    chain::FORM,
    product::{BOUND, Product},
};
use crate::univariate::{Affine, Composed, Inverted, MonotoneMap, Spline};

/// Bins of each spline.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Bins of each spline, and Gaussians of a gaussian_mixture source", (2, 500), 8);

family! {
    Nsf {
        name: "nsf",
        about: "Neural spline flow: masked autoregressive flow of rational-quadratic splines",
        details: "Monotone rational-quadratic splines in [−B, B], with all parameters from a masked network (Durkan, Bekasov, Murray & Papamakarios 2019). A spline has fixed ends, so a conditional location and scale stand between each spline and the data.",
        takes: Reals,
    }
}

impl Product for Nsf {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS, BOUND]
    }

    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap> {
        let spline = Spline { bins: recipe.count(&COMPONENTS), bound: recipe.number(&BOUND) };
        // A spline leaves what is outside its square in its place, so that a conditional location and scale stand between it and the data.
        match recipe.choice(&FORM) {
            Form::Density => Arc::new(Composed(Inverted(Affine::default()), spline)),
            Form::Generative => Arc::new(Composed(spline, Affine::default())),
        }
    }
}
