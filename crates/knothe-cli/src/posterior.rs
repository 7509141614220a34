//! `knothe posterior`: draws from an unnormalised density in a shared library.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use knothe::{
    events::table::Column,
    inference::{
        Chains, FittedMap, HmcDraws, LibraryTarget, MapDiagnostic, OptimalMap, Reliability, Smoothed, SourceHmc, Target, WeightedDraws,
    },
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value as Json, json};

use crate::{
    failure::{Failure, say},
    options::{Runtime, above_zero},
    output::{Output, check_writable, is_stdout, print, print_json},
};

/// Weighted draws per draw that is resampled from them.
const WEIGHTED: usize = 5;
/// Chains of an exact finish.
const CHAINS: usize = 32;
/// Normal draws at which a target is tried first.
const TRIED: usize = 100;

/// Draw from the posterior of a target in a shared library
#[derive(Args, Debug)]
#[command(after_help = "\
The library has the C interface of BridgeStan. A compiled Stan model is such a library.
docs/inference.md shows how to make one from a Stan model or in Rust. Loading a library runs its
code.

A triangular map is fitted that carries a normal density to the posterior. If it is good enough, the
draws come from importance sampling with the map as the proposal. Otherwise they come from
Hamiltonian Monte Carlo in the coordinates of the map. The report says which.

Examples:
  knothe posterior libbod.so --out draws.parquet
  knothe posterior eight_schools.so --data eight_schools.json --out draws.csv --json")]
pub struct PosteriorArguments {
    /// Shared library
    pub target: PathBuf,
    /// Data of the target: a JSON file, or JSON text
    #[arg(long, value_name = "JSON", help_heading = "Input")]
    pub data: Option<String>,
    /// Number of draws
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Sampling")]
    pub n: u64,
    /// Source of the draws: importance sampling if it is reliable and otherwise hmc (auto), or one of them in any case
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Finish::Auto, help_heading = "Sampling")]
    pub finish: Finish,
    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// Highest total degree of the polynomials of the map; 1 is an affine map
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=16), help_heading = "Map")]
    pub degree: u64,
    /// Largest number of maps of polynomials one after another
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=100), help_heading = "Map")]
    pub maps: u64,
    /// Draws from the source in each fit of the map
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(2..=1_000_000), help_heading = "Map")]
    pub map_draws: u64,
    /// Variance diagnostic at which the fit of the map ends
    #[arg(long, value_name = "V", default_value_t = 1e-4, value_parser = above_zero, help_heading = "Map")]
    pub tolerance: f64,
    /// File for the draws: CSV, TSV, Parquet, Arrow IPC or NPY. - means CSV on standard output, and the report then goes to standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Where draws come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Finish {
    Auto,
    Importance,
    Hmc,
}

/// Draws and where they come from.
struct Found {
    fitted: FittedMap,
    smoothed: Smoothed,
    diagnostic: MapDiagnostic,
    effective: f64,
    /// The draws of unconstrained parameters, row-major.
    x: Vec<f64>,
    hmc: Option<HmcDraws>,
    seconds: f64,
}

/// Fits a map and draws.
pub fn run(arguments: &PosteriorArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let data = arguments.data.clone().unwrap_or_default();
    let file = PathBuf::from(&data);
    check_writable(&arguments.out, &[&arguments.target, &file])?;
    let target = LibraryTarget::load(&arguments.target, &data, u32::try_from(arguments.seed).unwrap_or(u32::MAX))?;
    tried(&target, arguments)?;
    let found = found(&target, arguments)?;
    let rows: Vec<Vec<f64>> = found.x.chunks_exact(target.dim()).map(|x| target.constrain(x)).collect::<Result<_, _>>()?;
    let names = target.names();
    let columns: Vec<Column> =
        names.iter().enumerate().map(|(j, name)| Column::real(name, rows.iter().map(|row| row[j]).collect())).collect();
    let mut output = Output::open(Some(&arguments.out), &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    output.rows(&columns)?;
    output.finish()?;
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
    let (logs, _) = knothe::inference::log_densities_and_gradients(target, &x)?;
    if logs.iter().any(|log| log.is_finite()) {
        return Ok(());
    }
    let reason = format!("expected a finite log density near 0, found {} at each of {TRIED} draws from a standard normal law", logs[0]);
    let hint =
        target.first_message().map_or("check the data, and the priors of the parameters".into(), |text| format!("the target says: {text}"));
    let hint = knothe::Hint::Other(hint.into());
    Err(knothe::Error::Unsupported { what: arguments.target.display().to_string(), reason, hint: Some(hint.into()) }.into())
}

fn found(target: &LibraryTarget, arguments: &PosteriorArguments) -> Result<Found, Failure> {
    let started = Instant::now();
    let settings = OptimalMap {
        draws: arguments.map_draws as usize,
        degree: arguments.degree as usize,
        maps: arguments.maps as usize,
        tolerance: arguments.tolerance,
        seed: arguments.seed,
        ..OptimalMap::default()
    };
    let fitted = settings.fit(target)?;
    let n = arguments.n as usize;
    // The held-out draws of the fit have another seed.
    let weighted = WeightedDraws::of(&fitted.flow, target, WEIGHTED * n, arguments.seed.wrapping_add(1))?;
    let smoothed = Smoothed::of(&weighted.weights);
    let (diagnostic, effective) = (MapDiagnostic::of(&weighted.weights), weighted.weights.effective_sample_size());
    let exact = match arguments.finish {
        Finish::Auto => smoothed.reliability() != Reliability::Good,
        Finish::Importance => false,
        Finish::Hmc => true,
    };
    let (x, hmc) = if exact {
        let iterations = n.div_ceil(CHAINS);
        let drawn = SourceHmc { chains: CHAINS, iterations, seed: arguments.seed, ..SourceHmc::default() }.run(&fitted.flow, target)?;
        (drawn.x[..n * target.dim()].to_vec(), Some(drawn))
    } else {
        let picked = smoothed.weights.resample(n, &mut ChaCha12Rng::seed_from_u64(arguments.seed));
        let dim = target.dim();
        (picked.into_iter().flat_map(|at| weighted.x[at * dim..(at + 1) * dim].to_vec()).collect(), None)
    };
    Ok(Found { fitted, smoothed, diagnostic, effective, x, hmc, seconds: started.elapsed().as_secs_f64() })
}

fn verdict(reliability: Reliability) -> &'static str {
    match reliability {
        Reliability::Good => "good",
        Reliability::TooFew => "too few draws",
        Reliability::Biased => "biased",
        Reliability::Useless => "useless",
    }
}

/// Mean, standard deviation and three quantiles.
fn summary(values: &[f64]) -> [f64; 5] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |p: f64| sorted[((n - 1.0) * p).round() as usize];
    [mean, deviation, quantile(0.05), quantile(0.5), quantile(0.95)]
}

fn report(target: &LibraryTarget, found: &Found, columns: &[Column]) -> String {
    let (last, smoothed) = (found.fitted.steps.last(), &found.smoothed);
    let evaluations = last.map_or(0, |step| step.evaluations);
    let mut text = format!(
        "map             {} unconstrained parameters; variance diagnostic {:.3e}; {} steps, {evaluations} evaluations\n",
        target.dim(),
        found.fitted.diagnostic().variance,
        found.fitted.steps.len()
    );
    let (evidence, bound) = (found.diagnostic.log_evidence, found.diagnostic.bound);
    text += &format!("log evidence    {:.4} ± {:.4}; lower bound {:.4}\n", evidence.value, 2.0 * evidence.standard_error, bound.value);
    text += &format!(
        "importance      {}: k̂ = {:.2}, threshold {:.2}; effective sample size {:.0} of {}\n",
        verdict(smoothed.reliability()),
        smoothed.shape,
        smoothed.threshold(),
        found.effective,
        smoothed.weights.logs().len()
    );
    text += &match &found.hmc {
        None => format!("draws           {} resampled from the weighted draws\n", columns[0].values.len()),
        Some(hmc) => format!(
            "draws           {} from Hamiltonian Monte Carlo in the map's coordinates: acceptance {:.2}, {} divergent, {CHAINS} chains\n",
            columns[0].values.len(),
            hmc.acceptance,
            hmc.divergences
        ),
    };
    text += &format!("time            {:.1} s\n\n", found.seconds);
    let widest = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).max(9);
    text += &format!("{:<widest$} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "parameter", "mean", "deviation", "5 %", "50 %", "95 %");
    for column in columns {
        let shown = summary(&column.values).map(|v| format!("{v:>10.4}")).join(" ");
        text += &format!("{:<widest$} {shown}\n", column.name);
    }
    text
}

fn document(target: &LibraryTarget, found: &Found, columns: &[Column]) -> Json {
    let steps: Vec<Json> = found
        .fitted
        .steps
        .iter()
        .map(|step| json!({ "degree": step.degree, "maps": step.maps, "variance": step.diagnostic.variance, "evaluations": step.evaluations }))
        .collect();
    let parameters: Vec<Json> = columns
        .iter()
        .map(|column| {
            let [mean, deviation, low, median, high] = summary(&column.values);
            let agreement = found.hmc.as_ref().map(|_| Chains::new(&column.values, CHAINS).convergence());
            json!({
                "name": column.name, "mean": mean, "standard_deviation": deviation, "quantiles": { "0.05": low, "0.5": median, "0.95": high },
                "r_hat": agreement.map(|a| a.r_hat), "effective_draws": agreement.map(|a| a.effective_draws),
            })
        })
        .collect();
    let (evidence, bound) = (found.diagnostic.log_evidence, found.diagnostic.bound);
    json!({
        "unconstrained": target.unconstrained_names(), "steps": steps, "variance": found.fitted.diagnostic().variance,
        "log_evidence": evidence.value, "log_evidence_two_se": 2.0 * evidence.standard_error, "lower_bound": bound.value,
        "k_hat": found.smoothed.shape, "threshold": found.smoothed.threshold(), "reliability": verdict(found.smoothed.reliability()),
        "effective_sample_size": found.effective, "finish": if found.hmc.is_some() { "hmc" } else { "importance" },
        "acceptance": found.hmc.as_ref().map(|hmc| hmc.acceptance), "divergences": found.hmc.as_ref().map(|hmc| hmc.divergences),
        "parameters": parameters, "seconds": found.seconds,
    })
}
