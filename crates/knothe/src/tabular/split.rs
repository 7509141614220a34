//! Which rows of a table are fitted to, which choose the epoch, and which judge the result.

use std::path::Path;

use crate::{
    error::{Error, Result},
    events::table::{Rows, Schema},
    order::Order,
    random::{Purpose, stream},
};

/// The rows that a fit reads, those that choose its epoch, and those held out of both: of a table, or of another kind `R`.
#[derive(Clone, Debug)]
pub struct Split<R = Rows> {
    /// Fitted to.
    pub train: R,
    /// Choose the epoch.
    pub validation: R,
    /// Judge the result.
    pub held_out: HeldOut<R>,
}

/// Where the held-out log-likelihood comes from.
#[derive(Clone, Debug)]
pub enum HeldOut<R = Rows> {
    /// Rows that nothing else has seen.
    Rows(R),
    /// The validation rows, which have chosen the epoch; on the side of the optimist.
    Validation,
}

impl Split {
    /// A random split, 80 % to fit, 10 % to choose the epoch and 10 % held out; at least one row each.
    ///
    /// Fails on fewer than 3 rows; `path` names their table.
    pub fn random(path: &Path, rows: &Rows, schema: &Schema, seed: u64) -> Result<Self> {
        Split::drawn(path, rows.n, seed, |positions| rows.pick(positions, schema))
    }
}

impl<R> Split<R> {
    /// The parts of `n` rows, each as `pick` makes it of their positions.
    pub(crate) fn drawn(path: &Path, n: usize, seed: u64, pick: impl Fn(&[usize]) -> R) -> Result<Self> {
        if n < 3 {
            let problem = format!("expected at least 3 rows, to fit, to validate and to hold out, found {n}");
            return Err(Error::table(path, problem, "--validation names a table to validate with"));
        }
        let order = Order::random(n, &mut stream(seed, Purpose::Split, 0));
        let tenth = (n / 10).max(1);
        let pick = |positions: &[usize]| {
            let mut positions = positions.to_vec();
            positions.sort_unstable();
            pick(&positions)
        };
        let (rest, held_out) = order.columns().split_at(n - tenth);
        let (train, validation) = rest.split_at(rest.len() - tenth);
        Ok(Split { train: pick(train), validation: pick(validation), held_out: HeldOut::Rows(pick(held_out)) })
    }

    /// The rows that judge the result.
    pub fn judge(&self) -> &R {
        match &self.held_out {
            HeldOut::Rows(rows) => rows,
            HeldOut::Validation => &self.validation,
        }
    }
}
