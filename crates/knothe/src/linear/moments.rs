//! Means and variances over a whole training set, streamed in 64 bits.

use crate::{
    bijection::{Replay, check_dim},
    error::{Error, Result},
    placement::values,
};

/// The weighted mean and variance of each coordinate, over the rows in which it is present; 0 both, of one that never is.
pub(crate) struct Moments {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
}

impl Moments {
    /// One pass over the data. Sums are taken about the first number of a coordinate, so that a mean far from 0 costs no digits.
    pub(crate) fn of(data: &mut dyn Replay, dim: usize) -> Result<Self> {
        let (mut rows, mut count, mut centre) = (0.0, vec![0.0; dim], vec![None; dim]);
        let (mut sum, mut square) = (vec![0.0; dim], vec![0.0; dim]);
        data.each(&mut |batch| {
            check_dim("x", &batch.x, dim)?;
            batch.given().check_present(batch.x.dims(), batch.x.dtype())?;
            let x = values(batch.x.clone().inner());
            let present = batch.present.as_ref().map(|present| values(present.clone().inner()));
            for (i, row) in x.chunks_exact(dim).enumerate() {
                let weight = batch.weight(i);
                rows += weight;
                for (j, v) in row.iter().enumerate() {
                    if present.as_ref().is_some_and(|present| present[i * dim + j] == 0.0) {
                        continue;
                    }
                    let d = v - *centre[j].get_or_insert(*v);
                    count[j] += weight;
                    sum[j] += weight * d;
                    square[j] += weight * d * d;
                }
            }
            Ok(())
        })?;
        if rows.is_nan() || rows <= 0.0 {
            return Err(Error::invalid("training set", "at least one row", 0));
        }
        let over = |s: f64, count: f64| if count > 0.0 { s / count } else { 0.0 };
        let mean: Vec<f64> = sum.iter().zip(&count).map(|(s, n)| over(*s, *n)).collect();
        let variance = square.iter().zip(&count).zip(&mean).map(|((s, n), m)| (over(*s, *n) - m * m).max(0.0)).collect();
        Ok(Moments { mean: mean.iter().zip(centre).map(|(m, c)| m + c.unwrap_or(0.0)).collect(), variance })
    }
}
