//! The bijection from standardised reals to the units of the file.

use burn::tensor::Tensor;

use super::{
    column::Column,
    kind::Kind,
    rows::TableRows,
    schema::{Schema, SchemaColumn},
};
use crate::{
    bijection::{Bijection, Given, check_dim},
    density::Exactness,
    error::{Error, Result},
    placement::{Placement, values},
};

impl Kind {
    /// v of x, without the check that x is in the support.
    pub(super) fn to_real(self, x: f64) -> f64 {
        match self {
            Kind::Positive => x.ln(),
            Kind::Bounded([a, b]) => ((x - a) / (b - x)).ln(),
            _ => x,
        }
    }

    /// x of v, and log dx/dv. Far in the tails x stops at the number next to the bound, which is still inside.
    fn to_file(self, v: f64) -> (f64, f64) {
        match self {
            Kind::Positive => (v.exp().clamp(f64::MIN_POSITIVE, f64::MAX), v),
            Kind::Bounded([a, b]) => {
                // e/(1 + e) is the distance to the nearer bound, as a share of the width: no digits cancel there.
                let e = (-v.abs()).exp();
                let share = (b - a) * e / (1.0 + e);
                let x = if v < 0.0 { a + share } else { b - share };
                (x.clamp(a.next_up(), b.next_down()), (b - a).ln() - v.abs() - 2.0 * e.ln_1p())
            }
            _ => (v, 0.0),
        }
    }

    /// log dv/dx.
    fn to_real_ladj(self, x: f64) -> f64 {
        match self {
            Kind::Positive => -x.ln(),
            Kind::Bounded([a, b]) => (b - a).ln() - (x - a).ln() - (b - x).ln(),
            _ => 0.0,
        }
    }
}

/// x_j = g_j(shift_j + scale_j u_j), with g_j the identity, exp or a bounded sigmoid by the column's [`Kind`].
///
/// Computed in 64 bits on the host whatever the precision of the tensors, since a column's units may need them; no gradient flows through.
/// Integers and lattices are the identity here: noise makes them continuous before ([`Preprocess::dequantise`]), rounding makes them discrete after ([`Preprocess::quantise`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    columns: Vec<SchemaColumn>,
}

impl Preprocess {
    /// The bijection of a schema's modelled columns.
    pub fn new(schema: &Schema) -> Self {
        Preprocess { columns: schema.modelled().cloned().collect() }
    }

    /// [`Exactness::LowerBound`] where a column is dequantised: by Jensen's inequality E log q(k + U) ≤ log P(k) (Theis, van den Oord and Bethge 2016).
    pub fn exactness(&self) -> Exactness {
        if self.columns.iter().any(|c| c.kind.lattice().is_some()) { Exactness::LowerBound } else { Exactness::Exact }
    }

    /// Adds step · U[0, 1) to integers and lattice values, in place, in row-major `[index.len(), dim]`.
    ///
    /// The noise depends on the seed, the row's number in the file and the column alone, so an evaluation does not depend on how it is cut into batches.
    pub fn dequantise(&self, x: &mut [f64], index: &[u64], seed: u64) {
        for (row, &number) in x.chunks_exact_mut(self.columns.len().max(1)).zip(index) {
            for (j, (value, column)) in row.iter_mut().zip(&self.columns).enumerate() {
                if let Some(lattice) = column.kind.lattice() {
                    let k = lattice.index(*value).unwrap_or_else(|| lattice.floor(*value));
                    *value = lattice.value(k + noise(seed, number, j as u64));
                }
            }
        }
    }

    /// The log width of a cell of the lattices: what turns a log density of dequantised rows into a log mass.
    pub fn log_cell(&self) -> f64 {
        self.columns.iter().filter_map(|c| c.kind.lattice()).map(|l| l.step.ln()).sum()
    }

    /// Takes reals back to the lattice value at or below them, in place, in row-major `[rows, dim]`.
    pub fn quantise(&self, x: &mut [f64]) {
        for row in x.chunks_exact_mut(self.columns.len().max(1)) {
            for (value, column) in row.iter_mut().zip(&self.columns) {
                if let Some(lattice) = column.kind.lattice() {
                    *value = lattice.value(lattice.floor(*value));
                }
            }
        }
    }

    /// u of x in place for one row; returns log|det ∂u/∂x|.
    fn to_model_row(&self, row: &mut [f64]) -> f64 {
        let mut ladj = 0.0;
        for (value, column) in row.iter_mut().zip(&self.columns) {
            ladj += column.kind.to_real_ladj(*value) - column.scale.ln();
            *value = (column.kind.to_real(*value) - column.shift) / column.scale;
        }
        ladj
    }

    /// x of u in place for one row; returns log|det ∂x/∂u|.
    fn to_file_row(&self, row: &mut [f64]) -> f64 {
        let mut ladj = 0.0;
        for (value, column) in row.iter_mut().zip(&self.columns) {
            let (x, log_slope) = column.kind.to_file(column.shift + column.scale * *value);
            *value = x;
            ladj += log_slope + column.scale.ln();
        }
        ladj
    }

    fn each_row(&self, tensor: Tensor<2>, map: impl Fn(&mut [f64]) -> f64) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("rows", &tensor, self.columns.len())?;
        let place = Placement::of(&tensor);
        let mut all = values(tensor);
        let ladj: Vec<f64> = all.chunks_exact_mut(self.columns.len().max(1)).map(map).collect();
        Ok((place.tensor(all, [rows, self.columns.len()]), place.tensor(ladj, [rows])))
    }
}

impl Bijection for Preprocess {
    fn dim(&self) -> usize {
        self.columns.len()
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.each_row(z, |row| self.to_file_row(row))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let (z, ladj) = self.each_row(x, |row| self.to_model_row(row))?;
        let rows: Vec<usize> = values(ladj.clone()).iter().enumerate().filter(|(_, l)| !l.is_finite()).map(|(i, _)| i).collect();
        if rows.is_empty() { Ok((z, ladj)) } else { Err(Error::NotInvertible { what: "preprocessing".into(), rows }) }
    }
}

impl Schema {
    /// Rows in model space: standardised row-major `[n, dim]`; for each row what log_prob in file units adds to the model's, log|det ∂u/∂x| plus
    /// the log cell of the lattices; and the standardised context, `[n, context_dim]`.
    ///
    /// The seed is that of the dequantisation noise.
    pub fn to_model(&self, rows: &TableRows, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let preprocess = Preprocess::new(self);
        let mut x = rows.x.clone();
        preprocess.dequantise(&mut x, &rows.index, seed);
        let log_cell = preprocess.log_cell();
        let ladj = x.chunks_exact_mut(self.dim().max(1)).map(|row| preprocess.to_model_row(row) + log_cell).collect();
        (x, ladj, self.context_to_model(rows.context.clone()))
    }

    /// Rows in model space as [`Schema::to_model`] has them, but without dequantisation noise, and the width of the noise that each column needs
    /// there (0 where it is no lattice): what a fit reads, which draws fresh noise for every batch. The ladj does not depend on the noise.
    pub fn to_model_without_noise(&self, rows: &TableRows) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let preprocess = Preprocess::new(self);
        let (mut x, log_cell) = (rows.x.clone(), preprocess.log_cell());
        let ladj = x.chunks_exact_mut(self.dim().max(1)).map(|row| preprocess.to_model_row(row) + log_cell).collect();
        let widths = self.modelled().map(|c| c.kind.lattice().map_or(0.0, |l| l.step / c.scale)).collect();
        (x, ladj, widths)
    }

    /// Row-major `[n, dim]` in model space in the units of the file: integers and lattices rounded down.
    pub(super) fn to_file(&self, mut model: Vec<f64>) -> Vec<f64> {
        let preprocess = Preprocess::new(self);
        for row in model.chunks_exact_mut(self.dim().max(1)) {
            preprocess.to_file_row(row);
        }
        preprocess.quantise(&mut model);
        model
    }

    /// Rows as columns of the file in their order, with the constant ones restored.
    pub fn columns_of(&self, rows: &TableRows) -> Vec<Column> {
        let (dim, mut next) = (self.dim(), 0);
        let column = |c: &SchemaColumn| {
            let (values, whole) = match c.kind {
                Kind::Constant(value) => (vec![value; rows.n], value.fract() == 0.0),
                kind => {
                    next += 1;
                    (rows.x.iter().skip(next - 1).step_by(dim).copied().collect(), matches!(kind, Kind::Integer | Kind::Binary))
                }
            };
            Column::numbers(&c.name, values, whole)
        };
        self.columns.iter().map(column).collect()
    }
}

/// A uniform number on [0, 1) from three integers, by the mixing function of SplitMix64 (Steele, Lea and Flood 2014), once for each.
fn noise(seed: u64, row: u64, column: u64) -> f64 {
    let hash = [row, column].iter().fold(mix(seed), |hash, part| mix(hash ^ mix(*part)));
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::events::table::Lattice;
    use crate::placement::Precision;

    fn preprocess(kind: Kind, shift: f64, scale: f64) -> Preprocess {
        Preprocess { columns: vec![SchemaColumn { name: "x".into(), kind, shift, scale }] }
    }

    /// x and log dx/du at one u.
    fn at(p: &Preprocess, u: f64) -> (f64, f64) {
        let mut row = [u];
        let ladj = p.to_file_row(&mut row);
        (row[0], ladj)
    }

    #[test]
    fn goes_forth_and_back() {
        let place = Placement::cpu(Precision::F64);
        let kinds = [(Kind::Continuous, 1e3), (Kind::Positive, 1e2), (Kind::Bounded([0.0, 1.0]), 8.0)];
        for (kind, reach) in kinds {
            let p = preprocess(kind, -0.7, 2.5);
            let u: Vec<f64> = (-20..=20).map(|i| f64::from(i) / 20.0 * reach).collect();
            let z = place.tensor(u.clone(), [u.len(), 1]);
            let (x, forward) = p.forward_and_ladj(z, &Given::default()).unwrap();
            let (back, inverse) = p.inverse_and_ladj(x, &Given::default()).unwrap();
            for ((u, back), total) in u.iter().zip(values(back)).zip(values(forward + inverse)) {
                // Near the bound 1, at v = 20, x keeps eps/exp(−20) = 1e-7 of its relative distance to it; elsewhere rounding alone is left.
                let tolerance = if matches!(kind, Kind::Bounded(_)) { 1e-6 } else { 1e-12 * (1.0 + u.abs()) };
                assert!((u - back).abs() < tolerance, "{kind:?}: {u} became {back}");
                assert!(total.abs() < tolerance, "{kind:?}: ladj off by {total} at {u}");
            }
        }
    }

    #[test]
    fn ladj_is_the_slope() {
        for kind in [Kind::Continuous, Kind::Positive, Kind::Bounded([-2.0, 5.0])] {
            let p = preprocess(kind, 0.3, 1.7);
            for u in [-3.0, -0.4, 0.0, 0.9, 2.5] {
                let h = 1e-5;
                let slope = (at(&p, u + h).0 - at(&p, u - h).0) / (2.0 * h);
                // The central difference errs by h² times the third derivative, here below 1e-9 of the slope, and by rounding, eps/h = 2e-11.
                assert!((slope.ln() - at(&p, u).1).abs() < 1e-7, "{kind:?} at {u}");
            }
        }
    }

    #[test]
    fn stays_inside_the_support() {
        for u in [-1e6, -800.0, -40.0, 40.0, 800.0, 1e6] {
            let (x, _) = at(&preprocess(Kind::Bounded([-1.0, 3.0]), 0.0, 1.0), u);
            assert!(-1.0 < x && x < 3.0);
            let (x, _) = at(&preprocess(Kind::Positive, 0.0, 1.0), u);
            assert!(0.0 < x && x.is_finite());
        }
        let place = Placement::cpu(Precision::F64);
        let outside = preprocess(Kind::Positive, 0.0, 1.0).inverse_and_ladj(place.tensor(vec![1.0, -1.0, 0.0], [3, 1]), &Given::default());
        assert!(matches!(outside, Err(Error::NotInvertible { rows, .. }) if rows == [1, 2]));
    }

    #[test]
    fn noise_depends_on_the_row_and_not_on_the_batch() {
        let p = preprocess(Kind::Lattice(Lattice { step: 0.18, offset: 0.5 }), 0.0, 1.0);
        let exact: Vec<f64> = (0..100).map(|k| 0.5 + 0.18 * f64::from(k)).collect();
        let index: Vec<u64> = (0..100).collect();
        let (mut whole, mut tail) = (exact.clone(), exact[60..].to_vec());
        p.dequantise(&mut whole, &index, 7);
        p.dequantise(&mut tail, &index[60..], 7);
        assert_eq!(whole[60..], tail);
        let mut other = exact.clone();
        p.dequantise(&mut other, &index, 8);
        assert_ne!(whole, other);
        // A mean of 100 uniform numbers has the standard deviation 0.029; five of them.
        let mean = whole.iter().zip(&exact).map(|(y, x)| (y - x) / 0.18).sum::<f64>() / 100.0;
        assert!((mean - 0.5).abs() < 0.15, "{mean}");
        p.quantise(&mut whole);
        assert!(whole.iter().zip(&exact).all(|(y, x)| (y - x).abs() < 1e-12));
        assert_eq!(p.exactness(), Exactness::LowerBound);
    }
}
