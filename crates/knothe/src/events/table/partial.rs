//! Rows of which some columns are known and others are asked for.

use super::{
    column::Column,
    elements::Part,
    reader::Table,
    rows::TableRows,
    schema::{Schema, SchemaColumn},
};
use crate::{
    error::{Error, Result},
    events::{Coding, Rows},
};

/// Encoded rows, with masks of the known and the asked elements.
#[derive(Clone, Debug)]
pub(crate) struct PartialRows {
    /// The elements. Elements that are neither known nor asked for have an arbitrary value in the support. `ladj` counts the columns that are asked for, and is −∞ where one of them has an impossible value.
    pub rows: Rows,
    /// 1 for the elements of known columns, row-major `[n, dim]`.
    pub known: Vec<f64>,
    /// 1 for the elements of the columns that are asked for.
    pub asked: Vec<f64>,
}

impl PartialRows {
    /// Which columns are known, row-major `[n, width]`.
    pub fn known_columns(&self, schema: &Schema) -> Vec<bool> {
        let (layout, width) = (schema.layout(), schema.width());
        let mut all = vec![false; self.rows.len() * width];
        for (row, known) in all.chunks_exact_mut(width).zip(self.known.chunks_exact(layout.len())) {
            layout.iter().zip(known).for_each(|(element, is_known)| row[element.column] = *is_known == 1.0);
        }
        all
    }
}

impl Schema {
    /// Encodes rows. `known` and `asked` are row-major `[n, width]`. Impossible values count as unknown, and so do missing values in columns that do not model them.
    pub(crate) fn encode_partly(&self, rows: &TableRows, known: &[bool], asked: &[bool]) -> Result<PartialRows> {
        let (coder, columns, layout) = (self.coder(), self.modelled().collect::<Vec<_>>(), self.layout());
        let (n, width, dim) = (rows.n, columns.len(), coder.dim());
        for (what, found) in [("rows", rows.x.len()), ("known columns", known.len()), ("columns asked for", asked.len())] {
            if found != n * width {
                return Err(Error::shape(what, format!("{n} × {width}"), found));
            }
        }
        let mut all = PartialRows { rows: Rows::default(), known: vec![0.0; n * dim], asked: vec![0.0; n * dim] };
        let (mut values, mut ladj) = (vec![0.0; n * dim], vec![0.0; n]);
        for i in 0..n {
            let row = i * width..(i + 1) * width;
            let (x, known, asked) = (&rows.x[row.clone()], &known[row.clone()], &asked[row]);
            let elements = &mut values[i * dim..(i + 1) * dim];
            let possible = |j: usize| columns[j].allows(x[j]);
            let is_known = |j: usize| known[j] && possible(j);
            let is_asked = |j: usize| asked[j] && !is_known(j);
            ladj[i] = coder.encode(x, elements, |j| is_asked(j) && possible(j));
            for (k, element) in layout.iter().enumerate() {
                let j = element.column;
                // The value of an asked column is scored if it is possible, and drawn anew otherwise.
                if !possible(j) || !(known[j] || asked[j]) {
                    elements[k] = coder.inside()[k];
                }
                all.known[i * dim + k] = f64::from(u8::from(is_known(j)));
                all.asked[i * dim + k] = f64::from(u8::from(is_asked(j)));
            }
            if (0..width).any(|j| is_asked(j) && !possible(j)) {
                ladj[i] = f64::NEG_INFINITY;
            }
        }
        let (context, context_dim) = (self.encode_context(&rows.context)?, self.context_dim());
        all.rows = Rows { dim, values, context_dim, context, ladj, codes: coder.codes(), ..Rows::default() };
        Ok(all)
    }

    /// The largest code that each element has when its value is not missing; ∞ where there is no bound.
    pub(crate) fn most_present(&self) -> Vec<f64> {
        let columns: Vec<&SchemaColumn> = self.modelled().collect();
        let most = |e: &super::elements::Element| {
            let c = columns[e.column];
            match e.part {
                // A missing value has the last code.
                Part::Level if c.missing => (c.kind.levels().unwrap_or(0) + c.flags()) as f64 - 2.0,
                Part::Flag if c.missing => c.flags() as f64 - 1.0,
                _ => f64::INFINITY,
            }
        };
        self.layout().iter().map(most).collect()
    }

    /// A table with a column of missing values for each modelled column that it lacks.
    pub(super) fn filled(&self, table: &Table) -> Table {
        let mut all = table.clone();
        let rows = table.rows();
        for c in self.modelled().filter(|c| table.column(&c.name).is_none()) {
            all.put(Column::numbers(&c.name, vec![f64::NAN; rows], false));
        }
        all
    }
}
