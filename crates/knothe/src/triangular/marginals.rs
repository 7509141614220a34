//! The distribution of each column alone, as a map: what is left to the other layers is the copula.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use super::{of_rows, sum_coordinates};
use crate::{
    bijection::{Bijection, Given, Replay, check_dim, check_input},
    error::{Error, Result},
    linear::{assign, constant, is_raised},
    placement::{Placement, values},
    univariate::{special::quantile, spline::Bin},
};

/// The rows between two knots, and beyond the outermost ones: a slope from fewer would be that of the sample.
const LEAST_ROWS: usize = 32;

/// z_j = g_j(x_j) ≈ Φ⁻¹(F_j(x_j)) with F_j the distribution function of column j: by Sklar's theorem (1959) a density is that of its
/// columns alone times that of the z, the copula. As a first step of a density estimate it is the marginal Gaussianization of Chen
/// and Gopinath (2000).
///
/// g_j is the monotone rational quadratic of Gregory and Delbourgo (1982; see [`crate::univariate::Spline`]) through the points
/// (q(u), Φ⁻¹(u)), q(u) the u-quantile of the training set, at levels u with equal steps of Φ⁻¹(u). Knots have at least 32 rows between
/// them and 32 beyond the outermost; there, g_j is linear. The slope at a knot is the harmonic mean of those of the chords on both
/// sides, weighted as Fritsch and Butland (1984) do.
///
/// Until [`Bijection::initialise`] has seen the data the map is the identity, and afterwards it stays as it is. So does a column that has too few
/// different values for two knots. Nothing is trained. Absent elements of the training set count for nothing.
///
/// ```
/// use knothe::{Bijection, Given, Placement, Precision, fit::Dataset, triangular::Marginals};
/// let cpu = Placement::cpu(Precision::F64);
/// let rows: Vec<f64> = (0..1_000).map(|k| (f64::from(k) / 1_000.0).powi(2)).collect();
/// let mut marginals = Marginals::new(1, 64, &cpu)?;
/// marginals.initialise(&mut &Dataset::new(rows, 1, &cpu)?)?;
/// // The median of these rows is 0.25, that of the source 0.
/// let (z, _) = marginals.inverse_and_ladj(cpu.tensor(vec![0.25], [1, 1]), &Given::default())?;
/// assert!(z.into_scalar::<f64>().abs() < 0.01);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Marginals {
    /// Knots on the side of the data, on that of the source, and ∂z/∂x there, `[bins + 1, dim]`.
    x: Param<Tensor<2>>,
    z: Param<Tensor<2>>,
    slope: Param<Tensor<2>>,
    initialised: Param<Tensor<1>>,
}

impl Marginals {
    /// Maps of at most `bins` bins a column.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than 2 bins or more than 65,536.
    pub fn new(dim: usize, bins: usize, place: &Placement) -> Result<Self> {
        if !(2..=65_536).contains(&bins) {
            return Err(Error::invalid("bins of marginals", "2 to 65536", bins));
        }
        let shape = [bins + 1, dim];
        let line = || (0..=bins).flat_map(|k| vec![k as f64 / bins as f64 * 2.0 - 1.0; dim]).collect();
        let knots = || constant(place.tensor_of(shape, line));
        let slope = constant(place.tensor_of(shape, || vec![1.0; shape[0] * dim]));
        Ok(Marginals { x: knots(), z: knots(), slope, initialised: constant(place.zeros([1])) })
    }

    fn bins(&self) -> usize {
        self.x.dims()[0] - 1
    }

    /// The bin of each of `at`, which are within the knots of their side.
    fn find(&self, knots: &Tensor<2>, at: &Tensor<2>) -> Bin {
        let last = self.bins() as i64 - 1;
        let mut index: Tensor<2, Int> = Tensor::zeros(at.dims(), &at.device());
        let mut step = self.bins().next_power_of_two() as i64 / 2;
        while step > 0 {
            let next = (index.clone() + step).clamp_max(last);
            let reached = at.clone().greater_equal(knots.clone().gather(0, next.clone()));
            index = index.mask_where(reached, next);
            step /= 2;
        }
        let pick = |of: &Param<Tensor<2>>| [0, 1].map(|offset| of.val().gather(0, index.clone() + offset));
        Bin::between(pick(&self.x), pick(&self.z), pick(&self.slope))
    }

    /// The direction that is `curve` in a bin, from the side with these knots; beyond them, on along the slope at the outermost.
    fn run(
        &self,
        what: &str,
        knots: Tensor<2>,
        at: Tensor<2>,
        given: &Given,
        curve: impl Fn(&Bin, Tensor<2>) -> (Tensor<2>, Tensor<2>),
    ) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input(what, &at, self.dim(), knots.dtype())?;
        given.check_present(at.dims(), at.dtype())?;
        if rows == 0 {
            return Ok((at.clone(), sum_coordinates(at)));
        }
        let end = |k: usize| knots.clone().narrow(0, k, 1).expand([rows as i64, -1]);
        let (first, last) = (end(0), end(self.bins()));
        let held = at.clone().mask_where(at.clone().lower(first.clone()), first);
        let held = held.mask_where(at.clone().greater(last.clone()), last);
        let (to, log_slope) = curve(&self.find(&knots, &held), held.clone());
        Ok(of_rows((to + (at - held) * log_slope.clone().exp(), log_slope), given))
    }
}

impl Bijection for Marginals {
    fn dim(&self) -> usize {
        self.x.dims()[1]
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.run("z", self.z.val(), z, given, Bin::inverse)
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.run("x", self.x.val(), x, given, Bin::value)
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        if is_raised(&self.initialised) {
            return Ok(());
        }
        let (dim, bins) = (self.dim(), self.bins());
        let epsilon = Placement::of(&self.x.val()).precision.epsilon();
        let mut tables = [&self.x, &self.z, &self.slope].map(|of| values(of.val()));
        for j in 0..dim {
            let curve = Curve::through(&knots(&ranked(data, j, dim)?, bins, epsilon), bins);
            for (table, column) in tables.iter_mut().zip(curve.iter().flat_map(|curve| [&curve.x, &curve.z, &curve.slope])) {
                table.iter_mut().skip(j).step_by(dim).zip(column).for_each(|(into, &value)| *into = value);
            }
        }
        let [x, z, slope] = tables;
        assign(&mut self.x, x);
        assign(&mut self.z, z);
        assign(&mut self.slope, slope);
        assign(&mut self.initialised, vec![1.0]);
        Ok(())
    }
}

/// The values of a column that are present, in ascending order, with their weights.
fn ranked(data: &mut dyn Replay, column: usize, dim: usize) -> Result<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    data.each(&mut |batch| {
        check_dim("x", &batch.x, dim)?;
        batch.given().check_present(batch.x.dims(), batch.x.dtype())?;
        let of_column = |t: &Tensor<2>| values(t.clone().inner().narrow(1, column, 1));
        let present = batch.present.as_ref().map(of_column);
        let weight = |row: usize| batch.weight(row) * present.as_ref().map_or(1.0, |present| present[row]);
        let weighted = of_column(&batch.x).into_iter().enumerate().map(|(row, value)| (value, weight(row)));
        all.extend(weighted.filter(|(_, weight)| *weight > 0.0));
        Ok(())
    })?;
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    Ok(all)
}

/// At most `bins` + 1 points (q(u), Φ⁻¹(u)) of a column.
fn knots(ranked: &[(f64, f64)], bins: usize, epsilon: f64) -> Vec<(f64, f64)> {
    let rows = ranked.len();
    if rows < 3 * LEAST_ROWS {
        return Vec::new();
    }
    let total: f64 = ranked.iter().map(|(_, weight)| weight).sum();
    let reach = -quantile(LEAST_ROWS as f64 / rows as f64);
    let level = |k: usize| reach * (2.0 * k as f64 / bins as f64 - 1.0);
    let (mut found, mut next): (Vec<(f64, f64)>, usize) = (Vec::with_capacity(bins + 1), 0);
    let (mut before, mut seen, mut last) = (0.0, 0, 0);
    for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
        let (x, weight) = (equal[0].0, equal.iter().map(|(_, weight)| weight).sum::<f64>());
        // Half of the rows at x are below it.
        let z = quantile((before + weight / 2.0) / total);
        // Positions within a bin have to keep some digits.
        let apart = found.last().is_none_or(|&(left, _)| x - left > 1e3 * epsilon * x.abs().max(left.abs()));
        let enough = seen + equal.len() / 2 >= last + LEAST_ROWS && rows - seen - equal.len() / 2 >= LEAST_ROWS;
        if next <= bins && z >= level(next) && enough && apart {
            found.push((x, z));
            last = seen + equal.len() / 2;
            while next <= bins && level(next) <= z {
                next += 1;
            }
        }
        before += weight;
        seen += equal.len();
    }
    found
}

/// A monotone curve through points, with straight ends.
struct Curve {
    x: Vec<f64>,
    z: Vec<f64>,
    slope: Vec<f64>,
}

impl Curve {
    /// None through fewer than two points. What they lack to `bins` + 1 lies on the line beyond the last.
    fn through(points: &[(f64, f64)], bins: usize) -> Option<Curve> {
        let (mut x, mut z): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let chords: Vec<[f64; 2]> = points.windows(2).map(|p| [p[1].0 - p[0].0, (p[1].1 - p[0].1) / (p[1].0 - p[0].0)]).collect();
        let (first, &[width, end]) = (chords.first()?[1], chords.last()?);
        let mean = |[h0, s0]: [f64; 2], [h1, s1]: [f64; 2]| 3.0 * (h0 + h1) / ((2.0 * h1 + h0) / s0 + (h1 + 2.0 * h0) / s1);
        let mut slope = vec![first];
        slope.extend(chords.windows(2).map(|c| mean(c[0], c[1])));
        let (from, to) = (x[x.len() - 1], z[z.len() - 1]);
        for k in 1..=bins + 1 - points.len() {
            x.push(from + k as f64 * width);
            z.push(to + k as f64 * width * end);
        }
        slope.resize(bins + 1, end);
        Some(Curve { x, z, slope })
    }
}

#[cfg(test)]
#[path = "marginals_tests.rs"]
mod tests;
