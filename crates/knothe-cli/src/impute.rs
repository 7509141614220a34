//! `knothe impute`: missing values drawn given the known ones.

use std::path::Path;

use knothe::{
    Model,
    events::table::{Column, Form, Schema, Table, TableRows, counted},
};

use crate::{
    conditional_arguments::ImputeArguments,
    failure::{Failure, say},
    output::{Output, check_table_writable},
    partial::{self, Part},
};

/// The column that numbers the copies.
const COPY: &str = "draw";

/// Completes a table.
pub fn run(mut arguments: ImputeArguments) -> Result<(), Failure> {
    let model = partial::load(&arguments.model, &mut arguments.common)?;
    let out = arguments.common.out.as_deref().unwrap_or(Path::new("-"));
    check_table_writable(out, &[&arguments.model, &arguments.data])?;
    let Part { table, rows } = partial::whole(&model.coding, &arguments.data, &arguments.common)?;
    if arguments.draws > 1 && table.column(COPY).is_some() {
        return Err(Failure::usage(
            format!("--draws: expected a table without a column '{COPY}', which numbers the copies"),
            "rename the column",
        ));
    }
    partial::note_unknown(&rows.contradictions);
    let mut output = None;
    let mut filled = 0;
    for copy in 0..arguments.draws {
        let (columns, count) = completed(&model, &arguments, &table, &rows, copy)?;
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let output = match &mut output {
            Some(output) => output,
            none => none.insert(Output::open(arguments.common.out.as_deref(), &names)?),
        };
        output.rows(&columns)?;
        filled += count;
    }
    output.map_or(Ok(()), Output::finish)?;
    say(format_args!("{}", counted(filled, "value was imputed", "values were imputed")));
    let without = table.rows() - rows.n;
    if without > 0 {
        let rows = counted(without, "row lacks a context value and is left as it is", "rows lack a context value and are left as they are");
        say(format_args!("warning: {rows}"));
    }
    Ok(())
}

/// The columns of a table with its missing values drawn, and the number of these.
fn completed(
    model: &Model<Schema>,
    arguments: &ImputeArguments,
    table: &Table,
    rows: &TableRows,
    copy: usize,
) -> Result<(Vec<Column>, usize), Failure> {
    let known: Vec<bool> = rows.x.iter().map(|x| !x.is_nan()).collect();
    let asked: Vec<bool> = known.iter().map(|known| !known).collect();
    // Seeds near this one have no draws in common with it.
    let seed = arguments.seed.wrapping_add((copy as u64) << 32);
    let imputed = model.coding.columns_of(&model.sample_given(rows, [&known, &asked], false, 1, seed)?);
    let at: Vec<usize> = rows.index.iter().map(|row| *row as usize).collect();
    let (n, mut filled) = (table.rows(), 0);
    let mut columns: Vec<Column> = Vec::new();
    for column in &table.columns {
        columns.push(match imputed.iter().find(|c| c.name == column.name) {
            Some(values) => {
                filled += at.iter().filter(|&&row| column.values[row].is_nan()).count();
                merged(column.clone(), values, &at)
            }
            None => column.clone(),
        });
    }
    // The columns that the table lacks come last.
    for values in imputed.iter().filter(|c| model.coding.modelled().any(|m| m.name == c.name)) {
        if table.column(&values.name).is_none() {
            filled += at.len();
            columns.push(merged(Column { values: vec![f64::NAN; n], ..values.clone() }, values, &at));
        }
    }
    if arguments.draws > 1 {
        columns.insert(0, Column::whole(COPY, vec![copy as f64 + 1.0; n]));
    }
    Ok((columns, filled))
}

/// Replaces the missing values of a column by imputed ones. `at` has the row of each imputed value.
fn merged(mut column: Column, imputed: &Column, at: &[usize]) -> Column {
    if column.values.iter().all(|v| v.is_nan()) {
        column.form = imputed.form.clone();
    }
    let is_number = |form: &Form| matches!(form, Form::Real | Form::Whole | Form::Boolean);
    // Units of a time that the table counts in, for a unit of the model.
    let scale = match (&column.form, &imputed.form) {
        (a, b) if a == b || is_number(a) && is_number(b) => 1.0,
        (Form::Time(a), Form::Time(b)) => b.microseconds() as f64 / a.microseconds() as f64,
        _ => return merged_texts(&column, imputed, at),
    };
    for (k, &row) in at.iter().enumerate() {
        if column.values[row].is_nan() {
            column.values[row] = if scale == 1.0 { imputed.values[k] } else { (imputed.values[k] * scale).floor() };
        }
    }
    let fits = |v: &f64| v.is_nan() || if column.form == Form::Boolean { matches!(*v, 0.0 | 1.0) } else { v.fract() == 0.0 };
    if column.form.is_whole() && !column.values.iter().all(fits) {
        column.form = Form::Real;
    }
    column
}

/// The same of columns whose values have a form each, such as other labels.
fn merged_texts(column: &Column, imputed: &Column, at: &[usize]) -> Column {
    let mut texts: Vec<String> = (0..column.values.len()).map(|row| column.text(row)).collect();
    for (k, &row) in at.iter().enumerate().filter(|(_, row)| column.values[**row].is_nan()) {
        texts[row] = imputed.text(k);
    }
    let mut labels: Vec<String> = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
    labels.sort();
    labels.dedup();
    let values = texts.iter().map(|text| labels.binary_search(text).map_or(f64::NAN, |k| k as f64)).collect();
    Column { name: column.name.clone(), values, form: Form::Text(labels) }
}
