//! Exact linear relations between columns, by a pivoted Cholesky factor of their correlations.

use nalgebra::{DMatrix, DVector};

/// The rows that a relation is looked for in; it is then checked on all of them.
const SOUGHT_IN: usize = 50_000;
/// The share of a column's variance that may stay unexplained in an exact relation, beside rounding.
const UNEXPLAINED: f64 = 1e-10;
/// The most columns: the work grows with their third power, and the memory with their second.
pub(super) const MOST_COLUMNS: usize = 4096;

/// column = Σ coefficient · other + intercept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relation {
    /// The column that the others give.
    pub(super) column: usize,
    /// The others and their coefficients, in file units.
    pub(super) terms: Vec<(usize, f64)>,
    /// What the sum lacks.
    pub(super) intercept: f64,
}

/// A column's mean, standard deviation, and the share of its variance that is rounding.
struct Scale {
    mean: f64,
    deviation: f64,
    rounding: f64,
}

/// The exact linear relations of row-major `[rows, dim]`; the first `given` columns may depend on each other freely.
///
/// Columns are standardised, so their units do not matter. The factor takes the column with the largest residual variance next (the given ones first);
/// when no residual is left above rounding, every remaining column is a function of those taken (Higham 2002, §10.3).
pub(super) fn relations(rows: &[f64], dim: usize, given: usize) -> Vec<Relation> {
    let n = rows.len() / dim.max(1);
    if n < 2 || dim == 0 {
        return Vec::new();
    }
    let scales: Vec<Scale> = (0..dim).map(|j| scale(rows.iter().skip(j).step_by(dim).copied(), n)).collect();
    let stride = n.div_ceil(SOUGHT_IN);
    let sought: Vec<usize> = (0..n).step_by(stride).collect();
    let standardised = DMatrix::from_fn(sought.len(), dim, |i, j| (rows[sought[i] * dim + j] - scales[j].mean) / scales[j].deviation);
    let correlation = standardised.tr_mul(&standardised) / sought.len() as f64;

    let allowed = |j: usize| UNEXPLAINED + scales[j].rounding;
    let mut residual = correlation.clone();
    let mut taken: Vec<usize> = Vec::new();
    loop {
        let left = |&j: &usize| !taken.contains(&j) && residual[(j, j)] > allowed(j);
        let largest = |range: std::ops::Range<usize>| {
            range.filter(left).fold(None, |best: Option<usize>, j| match best {
                Some(b) if residual[(b, b)] >= residual[(j, j)] => Some(b),
                _ => Some(j),
            })
        };
        let Some(pivot) = largest(0..given).or_else(|| largest(given..dim)) else { break };
        let column = residual.column(pivot).clone_owned() / residual[(pivot, pivot)].sqrt();
        residual -= &column * column.transpose();
        taken.push(pivot);
    }
    let dependent = (given..dim).filter(|j| !taken.contains(j));
    dependent.filter_map(|j| relation(rows, dim, &correlation, &scales, &taken, j)).collect()
}

/// The regression of one column on those taken, where it explains every row.
fn relation(rows: &[f64], dim: usize, correlation: &DMatrix<f64>, scales: &[Scale], taken: &[usize], column: usize) -> Option<Relation> {
    let gram = DMatrix::from_fn(taken.len(), taken.len(), |a, b| correlation[(taken[a], taken[b])]);
    let right = DVector::from_fn(taken.len(), |a, _| correlation[(taken[a], column)]);
    let weights = gram.cholesky()?.solve(&right);
    let terms: Vec<(usize, f64)> = taken
        .iter()
        .zip(weights.iter())
        .filter(|(_, w)| w.abs() > 1e-4)
        .map(|(&j, w)| (j, w * scales[column].deviation / scales[j].deviation))
        .collect();
    let intercept = scales[column].mean - terms.iter().map(|(j, c)| c * scales[*j].mean).sum::<f64>();
    let unexplained = |row: &[f64]| row[column] - intercept - terms.iter().map(|(j, c)| c * row[*j]).sum::<f64>();
    let variance = rows.chunks_exact(dim).map(|row| unexplained(row).powi(2)).sum::<f64>() / (rows.len() / dim) as f64;
    // The relation carries the rounding of all its columns.
    let rounding: f64 = terms.iter().map(|(j, c)| scales[*j].rounding * (c * scales[*j].deviation).powi(2)).sum();
    let own = (UNEXPLAINED + scales[column].rounding) * scales[column].deviation.powi(2);
    (variance <= 10.0 * (own + rounding)).then_some(Relation { column, terms, intercept })
}

fn scale(values: impl Iterator<Item = f64> + Clone, n: usize) -> Scale {
    let mean = values.clone().sum::<f64>() / n as f64;
    let variance = values.clone().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
    // Numbers that 32 bits hold exactly may have been rounded to them; others were rounded to 64 bits.
    let single = values.clone().all(|v| f64::from(v as f32) == v);
    let epsilon = if single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let rounding = (epsilon * values.fold(0.0, |largest: f64, v| largest.max(v.abs()))).powi(2) / variance;
    if variance.is_normal() { Scale { mean, deviation: variance.sqrt(), rounding } } else { Scale { mean, deviation: 1.0, rounding: 0.0 } }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    /// Rows of three independent columns of very different units, and what `more` makes of them.
    fn rows(more: impl Fn(&[f64; 3]) -> Vec<f64>) -> (Vec<f64>, usize) {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(1);
        let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
        let mut all = Vec::new();
        for _ in 0..2000 {
            let row = [5.0 + draw(), 1e6 * draw(), 1e-3 * draw()];
            all.extend(row);
            all.extend(more(&row));
        }
        let dim = all.len() / 2000;
        (all, dim)
    }

    #[test]
    fn independent_columns_have_no_relation() {
        let (all, dim) = rows(|r| vec![r[0] * r[0], r[0] + r[1] * r[2] / 1e6]);
        assert_eq!(relations(&all, dim, 0), []);
    }

    #[test]
    fn names_a_repeated_column_and_a_sum() {
        let (all, dim) = rows(|r| vec![3.0 - 2.0 * r[1], r[0] + r[2]]);
        let found = relations(&all, dim, 0);
        let named: Vec<Vec<usize>> = found
            .iter()
            .map(|r| {
                let mut names: Vec<usize> = r.terms.iter().map(|t| t.0).chain([r.column]).collect();
                names.sort_unstable();
                names
            })
            .collect();
        assert_eq!(named.len(), 2);
        assert!(named.contains(&vec![1, 3]), "{named:?}");
        // 1e-3 beside 1: the small term of the sum is above the rounding of 64 bits, so it is no repeat of column 0 alone.
        assert!(named.contains(&vec![0, 2, 4]), "{named:?}");
    }

    #[test]
    fn sees_through_the_rounding_of_32_bits() {
        let (all, dim) = rows(|r| vec![1000.0 + r[0] + r[1] / 1e6]);
        let single: Vec<f64> = all.iter().map(|&v| f64::from(v as f32)).collect();
        let found = relations(&single, dim, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].terms.len(), 2);
    }

    #[test]
    fn context_may_repeat_itself_but_not_be_repeated() {
        let (all, dim) = rows(|r| vec![r[0] + 1.0]);
        // Columns 0 to 3 given, all of them: no relation counts.
        assert_eq!(relations(&all, dim, 4), []);
        let found = relations(&all, dim, 1);
        assert_eq!((found.len(), found[0].column), (1, 3));
    }
}
