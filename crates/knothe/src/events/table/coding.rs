//! Rows of a table as events.

use super::{Kind, Preprocess, Schema, TableRows, dependence::MOST_COLUMNS, quoted};
use crate::{
    density::Exactness,
    error::{Error, Result},
    events::{Coding, Events, Rows, Units},
    space::{Law, Shape, Space},
};

impl Events for TableRows {
    fn len(&self) -> usize {
        self.n
    }

    fn pick(&self, positions: &[usize]) -> Self {
        let matrix = |values: &[f64]| {
            let columns = values.len() / self.n.max(1);
            positions.iter().flat_map(|&i| values[i * columns..(i + 1) * columns].iter().copied()).collect()
        };
        TableRows {
            n: positions.len(),
            x: matrix(&self.x),
            context: matrix(&self.context),
            weights: self.weights.as_ref().map(|w| positions.iter().map(|&i| w[i]).collect()),
            dropped: 0,
            index: positions.iter().map(|&i| self.index[i]).collect(),
        }
    }

    fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    fn number(&self, position: usize) -> u64 {
        self.index.get(position).copied().unwrap_or(position as u64)
    }
}

/// A schema is the coding of the rows of a table: standardisation, logarithms, logits and the noise of integers.
impl Coding for Schema {
    type Events = TableRows;

    const KIND: &'static str = "table";
    const WORDS: [&'static str; 2] = ["row", "rows"];
    const QUANTITIES: bool = true;
    const STANDARDISES: bool = true;
    const SAMPLE_BLOCK: usize = 2048;

    fn space(&self) -> Space {
        let binary = self.modelled().all(|c| c.kind == Kind::Binary);
        Space::new(Shape::Columns(self.dim()), if binary { Law::Codes(2) } else { Law::Real })
    }

    fn check(&self) -> Result<()> {
        Schema::check(self)
    }

    fn given(&self) -> Vec<String> {
        self.context.iter().map(|c| c.name.clone()).collect()
    }

    fn elements(&self) -> Vec<String> {
        self.modelled().map(|c| c.name.clone()).collect()
    }

    fn units(&self) -> Units {
        let (mass, density): (Vec<_>, Vec<_>) = self.modelled().partition(|c| c.kind.lattice().is_some() || c.kind == Kind::Binary);
        let names = |columns: &[&super::SchemaColumn]| quoted(&columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
        Units::Nats(match (density.is_empty(), mass.is_empty()) {
            (_, true) => "the log density, in the units of the columns".into(),
            (true, _) => "the log mass".into(),
            _ => format!("the log of a density in {} (in their units) times a mass in {}", names(&density), names(&mass)),
        })
    }

    fn exactness(&self) -> Exactness {
        Preprocess::new(self).exactness()
    }

    fn baseline(&self) -> Option<&'static str> {
        let small = self.dim() + self.context_dim() <= MOST_COLUMNS;
        (small && self.space().law() == Some(Law::Real)).then_some("gaussian")
    }

    fn declare(&mut self, law: Law) -> Result<()> {
        match law {
            Law::Codes(2) => self.make_binary(),
            Law::Real => Ok(()),
            Law::Codes(_) | Law::Lattice(_) => Err(Error::invalid("law of the columns", "real numbers, or 0 and 1", format!("{law:?}"))),
        }
    }

    fn learn(&mut self, train: &TableRows) -> Result<()> {
        self.fit(train)
    }

    fn encode(&self, rows: &TableRows, noise: Option<u64>) -> Result<Rows> {
        let dim = self.dim();
        let (values, ladj, cells) = match noise {
            None => self.to_model_without_noise(rows),
            Some(seed) => {
                let (values, ladj, _) = self.to_model(rows, seed);
                (values, ladj, vec![0.0; dim])
            }
        };
        let (context_dim, context) = (self.context_dim(), self.context_to_model(rows.context.clone()));
        if values.len() != rows.n * dim || context.len() != rows.n * context_dim {
            let expected = format!("{} rows of {dim} columns and {context_dim} of context", rows.n);
            return Err(Error::shape("rows", expected, (values.len(), context.len())));
        }
        Ok(Rows { dim, values, context_dim, context, weights: rows.weights.clone(), ladj, cells, ..Rows::default() })
    }

    fn context_of(&self, rows: &TableRows) -> Vec<f64> {
        rows.context.clone()
    }

    fn encode_context(&self, given: &[f64]) -> Result<Vec<f64>> {
        Ok(self.context_to_model(given.to_vec()))
    }

    fn decode(&self, values: Vec<f64>, given: Vec<f64>) -> Result<TableRows> {
        let dim = self.dim().max(1);
        let n = values.len() / dim;
        if n * dim != values.len() || given.len() != n * self.context_dim() {
            return Err(Error::shape("samples", format!("rows of {dim} values"), values.len()));
        }
        Ok(TableRows { n, x: self.to_file(values), context: given, index: (0..n as u64).collect(), ..TableRows::default() })
    }
}
