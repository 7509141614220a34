//! Conditionals of the columns of a table given any others.

use burn::tensor::Tensor;
use rand::{RngExt, seq::SliceRandom};

use super::Model;
use crate::{
    bijection::Given,
    density::{Density, Drawn},
    error::{Error, Result},
    events::{
        Coding, Events, in_file,
        table::{Kind, Schema, TableRows},
    },
    fit::EVALUATION_ROWS,
    placement::values,
    random::{Purpose, stream},
};

impl Model<Schema> {
    /// log q(x_A | x_S, context) of each row, in the units of the file, where A are the columns that are asked for and S the known ones. Both masks are row-major `[n, width]`. Columns in neither have no
    /// influence. An impossible value of a known column counts as unknown. An impossible value of an asked column gives −∞.
    ///
    /// # Errors
    /// As [`Density::log_prob_given`] and [`Coding::encode`], and [`Error::Unsupported`] for models of columns with measurement errors.
    pub fn log_prob_given(&self, rows: &TableRows, known: &[bool], asked: &[bool]) -> Result<Vec<f64>> {
        self.check_exact()?;
        let partial = self.coding.encode_partly(rows, known, asked)?;
        let dim = partial.rows.dim;
        let mut found = partial.rows.in_batches(&self.place, |start, x, context| {
            let mask =
                |mask: &[f64]| -> Tensor<2> { self.place.tensor(mask[start * dim..start * dim + x.dims()[0] * dim].to_vec(), x.dims()) };
            let (known, asked) = (mask(&partial.known), mask(&partial.asked));
            Ok(values(self.mixture.log_prob_given(x, &known, &asked, &Given::context(context))?))
        });
        if let Ok(found) = &mut found {
            found.iter_mut().zip(&partial.rows.ladj).for_each(|(l, ladj)| *l += ladj);
        }
        found.map_err(|e| in_file(e, rows))
    }

    /// Draws the columns A of each row given the columns S and the context, `draws` times. The result has `n · draws` rows, beginning with all draws of the first row. Columns in neither have arbitrary values. If `missing` is true,
    /// a value may also be drawn as missing, in columns whose missing values the model describes.
    ///
    /// The draws of a row are stratified: for each column, one draw comes from each of `draws` intervals of equal probability. Their mean is therefore closer to the conditional mean than the mean of
    /// independent draws. They depend on the seed, the number of the row in its file and its known values.
    ///
    /// # Errors
    /// As [`Model::log_prob_given`], and [`Error::NotFinite`] if a draw is not a finite number.
    pub fn sample_given(
        &self,
        rows: &TableRows,
        [known, asked]: [&[bool]; 2],
        missing: bool,
        draws: usize,
        seed: u64,
    ) -> Result<TableRows> {
        self.check_exact()?;
        let (n, width) = (rows.n, self.coding.width());
        let partial = self.coding.encode_partly(rows, known, asked)?;
        let (dim, context_dim) = (partial.rows.dim, partial.rows.context_dim);
        let most = if missing { vec![f64::INFINITY; dim] } else { self.coding.most_present() };
        let mut elements = Vec::with_capacity(n * draws * dim);
        let size = (EVALUATION_ROWS / draws.max(1)).max(1);
        for start in (0..n).step_by(size) {
            let part = start..n.min(start + size);
            let of = |all: &[f64], width: usize| -> Tensor<2> {
                self.place.tensor(all[part.start * width..part.end * width].to_vec(), [part.len(), width])
            };
            let [x, known, asked] = [&partial.rows.values, &partial.known, &partial.asked].map(|all| of(all, dim));
            let context = (context_dim > 0).then(|| of(&partial.rows.context, context_dim));
            let u = part.clone().flat_map(|i| self.strata(dim, draws, seed, rows.number(i))).collect();
            let drawn = Drawn { asked, u: self.place.tensor(u, [part.len() * draws, dim]), most: &most };
            let drawn = self.mixture.sample_given(x, &known, &drawn, &Given::context(context.as_ref()));
            let found = drawn.and_then(|drawn| super::finite(drawn, 0));
            // Errors count draws.
            elements.extend(found.map_err(|e| in_file(e.renumbered(|k| start + k / draws), rows))?);
        }
        let context = (0..n).flat_map(|i| rows.context[i * self.coding.context.len()..(i + 1) * self.coding.context.len()].repeat(draws));
        let mut all = self.coding.decode(elements, context.collect())?;
        // Known values stay as they are in the file, to the last digit.
        let columns = partial.known_columns(&self.coding);
        for (row, x) in all.x.chunks_exact_mut(width).enumerate() {
            let i = row / draws;
            (0..width).filter(|j| columns[i * width + j]).for_each(|j| x[j] = rows.x[i * width + j]);
        }
        all.index = (0..n).flat_map(|i| std::iter::repeat_n(rows.number(i), draws)).collect();
        Ok(all)
    }

    /// The probability of each label of a categorical column given the known columns, row-major `[n, labels]`. The probabilities exclude special and missing values and add up to 1.
    ///
    /// # Errors
    /// As [`Model::log_prob_given`], and [`Error::Invalid`] unless the column is categorical.
    pub fn label_probabilities(&self, rows: &TableRows, known: &[bool], column: usize) -> Result<Vec<f64>> {
        let (n, width) = (rows.n, self.coding.width());
        let labels = match self.coding.modelled().nth(column).map(|c| &c.kind) {
            Some(Kind::Categorical(labels) | Kind::Ordered(labels)) => labels.len(),
            other => return Err(Error::invalid("column of labels", "a categorical column of the model", format!("{other:?}"))),
        };
        let asked: Vec<bool> = (0..n * width).map(|k| k % width == column).collect();
        let known: Vec<bool> = known.iter().enumerate().map(|(k, known)| *known && k % width != column).collect();
        let mut log = Vec::with_capacity(labels);
        for label in 0..labels {
            let mut rows = rows.clone();
            rows.x.iter_mut().skip(column).step_by(width).for_each(|x| *x = label as f64);
            log.push(self.log_prob_given(&rows, &known, &asked)?);
        }
        Ok((0..n)
            .flat_map(|i| {
                let most = log.iter().map(|l| l[i]).fold(f64::NEG_INFINITY, f64::max);
                let shares: Vec<f64> = log.iter().map(|l| (l[i] - most).exp()).collect();
                let sum: f64 = shares.iter().sum();
                shares.into_iter().map(move |share| share / sum)
            })
            .collect())
    }

    /// Numbers on (0, 1) for the draws of a row, `[draws, dim]`: in each column one from each of `draws` intervals, in random order.
    fn strata(&self, dim: usize, draws: usize, seed: u64, row: u64) -> Vec<f64> {
        let mut rng = stream(seed, Purpose::Sample, row);
        let lowest = self.place.precision.epsilon() / 4.0;
        let mut all = vec![0.0; draws * dim];
        let mut order: Vec<usize> = (0..draws).collect();
        for j in 0..dim {
            order.shuffle(&mut rng);
            for (k, stratum) in order.iter().enumerate() {
                let u = (*stratum as f64 + rng.random::<f64>()) / draws as f64;
                all[k * dim + j] = lowest + (1.0 - 2.0 * lowest) * u;
            }
        }
        all
    }

    fn check_exact(&self) -> Result<()> {
        self.place.check_whole()?;
        if self.coding.errors.is_empty() {
            return Ok(());
        }
        let reason = "expected a model of exact values, found one of values with measurement errors".into();
        Err(Error::Unsupported { what: "a conditional of some columns given others".into(), reason, hint: None })
    }
}
