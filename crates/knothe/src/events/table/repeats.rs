//! Counts rows that repeat an earlier one, unless the precision of the numbers explains it.

/// The smallest ratio of the rows that repeat an earlier one in all columns to those that repeat one in all columns but one.
const TIMES: usize = 10;
/// The fewest repeated rows that allow a conclusion.
const FEWEST: usize = 5;

/// The number of rows of row-major `[rows, dim]` that repeat an earlier one, or nothing if coarse numbers explain it.
///
/// If coarse numbers repeat by chance, many more distinct rows agree in all columns but one. Copies agree in all columns. `continuous` marks the columns that are not
/// discrete. Copies can be told from chance only if two or more columns are continuous.
pub(super) fn repeated_rows(rows: &[f64], dim: usize, continuous: &[bool]) -> Option<usize> {
    let left_out: Vec<usize> = (0..dim).filter(|&j| continuous.get(j).copied().unwrap_or(false)).collect();
    if left_out.len() < 2 {
        return None;
    }
    // The hash of a row is the sum of the hashes of its cells, so a subtraction leaves out one cell.
    let sums: Vec<u64> =
        rows.chunks_exact(dim).map(|row| row.iter().enumerate().fold(0, |sum: u64, (j, v)| sum.wrapping_add(hash(j, *v)))).collect();
    let all = distinct(sums.clone());
    let repeated = sums.len() - all;
    if repeated < FEWEST {
        return None;
    }
    let nearly = |&j: &usize| {
        all - distinct(rows.chunks_exact(dim).zip(&sums).map(|(row, sum)| sum.wrapping_sub(hash(j, row[j]))).collect()).min(all)
    };
    let near = left_out.iter().map(nearly).max().unwrap_or(0);
    (repeated > TIMES * near).then_some(repeated)
}

/// A hash of one cell (the finaliser of Steele, Lea and Flood 2014, SplitMix64).
fn hash(column: usize, value: f64) -> u64 {
    // Adding 0 turns −0 into 0.
    let mut bits = (value + 0.0).to_bits().wrapping_add((column as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn distinct(mut values: Vec<u64>) -> usize {
    values.sort_unstable();
    values.dedup();
    values.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::table::lattice::Lattice;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};

    fn normal(n: usize, dim: usize, seed: u64) -> Vec<f64> {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
        (0..n * dim).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    #[test]
    fn copies_are_counted() {
        let mut rows = normal(1000, 3, 1);
        rows.extend_from_within(30..60);
        rows.extend_from_within(30..33);
        assert_eq!(repeated_rows(&rows, 3, &[true; 3]), Some(11));
        assert_eq!(repeated_rows(&rows, 3, &[false; 3]), None);
        // A discrete column beside two continuous ones hides no copy.
        let mixed: Vec<f64> = rows.chunks_exact(3).flat_map(|r| [r[0], r[1].round(), r[2]]).collect();
        assert_eq!(repeated_rows(&mixed, 3, &[true, false, true]), Some(11));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, rng_seed: proptest::test_runner::RngSeed::Fixed(8), ..ProptestConfig::default() })]

        #[test]
        fn rounding_makes_no_copies(n in 5usize..3000, dim in 1usize..6, digits in 0i32..17, slope in 0.0f64..1.0, seed in any::<u64>()) {
            let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
            let unit = 10f64.powi(digits);
            let mut rows = normal(n, dim, seed);
            for row in rows.chunks_exact_mut(dim) {
                let common: f64 = rng.random();
                row.iter_mut().for_each(|v| *v = ((common * slope + *v * (1.0 - 0.9 * slope)) * unit).round() / unit);
            }
            let continuous: Vec<bool> = (0..dim).map(|j| {
                let mut column: Vec<f64> = rows.iter().skip(j).step_by(dim).copied().collect();
                column.sort_by(f64::total_cmp);
                Lattice::find(&column).is_none()
            }).collect();
            prop_assert_eq!(repeated_rows(&rows, dim, &continuous), None);
        }
    }
}
