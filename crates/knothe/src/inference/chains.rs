//! Convergence of Markov chains: R̂ and the effective number of draws.

/// Draws of one quantity from several chains of one length.
#[derive(Clone, Debug)]
pub struct Chains<'a> {
    /// Draw t of chain c stands at t · chains + c.
    draws: &'a [f64],
    chains: usize,
}

/// How well chains agree, for one quantity (Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, *Rank-normalization, folding, and localization: an improved R̂*).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// R̂ of the halves of the chains: below 1.01 if they agree.
    pub r_hat: f64,
    /// The number of independent draws whose mean has the same error.
    pub effective_draws: f64,
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

impl<'a> Chains<'a> {
    /// Takes draws in the order in which they were made. The draws of all chains at one iteration stand together.
    pub fn new(draws: &'a [f64], chains: usize) -> Self {
        Chains { draws, chains: chains.max(1) }
    }

    /// Each chain, cut into two halves.
    fn halves(&self) -> Vec<Vec<f64>> {
        let half = self.draws.len() / self.chains / 2;
        let of = |chain: usize, start: usize| (start..start + half).map(|t| self.draws[t * self.chains + chain]).collect();
        (0..self.chains).flat_map(|chain| [of(chain, 0), of(chain, half)]).collect()
    }

    /// The share of all draws below each draw, chain by chain. It is uniform for each chain if the chains agree. Equal draws count half.
    pub fn ranks(&self) -> Vec<Vec<f64>> {
        let mut sorted = self.draws.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let share = |x: &f64| {
            let (below, up_to) = (sorted.partition_point(|v| v < x), sorted.partition_point(|v| v <= x));
            (below + up_to) as f64 / (2 * sorted.len()) as f64
        };
        (0..self.chains).map(|chain| self.draws.iter().skip(chain).step_by(self.chains).map(share).collect()).collect()
    }

    /// R̂ and the effective number of draws. Both are NaN for fewer than four draws per half.
    ///
    /// With W the mean variance within the m half-chains of n draws and B/n the variance of their means, R̂ = √(((n − 1) W/n + B/n)/W). The effective number is m n/(1 + 2 Σ_t ρ_t), with
    /// autocorrelations ρ_t up to the first pair of a sum that is not positive (Geyer 1992), which do not rise from pair to pair.
    pub fn convergence(&self) -> Convergence {
        let halves = self.halves();
        let (m, n) = (halves.len() as f64, halves.first().map_or(0, Vec::len));
        if n < 4 {
            return Convergence { r_hat: f64::NAN, effective_draws: f64::NAN };
        }
        let count = n as f64;
        let means: Vec<f64> = halves.iter().map(|chain| mean(chain)).collect();
        let within = halves.iter().map(|chain| variance(chain)).sum::<f64>() / m;
        let between = if halves.len() > 1 { variance(&means) } else { 0.0 };
        let total = within * (count - 1.0) / count + between;
        if within <= 0.0 {
            // Chains that do not move agree only if they stand at one point.
            let r_hat = if between > 0.0 { f64::INFINITY } else { 1.0 };
            return Convergence { r_hat, effective_draws: if between > 0.0 { 0.0 } else { m * count } };
        }
        let autocovariance = |lag: usize| {
            let of = |(chain, mean): (&Vec<f64>, &f64)| {
                chain[lag..].iter().zip(chain).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / count
            };
            halves.iter().zip(&means).map(of).sum::<f64>() / m
        };
        let correlation = |lag: usize| 1.0 - (within - autocovariance(lag) * count / (count - 1.0)) / total;
        let (mut sum, mut before) = (0.0, f64::INFINITY);
        for lag in (0..n - 1).step_by(2) {
            let pair = correlation(lag) + correlation(lag + 1);
            if pair <= 0.0 {
                break;
            }
            before = before.min(pair);
            sum += before;
        }
        // The sum of all pairs is 1 + Σ ρ, as ρ_0 is 1.
        let time = (2.0 * sum - 1.0).max(1.0 / (m * count).log10());
        Convergence { r_hat: (total / within).sqrt(), effective_draws: m * count / time }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// Chains of x_t = φ x_{t−1} + √(1 − φ²) ε, side by side, with a shift of chain 0.
    fn autoregressive(phi: f64, chains: usize, length: usize, shift: f64) -> Vec<f64> {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let mut x: Vec<f64> = (0..chains).map(|_| normal()).collect();
        let mut all = Vec::new();
        for _ in 0..length {
            x.iter_mut().for_each(|x| *x = phi * *x + (1.0 - phi * phi).sqrt() * normal());
            all.extend(x.iter().enumerate().map(|(c, x)| if c == 0 { x + shift } else { *x }));
        }
        all
    }

    #[test]
    fn the_effective_number_is_that_of_an_autoregressive_chain() {
        // (1 − φ)/(1 + φ) of all draws. Estimates from 16,000 draws vary by about a tenth.
        for phi in [0.0, 0.5, 0.9, -0.4] {
            let draws = autoregressive(phi, 4, 4_000, 0.0);
            let found = Chains::new(&draws, 4).convergence();
            let expected = 16_000.0 * (1.0 - phi) / (1.0 + phi);
            assert!((found.effective_draws / expected - 1.0).abs() < 0.25, "{phi}: {found:?}, expected {expected}");
            assert!((found.r_hat - 1.0).abs() < 0.02, "{phi}: {found:?}");
        }
    }

    #[test]
    fn ranks_are_shares_of_all_draws() {
        // Two chains side by side: 3, 1 and 2, 2.
        let draws = [3.0, 2.0, 1.0, 2.0];
        assert_eq!(Chains::new(&draws, 2).ranks(), [vec![0.875, 0.125], vec![0.5, 0.5]]);
    }

    #[test]
    fn chains_that_disagree_are_seen() {
        let draws = autoregressive(0.5, 4, 1_000, 2.0);
        let found = Chains::new(&draws, 4).convergence();
        assert!(found.r_hat > 1.2 && found.effective_draws < 50.0, "{found:?}");
        assert_eq!(Chains::new(&[1.0; 40], 2).convergence().r_hat, 1.0);
        let stuck: Vec<f64> = (0..40).map(|k| f64::from(k % 2)).collect();
        assert_eq!(Chains::new(&stuck, 2).convergence().r_hat, f64::INFINITY);
        assert!(Chains::new(&[1.0, 2.0], 1).convergence().r_hat.is_nan());
    }
}
