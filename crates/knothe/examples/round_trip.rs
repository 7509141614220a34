//! How exactly a fitted model inverts itself: the worst |x − T(T⁻¹(x))| over the rows of a table, in standardised units.
//!
//! `cargo run --release --package knothe --example round_trip -- TABLE MODEL…` prints a line for each member of each model file:
//! the largest difference and its row and column, or the error that names the rows without an inverse.

use std::path::Path;

use knothe::events::Coding;
use knothe::events::table::{Need, Schema, Table};
use knothe::{Bijection, Error, Given, Model, Placement, Result, TabularFlow, values};

/// Rows a call.
const BATCH: usize = 1_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let missing = || Error::invalid("arguments", "a table and model files", "none");
    let table = Table::read(Path::new(&arguments.next().ok_or_else(missing)?))?;
    for path in arguments {
        let model = Model::<Schema>::load(Path::new(&path), "cpu")?;
        let rows = model.coding.rows(&table, Need::Score)?;
        let rows = model.coding.encode(&rows)?;
        for (index, network) in model.mixture().members().iter().enumerate() {
            let name = format!("{path} {}", model.members[index].recipe.name());
            let found = network
                .flow()
                .and_then(|flow| worst(flow, [(&rows.values, rows.dim), (&rows.context, rows.context_dim)], model.placement()));
            match found {
                Ok((error, row, column, extreme)) => println!("{name}  {error:.1e} at row {row}, column {column}; max |z| {extreme:.1}"),
                Err(problem) => println!("{name}  error: {problem}"),
            }
        }
    }
    Ok(())
}

/// The largest |x − T(T⁻¹(x))|, its row and its column, and the largest |z|. A difference that is not a number counts as the largest.
fn worst(
    flow: &TabularFlow,
    [(x, dim), (context, context_dim)]: [(&[f64], usize); 2],
    place: &Placement,
) -> Result<(f64, usize, usize, f64)> {
    let mut worst = (0.0, 0, 0, 0.0f64);
    for (batch, part) in x.chunks(BATCH * dim).enumerate() {
        let (first, n) = (batch * BATCH, part.len() / dim);
        let context = context.get(first * context_dim..(first + n) * context_dim).filter(|part| !part.is_empty());
        let context = context.map(|part| place.tensor(part.to_vec(), [n, context_dim]));
        let given = Given::context(context.as_ref());
        let renumbered = |problem| match problem {
            Error::NotInvertible { what, rows } => Error::NotInvertible { what, rows: rows.into_iter().map(|row| first + row).collect() },
            other => other,
        };
        let z = flow.to_source(place.tensor(part.to_vec(), [n, dim]), &given).map_err(renumbered)?;
        let (back, _) = flow.bijection().forward_and_ladj(z.clone(), &given).map_err(renumbered)?;
        worst.3 = values(z).into_iter().fold(worst.3, |most, z| most.max(z.abs()));
        for (at, (found, expected)) in values(back).into_iter().zip(part).enumerate() {
            let error = (found - expected).abs();
            if error.is_nan() || error > worst.0 {
                worst = (if error.is_nan() { f64::INFINITY } else { error }, first + at / dim, at % dim, worst.3);
            }
        }
    }
    Ok(worst)
}
