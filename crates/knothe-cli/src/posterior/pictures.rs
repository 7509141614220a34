//! The pictures of `knothe posterior`.

use std::path::{Path, PathBuf};

use knothe::{
    events::table::Column,
    inference::{Chains, LibraryTarget, LogWeights, Target},
    plot::{Axis, OfModel, Picture, Variable, corner, single, trace, uniformity},
};

use super::{constrained, draws::Found};
use crate::{
    failure::{Failure, say},
    output::check_writable,
};

/// Parameters of a picture; more would be too small to see.
const LARGEST: usize = 12;
/// Bins of a histogram, and along each axis of a pair.
const BINS: usize = 48;

/// The names of the pictures.
const NAMES: [&str; 4] = ["corner.png", "weights.png", "trace.png", "ranks.png"];

/// The files that are written into a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).collect()
}

/// Checks before the work that the pictures can be written, and that they replace none of the other files. Makes the folder if it is not there.
pub fn check(folder: &Path, others: &[&Path]) -> Result<(), Failure> {
    let refused =
        |found: String| Failure::usage(format!("--pictures {}: expected a folder, found {found}", folder.display()), "choose another name");
    if folder.exists() && !folder.is_dir() {
        return Err(refused("a file".into()));
    }
    std::fs::create_dir_all(folder).map_err(|e| refused(e.to_string()))?;
    files(folder).iter().try_for_each(|file| check_writable(file, others))
}

/// Draws all pictures into a folder.
pub fn write(folder: &Path, target: &LibraryTarget, found: &Found, columns: &[Column]) -> Result<(), Failure> {
    let shown = &columns[..columns.len().min(LARGEST)];
    if shown.len() < columns.len() {
        say(format_args!("note: the pictures show only the first {LARGEST} of {} parameters", columns.len()));
    }
    let put = |name: &str, picture: Picture| Ok::<_, Failure>(picture.write(&folder.join(name))?);
    put(NAMES[0], corner_of(target, found, shown)?)?;
    put(NAMES[1], weights(found)?)?;
    let best = found.fitted.steps.iter().rposition(|step| step.better);
    let values: Vec<f64> = found.fitted.steps.iter().map(|step| step.diagnostic.variance).collect();
    if let Ok(picture) = trace(
        "variance diagnostic",
        &values,
        &best.into_iter().collect::<Vec<_>>(),
        "held-out draws after each step of the map; the ring marks the map that was kept",
    ) {
        put(NAMES[2], picture)?;
    }
    // One chain has uniform ranks in any case, and so has a chain of one draw.
    let has_ranks = |chains: &usize| *chains > 1 && columns.iter().all(|column| column.values.len() >= 2 * chains);
    if let Some(chains) = found.method.chains().filter(has_ranks) {
        let panels: Vec<(&str, Vec<Vec<f64>>)> = shown.iter().map(|c| (c.name.as_str(), Chains::new(&c.values, chains).ranks())).collect();
        put(NAMES[3], uniformity(&panels, &format!("a line per chain, {chains} in all; the band holds 95 % of independent draws"))?)?;
    }
    Ok(())
}

/// The draws of the posterior, and of the map as lines over them.
fn corner_of(target: &LibraryTarget, found: &Found, shown: &[Column]) -> Result<Picture, Failure> {
    // The target may have no parameters where it has no density.
    let proposed = found.weighted.x.chunks_exact(target.dim()).zip(found.weighted.weights.logs());
    let possible: Vec<f64> = proposed.filter(|(_, log)| **log > f64::NEG_INFINITY).flat_map(|(x, _)| x.to_vec()).collect();
    let map: Vec<Vec<f64>> = constrained(target, &possible)?.into_iter().take(shown.len()).map(|column| column.values).collect();
    let draws: Vec<Vec<f64>> = shown.iter().map(|column| column.values.to_vec()).collect();
    let variables: Vec<Variable> = shown
        .iter()
        .zip(&map)
        .map(|(column, map)| Axis::new(&column.name, &[&column.values, map], [f64::NEG_INFINITY, f64::INFINITY], BINS).into())
        .collect();
    let captions = [
        format!("map: variance diagnostic {:.2e}", found.variance()),
        format!("Pareto k {:.2}, threshold {:.2}", found.smoothed.shape, found.smoothed.threshold()),
    ];
    Ok(corner(&variables, Some(("draws from the posterior", &draws)), ("draws from the proposal", &map), &captions)?)
}

/// The weights of the map's draws.
fn weights(found: &Found) -> Result<Picture, Failure> {
    let logs = relative(&found.weighted.weights);
    let axis = Axis::new("log₁₀ of weight / mean weight", &[&logs], [f64::NEG_INFINITY, f64::INFINITY], BINS);
    let caption = format!(
        "{} draws from the proposal, effective sample size {:.0}, Pareto k {:.2} with the threshold {:.2}",
        logs.len(),
        found.weighted.weights.effective_sample_size(),
        found.smoothed.shape,
        found.smoothed.threshold()
    );
    Ok(single(&axis.into(), OfModel::Samples("importance weights", &logs), None, &caption)?)
}

/// The decimal logarithms of weights over their mean.
fn relative(weights: &LogWeights) -> Vec<f64> {
    let mean = weights.log_evidence().value;
    weights.logs().iter().map(|log| (log - mean) / std::f64::consts::LN_10).collect()
}
