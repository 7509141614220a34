//! Rows of a table as events.

use super::{
    Kind, Schema, TableRows,
    column::{Column, Form},
    comparable,
    dependence::MOST_COLUMNS,
    errors,
    kind::Label,
    quoted,
    schema::SchemaColumn,
};
use crate::{
    error::{Error, Result},
    events::{Coding, Events, Rows, Units},
    space::{Law, Shape, Space},
};

impl Events for TableRows {
    const WORD: &'static str = "rows";

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
            contradictions: self.contradictions.clone(),
            errors: self.errors.as_deref().map(matrix),
            outside: if self.outside.is_empty() { Vec::new() } else { positions.iter().map(|&i| self.outside[i]).collect() },
        }
    }

    fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    fn has_errors(&self) -> bool {
        self.errors.is_some()
    }

    fn number(&self, position: usize) -> u64 {
        self.index.get(position).copied().unwrap_or(position as u64)
    }

    fn is_possible(&self, position: usize) -> bool {
        !self.is_outside(position)
    }
}

/// A schema is the coding of the rows of a table. Discrete values become codes and lattice values, and continuous values become standardised numbers, logarithms and logits.
impl Coding for Schema {
    type Events = TableRows;

    const KIND: &'static str = "table";
    const WORDS: [&'static str; 2] = ["row", "rows"];
    const QUANTITIES: bool = true;
    const STANDARDISES: bool = true;
    const SAMPLE_BLOCK: usize = 2048;

    fn space(&self) -> Space {
        // A schema with an impossible element fails its check before it is used.
        self.elements_space().unwrap_or_else(|_| Space::new(Shape::Columns(self.layout().len()), Law::Real))
    }

    fn check(&self) -> Result<()> {
        Schema::check(self)?;
        self.elements_space().map(drop)
    }

    fn context_dim(&self) -> usize {
        self.context.iter().map(|c| c.width()).sum()
    }

    fn given(&self) -> Vec<String> {
        self.context.iter().map(|c| c.name.clone()).collect()
    }

    fn elements(&self) -> Vec<String> {
        self.names()
    }

    fn units(&self) -> Units {
        let (mass, density): (Vec<_>, Vec<_>) = self.modelled().partition(|c| c.kind.is_discrete());
        let names = |columns: &[&SchemaColumn]| quoted(&columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
        let special: Vec<&SchemaColumn> = density.iter().copied().filter(|c| c.flags() > 0).collect();
        Units::Nats(match (density.is_empty(), mass.is_empty() && special.is_empty()) {
            (_, true) => "the log density, in the units of the columns".into(),
            (true, _) => "the log mass".into(),
            _ if mass.is_empty() => {
                format!("the log of a density in {} (in their units), with probabilities for special and missing values", names(&density))
            }
            _ => format!("the log of a density in {} (in the units of the file) times a probability in {}", names(&density), names(&mass)),
        })
    }

    fn baseline(&self) -> Option<&'static str> {
        (self.layout().len() + self.context_dim() <= MOST_COLUMNS).then_some("gaussian")
    }

    fn baseline_name(&self) -> &'static str {
        if self.layout().iter().all(|e| e.law == Law::Real) { "full Gaussian" } else { "baseline" }
    }

    fn check_comparable(&self, other: &Self) -> Result<()> {
        comparable::check(self, other)
    }

    fn declare(&mut self, law: Law) -> Result<()> {
        if law == Law::Codes(2) && self.space().law() != Some(law) {
            let other = self.modelled().find(|c| c.kind.levels() != Some(2) || c.flags() > 0);
            let found = other.map_or_else(String::new, |c| format!("column '{}' of other values", c.name));
            return Err(Error::invalid("a model of 0 and 1", "two values in every column", found));
        }
        Ok(())
    }

    fn learn(&mut self, train: &TableRows) -> Result<()> {
        self.fit(train)
    }

    fn encode(&self, rows: &TableRows) -> Result<Rows> {
        let coder = self.coder();
        let (dim, width) = (coder.dim(), coder.width());
        if rows.x.len() != rows.n * width || rows.context.len() != rows.n * self.context.len() {
            let expected = format!("{} rows of {width} columns and {} of context", rows.n, self.context.len());
            return Err(Error::shape("rows", expected, (rows.x.len(), rows.context.len())));
        }
        let (x, places, columns) = (self.standing(rows), errors::places(self), self.modelled().collect::<Vec<_>>());
        let mut values = vec![0.0; rows.n * dim];
        let mut ladj = vec![0.0; rows.n];
        for (i, ladj) in ladj.iter_mut().enumerate() {
            let elements = &mut values[i * dim..(i + 1) * dim];
            if rows.is_outside(i) {
                // Some row of the support stands in its place, and its likelihood becomes 0.
                elements.copy_from_slice(coder.inside());
                *ladj = f64::NEG_INFINITY;
            } else {
                // The errors know the slopes of measured values.
                let is_exact = |j: usize| rows.errors.is_none() || !columns[j].is_measured(rows.x[i * width + j], rows.sigma(i, places[j]));
                *ladj = coder.encode(&x[i * width..(i + 1) * width], elements, is_exact);
            }
        }
        let context = self.encode_context(&rows.context)?;
        let (context_dim, weights, errors) = (self.context_dim(), rows.weights.clone(), self.errors_of(rows)?);
        Ok(Rows { dim, values, context_dim, context, weights, ladj, errors, codes: coder.codes(), ..Rows::default() })
    }

    fn context_of(&self, rows: &TableRows) -> Vec<f64> {
        rows.context.clone()
    }

    fn encode_context(&self, given: &[f64]) -> Result<Vec<f64>> {
        let mut all = Vec::with_capacity(given.len() / self.context.len().max(1) * self.context_dim());
        for row in given.chunks_exact(self.context.len().max(1)) {
            for (value, column) in row.iter().zip(&self.context) {
                match column.labels.len() {
                    0 => all.push((value - column.shift) / column.scale),
                    labels if (0.0..labels as f64).contains(value) => all.extend((0..labels).map(|k| f64::from(k as f64 == *value))),
                    labels => {
                        let expected = format!("one of its {labels} categories");
                        return Err(Error::invalid(format!("context column '{}'", column.name), expected, value));
                    }
                }
            }
        }
        Ok(all)
    }

    fn decode(&self, values: Vec<f64>, given: Vec<f64>) -> Result<TableRows> {
        let coder = self.coder();
        let (dim, width) = (coder.dim().max(1), coder.width());
        let n = values.len() / dim;
        if n * dim != values.len() || given.len() != n * self.context.len() {
            return Err(Error::shape("samples", format!("rows of {dim} values"), values.len()));
        }
        let mut x = vec![0.0; n * width];
        for i in 0..n {
            coder.decode(&values[i * dim..(i + 1) * dim], &mut x[i * width..(i + 1) * width]);
        }
        Ok(TableRows { n, x, context: given, index: (0..n as u64).collect(), ..TableRows::default() })
    }
}

impl Schema {
    /// Rows as columns in the order of the file, with constant columns restored.
    pub fn columns_of(&self, rows: &TableRows) -> Vec<Column> {
        let (width, mut next) = (self.width(), 0);
        let column = |c: &SchemaColumn| {
            if let Kind::Constant(label) = &c.kind {
                return labelled(&c.name, vec![0.0; rows.n], std::slice::from_ref(label));
            }
            next += 1;
            let values = rows.x.iter().skip(next - 1).step_by(width).copied().collect();
            match &c.kind {
                Kind::Categorical(labels) | Kind::Ordered(labels) => labelled(&c.name, values, labels),
                Kind::Time(unit) => Column { name: c.name.clone(), values, form: Form::Time(*unit) },
                kind => {
                    let whole = matches!(kind, Kind::Integer(_)) && c.special.iter().all(|v| v.fract() == 0.0);
                    Column::numbers(&c.name, values, whole)
                }
            }
        };
        self.columns.iter().map(column).collect()
    }

    /// The context of rows as columns of the file. `whole` marks the columns of whole numbers.
    pub fn context_columns(&self, context: &[f64], whole: &[bool]) -> Vec<Column> {
        let width = self.context.len().max(1);
        let column = |(j, c): (usize, &super::ContextColumn)| {
            let values = context.iter().skip(j).step_by(width).copied().collect();
            let whole = whole.get(j).copied().unwrap_or(false);
            if c.labels.is_empty() { Column::numbers(&c.name, values, whole) } else { labelled(&c.name, values, &c.labels) }
        };
        self.context.iter().enumerate().map(column).collect()
    }
}

/// A column of labels from their indices.
fn labelled(name: &str, indices: Vec<f64>, labels: &[Label]) -> Column {
    let numbers: Option<Vec<f64>> = labels.iter().map(|label| if let Label::Number(v) = label { Some(*v) } else { None }).collect();
    let flags: Option<Vec<f64>> = labels.iter().map(|label| if let Label::Flag(v) = label { Some(f64::from(*v)) } else { None }).collect();
    let of =
        |values: &[f64]| indices.iter().map(|&i| values.get(i as usize).copied().filter(|_| !i.is_nan()).unwrap_or(f64::NAN)).collect();
    match (numbers, flags) {
        (Some(numbers), _) => Column::numbers(name, of(&numbers), numbers.iter().all(|v| v.fract() == 0.0)),
        (None, Some(flags)) => Column { name: name.into(), values: of(&flags), form: Form::Boolean },
        _ => Column { name: name.into(), values: indices, form: Form::Text(labels.iter().map(Label::to_string).collect()) },
    }
}
