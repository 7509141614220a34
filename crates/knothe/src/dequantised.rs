//! A density over integers from one over the reals (Theis et al. 2016, §3.1; Ho et al. 2019, §3.1).

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{
    Tensor, TensorData,
    activation::{log_sigmoid, sigmoid},
};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, Seen, check_dim},
    compose::Compose,
    density::{Density, Exactness},
    error::{Error, Result},
    flow::Flow,
    placement::{Placement, values},
    random::{Purpose, stream},
    triangular::sum_coordinates,
    univariate::Standard,
};

/// Rows that a data-dependent start reads, at most: it needs a mean and a variance a channel.
const START_ROWS: usize = 2048;

/// How y in (0, 1) becomes what the density inside is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preprocessing {
    /// y − ½ (Kingma & Dhariwal 2018).
    Centred,
    /// log p/(1 − p) of p = α + (1 − 2α) y, for α in (0, ½) (Dinh et al. 2017, §4.1).
    Logit {
        /// α, that keeps the logit of black and of white finite.
        alpha: f64,
    },
}

/// How integers become numbers of the density inside.
#[derive(Module, Debug)]
struct Dequantisation {
    dim: usize,
    bits: usize,
    noise: Option<Compose>,
    #[module(skip)]
    preprocessing: Preprocessing,
}

impl Dequantisation {
    fn levels(&self) -> f64 {
        f64::from(1u32 << self.bits)
    }

    /// What the density inside is given for x: l, log|det ∂l/∂x| − log r(u | x), and which rows are no integers of as many bits.
    fn dequantised(&self, x: &Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>, Vec<bool>)> {
        let rows = check_dim("x", x, self.dim)?;
        given.refuse_absent("Dequantised")?;
        let (place, dim, seed, normal) = (Placement::of(x), self.dim, given.seed, self.noise.is_some());
        let mut pixels = values(x.clone().inner());
        let is_level = |v: &f64| v.fract() == 0.0 && (0.0..self.levels()).contains(v);
        let outside: Vec<bool> = pixels.chunks_exact(dim).map(|row| !row.iter().all(is_level)).collect();
        pixels.chunks_exact_mut(dim).zip(&outside).filter(|(_, out)| **out).for_each(|(row, _)| row.fill(0.0));
        let noise = pixels.par_chunks_exact(dim).flat_map_iter(|row| {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(bytemuck::cast_slice(row));
            let mut rng = stream(seed, Purpose::Evaluation, u64::from(hasher.finalize()));
            (0..dim).map(move |_| if normal { rng.sample(StandardNormal) } else { rng.random::<f64>() })
        });
        let noise = place.tensor(noise.collect(), [rows, dim]);
        let x = place.tensor(pixels, [rows, dim]);
        let (u, less) = match &self.noise {
            None => (noise, place.zeros([rows])),
            Some(map) => {
                let log_normal = Standard::Normal.log_prob(noise.clone());
                let centred = x.clone() * self.levels().recip() - 0.5;
                let (v, ladj) = map.forward_and_ladj(Tensor::cat(vec![centred, noise], 1), given)?;
                let v = v.narrow(1, dim, dim);
                let log_slope = log_sigmoid(v.clone()) + log_sigmoid(v.clone().neg());
                (sigmoid(v), ladj + sum_coordinates(log_slope - log_normal))
            }
        };
        let y = (x + u) * self.levels().recip();
        let per_level = -(dim as f64) * self.levels().ln();
        Ok(match self.preprocessing {
            Preprocessing::Centred => (y - 0.5, less + per_level, outside),
            Preprocessing::Logit { alpha } => {
                let share = 1.0 - 2.0 * alpha;
                let p = y * share + alpha;
                let (log_p, log_rest) = (p.clone().log(), (p.neg() + 1.0).log());
                let ladj = sum_coordinates(log_p.clone() + log_rest.clone()).neg() + per_level + dim as f64 * share.ln();
                (log_p - log_rest, less + ladj, outside)
            }
        })
    }

    /// The integers that the density inside draws as `l`.
    fn quantised(&self, l: Tensor<2>) -> Tensor<2> {
        let y = match self.preprocessing {
            Preprocessing::Centred => l + 0.5,
            Preprocessing::Logit { alpha } => (sigmoid(l) - alpha) * (1.0 - 2.0 * alpha).recip(),
        };
        (y * self.levels()).floor().clamp(0.0, self.levels() - 1.0)
    }

    fn batch(&self, batch: &Batch) -> Result<Batch> {
        let batch = batch.clone().inner();
        Ok(Batch { x: self.dequantised(&batch.x, &batch.given())?.0, ..batch })
    }
}

/// P(x) of integers x in 0 … 2^bits − 1: log P(x) = log ∫ q(x + u) du ≥ E log q(x + u) − log r(u | x), u in [0, 1)^dim, where q is the density
/// inside carried back through y = (x + u)/2^bits and the preprocessing.
///
/// `log_prob` is an unbiased estimate of that lower bound from one u, drawn from `given.seed` and the row itself, so that it
/// does not depend on the other rows. r is uniform, or learned: see [`Dequantised::with_noise`].
#[derive(Module, Debug)]
pub struct Dequantised<D: Module> {
    inner: D,
    dequantisation: Dequantisation,
}

impl<D: Density + Module> Dequantised<D> {
    /// A density over integers of `bits` bits with uniform noise.
    pub fn new(inner: D, bits: usize, preprocessing: Preprocessing) -> Result<Self> {
        if !(1..=16).contains(&bits) {
            return Err(Error::invalid("bits", "1 to 16", bits));
        }
        if let Preprocessing::Logit { alpha } = preprocessing
            && !(alpha > 0.0 && alpha < 0.5)
        {
            return Err(Error::invalid("alpha", "above 0 and below 0.5", alpha));
        }
        let dequantisation = Dequantisation { dim: inner.dim(), bits, noise: None, preprocessing };
        Ok(Dequantised { inner, dequantisation })
    }

    /// Variational dequantisation: u = 1/(1 + e^−v) with (x, ε) ↦ (x, v) a map of 2 dim columns that leaves the first half, such as a coupling, and ε
    /// standard normal (Ho et al. 2019, §3.1).
    pub fn with_noise(mut self, noise: Compose) -> Result<Self> {
        if noise.dim() != 2 * self.inner.dim() {
            return Err(Error::shape("noise", format!("{} columns", 2 * self.inner.dim()), noise.dim()));
        }
        self.dequantisation.noise = Some(noise);
        Ok(self)
    }

    /// The density over the reals.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// Bits of a number.
    pub fn bits(&self) -> usize {
        self.dequantisation.bits
    }
}

impl<S: Density + Module + ModuleDisplay, B: Bijection + Module + ModuleDisplay> Dequantised<Flow<S, B>> {
    /// `n` draws at a temperature; see [`Flow::sample_at`].
    pub fn sample_at(&self, n: usize, given: &Given, temperature: f64, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.refuse_absent("Dequantised")?;
        Ok(self.dequantisation.quantised(self.inner.sample_at(n, given, temperature, rng)?))
    }

    /// z = T⁻¹ of the dequantised x, with the noise of `given.seed`.
    pub fn to_source(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let (l, _, outside) = self.dequantisation.dequantised(&x, given)?;
        let rows: Vec<usize> = (0..outside.len()).filter(|&row| outside[row]).collect();
        if !rows.is_empty() {
            let range = format!("integers from 0 to {}", self.dequantisation.levels() - 1.0);
            return Err(Error::invalid(
                "numbers of an image",
                range,
                format!("others in {} rows, the first of which is row {}", rows.len(), rows[0] + 1),
            ));
        }
        Ok(self.inner.bijection().inverse_and_ladj(l, given)?.0)
    }

    /// The integers of T(z): [`Dequantised::to_source`] undone, whatever its noise was.
    pub fn from_source(&self, z: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        given.refuse_absent("Dequantised")?;
        Ok(self.dequantisation.quantised(self.inner.bijection().forward_and_ladj(z, given)?.0))
    }
}

impl<D: Density + Module> Density for Dequantised<D> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn context_dim(&self) -> usize {
        self.inner.context_dim()
    }

    fn exactness(&self) -> Exactness {
        Exactness::LowerBound
    }

    fn starts_from_data(&self) -> bool {
        self.inner.starts_from_data()
    }

    fn has_statistics(&self) -> bool {
        self.inner.has_statistics()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let own = self.dequantisation.valid();
        let (mut seen, mut left) = (Vec::new(), START_ROWS);
        data.each(&mut |batch| {
            // Burn takes no part of no row.
            if left > 0 {
                let first = batch.first(left);
                left -= first.x.dims()[0];
                seen.push(own.batch(&first)?);
            }
            Ok(())
        })?;
        self.inner.initialise(&mut Seen(seen))
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        let own = self.dequantisation.valid();
        self.inner.collect_statistics(&mut Mapped { data, map: |batch: &Batch| own.batch(batch) })
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let (l, ladj, outside) = self.dequantisation.dequantised(&x, given)?;
        let log_prob = self.inner.log_prob(l, given)? + ladj;
        if !outside.contains(&true) {
            return Ok(log_prob);
        }
        let rows = outside.len();
        let outside = Tensor::from_data(TensorData::new(outside, [rows]), &log_prob.device());
        Ok(log_prob.mask_fill(outside, f64::NEG_INFINITY))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.refuse_absent("Dequantised")?;
        Ok(self.dequantisation.quantised(self.inner.sample(n, given, rng)?))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        self.inner.to_uniform(self.dequantisation.dequantised(&x, given)?.0, given)
    }
}

/// Bits per number of an image: −log P(x)/(dim log 2), of a mean `log_prob` in nats.
pub fn bits_per_dim(log_prob: f64, dim: usize) -> f64 {
    -log_prob / (dim as f64 * std::f64::consts::LN_2)
}

/// Images of 8 bits at `bits` bits, ⌊x/2^(8 − bits)⌋, `bits` from 1 to 8 (Kingma & Dhariwal 2018: 5 bits for faces).
pub fn reduced(x: Tensor<2>, bits: usize) -> Tensor<2> {
    let step = 8usize.saturating_sub(bits).min(7);
    (x * f64::from(1u32 << step).recip()).floor()
}

#[cfg(test)]
#[path = "dequantised_tests.rs"]
mod tests;
