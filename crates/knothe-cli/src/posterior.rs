//! `knothe posterior`: draws from an unnormalised density in a shared library.

mod draws;
mod pictures;
mod progress;
mod report;
mod tried;

use std::path::{Path, PathBuf};

use clap::Args;
use knothe::{inference::Target, memory};

use crate::{
    failure::Failure,
    options::{Runtime, above_zero, fraction},
    output::{check_report, check_table_writable, write_table},
    target::{Report, constrained, loaded, unconstrained},
};
use draws::{Finish, Found, WEIGHTED};
use report::{document, report};
use tried::tried;

/// Draw from the posterior of a target in a shared library
#[derive(Args, Debug)]
#[command(after_help = "\
The library has the C interface of BridgeStan. A compiled Stan model is such a library.
docs/inference.md shows how to make one from a Stan model or in Rust. Loading a library runs its
code.

Knothe fits a triangular map that transforms a normal density into the posterior. If importance
sampling with this map is reliable, the draws are resampled from it. Otherwise they come from
Hamiltonian Monte Carlo in the map's coordinates. The report names the method.

Examples:
  knothe posterior libbod.so --out draws.parquet
  knothe posterior eight_schools.so --data eight_schools.json --out draws.csv --json")]
pub struct PosteriorArguments {
    /// Shared library
    pub target: PathBuf,
    /// Data of the target: a JSON file, or JSON text
    #[arg(long, value_name = "JSON", help_heading = "Input")]
    pub data: Option<String>,
    /// Number of draws, at most 10^7
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Sampling")]
    pub n: u64,
    /// Method that makes the draws
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Finish::Auto, help_heading = "Sampling")]
    pub finish: Finish,
    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// Maximum total degree of the map's polynomials, 1 to 16. Degree 1 gives an affine map
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=16), help_heading = "Map")]
    pub degree: u64,
    /// Maximum number of polynomial maps in sequence, at most 100
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=100), help_heading = "Map")]
    pub maps: u64,
    /// Minimum number of source draws per fit of the map, 2 to 10^6
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u64).range(2..=1_000_000), help_heading = "Map")]
    pub map_draws: u64,
    /// Stop fitting the map when its variance diagnostic falls below V
    #[arg(long, value_name = "V", default_value_t = 1e-4, value_parser = above_zero, help_heading = "Map")]
    pub tolerance: f64,
    /// Maximum number of evaluations of the target in the fit of the map, from 20 per draw of --map-draws to 10^12. The fit may take a few percent more
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000), help_heading = "Map")]
    pub evaluations: u64,
    /// Share of the weighted draws that come from a wide proposal, between 0 and 1 [default: none]. It is the same map of Student's t with 5 degrees of freedom. It bounds the weights where the map is too narrow
    #[arg(long, value_name = "SHARE", value_parser = fraction, allow_negative_numbers = true, help_heading = "Sampling")]
    pub defensive: Option<f64>,
    /// File for the draws: CSV, TSV, Parquet, Arrow IPC or NPY. - means CSV on standard output, and the report then goes to standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Write the unconstrained parameters instead of the model's own parameters
    #[arg(long, help_heading = "Output")]
    pub unconstrained: bool,
    /// Write pictures to this folder: corner.png, weights.png, trace.png and, after Hamiltonian Monte Carlo, ranks.png
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub pictures: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Fits a map and draws.
pub fn run(arguments: &PosteriorArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let file = PathBuf::from(arguments.data.clone().unwrap_or_default());
    check_table_writable(&arguments.out, &[&arguments.target, &file])?;
    let pictures = arguments.pictures.as_deref().map(pictures::files).unwrap_or_default();
    let others: Vec<&Path> = [&arguments.target, &file, &arguments.out].into_iter().chain(&pictures).map(PathBuf::as_path).collect();
    check_report(&others)?;
    if let Some(folder) = &arguments.pictures {
        pictures::check(folder, &others[..3])?;
    }
    let target = loaded(&arguments.target, arguments.data.as_deref(), arguments.seed)?;
    let numbers = memory::product(&[WEIGHTED, arguments.n as usize, target.dim() + target.names().len()]);
    memory::check(format!("{} weighted draws", WEIGHTED as u64 * arguments.n), numbers.saturating_mul(16))?;
    tried(&target, arguments.seed)?;
    let found = Found::new(&target, arguments)?;
    let columns = constrained(&target, &found.x)?;
    if arguments.unconstrained {
        write_table(&unconstrained(&target, &found.x), &arguments.out)?;
    } else {
        write_table(&columns, &arguments.out)?;
    }
    if let Some(folder) = &arguments.pictures {
        pictures::write(folder, &target, &found, &columns)?;
    }
    let shown =
        if arguments.json { Report::Json(document(&target, &found, &columns)) } else { Report::Text(report(&target, &found, &columns)) };
    shown.show(Some(&arguments.out))
}
