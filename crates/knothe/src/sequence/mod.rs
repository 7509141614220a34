//! Densities of sequences whose lengths may differ: a law of the length, and a WaveNet for the steps.

mod lengths;
mod parts;

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;
use rayon::prelude::*;

use crate::{
    bijection::{Given, Replay},
    conditioner::{Conditioner, Stepper, WaveNet, check_context, check_widths},
    density::Density,
    error::{Error, Result},
    kernels::{GROUP, Real},
    order::index,
    placement::{Placement, values},
    random::{Purpose, stream},
    shape::check_input,
    univariate::{Categorical, Conditional},
};

use lengths::Lengths;
use parts::parts;

/// log q(n, x_1, …, x_n | context) = log q(n | context) + Σ_{t ≤ n} log P(x_t | x_<t, context).
///
/// A row is (n, x_1, …, x_n, 0, …, 0), `[rows, 1 + L]`, where L is the longest length. If all sequences have the same length, a row is (x_1, …, x_L). The length n has a
/// categorical law over up to 64 ranges of about equal width, and is uniform within its range. The law depends on the context. The levels x_t have categorical laws, whose
/// parameters come from a [`WaveNet`]. Steps after the n-th add nothing, and their values do not matter.
#[derive(Module, Debug)]
pub struct SequenceDensity {
    lengths: Option<Lengths>,
    network: WaveNet,
    longest: usize,
    context_dim: usize,
}

/// A request for sequences of given lengths. Their first `known` steps are in `x`.
struct Draws<'a> {
    x: &'a [f64],
    lengths: &'a [usize],
    known: usize,
    context: &'a [f64],
    seed: u64,
}

impl SequenceDensity {
    /// Joins a network to a law of the length, if the length is `varying`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the network has one parameter per level, and the errors of [`CodesDensity::new`](crate::codes::CodesDensity::new).
    pub fn new(network: WaveNet, varying: bool, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let (longest, context_dim) = (network.widths().outputs, network.widths().context_dim);
        check_widths(&network, longest, network.config().levels, longest)?;
        let lengths = varying.then(|| Lengths::new(longest, context_dim, place, rng)).transpose()?;
        Ok(SequenceDensity { lengths, network, longest, context_dim })
    }

    /// The network.
    pub fn network(&self) -> &WaveNet {
        &self.network
    }

    /// The law of a step.
    fn law(&self) -> Categorical {
        Categorical(self.network.config().levels)
    }

    /// The number of elements of a row before its steps.
    fn ahead(&self) -> usize {
        usize::from(self.lengths.is_some())
    }

    /// Checks rows and their context, and returns the number of rows.
    fn check(&self, x: &Tensor<2>, given: &Given) -> Result<usize> {
        let rows = check_input("x", x, self.dim(), self.network.dtype())?;
        given.check(rows, self.context_dim)?;
        given.refuse_absent("SequenceDensity")?;
        Ok(rows)
    }

    /// The number of steps of each row that count. It is 0 if the length of the row is invalid.
    fn counted(&self, x: &Tensor<2>) -> Vec<usize> {
        match self.lengths {
            Some(_) => {
                let length = |n: f64| if n.fract() == 0.0 && (1.0..=self.longest as f64).contains(&n) { n as usize } else { 0 };
                values(x.clone().inner().narrow(1, 0, 1)).into_iter().map(length).collect()
            }
            None => vec![self.longest; x.dims()[0]],
        }
    }

    /// Applies `of` to the steps and their parameters, in parts of rows of similar length. Each part has the numbers of its rows, the result, `[rows, steps]`, and a mask. The mask
    /// is 1 for each step that counts and 0 for the others.
    fn in_parts(
        &self,
        x: &Tensor<2>,
        given: &Given,
        of: impl Fn(Tensor<2>, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Vec<(Vec<usize>, Tensor<2>, Tensor<2>)>> {
        let (counted, place) = (self.counted(x), Placement::of(&x.clone().inner()));
        let part = |rows: Vec<usize>| {
            // Burn cannot narrow to a size of 0.
            let steps = rows.iter().map(|&row| counted[row]).max().unwrap_or(0).max(1);
            let own = given.map(|t| t.clone().select(0, index(&rows, &t.device())));
            let x = x.clone().select(0, index(&rows, &x.device())).narrow(1, self.ahead(), steps);
            let theta = self.network.of_first(x.clone(), &own.given())?;
            let mask = rows.iter().flat_map(|&row| (0..steps).map(move |t| (row, t)));
            let mask = mask.map(|(row, t)| f64::from(t < counted[row])).collect();
            let mask = place.tensor(mask, [rows.len(), steps]);
            Ok((rows, of(x, theta)?, mask))
        };
        parts(&counted).into_iter().map(part).collect()
    }

    /// Keeps the length and the first `known` steps of each row, and draws the others given them.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows and a context that do not fit.
    pub fn complete(&self, x: Tensor<2>, known: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        self.check(&x, given)?;
        let lengths = self.counted(&x);
        let steps = values(x.inner().narrow(1, self.ahead(), self.longest));
        self.drawn(&steps, &lengths, known, given, rng)
    }

    /// Draws rows of these lengths.
    fn drawn(&self, x: &[f64], lengths: &[usize], known: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let (place, rows) = (self.network.placement(), lengths.len());
        let context = check_context(given.context, rows, self.context_dim, place.dtype())?;
        let context = context.map(|context| values(context.clone())).unwrap_or_default();
        let draws = Draws { x, lengths, known, context: &context, seed: rng.random() };
        let all = match place.dtype() {
            DType::F64 => self.draw::<f64>(&draws)?,
            _ => self.draw::<f32>(&draws)?,
        };
        Ok(place.tensor(all, [rows, self.dim()]))
    }

    /// Draws the rows in groups of sequences of similar length, in parallel.
    fn draw<T: Real>(&self, draws: &Draws) -> Result<Vec<f64>> {
        let (dim, rows) = (self.dim(), draws.lengths.len());
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(draws.lengths[row]));
        // A sequence gets the same numbers in every group, so the size may depend on the number of threads.
        let size = match rows.div_ceil(rayon::current_num_threads()) {
            0 | 1 => 1,
            2 | 3 => 2,
            _ => GROUP,
        };
        let stepper = self.network.stepper::<T>();
        let groups: Vec<Vec<Vec<f64>>> =
            order.par_chunks(size).map(|group| self.draw_group(&stepper, group, draws)).collect::<Result<_>>()?;
        let mut all = vec![0.0; rows * dim];
        for (row, steps) in order.iter().zip(groups.into_iter().flatten()) {
            let into = &mut all[row * dim..(row + 1) * dim];
            if self.lengths.is_some() {
                into[0] = steps.len() as f64;
            }
            into[self.ahead()..][..steps.len()].copy_from_slice(&steps);
        }
        Ok(all)
    }

    fn draw_group<T: Real>(&self, stepper: &Stepper<T>, group: &[usize], draws: &Draws) -> Result<Vec<Vec<f64>>> {
        let width = self.context_dim;
        let context: Vec<f64> = group.iter().flat_map(|&row| &draws.context[row * width..(row + 1) * width]).copied().collect();
        let steps = group.iter().map(|&row| draws.lengths[row]).max().unwrap_or(0);
        let mut walk = stepper.walk(group.len(), steps, &context);
        let mut rngs: Vec<ChaCha12Rng> = group.iter().map(|&row| stream(draws.seed, Purpose::Sample, row as u64)).collect();
        let (mut all, mut last) = (vec![Vec::new(); group.len()], vec![None; group.len()]);
        let (law, mut masses) = (self.law(), Vec::new());
        for t in 0..steps {
            for (k, theta) in walk.next(&last).enumerate() {
                let row = group[k];
                if t >= draws.lengths[row] {
                    continue;
                }
                let level = if t < draws.known {
                    draws.x[row * self.longest + t] as usize
                } else {
                    let drawn = law.quantile_of(theta, rngs[k].random(), &mut masses);
                    drawn.ok_or_else(|| Error::NotFinite { what: "a law of a step".into(), rows: vec![row] })?
                };
                all[k].push(level as f64);
                last[k] = Some(level);
            }
        }
        Ok(all)
    }
}

impl Density for SequenceDensity {
    fn dim(&self) -> usize {
        self.ahead() + self.longest
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn starts_from_data(&self) -> bool {
        self.lengths.is_some()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.lengths.as_mut().map_or(Ok(()), |lengths| lengths.initialise(data))
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = self.check(&x, given)?;
        if rows == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        let x = x.detach();
        let found = self.in_parts(&x, given, |x, theta| self.law().log_prob(x, theta))?;
        let (mut order, mut sums) = (Vec::with_capacity(rows), Vec::with_capacity(found.len()));
        for (rows, log_prob, mask) in found {
            order.extend(rows);
            // A product with the mask would turn −∞ into NaN.
            sums.push(log_prob.mask_fill(mask.equal_scalar(0.0), 0.0).sum_dim(1));
        }
        let mut place_of = vec![0; rows];
        order.into_iter().enumerate().for_each(|(at, row)| place_of[row] = at);
        let steps = Tensor::cat(sums, 0).select(0, index(&place_of, &x.device()));
        let steps = steps.squeeze_dim::<1>(1);
        Ok(match &self.lengths {
            Some(lengths) => steps + lengths.log_prob(x.narrow(1, 0, 1), given)?,
            None => steps,
        })
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check(n, self.context_dim)?;
        if n == 0 {
            return Ok(self.network.placement().zeros([0, self.dim()]));
        }
        let lengths = match &self.lengths {
            Some(lengths) => lengths.sample(n, given, rng)?,
            None => vec![self.longest; n],
        };
        self.drawn(&[], &lengths, 0, given, rng)
    }

    /// F(x−) + V P(x), with V uniform from `given.seed`. Steps after the last give V itself. For a length, x is its range.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = self.check(&x, given)?;
        if rows == 0 {
            return Ok(x);
        }
        let (x, dim) = (x.detach(), self.dim());
        let place = Placement::of(&x.clone().inner());
        let mut u = values(place.uniform([rows, dim], &mut stream(given.seed, Purpose::Check, 1)));
        if let Some(lengths) = &self.lengths {
            let own = values(lengths.to_uniform(x.clone().narrow(1, 0, 1), given)?);
            own.into_iter().enumerate().for_each(|(row, own)| u[row * dim] = own);
        }
        let law = self.law();
        let ahead = self.ahead();
        let found = self.in_parts(&x, given, |x, theta| Ok(Tensor::cat(below_and_mass(law, x, theta)?, 1)))?;
        for (rows, both, mask) in found {
            let steps = mask.dims()[1];
            let (both, mask) = (values(both), values(mask));
            for (k, row) in rows.into_iter().enumerate() {
                for t in (0..steps).filter(|t| mask[k * steps + t] > 0.0) {
                    let u = &mut u[row * dim + ahead + t];
                    *u = both[k * 2 * steps + t] + *u * both[(k * 2 + 1) * steps + t];
                }
            }
        }
        Ok(place.tensor(u, [rows, dim]))
    }
}

/// F(x−) and P(x), each `[rows, steps]`.
fn below_and_mass(law: Categorical, x: Tensor<2>, theta: Tensor<3>) -> Result<Vec<Tensor<2>>> {
    let (above, mass) = (law.cdf(x.clone(), theta.clone())?, law.log_prob(x, theta)?.exp());
    Ok(vec![above - mass.clone(), mass])
}
