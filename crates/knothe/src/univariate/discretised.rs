//! Masses of the values of a lattice: differences of the distribution function of a mixture of logistic laws.

use burn::tensor::{Bool, Tensor, activation::log_softmax};

use super::{Conditional, Standard, affine::SATURATED, check_theta, discretised_root::quantile, mixture::Mixture, special};
use crate::{
    error::{Error, Result},
    placement::Placement,
    space::{Cells, Law, SLACK},
    univariate::affine::BOUND,
};

/// The least scale of a component, as a share of the width: e⁻²⁵ of its mass lies outside the cell of its location.
const LEAST_SCALE: f64 = 0.02;
/// The share of a width within which a number is at an atom.
const NEAR: f64 = 0.25;
/// The least share of an atom at the start.
const LEAST_SHARE: f64 = 1e-4;
/// Beyond every number of 32 bits that a row can hold.
const FAR_OUT: f64 = 3e38;
/// The logit of an atom at θ = 0, where those of the components are 0, and the logit of an unused place.
const ATOM: f64 = -3.0;
const NO_ATOM: f64 = -1e9;
/// A length that is above 0 in 32 bits.
const LEAST_LENGTH: f64 = 1e-37;

/// P(v) = Σ_i w_i [σ((v + ½h − μ_i)/s_i) − σ((v − ½h − μ_i)/s_i)] / Σ_i w_i [σ((high + ½h − μ_i)/s_i) − σ((low − ½h − μ_i)/s_i)] for the values v of a
/// lattice of width h, a bound that is missing being infinite (after Salimans, Karpathy, Chen & Kingma 2017, eq. 1, here with a sum of exactly 1).
/// log_prob is −∞ at every other number.
///
/// A lattice may have atoms a_1, …, a_A. Then P(v) is (1 − Σ_j p_j) times the mass above, plus p_j where v = a_j. So a value that has far more rows than its neighbours has a share of its own.
///
/// θ: K logits of the weights w, K locations μ, K raw scales r with s = 0.02 h + s₀ exp(b(r)), where b is bounded and b(0) = 0, and A logits of atoms, which share a softmax with those of the
/// weights after 3 is taken from them. θ = 0 is about the standard law, with the components apart. Each coordinate has a lattice of its own. All have as many logits of atoms as the one with
/// the most.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscretisedLogistics {
    components: usize,
    atoms: usize,
    cells: Vec<Cells>,
}

/// The mixture without its bounds: log w, μ and 1/s of every component, `[rows, K, dim]` each, and the logarithms of the shares of the mixture and of each atom, `[rows, 1 + A, dim]`.
pub(super) struct Components {
    pub(super) log_weights: Tensor<3>,
    pub(super) mean: Tensor<3>,
    pub(super) rate: Tensor<3>,
    pub(super) shares: Option<Tensor<3>>,
}

impl DiscretisedLogistics {
    /// Mixtures of `components` laws on these lattices.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a component, and those of [`Cells::new`].
    pub fn new(components: usize, cells: Vec<Cells>) -> Result<Self> {
        Error::check_count("components", components)?;
        cells.iter().try_for_each(|cell| Law::Lattice(*cell).check())?;
        let atoms = cells.iter().map(|cell| cell.atoms().count()).max().unwrap_or(0);
        Ok(DiscretisedLogistics { components, atoms, cells })
    }

    /// The law of one coordinate.
    pub(crate) fn coordinate(&self, j: usize) -> Self {
        DiscretisedLogistics { cells: self.cells.iter().skip(j).take(1).copied().collect(), ..self.clone() }
    }

    /// The number of atoms of coordinate j.
    pub(crate) fn atoms_of(&self, j: usize) -> usize {
        self.cells.get(j).map_or(0, |cell| cell.atoms().count())
    }

    /// The atom of coordinate j that is at v.
    pub(crate) fn atom_at(&self, j: usize, v: f64) -> Option<usize> {
        let cell = self.cells.get(j)?;
        cell.atoms().position(|atom| (atom - v).abs() < NEAR * cell.width)
    }

    /// The θ with the spread of θ = 0 about a mean and at a standard deviation, for coordinate j, with shares of its atoms.
    pub(crate) fn start(&self, j: usize, mean: f64, deviation: f64, shares: &[f64]) -> Vec<f64> {
        let (count, start) = (self.components, self.mixture());
        let width = self.cells.get(j).map_or(1.0, |cell| cell.width);
        // Values in one cell alone have no deviation, but a component has.
        let deviation = deviation.max(0.25 * width);
        let bound = self.bound(width);
        let log_scale = deviation.ln().clamp(-0.9 * bound, 0.9 * bound);
        let raw = log_scale / (1.0 - (log_scale / bound).powi(2)).sqrt();
        let means = start.start_means().into_iter().map(|m| mean + (deviation - 1.0) * m);
        let left = (1.0 - shares.iter().sum::<f64>()).max(LEAST_SHARE);
        let logit = |k: usize| shares.get(k).map_or(0.0, |share| (share.max(LEAST_SHARE) * count as f64 / left).ln() - ATOM);
        std::iter::repeat_n(0.0, count).chain(means).chain(std::iter::repeat_n(raw, count)).chain((0..self.atoms).map(logit)).collect()
    }

    fn mixture(&self) -> Mixture {
        Mixture { law: Standard::Logistic, components: self.components }
    }

    /// How far the logarithm of s₀ exp(b(r)) can go: as far as the least scale at least.
    fn bound(&self, width: f64) -> f64 {
        BOUND.max(self.mixture().start_log_scale() - (LEAST_SCALE * width).ln())
    }

    /// One number for each lattice, `[1, 1, dim]`.
    fn of_cells(&self, place: &Placement, number: impl Fn(&Cells) -> f64) -> Tensor<3> {
        place.tensor(self.cells.iter().map(number).collect(), [1, 1, self.cells.len()])
    }

    /// One number for each place of an atom, `[1, A, dim]`.
    fn of_atoms(&self, place: &Placement, number: impl Fn(Option<f64>) -> f64) -> Tensor<3> {
        let numbers = (0..self.atoms).flat_map(|k| self.cells.iter().map(move |cell| cell.atoms.get(k).copied().flatten()));
        place.tensor(numbers.map(number).collect(), [1, self.atoms, self.cells.len()])
    }

    fn components(&self, x: &Tensor<2>, theta: Tensor<3>) -> Result<Components> {
        check_theta(x, &theta, self.parameters())?;
        if self.cells.len() != x.dims()[1] {
            return Err(Error::shape("lattices", format!("{}, one for each coordinate", x.dims()[1]), self.cells.len()));
        }
        let (place, count, start) = (Placement::of(&theta), self.components, self.mixture());
        let third = |index: usize| theta.clone().narrow(1, index * count, count);
        let offset = place.tensor(start.start_means(), [1, count, 1]);
        let raw = third(2).clamp(-SATURATED, SATURATED);
        let share = raw.clone() * self.of_cells(&place, |cell| self.bound(cell.width).recip());
        let log_scale = raw / (share.clone() * share + 1.0).sqrt() + start.start_log_scale();
        let scale = log_scale.exp() + self.of_cells(&place, |cell| LEAST_SCALE * cell.width);
        let shares = (self.atoms > 0).then(|| {
            let own =
                theta.clone().narrow(1, 3 * count, self.atoms) + self.of_atoms(&place, |atom| if atom.is_some() { ATOM } else { NO_ATOM });
            log_softmax(Tensor::cat(vec![special::logsumexp(third(0), 1), own], 1), 1)
        });
        Ok(Components { log_weights: log_softmax(third(0), 1), mean: third(1) + offset, rate: scale.recip(), shares })
    }

    /// log Σ_i w_i [σ((lower + length − μ_i)/s_i) − σ((lower − μ_i)/s_i)], `[rows, dim]`, for edges of `[rows or 1, 1, dim]`. Where a lattice is `open` on a side
    /// the edge of that side is infinite.
    fn log_between(&self, at: &Components, lower: Tensor<3>, length: Tensor<3>, open: [fn(&Cells) -> bool; 2]) -> Tensor<2> {
        let length = length * at.rate.clone();
        let below = (lower - at.mean.clone()) * at.rate.clone();
        let place = Placement::of(&at.mean.clone().inner());
        let open = open.map(|open| {
            let mask = || self.of_cells(&place, |cell| f64::from(open(cell))).equal_scalar(1.0).expand(at.mean.dims());
            self.cells.iter().any(open).then(mask)
        });
        special::logsumexp(at.log_weights.clone() + log_difference(below, length, open), 1).squeeze_dim(1)
    }

    /// The logarithm of the denominator; none where no lattice has a bound.
    fn log_total(&self, at: &Components) -> Option<Tensor<2>> {
        let place = Placement::of(&at.mean);
        let lower = self.of_cells(&place, |cell| cell.anchor() - 0.5 * cell.width);
        let length = self.of_cells(&place, |cell| cell.high.unwrap_or(cell.anchor()) - cell.anchor() + cell.width);
        let bounded = self.cells.iter().any(|cell| cell.low.is_some() || cell.high.is_some());
        bounded.then(|| self.log_between(at, lower, length, [no_low, no_high]))
    }

    /// Adds the shares of the atoms to the logarithm of the mass that the mixture gives x.
    fn beside_atoms(&self, mixture: Tensor<2>, x: &Tensor<2>, shares: &Tensor<3>) -> Tensor<2> {
        let ([rows, dim], place) = (x.dims(), Placement::of(&x.clone().inner()));
        let mixture = mixture + shares.clone().narrow(1, 0, 1).squeeze_dim::<2>(1);
        let far = x.clone().inner().unsqueeze_dim::<3>(1) - self.of_atoms(&place, |atom| atom.unwrap_or(FAR_OUT));
        let near = self.of_cells(&place, |cell| NEAR * cell.width).expand([rows, self.atoms, dim]);
        let here = far.abs().lower(near);
        let is_atom =
            place.zeros::<3>([rows, self.atoms, dim]).mask_fill(here.clone(), 1.0).sum_dim(1).squeeze_dim::<2>(1).greater_scalar(0.5);
        let own = shares.clone().narrow(1, 1, self.atoms).mask_fill(here.bool_not(), NO_ATOM);
        let both = special::logsumexp(Tensor::cat(vec![mixture.clone().unsqueeze_dim::<3>(1), own], 1), 1).squeeze_dim::<2>(1);
        mixture.mask_where(is_atom, both)
    }

    /// x, or a value of the lattice in the place of what is none, and where that is.
    fn on_lattice(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2, Bool>) {
        let (place, dims) = (Placement::of(&x), x.dims());
        let of = |number: &dyn Fn(&Cells) -> f64| self.of_cells(&place, number).squeeze_dim::<2>(1);
        let epsilon = place.precision.epsilon();
        let steps = (x.clone() - of(&|cell| cell.anchor())) * of(&|cell| cell.width.recip());
        let nearest = steps.round() * of(&|cell| cell.width) + of(&|cell| cell.anchor());
        let low = of(&|cell| cell.low.unwrap_or(-FAR_OUT)).expand(dims);
        let nearest = nearest.max_pair(low).min_pair(of(&|cell| cell.high.unwrap_or(FAR_OUT)).expand(dims));
        let slack = x.clone().abs() * (4.0 * epsilon) + of(&|cell| SLACK * cell.width + 4.0 * epsilon * cell.anchor().abs());
        // A comparison with NaN is false.
        let outside = (x.clone() - nearest).abs().lower_equal(slack).bool_not();
        let inner = x.mask_where(outside.clone(), of(&|cell| cell.anchor()).expand(dims));
        (inner, outside)
    }
}

fn no_low(cell: &Cells) -> bool {
    cell.low.is_none()
}

fn no_high(cell: &Cells) -> bool {
    cell.high.is_none()
}

/// log [σ(b) − σ(a)] of a and b = a + length. a is −∞ where the first mask of `open` holds, and b is ∞ where the second one holds.
pub(super) fn log_difference(a: Tensor<3>, length: Tensor<3>, open: [Option<Tensor<3, Bool>>; 2]) -> Tensor<3> {
    // σ(b) − σ(a) = σ(b) σ(−a) (1 − e^−(b − a)): each factor keeps its digits in both tails.
    let mut left = special::softplus(a.clone());
    let mut right = special::softplus((a + length.clone()).neg());
    let mut both = log_complement(length);
    for (side, open) in [&mut left, &mut right].into_iter().zip(open) {
        if let Some(open) = open {
            *side = side.clone().mask_fill(open.clone(), 0.0);
            both = both.mask_fill(open, 0.0);
        }
    }
    both - left - right
}

/// log(1 − e^−d) for d > 0, with the digits of a small d.
fn log_complement(d: Tensor<3>) -> Tensor<3> {
    let near = d.clone().lower_scalar(1.0);
    // The branch that is not taken stays finite, or its gradient of 0 would become NaN.
    let half = d.clone().clamp(LEAST_LENGTH, 1.0) * 0.5;
    let small = (half.clone().sinh() * 2.0).log() - half;
    let large = d.clamp_min(0.5).neg().exp().neg().log1p();
    large.mask_where(near, small)
}

impl Conditional for DiscretisedLogistics {
    fn parameters(&self) -> usize {
        3 * self.components + self.atoms
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        let at = self.components(&x, theta)?;
        let (x, outside) = self.on_lattice(x);
        let place = Placement::of(&x);
        let lower = x.clone().unsqueeze_dim::<3>(1) - self.of_cells(&place, |cell| 0.5 * cell.width);
        let mass = self.log_between(&at, lower, self.of_cells(&place, |cell| cell.width), [|_| false, |_| false]);
        let log_prob = match self.log_total(&at) {
            Some(total) => mass - total,
            None => mass,
        };
        let log_prob = match &at.shares {
            Some(shares) => self.beside_atoms(log_prob, &x, shares),
            None => log_prob,
        };
        Ok(log_prob.mask_fill(outside, f64::NEG_INFINITY))
    }

    /// F at a value of the lattice. Between two values it rises steadily from one to the other.
    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        let at = self.components(&x, theta)?;
        let place = Placement::of(&x);
        let of = |number: &dyn Fn(&Cells) -> f64| self.of_cells(&place, number);
        let dims = x.dims();
        let low = of(&|cell| cell.low.unwrap_or(-FAR_OUT)).squeeze_dim::<2>(1).expand(dims);
        let high = of(&|cell| cell.high.unwrap_or(FAR_OUT)).squeeze_dim::<2>(1).expand(dims);
        let below = x.clone().lower(low.clone() - of(&|cell| 0.5 * cell.width).squeeze_dim::<2>(1));
        let x = x.max_pair(low).min_pair(high).unsqueeze_dim::<3>(1);
        // An atom rises over the step to its value.
        let risen = at.shares.as_ref().map(|shares| {
            let before = self.of_atoms(&place, |atom| atom.unwrap_or(FAR_OUT)) - of(&|cell| cell.width);
            let part = ((x.clone() - before) * of(&|cell| cell.width.recip())).clamp(0.0, 1.0);
            (shares.clone().narrow(1, 1, self.atoms).exp() * part).sum_dim(1).squeeze_dim::<2>(1)
        });
        let lower = of(&|cell| cell.low.unwrap_or(0.0) - 0.5 * cell.width);
        let length = x - lower.clone() + of(&|cell| 0.5 * cell.width);
        let mass = self.log_between(&at, lower, length, [no_low, |_| false]);
        let log_cdf = match self.log_total(&at) {
            Some(total) => mass - total,
            None => mass,
        };
        let cdf = match (risen, &at.shares) {
            (Some(risen), Some(shares)) => (log_cdf + shares.clone().narrow(1, 0, 1).squeeze_dim::<2>(1)).exp() + risen,
            _ => log_cdf.exp(),
        };
        Ok(cdf.clamp_max(1.0).mask_fill(below, 0.0))
    }

    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        let at = self.components(&u, theta)?;
        quantile(&self.cells, &u, &at)
    }
}

#[cfg(test)]
#[path = "discretised_tests.rs"]
mod tests;
