//! `knothe posterior`: draws from an unnormalised density in a shared library.

mod draws;
mod pictures;
mod progress;
mod report;

use std::path::PathBuf;

use clap::Args;
use knothe::{
    inference::{LibraryTarget, Target},
    memory,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::{
    failure::{Failure, say},
    options::{Runtime, above_zero},
    output::{check_report, check_table_writable, is_stdout, print, print_json, write_table},
    target::{constrained, loaded, unconstrained},
};
use draws::{Finish, Found, WEIGHTED};
use report::{document, report};

/// Normal draws at which a target is tried first.
const TRIED: usize = 100;

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
    /// Maximum number of evaluations of the target in the fit of the map, at most 10^12. The fit may take a few percent more
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000), help_heading = "Map")]
    pub evaluations: u64,
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
    check_report(&[&arguments.target, &file, &arguments.out])?;
    if let Some(folder) = &arguments.pictures {
        pictures::check(folder, arguments)?;
    }
    let target = loaded(&arguments.target, arguments.data.as_deref(), arguments.seed)?;
    let numbers = memory::product(&[WEIGHTED, arguments.n as usize, target.dim() + target.names().len()]);
    memory::check(format!("{} weighted draws", WEIGHTED as u64 * arguments.n), numbers.saturating_mul(16))?;
    tried(&target, arguments)?;
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
    if arguments.json {
        return if is_stdout(&arguments.out) { Ok(()) } else { print_json(&document(&target, &found, &columns)) };
    }
    let text = report(&target, &found, &columns);
    if is_stdout(&arguments.out) {
        say(text.trim_end());
        return Ok(());
    }
    print(&text)
}

/// Checks that the target has a density at some normal draws.
fn tried(target: &LibraryTarget, arguments: &PosteriorArguments) -> Result<(), Failure> {
    let place = knothe::Placement::cpu(knothe::Precision::F64);
    let mut rng = ChaCha12Rng::seed_from_u64(arguments.seed);
    let x = knothe::values(place.normal::<2>([TRIED, target.dim()], &mut rng));
    let logs = target.log_densities(&x)?;
    if logs.iter().any(|log| log.is_finite()) {
        return Ok(());
    }
    let reason = format!(
        "expected a finite log density near 0, found {} at the first of {TRIED} standard normal draws and no finite value at the others",
        logs[0]
    );
    let hint =
        target.first_message().map_or("check the data, and the priors of the parameters".into(), |text| format!("the target says: {text}"));
    let hint = knothe::Hint::Other(hint.into());
    Err(knothe::Error::Unsupported { what: arguments.target.display().to_string(), reason, hint: Some(hint.into()) }.into())
}
