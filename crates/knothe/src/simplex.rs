//! The weights of a mixture of fixed densities: a concave problem on the simplex.

use crate::error::{Error, Result};

/// The gap, in nats a row, below which [`likeliest_weights`] stops.
pub const WEIGHTS_GAP: f64 = 1e-6;
/// Steps after which it stops in any case: members that are alike make the last nats slow, and worth nothing.
const STEPS: usize = 20_000;

/// Weights, and how far their likelihood may be from the largest.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// One a member, of sum 1.
    pub weights: Vec<f64>,
    /// An upper bound, in nats a row, on what any other weights would gain.
    pub gap: f64,
}

/// The weights w on the simplex that maximise L(w) = Σ_i v_i log Σ_k w_k q_k(x_i) / Σ_i v_i, given `log_prob[k][i]` = log q_k(x_i)
/// and the weights v of the rows (1 where there are none).
///
/// L is concave. The EM step (Dempster, Laird & Rubin 1977) is w_k ← w_k g_k with the gradient g_k = ∂L/∂w_k, the mean of
/// q_k(x_i)/q(x_i); it keeps Σ w_k g_k = 1 and never lowers L. By Jensen, L(w*) − L(w) ≤ log Σ_k w*_k g_k ≤ log max_k g_k for every w*,
/// which is the [`gap`](Weights::gap): the steps end below [`WEIGHTS_GAP`], or after 20,000 of them.
/// Rows that no member gives any density have no say in w.
///
/// # Errors
/// [`Error::Shape`] unless there are a member and a row, and as many numbers and row weights as rows; [`Error::NotFinite`] at NaN
/// or ∞; [`Error::Invalid`] where no row of positive weight has a density.
pub fn likeliest_weights(log_prob: &[Vec<f64>], row_weights: Option<&[f64]>) -> Result<Weights> {
    let rows = log_prob.first().map_or(0, Vec::len);
    let lengths = log_prob.iter().map(Vec::len).chain(row_weights.map(<[f64]>::len));
    if rows == 0 || lengths.clone().any(|length| length != rows) {
        let found = format!("{:?}", lengths.collect::<Vec<_>>());
        return Err(Error::shape("log densities and weights", "the same number of rows, at least 1, of each member", found));
    }
    let weight = |i: usize| row_weights.map_or(1.0, |v| v[i]);
    let counted: Vec<usize> = (0..rows).filter(|&i| weight(i) > 0.0).collect();
    let broken = |&i: &usize| log_prob.iter().any(|l| l[i].is_nan() || l[i] == f64::INFINITY);
    let broken: Vec<usize> = counted.iter().copied().filter(|i| broken(i)).collect();
    if !broken.is_empty() {
        return Err(Error::NotFinite { what: "the log density of a member of the mixture".into(), rows: broken });
    }
    // Row by row, the densities relative to the largest: [rows, members].
    let (mut relative, mut row_weight, mut total) = (Vec::new(), Vec::new(), 0.0);
    for i in counted {
        let most = log_prob.iter().map(|l| l[i]).fold(f64::NEG_INFINITY, f64::max);
        if most > f64::NEG_INFINITY {
            relative.extend(log_prob.iter().map(|l| (l[i] - most).exp()));
            row_weight.push(weight(i));
            total += weight(i);
        }
    }
    if row_weight.is_empty() {
        return Err(Error::invalid("rows for the weights of a mixture", "one with a density and a positive weight", "none"));
    }
    let members = log_prob.len();
    let mut weights = vec![1.0 / members as f64; members];
    let mut gap = f64::INFINITY;
    for step in 0.. {
        let gradient = gradient(&relative, &row_weight, total, &weights);
        gap = gradient.iter().copied().fold(f64::NEG_INFINITY, f64::max).ln().max(0.0);
        if gap <= WEIGHTS_GAP || step == STEPS {
            break;
        }
        weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w *= g);
        // The sum is 1 up to rounding, which must not add up.
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    Ok(Weights { weights, gap })
}

/// g_k = Σ_i v_i q_k(x_i)/q(x_i) / Σ_i v_i.
fn gradient(relative: &[f64], row_weight: &[f64], total: f64, weights: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; weights.len()];
    for (q, v) in relative.chunks_exact(weights.len()).zip(row_weight) {
        let mixture: f64 = q.iter().zip(weights).map(|(q, w)| q * w).sum();
        gradient.iter_mut().zip(q).for_each(|(g, q)| *g += v / total * q / mixture);
    }
    gradient
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Two disjoint members: L = a log w₁ + (1 − a) log w₂ + const is largest at w₁ = a, the share of rows of the first.
    #[test]
    fn weights_of_disjoint_members_are_their_shares() {
        let (none, one) = (f64::NEG_INFINITY, -3.0);
        let log_prob = [vec![one, none, none, none, none], vec![none, 700.0, -900.0, one, none]];
        let found = likeliest_weights(&log_prob, None).unwrap();
        // The last row has no density anywhere and no say. 64 bits.
        assert!((found.weights[0] - 0.25).abs() < 1e-12 && found.gap <= WEIGHTS_GAP, "{found:?}");
        let found = likeliest_weights(&log_prob, Some(&[5.0, 1.0, 2.0, 0.0, 1.0])).unwrap();
        assert!((found.weights[0] - 5.0 / 8.0).abs() < 1e-12, "{found:?}");
    }

    /// q₁ = (0.8, 0.2) and q₂ = (0.3, 0.7) on two points, of which a share of 0.6 is the first: the likeliest mixture has mass
    /// 0.6 there, which is 0.8 w + 0.3 (1 − w) at w = 0.6.
    #[test]
    fn weights_solve_the_likelihood_equation() {
        let masses = |first: f64| [first, first, first, 1.0 - first, 1.0 - first].map(f64::ln).to_vec();
        let found = likeliest_weights(&[masses(0.8), masses(0.3)], None).unwrap();
        // L'' at the optimum is (0.5/0.6)² 0.6 + (0.5/0.4)² 0.4 = 1.04, so a gap of 1e-6 is 1.4e-3 in w.
        assert!((found.weights[0] - 0.6).abs() < 1.5e-3, "{found:?}");
        // The bound holds, and the likelihood is the largest to within it.
        let likelihood = |w: f64| 0.6 * (0.8 * w + 0.3 * (1.0 - w)).ln() + 0.4 * (0.2 * w + 0.7 * (1.0 - w)).ln();
        let lost = likelihood(0.6) - likelihood(found.weights[0]);
        assert!((-1e-15..=found.gap).contains(&lost) && found.gap <= WEIGHTS_GAP, "{lost} {found:?}");
        // Where one member is better everywhere, it is all that is left.
        let found = likeliest_weights(&[vec![-1.0; 3], vec![-2.0; 3]], None).unwrap();
        assert!(found.weights[0] > 1.0 - 2e-6, "{found:?}");
        // Members that are equal share, and a single one has all.
        assert_eq!(likeliest_weights(&[vec![-1.0; 3], vec![-1.0; 3]], None).unwrap().weights, [0.5, 0.5]);
        assert_eq!(likeliest_weights(&[vec![-1.0; 3]], None).unwrap().weights, [1.0]);
    }

    #[test]
    fn what_has_no_likelihood_is_an_error() {
        assert!(matches!(likeliest_weights(&[], None), Err(Error::Shape { .. })));
        assert!(matches!(likeliest_weights(&[vec![]], None), Err(Error::Shape { .. })));
        assert!(matches!(likeliest_weights(&[vec![1.0], vec![1.0, 2.0]], None), Err(Error::Shape { .. })));
        assert!(matches!(likeliest_weights(&[vec![1.0]], Some(&[1.0, 1.0])), Err(Error::Shape { .. })));
        assert!(matches!(likeliest_weights(&[vec![1.0]], Some(&[0.0])), Err(Error::Invalid { .. })));
        assert!(matches!(likeliest_weights(&[vec![f64::NEG_INFINITY]], None), Err(Error::Invalid { .. })));
        assert!(matches!(likeliest_weights(&[vec![0.0, f64::NAN]], None), Err(Error::NotFinite { rows, .. }) if rows == [1]));
    }
}
