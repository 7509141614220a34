//! `knothe inspect --moments`: what a model of one layer says of each column given those before it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use knothe::{
    Model,
    events::table::{Need, Schema, TableRows, csv_field},
    model::TableMoments,
    moments::Method,
};
use serde_json::json;

use crate::{
    cli::InspectArguments,
    failure::{Failure, say},
    notices::lacking,
    output::{print, print_json},
    text_files::TextFiles,
};

/// Prints the moments at the rows of a table, or at the mean row.
pub fn run(model: &Model<Schema>, arguments: &InspectArguments) -> Result<(), Failure> {
    let InspectArguments { at, json, text_files, .. } = arguments;
    text_files.check(&at.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let rows = at.as_ref().map(|path| rows(model, path, text_files)).transpose()?;
    let found = model.conditional_moments(rows.as_ref())?;
    // Rows are numbered as in the table, from 1.
    let numbers: Vec<u64> = rows.map_or(vec![0], |rows| rows.index.iter().map(|i| i + 1).collect());
    if *json {
        let row = |(number, columns)| json!({ "row": number, "columns": columns });
        let all: Vec<_> = numbers.iter().zip(&found.rows).map(row).collect();
        return print_json(&json!({ "method": found.method, "rows": all }));
    }
    if at.is_none() {
        say("note: row 0 is the mean row; use --at TABLE for the rows of a table");
    }
    if found.rows.iter().flatten().any(|c| c.of != "x") {
        say("note: for some columns the moments are those of a transformed value; the column `of` names it");
    }
    print(&csv(&numbers, &found))
}

fn rows(model: &Model<Schema>, path: &Path, text_files: &TextFiles) -> Result<TableRows, Failure> {
    let reading = model.coding.reading(model.coding.weights.clone());
    let rows = model.coding.rows(&text_files.of(path, reading).read(path)?, Need::Score)?;
    if rows.dropped > 0 {
        say(format_args!("warning: {}", lacking(rows.dropped, "is left out", "are left out")));
    }
    Ok(rows)
}

fn csv(numbers: &[u64], found: &TableMoments) -> String {
    let method = match found.method {
        Method::Exact => "exact",
        Method::Numerical => "numerical",
    };
    let mut text = String::from("row,column,mean,variance,skewness,excess_kurtosis,of,method\n");
    for (number, columns) in numbers.iter().zip(&found.rows) {
        for c in columns {
            let m = c.moments;
            let moments = format!("{},{},{},{}", m.mean, m.variance, m.skewness, m.excess_kurtosis);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{number},{},{moments},{},{method}", csv_field(&c.column), c.of);
        }
    }
    text
}
