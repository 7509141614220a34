//! The autoregressive density q(x) = Π_j q(x_j | θ_j(x_<j)): one masked network and a conditional law.
//!
//! MADE with Gaussian or mixture conditionals, binary MADE and categorical columns are this one type. Sampling is
//! x_j = F⁻¹(u_j | x_<j): a triangular map of uniforms, though for discrete laws not an invertible one.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::Given,
    conditioner::{AutoregressiveConditioner, Made, MadeConfig, check_widths, checked_parameters},
    density::Density,
    error::Result,
    kernels::run,
    placement::Placement,
    random::{Purpose, stream},
    shape::check_input,
    triangular::{
        sum_coordinates,
        tiles::{given_of, in_tiles, rows_of},
    },
    univariate::Conditional,
};

/// q(x | context) = Π_j q(x_j | θ_j(x_<j, context)).
#[derive(Module, Debug)]
pub struct AutoregressiveDensity<C: Module = Made> {
    conditioner: C,
    context_dim: usize,
    #[module(skip)]
    conditional: Arc<dyn Conditional>,
}

impl AutoregressiveDensity {
    /// Joins a masked network, made by `config` with the law's number of parameters, to a conditional law.
    pub fn new(mut config: MadeConfig, conditional: Arc<dyn Conditional>, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        config.parameters = conditional.parameters();
        Self::of(Made::new(config, place, rng)?, conditional)
    }
}

impl<C: AutoregressiveConditioner + Module> AutoregressiveDensity<C> {
    /// Joins any conditioner to a conditional law.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the conditioner's [widths](crate::conditioner::Conditioner::widths) do not fit
    /// its order or the law's number of parameters.
    pub fn of(conditioner: C, conditional: Arc<dyn Conditional>) -> Result<Self> {
        let dim = conditioner.order().dim();
        check_widths(&conditioner, dim, conditional.parameters(), dim)?;
        let context_dim = conditioner.widths().context_dim;
        Ok(AutoregressiveDensity { conditioner, context_dim, conditional })
    }

    /// Whether the elements have probability masses.
    pub(crate) fn is_discrete(&self) -> bool {
        self.conditional.is_discrete()
    }

    /// Keeps the first `known` elements of each row of x in the order of the conditioner, and draws the others given them, `[rows, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for rows and a context that do not fit.
    pub fn complete(&self, x: Tensor<2>, known: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let (place, dim) = (self.conditioner.placement(), self.conditioner.order().dim());
        let n = check_input("x", &x, dim, place.dtype())?;
        given.check(n, self.context_dim)?;
        given.check_present([n, dim], place.dtype())?;
        if n == 0 {
            return Ok(place.zeros([0, dim]));
        }
        let u = place.open_uniform([n, dim], rng);
        let ranks = self.conditioner.order().inverse();
        let tiles = in_tiles(n, self.conditioner.tile(), place.device.is_autodiff(), |tile| {
            let (u, x) = (rows_of(&u, &tile), rows_of(&x, &tile));
            let own = given_of(given, &tile);
            self.conditioner.solve(tile.len(), &own.given(), &place, |column, theta| {
                if ranks.columns()[column] < known {
                    return Ok(x.clone().narrow(1, column, 1));
                }
                let drawn = self.conditional.quantile(u.clone().narrow(1, column, 1), theta)?;
                // Later elements read 0 in place of an absent one.
                Ok(own.given().masked_column(drawn, column))
            })
        })?;
        Ok(Tensor::cat(tiles, 0))
    }
}

impl<C: AutoregressiveConditioner + Module> Density for AutoregressiveDensity<C> {
    fn dim(&self) -> usize {
        self.conditioner.order().dim()
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        given.check(x.dims()[0], self.context_dim)?;
        given.check_present(x.dims(), x.dtype())?;
        if let Some(kernel) = self.conditional.kernel()
            && let Some(step) = self.conditioner.step(kernel, false, &x, given)?
            && let Some((_, log_prob)) = run(&x, vec![step], given.present)
        {
            return Ok(log_prob);
        }
        let theta = checked_parameters(&self.conditioner, x.clone(), given)?;
        Ok(sum_coordinates(given.masked(self.conditional.log_prob(x, theta)?)))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        self.complete(self.conditioner.placement().zeros([n, self.dim()]), 0, given, rng)
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        given.check(x.dims()[0], self.context_dim)?;
        given.check_present(x.dims(), x.dtype())?;
        let theta = checked_parameters(&self.conditioner, x.clone(), given)?;
        let above = self.conditional.cdf(x.clone(), theta.clone())?;
        if !self.conditional.is_discrete() {
            return Ok(given.filled(above, 0.5));
        }
        // Between F(x−) and F(x), at random: uniform for a law of masses too (Brockwell 2007).
        let place = Placement::of(&x);
        let v = place.uniform(x.dims(), &mut stream(given.seed, Purpose::Check, 1));
        Ok(given.filled(above - v * self.conditional.log_prob(x, theta)?.exp(), 0.5))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use burn::{
        module::{ModuleVisitor, Param},
        tensor::Gradients,
    };
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::{
        conditioner::{Activation, Degrees, Order},
        placement::{Precision, values},
        univariate::{GaussianMixture, LogisticMixture},
    };

    /// A law without its kernel.
    #[derive(Debug)]
    struct Plain(Arc<dyn Conditional>);

    impl Conditional for Plain {
        fn parameters(&self) -> usize {
            self.0.parameters()
        }

        fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
            self.0.log_prob(x, theta)
        }

        fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
            self.0.cdf(x, theta)
        }

        fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
            self.0.quantile(u, theta)
        }
    }

    struct Found<'a> {
        gradients: &'a Gradients,
        all: Vec<Vec<f64>>,
    }

    impl ModuleVisitor for Found<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.all.push(values(param.val().grad(self.gradients).unwrap()));
        }
    }

    #[test]
    fn a_law_with_a_kernel_has_the_density_of_its_composed_form() {
        let laws: [Arc<dyn Conditional>; 2] = [Arc::new(GaussianMixture(3)), Arc::new(LogisticMixture(2))];
        for law in laws {
            assert!(law.kernel().is_some());
            let run = |law: Arc<dyn Conditional>, masked: bool| {
                let place = Placement::cpu(Precision::F64).autodiff();
                let mut rng = ChaCha12Rng::seed_from_u64(4);
                let config = MadeConfig {
                    order: Order::new(vec![2, 0, 3, 1]).unwrap(),
                    context_dim: 0,
                    hidden: vec![20, 20],
                    parameters: 0,
                    activation: Activation::Tanh,
                    degrees: Degrees::Sequential,
                    residual: false,
                };
                let density = AutoregressiveDensity::new(config, law, &place, &mut rng).unwrap();
                let x = place.normal([150, 4], &mut rng) * 2.0;
                let present = place.tensor((0..600).map(|k| f64::from(k % 7 % 2)).collect(), [150, 4]);
                let given = Given { present: masked.then_some(&present), ..Given::default() };
                let x = given.masked(x).require_grad();
                let weights = place.normal::<2>([150, 1], &mut rng).squeeze_dim(1);
                let log_prob = density.log_prob(x.clone(), &given).unwrap();
                let gradients = (log_prob.clone() * weights).sum().backward();
                let mut found = Found { gradients: &gradients, all: vec![values(log_prob.inner()), values(x.grad(&gradients).unwrap())] };
                density.visit(&mut found);
                found.all
            };
            let plain: Arc<dyn Conditional> = Arc::new(Plain(law.clone()));
            let both = |masked| run(law.clone(), masked).into_iter().zip(run(plain.clone(), masked));
            for (fused, composed) in [false, true].into_iter().flat_map(both) {
                for (k, (f, c)) in fused.iter().zip(&composed).enumerate() {
                    // Sums of some dozens of terms and of 150 rows, in another order.
                    assert!((f - c).abs() < 1e-11 * (1.0 + c.abs()), "{k}: {f} against {c}");
                }
            }
        }
    }
}
