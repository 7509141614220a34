//! The law of the length of a sequence.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use crate::{
    bijection::{Batch, Given, Mapped, Replay},
    codes::{CodesConfig, CodesDensity},
    conditioner::Activation,
    density::Density,
    error::Result,
    placement::{Placement, values},
    space::{Law, Shape, Space},
};

/// The most ranges of lengths.
const RANGES: usize = 64;
/// Hidden units of the network that reads the context.
const HIDDEN: usize = 32;

/// P(n | context) = P(range of n | context)/(number of lengths in the range), over ranges of 1, …, L of about equal width.
#[derive(Module, Debug)]
pub(super) struct Lengths {
    ranges: CodesDensity,
    longest: usize,
}

/// The number of ranges.
fn count(longest: usize) -> usize {
    longest.clamp(1, RANGES)
}

/// The range of a length. A number that is no length gets the range after the last.
fn range_of(n: f64, longest: usize) -> usize {
    let fits = n.fract() == 0.0 && (1.0..=longest as f64).contains(&n);
    if fits { ((n as usize - 1) * count(longest)) / longest } else { count(longest) }
}

/// The first length of a range, and the number of its lengths.
fn bounds(range: usize, longest: usize) -> (usize, usize) {
    let first = |range: usize| (range * longest).div_ceil(count(longest)) + 1;
    (first(range), first(range + 1) - first(range))
}

/// The ranges of lengths, `[rows, 1]`.
fn ranges_of(n: Tensor<2>, longest: usize) -> Tensor<2> {
    let (rows, place) = (n.dims()[0], Placement::of(&n));
    place.tensor(values(n).into_iter().map(|n| range_of(n, longest) as f64).collect(), [rows, 1])
}

impl Lengths {
    pub fn new(longest: usize, context_dim: usize, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let space = Space::new(Shape::Columns(1), Law::Codes(count(longest) as u32));
        let config = CodesConfig { context_dim, hidden: vec![HIDDEN], activation: Activation::Relu, components: 1 };
        Ok(Lengths { ranges: CodesDensity::new(&space, &config, place, rng)?, longest })
    }

    /// Starts from the frequencies of the ranges, for every context.
    pub fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let longest = self.longest;
        let map = move |batch: &Batch| {
            let batch = batch.clone().inner();
            Ok(Batch { x: ranges_of(batch.x.clone().narrow(1, 0, 1), longest), ..batch })
        };
        self.ranges.initialise(&mut Mapped { data, map })
    }

    /// log P(n | context) of lengths, `[rows, 1]`. It is −∞ for a number that is no length.
    pub fn log_prob(&self, n: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let place = Placement::of(&n.clone().inner());
        let width = |n: f64| bounds(range_of(n, self.longest).min(count(self.longest) - 1), self.longest).1 as f64;
        let widths: Vec<f64> = values(n.clone()).into_iter().map(|n| width(n).ln()).collect();
        let rows = widths.len();
        Ok(self.ranges.log_prob(ranges_of(n, self.longest), given)? - place.tensor(widths, [rows]))
    }

    /// Draws `n` lengths.
    pub fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Vec<usize>> {
        let ranges = values(self.ranges.sample(n, given, rng)?);
        let length = |range: f64| {
            let (first, lengths) = bounds(range as usize, self.longest);
            first + rng.random_range(0..lengths)
        };
        Ok(ranges.into_iter().map(length).collect())
    }

    /// Maps lengths to numbers, `[rows, 1]`, which are uniform if the lengths follow the law.
    pub fn to_uniform(&self, n: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        self.ranges.to_uniform(ranges_of(n, self.longest), given)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::placement::Precision;

    /// With 100 lengths, ranges hold one or two of them.
    #[test]
    fn masses_of_lengths_sum_to_one_and_samples_have_them() {
        let (place, mut rng) = (Placement::cpu(Precision::F64), ChaCha12Rng::seed_from_u64(3));
        let mut law = Lengths::new(100, 0, &place, &mut rng).unwrap();
        // Short lengths are likelier.
        let seen = place.tensor((0..5_000).map(|k| f64::from(1 + k * k % 97 % 60)).collect(), [5_000, 1]);
        law.initialise(&mut crate::bijection::Seen(vec![Batch::new(seen)])).unwrap();
        let all = place.tensor((1..=100).map(f64::from).collect(), [100, 1]);
        let masses: Vec<f64> = values(law.log_prob(all, &Given::default()).unwrap()).into_iter().map(f64::exp).collect();
        assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let n = 20_000;
        let drawn = law.sample(n, &Given::default(), &mut rng).unwrap();
        for (k, mass) in masses.into_iter().enumerate() {
            let share = drawn.iter().filter(|&&length| length == k + 1).count() as f64 / n as f64;
            // Five standard errors, or five counts if fewer than one is expected.
            assert!((share - mass).abs() <= 5.0 * (mass / n as f64).sqrt().max(1.0 / n as f64), "{}: {share}, {mass}", k + 1);
        }
    }

    #[test]
    fn the_ranges_have_every_length_once() {
        for longest in [1, 2, 5, 63, 64, 65, 100, 1000, 18_262] {
            let mut next = 1;
            for range in 0..count(longest) {
                let (first, lengths) = bounds(range, longest);
                assert_eq!(first, next, "{longest}");
                assert!(lengths > 0 && (first..first + lengths).all(|n| range_of(n as f64, longest) == range), "{longest} {range}");
                next += lengths;
            }
            assert_eq!(next, longest + 1);
            assert!([0.0, 0.5, longest as f64 + 1.0, f64::NAN].iter().all(|&n| range_of(n, longest) == count(longest)));
        }
    }
}
