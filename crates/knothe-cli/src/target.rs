//! What the commands about targets share: loading a target, its parameters as columns, and reports about weights.

use std::io::{self, Write};
use std::path::Path;

use knothe::{
    events::table::Column,
    inference::{Estimate, LibraryTarget, LogWeights, Reliability, Smoothed, Target, WeightedDraws},
};
use serde_json::Value as Json;

use crate::{
    crash,
    failure::{Failure, printable},
    output::{is_stdout, json_text, print, print_json},
};

/// The target in a library. From now on, a crash names it.
pub fn loaded(library: &Path, data: Option<&str>, seed: u64) -> Result<LibraryTarget, Failure> {
    if let Some(file) = data.map(Path::new).filter(|file| file.is_dir() || is_device(file)) {
        let message = format!("--data {}: expected a file or JSON text, found a folder or a device", file.display());
        return Err(Failure::usage(message, ""));
    }
    crash::name(library);
    Ok(LibraryTarget::load(library, data.unwrap_or_default(), u32::try_from(seed).unwrap_or(u32::MAX))?)
}

/// Whether a path is a device, which may have no end.
fn is_device(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device() || found.file_type().is_block_device())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// The unconstrained parameters as columns.
pub fn unconstrained(target: &LibraryTarget, x: &[f64]) -> Vec<Column> {
    of_rows(target.unconstrained_names(), x.chunks_exact(target.dim()))
}

/// The target's own parameters as columns, for rows of unconstrained ones.
pub fn constrained(target: &LibraryTarget, x: &[f64]) -> Result<Vec<Column>, Failure> {
    let rows: Vec<Vec<f64>> = x.chunks_exact(target.dim()).map(|x| target.constrain(x)).collect::<Result<_, _>>()?;
    Ok(of_rows(target.names(), rows.iter().map(Vec::as_slice)))
}

/// The same for weighted draws. Draws without weight get NaN, since the target may have no parameters where it has no density.
pub fn constrained_draws(target: &LibraryTarget, draws: &WeightedDraws) -> Result<Vec<Column>, Failure> {
    let rows = draws.x.chunks_exact(target.dim()).zip(draws.weights.logs());
    let missing = vec![f64::NAN; target.names().len()];
    let row = |(x, log): (&[f64], &f64)| if *log > f64::NEG_INFINITY { target.constrain(x) } else { Ok(missing.clone()) };
    let rows: Vec<Vec<f64>> = rows.map(row).collect::<Result<_, _>>()?;
    Ok(of_rows(target.names(), rows.iter().map(Vec::as_slice)))
}

fn of_rows<'a>(names: &[String], rows: impl Iterator<Item = &'a [f64]> + Clone) -> Vec<Column> {
    names.iter().enumerate().map(|(j, name)| Column::real(name, rows.clone().map(|row| row[j]).collect())).collect()
}

/// How reliable importance sampling is, in words.
pub fn verdict(reliability: Reliability) -> &'static str {
    match reliability {
        Reliability::Good => "good",
        Reliability::TooFew => "too few draws",
        Reliability::Biased => "biased",
        Reliability::Useless => "useless",
    }
}

/// The line of a report about weights.
pub fn line(weights: &LogWeights, smoothed: &Smoothed) -> String {
    format!(
        "importance      {}: k̂ = {:.2}, threshold {:.2}; effective sample size {:.0} of {}\n",
        verdict(smoothed.reliability()),
        smoothed.shape,
        smoothed.threshold(),
        weights.effective_sample_size(),
        weights.logs().len()
    )
}

/// The line of a report about draws at which the target is not defined, if there are any.
pub fn undefined(count: usize, draws: usize, message: Option<String>) -> Option<String> {
    let message = message.unwrap_or_else(|| "the log density is NaN".into());
    (count > 0).then(|| format!("undefined       {count} of {draws} weighted draws have no density: {message}\n"))
}

/// An estimate of the log evidence in words. Its error is no interval if the weights are not reliable.
pub fn evidence(estimate: Estimate, smoothed: &Smoothed) -> String {
    let (value, error) = (estimate.value, 2.0 * estimate.standard_error);
    if is_reliable(smoothed) {
        format!("{value:.4} ± {error:.4}")
    } else {
        format!("{value:.4} (unreliable, see importance; two standard errors are {error:.4})")
    }
}

/// Whether estimates and their errors can be used.
pub fn is_reliable(smoothed: &Smoothed) -> bool {
    smoothed.reliability() == Reliability::Good
}

/// A number in JSON. Those that JSON lacks are the texts "inf", "-inf" and "NaN".
pub fn number(value: f64) -> Json {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

/// A report.
pub enum Report {
    Text(String),
    Json(Json),
}

impl Report {
    /// Prints the report on standard output, or on standard error if the draws go to standard output.
    pub fn show(&self, draws: Option<&Path>) -> Result<(), Failure> {
        let text: String = match (self, draws.is_some_and(is_stdout)) {
            (Report::Text(text), false) => return print(text),
            (Report::Json(document), false) => return print_json(document),
            (Report::Text(text), true) => printable(text, true),
            (Report::Json(document), true) => json_text(document),
        };
        // A closed standard error is no reason to fail.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        Ok(())
    }
}
