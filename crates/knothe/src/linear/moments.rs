//! Means and variances over a whole training set, streamed in 64 bits.

use crate::{
    bijection::{Replay, check_dim},
    error::{Error, Result},
    placement::values,
};

/// The weighted mean and variance of each coordinate.
pub(crate) struct Moments {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
}

impl Moments {
    /// One pass over the data. Sums are taken about the first row, so that a mean far from 0 costs no digits.
    pub(crate) fn of(data: &mut dyn Replay, dim: usize) -> Result<Self> {
        let (mut count, mut centre) = (0.0, None);
        let (mut sum, mut square) = (vec![0.0; dim], vec![0.0; dim]);
        data.each(&mut |batch| {
            check_dim("x", &batch.x, dim)?;
            let x = values(batch.x.clone().inner());
            let centre = centre.get_or_insert_with(|| x.iter().take(dim).copied().collect::<Vec<f64>>());
            for (i, row) in x.chunks_exact(dim).enumerate() {
                let weight = batch.weight(i);
                count += weight;
                for (j, v) in row.iter().enumerate() {
                    let d = v - centre[j];
                    sum[j] += weight * d;
                    square[j] += weight * d * d;
                }
            }
            Ok(())
        })?;
        let centre = centre.filter(|_| count > 0.0).ok_or_else(|| Error::invalid("training set", "at least one row", 0))?;
        let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
        let variance = square.iter().zip(&mean).map(|(s, m)| (s / count - m * m).max(0.0)).collect();
        Ok(Moments { mean: mean.iter().zip(centre).map(|(m, c)| m + c).collect(), variance })
    }
}
