//! Convergence of Markov chains: R̂ and the effective number of draws.
//!
//! Equations have the numbers of Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, *Rank-normalization, folding, and localization: an improved R̂ for assessing convergence of MCMC*.

use rustfft::{FftPlanner, num_complex::Complex};

use crate::special::quantile;

/// Draws of one quantity from several chains of one length.
#[derive(Clone, Debug)]
pub struct Chains<'a> {
    /// Draw t of chain c stands at t · chains + c.
    draws: &'a [f64],
    chains: usize,
}

/// How well chains agree, for one quantity (Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021).
///
/// Each chain is cut into two halves. The S draws of the m halves, n of each, enter by their normal scores z = Φ⁻¹((r − ⅜)/(S + ¼)), where r is the rank of a draw among all S. Equal draws have their
/// average rank (Equation 4.1). Infinite draws do no harm, nor do distributions without mean or variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// R̂ = √(var⁺/W), with var⁺ = (n − 1)/n · W + B/n, the mean variance W within the halves, and the variance B/n of their means (Equations 3.1 to 3.4).
    ///
    /// It is the larger R̂ of two: of z, which sees chains in different places, and of the normal scores of |x − median|, which sees chains of different scales (Equation 4.2). It is below 1.01 if the chains
    /// agree. It is ∞ if a draw is NaN, or if each half stands still and not all at one point.
    pub r_hat: f64,
    /// The bulk effective number of draws: the number of independent draws whose mean of z has the same error.
    ///
    /// It is m n/τ, with τ = −1 + 2 Σ_k P_k and P_k = ρ_2k + ρ_2k+1 (Equations 3.12 and 3.13). The combined autocorrelations are ρ_t = 1 − (W − C_t)/var⁺, where C_t is the mean autocovariance within
    /// the halves (Equation 3.10). The sum ends before the first P_k that is not positive, and no P_k counts more than the ones before it (Geyer 1992). The ρ of the next even lag is added to τ if it is
    /// positive: this is the mean of the sums that end before and after it. The result is at most S log₁₀ S (both in Section 3.2). It is 0 if a draw is NaN.
    pub effective_draws: f64,
    /// The tail effective number of draws: the smaller effective number of two, by the formula above, of the indicators x ≤ q for the 5 % quantile q and for the 95 % quantile (Equation 4.3, Section 4.3).
    ///
    /// An indicator that is 1 for all draws does not count. If neither counts, there is no tail, and the number is that of the bulk. It is 0 if a draw is NaN.
    pub tail_effective_draws: f64,
}

/// The mean. It is exact for equal numbers, so that a chain that stands still has no variance.
fn mean(x: &[f64]) -> f64 {
    x[0] + x.iter().map(|v| v - x[0]).sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// W and var⁺ (Equations 3.2 and 3.3).
fn variances(chains: &[Vec<f64>]) -> [f64; 2] {
    let n = chains[0].len() as f64;
    let means: Vec<f64> = chains.iter().map(|chain| mean(chain)).collect();
    let within = chains.iter().map(|chain| variance(chain)).sum::<f64>() / chains.len() as f64;
    [within, within * (n - 1.0) / n + variance(&means)]
}

/// R̂ of these chains as they are (Equation 3.4), NaN if all draws are equal.
fn r_hat(chains: &[Vec<f64>]) -> f64 {
    let [within, total] = variances(chains);
    (total / within).sqrt()
}

/// The effective number of draws of these chains as they are (Equations 3.10 to 3.13), NaN if all draws are equal.
fn effective_draws(chains: &[Vec<f64>]) -> f64 {
    let [within, total] = variances(chains);
    if total <= 0.0 {
        return f64::NAN;
    }
    let count = (chains.len() * chains[0].len()) as f64;
    let covariances = autocovariances(chains);
    let correlation = |lag: usize| 1.0 - (within - covariances[lag]) / total;
    let (mut sum, mut before, mut next) = (0.0, f64::INFINITY, 0.0);
    for lag in (0..covariances.len() - 1).step_by(2) {
        let even = correlation(lag);
        let pair = even + correlation(lag + 1);
        if pair <= 0.0 {
            next = even.max(0.0);
            break;
        }
        before = before.min(pair);
        sum += before;
    }
    // The pairs begin with ρ_0 = 1, which counts once. Half of twice the next correlation makes the mean of both sums.
    let time = 2.0 * sum - 1.0 + next;
    count / time.max(count.log10().recip())
}

/// s² ρ_t, averaged over an even number of chains, for all lags t (Equation 3.10): sums of products over n − 1, for every lag, as Geyer recommends.
///
/// The Fourier transform takes n log n steps. A chain that hardly moves needs all lags, and their direct sums would take n².
fn autocovariances(chains: &[Vec<f64>]) -> Vec<f64> {
    let n = chains[0].len();
    // Zeros behind the chain keep its end from meeting its start.
    let size = (2 * n).next_power_of_two();
    let transform = FftPlanner::new().plan_fft_forward(size);
    let mut power = vec![Complex::new(0.0, 0.0); size];
    for pair in chains.chunks_exact(2) {
        // The real part of the autocovariance of a + ib is the sum of those of a and b.
        let [first, second] = [mean(&pair[0]), mean(&pair[1])];
        let mut both: Vec<Complex<f64>> = pair[0].iter().zip(&pair[1]).map(|(a, b)| Complex::new(a - first, b - second)).collect();
        both.resize(size, Complex::new(0.0, 0.0));
        transform.process(&mut both);
        power.iter_mut().zip(&both).for_each(|(sum, z)| sum.re += z.norm_sqr());
    }
    // The power is real. Its transform and its inverse transform differ only in their imaginary parts and in the factor 1/size.
    transform.process(&mut power);
    let scale = size as f64 * chains.len() as f64 * (n as f64 - 1.0);
    power[..n].iter().map(|z| z.re / scale).collect()
}

fn sorted(chains: &[Vec<f64>]) -> Vec<f64> {
    let mut all = chains.concat();
    all.sort_unstable_by(f64::total_cmp);
    all
}

/// The rank of a number among sorted ones, from 1 on. Equal numbers have their average rank.
fn rank(x: f64, sorted: &[f64]) -> f64 {
    let (below, up_to) = (sorted.partition_point(|v| *v < x), sorted.partition_point(|v| *v <= x));
    (below + up_to + 1) as f64 / 2.0
}

fn each(chains: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.iter().map(|x| f(*x)).collect()).collect()
}

/// Normal scores (Equation 4.1). The paper prints S − ¼. Blom's approximation of the expected normal order statistics has S + ¼, and so has the authors' R package `posterior`.
fn scores(chains: &[Vec<f64>], sorted: &[f64]) -> Vec<Vec<f64>> {
    let count = sorted.len() as f64;
    each(chains, |x| quantile((rank(x, sorted) - 0.375) / (count + 0.25)))
}

/// Distances from the median (Equation 4.2).
fn folded(chains: &[Vec<f64>], sorted: &[f64]) -> Vec<Vec<f64>> {
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    // Neither the middle of −∞ and ∞ nor ∞ − ∞ is a number.
    let median = if low == -high { 0.0 } else { f64::midpoint(low, high) };
    each(chains, |x| if x == median { 0.0 } else { (x - median).abs() })
}

impl<'a> Chains<'a> {
    /// The number of draws that each chain must have to be judged: four per half.
    pub const SHORTEST: usize = 8;

    /// Takes draws in the order in which they were made. The draws of all chains at one iteration stand together.
    pub fn new(draws: &'a [f64], chains: usize) -> Self {
        Chains { draws, chains: chains.max(1) }
    }

    /// Whether the chains have fewer than [`SHORTEST`](Self::SHORTEST) draws.
    pub fn too_short(&self) -> bool {
        self.draws.len() / self.chains < Self::SHORTEST
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
        let share = |x: &f64| (rank(*x, &sorted) - 0.5) / sorted.len() as f64;
        (0..self.chains).map(|chain| self.draws.iter().skip(chain).step_by(self.chains).map(share).collect()).collect()
    }

    /// R̂ and the effective numbers of draws, by the formulas of [`Convergence`].
    ///
    /// All are NaN if the chains are [too short](Self::too_short), or if all draws are equal: a quantity that is fixed then looks like chains that never moved. If a draw is NaN, R̂ is ∞ and both numbers
    /// are 0.
    pub fn convergence(&self) -> Convergence {
        let all = |r_hat, effective| Convergence { r_hat, effective_draws: effective, tail_effective_draws: effective };
        if self.too_short() {
            return all(f64::NAN, f64::NAN);
        }
        if self.draws.iter().any(|x| x.is_nan()) {
            return all(f64::INFINITY, 0.0);
        }
        let halves = self.halves();
        let draws = sorted(&halves);
        let bulk = scores(&halves, &draws);
        let distances = folded(&halves, &draws);
        // `max` and `min` ignore NaN: equal distances and constant indicators say nothing.
        let r_hat = r_hat(&bulk).max(r_hat(&scores(&distances, &sorted(&distances))));
        let effective = effective_draws(&bulk);
        // No draw is between a quantile and the sorted draw before it, so that interpolation would change nothing.
        let tails = [1, 19].map(|twentieths| {
            let quantile = draws[(draws.len() - 1) * twentieths / 20];
            effective_draws(&each(&halves, |x| f64::from(x <= quantile)))
        });
        let tail = tails[0].min(tails[1]);
        Convergence { r_hat, effective_draws: effective, tail_effective_draws: if tail.is_nan() { effective } else { tail } }
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
            // Independent draws have independent indicators.
            assert!(phi != 0.0 || (found.tail_effective_draws / expected - 1.0).abs() < 0.25, "{found:?}");
        }
    }

    #[test]
    fn eight_rising_draws_by_hand() {
        // z is ±1.43420, ±0.85250, ±0.47279, ±0.15250. The halves have W = 0.303517 and means ±0.727998, so var⁺ = 1.287599 and R̂ = √4.24226. Distances from the median are the same in both.
        // ρ is 1, 0.816835, 0.699071, 0.659063, so τ = 2 (1.816835 + 1.358134) − 1 = 5.34994. The indicators are constant but for the first draw, or the last: W = var⁺ = ⅛, ρ_1 = −1/12,
        // ρ_2 + ρ_3 < 0 and τ = ⅚, below 1/log₁₀ 8.
        let found = Chains::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 1).convergence();
        assert!((found.r_hat - 2.05968).abs() < 1e-4, "{found:?}");
        assert!((found.effective_draws - 8.0 / 5.34994).abs() < 1e-4, "{found:?}");
        assert!((found.tail_effective_draws - 8.0 * 8f64.log10()).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn autocovariances_are_sums_of_products() {
        let draws = autoregressive(0.7, 2, 74, 1.0);
        let halves = Chains::new(&draws, 2).halves();
        let found = autocovariances(&halves);
        assert_eq!((found.len(), halves.len()), (37, 4));
        for (lag, found) in found.iter().enumerate() {
            let of = |chain: &Vec<f64>| {
                let m = mean(chain);
                chain[lag..].iter().zip(chain).map(|(a, b)| (a - m) * (b - m)).sum::<f64>() / 36.0
            };
            let expected = halves.iter().map(of).sum::<f64>() / 4.0;
            // Some ε of the variance, which is near 1.
            assert!((found - expected).abs() < 1e-13, "{lag}: {found}, expected {expected}");
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
        // Two chains at two points: ρ = 1 at all lags, so that the five pairs of ten lags give τ = 19.
        let stuck: Vec<f64> = (0..40).map(|k| f64::from(k % 2)).collect();
        let found = Chains::new(&stuck, 2).convergence();
        assert_eq!(found.r_hat, f64::INFINITY);
        assert!((found.effective_draws - 40.0 / 19.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn chains_of_different_scales_are_seen() {
        let draws: Vec<f64> =
            autoregressive(0.0, 2, 1_000, 0.0).iter().enumerate().map(|(k, x)| if k % 2 == 0 { 10.0 * x } else { *x }).collect();
        let chains = Chains::new(&draws, 2);
        let (found, classic) = (chains.convergence(), r_hat(&chains.halves()));
        assert!(classic < 1.02 && found.r_hat > 1.2, "{classic}, {found:?}");
        assert!(found.tail_effective_draws < 0.2 * found.effective_draws, "{found:?}");
    }

    #[test]
    fn draws_without_a_mean_do_no_harm() {
        // Ratios of normal numbers have Cauchy's distribution. Draws of one chain exceed those of the others with probability ½ + atan(5)/π = 0.94 if they are shifted by 10.
        let ratios: Vec<f64> = autoregressive(0.0, 8, 1_000, 0.0).chunks_exact(2).map(|pair| pair[0] / pair[1]).collect();
        let found = Chains::new(&ratios, 4).convergence();
        assert!((found.r_hat - 1.0).abs() < 0.02 && (found.effective_draws / 4_000.0 - 1.0).abs() < 0.25, "{found:?}");
        let shifted: Vec<f64> = ratios.iter().enumerate().map(|(k, x)| if k % 4 == 0 { x + 10.0 } else { *x }).collect();
        assert!(Chains::new(&shifted, 4).convergence().r_hat > 1.1);
        // Increasing functions keep ranks, here up to infinite ones.
        let infinite: Vec<f64> = ratios.iter().map(|x| if x.abs() < 100.0 { *x } else { f64::INFINITY.copysign(*x) }).collect();
        let steep: Vec<f64> = infinite.iter().map(|x| 8.0 * x).collect();
        assert_eq!(Chains::new(&infinite, 4).convergence(), Chains::new(&steep, 4).convergence());
        let two_points: Vec<f64> = (0..80).map(|k| if (k / 2) % 2 == 0 { f64::INFINITY } else { f64::NEG_INFINITY }).collect();
        let found = Chains::new(&two_points, 2).convergence();
        // Equal means in all halves of 20 draws, equal distances from the median, and ρ_0 + ρ_1 = −1/19.
        assert!((found.r_hat - 0.95f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert!((found.effective_draws - 80.0 * 80f64.log10()).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn what_cannot_be_judged_is_not() {
        let constant = Chains::new(&[0.1; 40], 2).convergence();
        assert!(constant.r_hat.is_nan() && constant.effective_draws.is_nan() && constant.tail_effective_draws.is_nan(), "{constant:?}");
        let mut draws = autoregressive(0.0, 2, 8, 0.0);
        assert!(Chains::new(&draws[..14], 2).too_short() && Chains::new(&draws[..14], 2).convergence().r_hat.is_nan());
        assert!(!Chains::new(&draws, 2).too_short() && Chains::new(&draws, 2).convergence().r_hat.is_finite());
        draws[5] = f64::NAN;
        let expected = Convergence { r_hat: f64::INFINITY, effective_draws: 0.0, tail_effective_draws: 0.0 };
        assert_eq!(Chains::new(&draws, 2).convergence(), expected);
    }
}
