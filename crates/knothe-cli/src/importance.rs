//! `knothe importance`: estimates from weighted draws.

use std::path::{Path, PathBuf};

use clap::Args;
use knothe::{
    Model,
    events::table::{Column, Form, Reading, Schema, Table},
    inference::{Estimate, LibraryTarget, LogWeights, Reliability, Smoothed, Target, WeightedDraws},
    memory,
    model::{AnyModel, Scoring},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value as Json, json};

use crate::{
    failure::{Failure, say},
    options::Runtime,
    output::{check_report, check_table_writable, write_table},
    target::{Report, constrained_draws, evidence, is_reliable, line, loaded, number, undefined, verdict},
};

/// Estimate expectations and the evidence from weighted draws
#[derive(Args, Debug)]
#[command(after_help = "\
With --target, the input is a model that serves as the proposal. Its columns are the target's
unconstrained parameters, and all of them must be continuous. To obtain such a model, write draws
with `knothe posterior --unconstrained` and fit a model to them.

With --log-weights, the input is a table of draws with a column of log-weights. A log-weight is the
log density of the target minus the log density of the proposal.

The verdict rests on k̂, which estimates the tail of the weights (Vehtari et al. 2024). Means and
standard deviations use smoothed weights. Each ± is two standard errors.

Examples:
  knothe importance draws.parquet --log-weights log_weight
  knothe importance proposal.safetensors --target libbod.so --out draws.parquet")]
pub struct ImportanceArguments {
    /// Model file or table
    pub input: PathBuf,
    /// Column that holds the log-weights
    #[arg(long, value_name = "COLUMN", required_unless_present = "target", conflicts_with_all = ["target", "data"], help_heading = "Input")]
    pub log_weights: Option<String>,
    /// Shared library of the target. The model serves as its proposal
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub target: Option<PathBuf>,
    /// Data of the target: a JSON file, or JSON text
    #[arg(long, value_name = "JSON", requires = "target", help_heading = "Input")]
    pub data: Option<String>,
    /// Number of draws from the model, at most 10^7
    #[arg(long, value_name = "N", default_value_t = 20_000, conflicts_with = "log_weights", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Sampling")]
    pub draws: u64,
    /// Number of rows to resample, at most 10^7 [default: as many as there are draws]
    #[arg(short = 'n', long = "rows", value_name = "N", requires = "out", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Sampling")]
    pub n: Option<u64>,
    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// File for the resampled draws: CSV, TSV, Parquet, Arrow IPC or NPY. - means CSV on standard output; the report then goes to standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Draws, column by column, with their weights.
struct Weighted {
    columns: Vec<Column>,
    weights: LogWeights,
    /// The number of draws at which the target is not defined, and the target's first message.
    undefined: usize,
    message: Option<String>,
}

/// Weighs draws and reports.
pub fn run(arguments: &ImportanceArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let data = PathBuf::from(arguments.data.clone().unwrap_or_default());
    let files = [Some(arguments.input.as_path()), arguments.target.as_deref(), Some(data.as_path())];
    let files: Vec<&Path> = files.into_iter().flatten().collect();
    check_report(&files.iter().copied().chain(arguments.out.as_deref()).collect::<Vec<_>>())?;
    if let Some(out) = &arguments.out {
        check_table_writable(out, &files)?;
    }
    let weighted = match (&arguments.log_weights, &arguments.target) {
        (Some(name), _) => of_table(&arguments.input, name)?,
        (None, Some(target)) => of_model(arguments, target)?,
        (None, None) => return Err(Failure::usage("expected --log-weights or --target, found neither", "")),
    };
    let smoothed = Smoothed::of(&weighted.weights);
    if let Some(out) = &arguments.out {
        let n = arguments.n.map_or(weighted.weights.logs().len(), |n| n as usize);
        resample(&weighted, &smoothed, n, arguments.seed, out)?;
    }
    let shown = if arguments.json { Report::Json(document(&weighted, &smoothed)?) } else { Report::Text(report(&weighted, &smoothed)?) };
    shown.show(arguments.out.as_deref())
}

/// The draws of a table, and the weights in one of its columns.
fn of_table(path: &Path, name: &str) -> Result<Weighted, Failure> {
    // A weight may be 0.
    let table = Table::read_with(path, &Reading { negative_infinity: vec![name.to_owned()], ..Reading::default() })?;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let Some(column) = table.column(name) else {
        let hint = format!("the columns are {}", knothe::events::table::quoted(&names));
        return Err(Failure::usage(format!("--log-weights: expected a column of {}, found '{name}'", path.display()), hint));
    };
    if !matches!(column.form, Form::Real | Form::Whole) {
        return Err(Failure::usage(format!("--log-weights: expected a column of numbers, found '{name}', which is not numeric"), ""));
    }
    // A missing weight is NaN, which is refused with its row.
    let weights = LogWeights::new(column.values.to_vec())?;
    let (columns, others): (Vec<&Column>, Vec<&Column>) =
        table.columns.iter().filter(|column| column.name != name).partition(|column| matches!(column.form, Form::Real | Form::Whole));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|column| column.name.as_str()).collect();
        say(format_args!("note: not numeric, so left out: {}", knothe::events::table::quoted(&names)));
    }
    if let Some(column) = columns.iter().find(|column| column.values.iter().any(|v| v.is_nan())) {
        let row = 1 + column.values.iter().position(|v| v.is_nan()).unwrap_or(0);
        let message = format!("{}, column '{}', row {row}: expected a number, found a missing value", path.display(), column.name);
        return Err(Failure::usage(message, "leave the column or the row out of the table"));
    }
    Ok(Weighted { columns: columns.into_iter().cloned().collect(), weights, undefined: 0, message: None })
}

/// Draws from a model, weighed by a target.
fn of_model(arguments: &ImportanceArguments, target: &Path) -> Result<Weighted, Failure> {
    let refused = |message: String| Failure::usage(format!("{}: {message}", arguments.input.display()), "");
    let AnyModel::Table(model) = AnyModel::load(&arguments.input, &arguments.runtime.device)? else {
        return Err(refused("expected a model of a table, found one of another kind of event".into()));
    };
    let target = loaded(target, arguments.data.as_deref(), arguments.seed)?;
    let places = places(&model, &target).map_err(refused)?;
    let (n, dim) = (arguments.draws as usize, target.dim());
    memory::check(format!("{n} weighted draws"), memory::product(&[32, n, dim + target.names().len()]))?;
    let rows = model.sample(n, &[], arguments.seed)?;
    let log_q = model.log_prob(&rows, Scoring::default())?;
    let x: Vec<f64> = rows.x.chunks_exact(dim).flat_map(|row| places.iter().map(|&at| row[at])).collect();
    let draws = WeightedDraws::weighed(x, &log_q, &target)?;
    let columns = constrained_draws(&target, &draws)?;
    Ok(Weighted { columns, weights: draws.weights, undefined: draws.undefined, message: target.first_message() })
}

/// The column of the model for each unconstrained parameter of the target.
fn places(model: &Model<Schema>, target: &LibraryTarget) -> Result<Vec<usize>, String> {
    let schema = &model.coding;
    if !schema.context.is_empty() {
        return Err("expected a model without context".into());
    }
    if let Some(column) = schema.modelled().find(|column| column.kind.is_discrete() || column.flags() > 0) {
        return Err(format!("expected continuous columns, found '{}', which has point masses", column.name));
    }
    let own: Vec<&str> = schema.modelled().map(|column| column.name.as_str()).collect();
    let wanted = target.unconstrained_names();
    let place = |name: &String| own.iter().position(|own| own == name);
    match wanted.iter().map(place).collect::<Option<Vec<usize>>>() {
        Some(places) if own.len() == wanted.len() => Ok(places),
        _ => {
            let all: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let [expected, found] = [&all, &own].map(|names| knothe::events::table::quoted(names));
            Err(format!("expected the unconstrained parameters of the target as columns, {expected}; found {found}"))
        }
    }
}

fn resample(weighted: &Weighted, smoothed: &Smoothed, n: usize, seed: u64, out: &Path) -> Result<(), Failure> {
    if weighted.columns.is_empty() {
        return Err(Failure::usage("--out: expected columns to resample, found only the weights", "omit --out"));
    }
    let picked = smoothed.weights.resample(n, &mut ChaCha12Rng::seed_from_u64(seed));
    let of = |column: &Column| Column::numbers(&column.name, picked.iter().map(|&at| column.values[at]).collect(), column.form.is_whole());
    write_table(&weighted.columns.iter().map(of).collect::<Vec<_>>(), out)
}

/// The mean of a column with its error, and the standard deviation.
fn estimates(column: &Column, smoothed: &Smoothed) -> Result<(Estimate, f64), Failure> {
    let mean = smoothed.weights.expectation(&column.values)?;
    let squares: Vec<f64> = column.values.iter().map(|v| (v - mean.value).powi(2)).collect();
    Ok((mean, smoothed.weights.expectation(&squares)?.value.sqrt()))
}

fn report(weighted: &Weighted, smoothed: &Smoothed) -> Result<String, Failure> {
    let mut text = line(&weighted.weights, smoothed);
    if smoothed.reliability() == Reliability::TooFew {
        text += &format!("                about {:.0} draws are needed\n", smoothed.draws_needed());
    }
    text += &undefined(weighted.undefined, weighted.weights.logs().len(), weighted.message.clone()).unwrap_or_default();
    text += &format!("log evidence    {}\n\n", evidence(weighted.weights.log_evidence(), smoothed));
    let widest = weighted.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).max(9);
    text += &format!("{:<widest$} {:>12} {:>12} {:>12}\n", "column", "mean", "±", "deviation");
    for column in &weighted.columns {
        let (mean, deviation) = estimates(column, smoothed)?;
        text += &format!("{:<widest$} {:>12.5} {:>12.5} {deviation:>12.5}\n", column.name, mean.value, 2.0 * mean.standard_error);
    }
    Ok(text)
}

fn document(weighted: &Weighted, smoothed: &Smoothed) -> Result<Json, Failure> {
    let columns = weighted.columns.iter().map(|column| {
        let (mean, deviation) = estimates(column, smoothed)?;
        Ok(json!({
            "name": column.name, "mean": number(mean.value), "mean_two_se": number(2.0 * mean.standard_error),
            "standard_deviation": number(deviation),
        }))
    });
    let columns: Vec<Json> = columns.collect::<Result<_, Failure>>()?;
    let evidence = weighted.weights.log_evidence();
    Ok(json!({
        "draws": weighted.weights.logs().len(), "undefined_draws": weighted.undefined,
        "effective_sample_size": number(weighted.weights.effective_sample_size()), "k_hat": number(smoothed.shape),
        "threshold": number(smoothed.threshold()), "reliability": verdict(smoothed.reliability()), "log_evidence": number(evidence.value),
        "log_evidence_two_se": number(2.0 * evidence.standard_error), "log_evidence_is_reliable": is_reliable(smoothed), "columns": columns,
    }))
}
