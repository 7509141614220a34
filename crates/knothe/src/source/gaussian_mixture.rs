//! A joint mixture of Gaussians as a source, or as a model of its own under the identity map.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation::log_softmax};
use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::maximisation::{Components, likeliest};
use crate::{
    bijection::{Given, Replay, check_input},
    density::Density,
    error::{Error, Result},
    given::refused,
    linear::identity,
    placement::{Placement, assign, values},
    random::{Purpose, stream},
    univariate::{Standard, bounded, special::logsumexp, unbounded},
};

/// The largest log-scale that the parameters of a start can have; see [`bounded`].
const LARGEST: f64 = 6.99;

/// The covariance of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Independent coordinates.
    Diagonal,
    /// Any covariance.
    #[default]
    Full,
}

/// p(z) = Σ_k w_k N(z; μ_k, (A_kᵀ A_k)⁻¹), A_k lower triangular with diagonal e^{b(d_k)}, b bounded as in
/// [`crate::univariate::Affine`]. A_k is the inverse of the Cholesky factor of the covariance, so that log_prob needs no
/// substitution; and since A_k is lower triangular, its leading block is that of the first coordinates alone. With diagonal covariances, coordinates may
/// be absent.
#[derive(Module, Debug)]
pub struct GaussianMixture {
    logits: Param<Tensor<1>>,
    /// `[components, dim]`.
    mean: Param<Tensor<2>>,
    /// `[components, dim]`.
    raw_diagonal: Param<Tensor<2>>,
    /// The strict lower parts of A, `[components, dim, dim]`.
    strict: Option<Param<Tensor<3>>>,
    identity: Tensor<2>,
    /// The seed of a start from data.
    #[module(skip)]
    seed: Option<u64>,
}

impl GaussianMixture {
    /// `components` Gaussians of equal weight in `dim` dimensions: means drawn from N(0, (1 − s²) I), covariance s² I with
    /// s = K^(−1/(dim + 4)), so that the whole is about N(0, I) and no two components are equal.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a component or a coordinate.
    pub fn new(dim: usize, components: usize, covariance: Covariance, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        if dim == 0 || components == 0 {
            return Err(Error::invalid("mixture", "at least one component and one coordinate", format!("{components} of {dim}")));
        }
        let scale = (components as f64).powf(-1.0 / (dim as f64 + 4.0));
        let drawn: Tensor<2> = place.normal([components, dim], rng);
        let mean = if place.is_outline() { drawn } else { drawn * (1.0 - scale * scale).sqrt() };
        // |log s| = log K / (dim + 4) is below the bound of 7 for fewer than e³⁵ components.
        let raw = unbounded(-scale.ln());
        let full = covariance == Covariance::Full;
        Ok(GaussianMixture {
            logits: Param::from_tensor(place.zeros([components])),
            mean: Param::from_tensor(mean),
            raw_diagonal: Param::from_tensor(place.tensor_of([components, dim], || vec![raw; components * dim])),
            strict: full.then(|| Param::from_tensor(place.zeros([components, dim, dim]))),
            identity: identity(dim, place),
            seed: None,
        })
    }

    /// Initialises the mixture with the EM algorithm on the training rows. The seed draws the initial centres. Each component gets d + 2 additional rows, with the covariance of all rows divided by
    /// K^(2/d), so that it cannot collapse (Fraley and Raftery 2007, *Bayesian regularization for normal mixture estimation and model-based clustering*).
    pub fn of_data(self, seed: u64) -> Self {
        GaussianMixture { seed: Some(seed), ..self }
    }

    /// Sets the parameters from fitted components.
    fn set(&mut self, components: &Components) {
        // The bound of a log-scale is 7. A coordinate that varies by less than e⁻⁷ given those before it is widened to that: its whole row of A is scaled, so that its conditional mean stays.
        let bound = |d: f64| d.ln().clamp(-LARGEST, LARGEST);
        let scaled = |a: &DMatrix<f64>| DMatrix::from_fn(a.nrows(), a.ncols(), |j, l| a[(j, l)] * (bound(a[(j, j)]).exp() / a[(j, j)]));
        let factors: Vec<DMatrix<f64>> = components.factors.iter().map(scaled).collect();
        let diagonals = factors.iter().flat_map(|a| a.diagonal().iter().map(|d| unbounded(bound(*d))).collect::<Vec<_>>());
        assign(&mut self.logits, components.log_weights.clone());
        assign(&mut self.mean, components.means.iter().flat_map(|mean| mean.iter().copied()).collect());
        assign(&mut self.raw_diagonal, diagonals.collect());
        if let Some(strict) = &mut self.strict {
            // nalgebra is column-major, a tensor row-major. The diagonal is not read.
            assign(strict, factors.iter().flat_map(|a| a.transpose().iter().copied().collect::<Vec<_>>()).collect());
        }
    }

    /// A_k of every component, `[components, dim, dim]`; `None` where all are diagonal.
    fn factors(&self, log_diagonal: Tensor<2>) -> Option<Tensor<3>> {
        let diagonal = self.identity.clone().unsqueeze_dim::<3>(0) * log_diagonal.exp().unsqueeze_dim::<3>(1);
        self.strict.as_ref().map(|strict| strict.val().tril(-1) + diagonal)
    }

    /// A_k(x − μ_k) and log of the density of every coordinate given those before it in component k, both
    /// `[components, rows, dim]`; 0 of what is absent.
    fn standardise(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<3>, Tensor<3>)> {
        self.check_given(x.dims(), given)?;
        let log_diagonal = bounded(self.raw_diagonal.val());
        let centred = given.masked(x).unsqueeze_dim::<3>(0) - self.mean.val().unsqueeze_dim::<3>(1);
        let e = match self.factors(log_diagonal.clone()) {
            Some(factors) => centred.matmul(factors.transpose()),
            None => centred * log_diagonal.clone().exp().unsqueeze_dim::<3>(1),
        };
        let log_prob = Standard::Normal.log_prob(e.clone()) + log_diagonal.unsqueeze_dim::<3>(1);
        Ok(match given.present {
            Some(present) => (e, log_prob * present.clone().unsqueeze_dim::<3>(0)),
            None => (e, log_prob),
        })
    }

    /// Refuses absent elements unless the coordinates of a component are independent.
    fn check_given(&self, shape: [usize; 2], given: &Given) -> Result<()> {
        if given.present.is_some() {
            self.check_absent()?;
        }
        given.check_present(shape, self.mean.val().dtype())
    }

    /// log w_k, `[components, 1, 1]`.
    fn log_weights(&self) -> Tensor<3> {
        let log_weights = log_softmax(self.logits.val(), 0);
        let count = log_weights.dims()[0];
        log_weights.reshape([count, 1, 1])
    }
}

impl Density for GaussianMixture {
    fn dim(&self) -> usize {
        self.mean.dims()[1]
    }

    fn check_absent(&self) -> Result<()> {
        if self.strict.is_some() { refused::<Self>() } else { Ok(()) }
    }

    fn starts_from_data(&self) -> bool {
        self.seed.is_some()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let Some(seed) = self.seed else { return Ok(()) };
        data.each(&mut |batch| if batch.present.is_some() { self.check_absent() } else { Ok(()) })?;
        let (components, dim, diagonal) = (self.mean.dims()[0], self.dim(), self.strict.is_none());
        let found = likeliest(data, dim, components, diagonal, &mut stream(seed, Purpose::Start, 1))?;
        self.set(&found);
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = check_input("z", &x, self.dim(), self.mean.val().dtype())?;
        let each = self.standardise(x, given)?.1.sum_dim(2) + self.log_weights();
        Ok(logsumexp(each, 0).reshape([rows]))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let dim = self.dim();
        self.check_given([n, dim], given)?;
        let place = Placement::of(&self.identity.clone().inner());
        let weights = values(self.log_weights().inner().exp());
        let mean = values(self.mean.val().inner());
        let log_diagonal = bounded(self.raw_diagonal.val().inner());
        let diagonal = values(log_diagonal.clone().exp());
        let strict = self.strict.as_ref().map(|strict| values(strict.val().inner()));
        let noise = values(place.normal([n, dim], rng));
        let mut x = Vec::with_capacity(n * dim);
        for e in noise.chunks_exact(dim) {
            let mut u = rng.random::<f64>();
            // The last component also takes what rounding leaves over.
            let k = weights[..weights.len() - 1]
                .iter()
                .position(|w| {
                    u -= w;
                    u < 0.0
                })
                .unwrap_or(weights.len() - 1);
            // Forward substitution of A (x − μ) = e.
            let start = x.len();
            for j in 0..dim {
                let known = strict.as_ref().map_or(0.0, |a| {
                    let row = &a[(k * dim + j) * dim..][..j];
                    row.iter().zip(&x[start..]).zip(&mean[k * dim..]).map(|((a, x), m): ((&f64, &f64), &f64)| a * (x - m)).sum()
                });
                x.push(mean[k * dim + j] + (e[j] - known) / diagonal[k * dim + j]);
            }
        }
        Ok(given.masked(place.tensor(x, [n, dim])))
    }

    /// Rosenblatt's transform: F(x_j | x_<j) = Σ_k r_k Φ(e_kj), with r_k the weight of component k given x_<j.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        check_input("z", &x, self.dim(), self.mean.val().dtype())?;
        let (e, log_prob) = self.standardise(x, given)?;
        let before = log_prob.clone().cumsum(2) - log_prob + self.log_weights();
        let weights = (before.clone() - logsumexp(before, 0)).exp();
        Ok(given.filled((weights * Standard::Normal.cdf(e)).sum_dim(0).squeeze_dim(0), 0.5))
    }
}
