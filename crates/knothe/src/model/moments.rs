//! Conditional moments in the units of the file.

use serde::Serialize;

use super::Model;
use crate::{
    bijection::Given,
    error::{Error, Result},
    events::{
        Coding, in_file,
        table::{Kind, Schema, TableRows},
    },
    moments::{Method, Moments},
};

/// The moments of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnMoments {
    /// The column.
    pub column: String,
    /// What the moments are of, where the file's own number is not affine in the model's: `log x`, `logit x`, or the normal score of a place on a circle. `x`
    /// otherwise.
    pub of: &'static str,
    /// The moments.
    #[serde(flatten)]
    pub moments: Moments,
}

/// The moments of every modelled column given those before it, row by row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableMoments {
    /// How they were computed.
    pub method: Method,
    /// One list a row.
    pub rows: Vec<Vec<ColumnMoments>>,
}

impl Model<Schema> {
    /// Mean, variance, skewness and excess kurtosis of each column given the columns before it and the context, at some rows, or at the mean
    /// of every column (of its logarithm or logit, where the schema takes one) without any.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an ensemble and for columns that are not continuous; those of [`crate::Flow::conditional_moments`].
    pub fn conditional_moments(&self, rows: Option<&TableRows>) -> Result<TableMoments> {
        let (_, network) = self.single("conditional moments")?;
        if let Some(c) = self.coding.modelled().find(|c| c.kind.is_discrete() || c.flags() > 0) {
            let reason = format!("expected continuous columns without special or missing values, found '{}'", c.name);
            return Err(Error::Unsupported { what: "conditional moments".into(), reason, hint: None });
        }
        let (dim, width) = (self.coding.width(), self.coding.context_dim());
        let (n, x, context) = match rows {
            None => (1, vec![0.0; dim], vec![0.0; width]),
            Some(rows) => {
                let coded = self.coding.encode(rows)?;
                (rows.n, coded.values, coded.context)
            }
        };
        let place = self.placement();
        let context = (width > 0).then(|| place.tensor(context, [n, width]));
        let found = network.flow()?.conditional_moments(place.tensor(x, [n, dim]), &Given::context(context.as_ref()));
        let found = found.map_err(|e| if let Some(rows) = rows { in_file(e, rows) } else { e })?;
        let row = |row: Vec<Moments>| {
            let columns = self.coding.modelled().zip(row);
            let in_file = columns.map(|(c, m)| ColumnMoments {
                column: c.name.clone(),
                of: of(&c.kind),
                moments: Moments { mean: c.shift + c.scale * m.mean, variance: c.scale * c.scale * m.variance, ..m },
            });
            in_file.collect()
        };
        Ok(TableMoments { method: found.method, rows: found.rows.into_iter().map(row).collect() })
    }
}

/// The number that is affine in the model's.
fn of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Positive => "log x",
        Kind::Bounded(_) => "logit x",
        Kind::Periodic(_) => "normal score of x",
        _ => "x",
    }
}
