//! The neural spline flow (Durkan et al. 2019).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Form, Recipe, Takes, chain, product};
use crate::{
    error::Result,
    network::Network,
    placement::Placement,
    univariate::{Affine, Composed, Inverted, MonotoneMap, Spline},
};

/// Bins of each spline.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Bins of each spline, and Gaussians of a gaussian_mixture source", (2, 500), 8);

/// Where a map ends to bend.
const BOUND: FamilyOption =
    FamilyOption::number("bound", "Bound B: the map is curved within [-B, B] and a straight line outside", (0.0, f64::INFINITY), 5.0);

/// Monotone rational-quadratic splines in [−B, B], with all parameters from a masked network (Durkan, Bekasov, Murray & Papamakarios 2019).
#[derive(Clone, Copy, Debug)]
pub struct Nsf;

impl Family for Nsf {
    fn description(&self) -> Description {
        Description {
            name: "nsf",
            about: "Neural spline flow: masked autoregressive flow of rational-quadratic splines",
            details: "Monotone rational-quadratic splines in [−B, B], with all parameters from a masked network (Durkan, Bekasov, Murray & Papamakarios 2019). A spline has fixed ends, so a conditional location and scale stand between each spline and the data.",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        product::options(&[chain::LAYERS, COMPONENTS, BOUND], "density")
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        product::check(recipe)
    }

    fn size(&self, recipe: &Recipe) -> usize {
        product::size(recipe, recipe.count(&COMPONENTS))
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let spline = Spline { bins: recipe.count(&COMPONENTS), bound: recipe.number(&BOUND) };
        // A spline leaves what is outside its square in its place, so that a conditional location and scale stand between it and the data.
        let map: Arc<dyn MonotoneMap> = match product::form(recipe) {
            Form::Density => Arc::new(Composed(Inverted(Affine::default()), spline)),
            Form::Generative => Arc::new(Composed(spline, Affine::default())),
        };
        product::build(recipe, map, place, rng)
    }
}
