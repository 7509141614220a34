//! Finds tables without a density, before training.

use std::path::Path;

use super::{
    dependence::{MOST_COLUMNS, Relation, relations},
    differences::{NearlyEqual, nearly_equal},
    kind::Kind,
    quoted,
    repeats::repeated_rows,
    rows::TableRows,
    schema::{ContextColumn, Notice, Schema, SchemaColumn},
};
use crate::{
    error::{Error, Result},
    hint::{Hint, counted},
};

/// Looks for columns and rows that a density cannot describe.
///
/// A continuous column that repeats another column, or is an exact linear function of others or of the context, is an error, because the density would be infinite on a
/// plane. Fewer rows than columns and repeated rows are notices.
///
/// # Errors
/// [`Error::Table`] with the dependent columns and their formulas.
pub fn diagnose(path: &Path, schema: &Schema, rows: &TableRows) -> Result<Vec<Notice>> {
    let numbers = Numbers::of(schema, rows);
    let (n, dim, mut notices) = (rows.n, schema.width(), Vec::new());
    if n <= dim {
        let message = format!(
            "{}, {}: there are not more rows than columns, so no model can learn how the columns depend on each other",
            counted(n, "row", "rows"),
            counted(dim, "column", "columns")
        );
        notices.push(Notice::new(message, Hint::other("leave columns out, or collect more rows")));
    } else if numbers.names.len() > MOST_COLUMNS {
        let message = format!("more than {MOST_COLUMNS} columns: they are not checked for exact linear relations");
        notices.push(Notice::new(message, None));
    } else {
        numbers.check_independent(path)?;
    }
    notices.extend(numbers.nearly_equal());
    let continuous: Vec<bool> = schema.modelled().map(|c| !c.kind.is_discrete()).collect();
    notices.extend(repeated_rows(&rows.x, dim, &continuous).map(|repeated| {
        let message = format!("{repeated} of {n} rows repeat an earlier row exactly");
        let hint = "remove the copies: a row on both sides of the validation split makes the model look better than it is";
        Notice::new(message, Hint::other(hint))
    }));
    Ok(notices)
}

/// The numeric columns, in the rows that have an ordinary value in each of them.
struct Numbers<'a> {
    /// Row-major; the context and the discrete columns first, then the continuous ones.
    values: Vec<f64>,
    names: Vec<&'a str>,
    kinds: Vec<&'a Kind>,
    /// The number of leading columns that may depend on each other, but of which no continuous column may be a function.
    given: usize,
}

impl<'a> Numbers<'a> {
    fn of(schema: &'a Schema, rows: &TableRows) -> Self {
        let columns: Vec<(usize, &SchemaColumn)> = schema.modelled().enumerate().filter(|(_, c)| c.kind.labels().is_none()).collect();
        let (discrete, continuous): (Vec<_>, Vec<_>) = columns.into_iter().partition(|(_, c)| c.kind.is_discrete());
        let context: Vec<(usize, &ContextColumn)> = schema.context.iter().enumerate().filter(|(_, c)| c.labels.is_empty()).collect();
        let (width, given) = (schema.width(), schema.context.len());
        let modelled: Vec<_> = discrete.iter().chain(&continuous).copied().collect();
        let (x, mut values) = (schema.standing(rows), Vec::new());
        for i in 0..rows.n {
            let ordinary = |&(j, c): &(usize, &SchemaColumn)| {
                let value = rows.x[i * width + j];
                !value.is_nan() && c.flag(value).is_none()
            };
            if !rows.is_outside(i) && modelled.iter().all(ordinary) {
                values.extend(context.iter().map(|(j, _)| rows.context[i * given + j]));
                values.extend(modelled.iter().map(|(j, _)| x[i * width + j]));
            }
        }
        let names = context.iter().map(|(_, c)| c.name.as_str()).chain(modelled.iter().map(|(_, c)| c.name.as_str())).collect();
        let kinds = context.iter().map(|_| &Kind::Continuous).chain(modelled.iter().map(|(_, c)| &c.kind)).collect();
        Numbers { values, names, kinds, given: context.len() + discrete.len() }
    }

    /// Notices about nearly equal continuous columns, one of which should be replaced by the difference.
    fn nearly_equal(&self) -> Vec<Notice> {
        let continuous: Vec<bool> = (0..self.names.len()).map(|j| j >= self.given).collect();
        let notice = |pair: NearlyEqual| {
            let (first, second) = (self.names[pair.first], self.names[pair.second]);
            let message =
                format!("'{second}' is nearly equal to '{first}': their difference varies {:.0e} times less than they do", pair.times);
            Notice::new(message, Hint::Other(format!("replace '{second}' with a column that holds {second} − {first}").into()))
        };
        nearly_equal(&self.values, self.names.len(), &continuous).into_iter().map(notice).collect()
    }

    /// Looks for linear relations in file units and, if a column is positive or bounded, also between logarithms and logits.
    fn check_independent(&self, path: &Path) -> Result<()> {
        let dim = self.names.len();
        let mut found = relations(&self.values, dim, self.given);
        let mut scale = "";
        if found.is_empty() && self.kinds.iter().any(|k| matches!(k, Kind::Positive | Kind::Bounded(_))) {
            let real = self.values.iter().zip(self.kinds.iter().cycle()).map(|(&value, kind)| match kind {
                Kind::Positive | Kind::Bounded(_) => kind.to_real(value, 0.0),
                _ => value,
            });
            scale = ", on the scale of their logarithms or logits";
            found = relations(&real.collect::<Vec<_>>(), dim, self.given);
        }
        if found.is_empty() {
            return Ok(());
        }
        let each: Vec<String> = found.iter().map(|r| described(r, &self.names)).collect();
        let columns: Vec<String> = found.iter().map(|r| self.names[r.column].to_owned()).collect();
        Err(Error::table(path, format!("{}{scale}: there is no density", each.join("; ")), Hint::DropColumns(columns)))
    }
}

/// `column 'c' is an exact linear function of 'a' and 'b' (c = a + b)`.
fn described(relation: &Relation, names: &[&str]) -> String {
    let others: Vec<&str> = relation.terms.iter().map(|(j, _)| names[*j]).collect();
    let name = names[relation.column];
    let size = relation.terms.iter().map(|(j, c)| format!("{}{}", factor(*c), names[*j])).collect::<Vec<_>>().join(" + ");
    let offset = if relation.intercept == 0.0 { String::new() } else { format!(" + {}", short(relation.intercept)) };
    let formula = format!("{name} = {size}{offset}").replace("+ -", "− ");
    match others.len() {
        1 => format!("column '{name}' repeats '{}' ({formula})", others[0]),
        _ => format!("column '{name}' is an exact linear function of {} ({formula})", quoted(&others)),
    }
}

fn factor(coefficient: f64) -> String {
    match short(coefficient).as_str() {
        "1" => String::new(),
        "-1" => "-".into(),
        other => format!("{other} "),
    }
}

/// Four significant digits.
fn short(value: f64) -> String {
    format!("{value:.3e}").parse::<f64>().map_or_else(|_| value.to_string(), |v| v.to_string())
}
