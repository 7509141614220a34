//! Student's t source, whose tails are learned.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rand::Rng;
use rand_distr::Distribution;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{
    bijection::{Given, check_input},
    density::Density,
    error::{Error, Result},
    placement::{Placement, values},
    triangular::sum_coordinates,
    univariate::{bounded, special::log_gamma_half_step},
};

/// p(z) = Π_j t_{ν_j}(z_j) with one ν = 1 + (ν₀ − 1) e^{b(r)} a coordinate, r trained and b bounded as in
/// [`crate::univariate::Affine`]: ν > 1, so that means exist. A Lipschitz map keeps the tail of its source
/// (Jaini et al. 2020, *Tails of Lipschitz triangular flows*), so heavy tails are learned here or nowhere.
#[derive(Module, Debug)]
pub struct StudentT {
    raw: Param<Tensor<1>>,
    start: f64,
}

impl StudentT {
    /// ν₀ = `degrees_of_freedom` in each of `dim` coordinates.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 1 < ν₀ < ∞.
    pub fn new(dim: usize, degrees_of_freedom: f64, place: &Placement) -> Result<Self> {
        if !(degrees_of_freedom > 1.0 && degrees_of_freedom.is_finite()) {
            return Err(Error::invalid("degrees of freedom", "a finite number above 1", degrees_of_freedom));
        }
        Ok(StudentT { raw: Param::from_tensor(place.zeros([dim])), start: degrees_of_freedom })
    }

    /// ν of every coordinate, `[dim]`.
    pub fn degrees_of_freedom(&self) -> Tensor<1> {
        bounded(self.raw.val()).exp() * (self.start - 1.0) + 1.0
    }
}

impl Density for StudentT {
    fn dim(&self) -> usize {
        self.raw.dims()[0]
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        check_input("z", &x, self.dim(), self.raw.val().dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        let nu = self.degrees_of_freedom();
        // log Γ((ν+1)/2) − log Γ(ν/2) − ½ log(πν), of which ½ log(ν/2) cancels.
        let constant = log_gamma_half_step(nu.clone() * 0.5) - 0.5 * (2.0 * std::f64::consts::PI).ln();
        let power = (nu.clone() + 1.0) * 0.5;
        let each = constant.unsqueeze() - (x.square() / nu.unsqueeze()).log1p() * power.unsqueeze();
        Ok(sum_coordinates(given.masked(each)))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let raw = self.raw.val().inner();
        given.check_present([n, self.dim()], raw.dtype())?;
        let laws = values(self.degrees_of_freedom().inner())
            .into_iter()
            .map(|nu| rand_distr::StudentT::new(nu).map_err(|_| Error::invalid("degrees of freedom", "a number above 1", nu)))
            .collect::<Result<Vec<_>>>()?;
        let draws = (0..n).flat_map(|_| laws.iter().map(|law| law.sample(rng)).collect::<Vec<f64>>()).collect();
        Ok(given.masked(Placement::of(&raw).tensor(draws, [n, laws.len()])))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = check_input("z", &x, self.dim(), self.raw.val().dtype())?;
        let laws = values(self.degrees_of_freedom().inner())
            .into_iter()
            .map(|nu| StudentsT::new(0.0, 1.0, nu).map_err(|_| Error::invalid("degrees of freedom", "a number above 1", nu)))
            .collect::<Result<Vec<_>>>()?;
        given.check_present(x.dims(), x.dtype())?;
        let x = given.masked(x.inner());
        let place = Placement::of(&x);
        let u = values(x).iter().zip(laws.iter().cycle()).map(|(v, law)| law.cdf(*v)).collect();
        Ok(given.filled(place.tensor(u, [rows, laws.len()]), 0.5))
    }
}
