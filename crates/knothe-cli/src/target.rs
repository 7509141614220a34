//! What the commands about targets share: loading a target, its parameters as columns, and words about weights.

use std::path::Path;

use knothe::{
    events::table::Column,
    inference::{LibraryTarget, LogWeights, Reliability, Smoothed, Target},
};

use crate::{crash, failure::Failure};

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
