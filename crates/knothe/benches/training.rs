//! The time of a training step, of scoring and of sampling, by model and size.
//!
//! `cargo bench --workspace --bench training [-- MODEL D …]` prints a table; with `--json MODEL train|score|sample D H [LAYERS [BATCH]]`, one measurement in a
//! process of its own, which `benches/peers/speed.py` reads. `--json peak sgemm 2048 2048` is the speed of a large product.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::{hint::black_box, time::Instant};

use knothe::{
    Density, Given, Placement, Precision,
    conditioner::Activation,
    families::{Family, Maf, Naf, Nsf, RealNvp, Recipe, Sos, find},
    fit::{Adam, Batch, MaxLikelihood, loss},
    parameters,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::json;

use common::{print, time};

const BATCH: usize = 512;
const SCORED: usize = 10_000;
const SAMPLED: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| match arguments.split_first() {
        Some((json, case)) if json == "--json" => one(case),
        _ => table(&arguments),
    });
}

/// A case: its recipe, and the sizes of it that the operations are counted by.
struct Case {
    recipe: Recipe,
    dim: usize,
    width: usize,
    layers: usize,
}

impl Case {
    fn new(family: &'static dyn Family, dim: usize, width: usize, layers: Option<usize>) -> Self {
        let layers = layers.unwrap_or(if family.name() == "real_nvp" { 10 } else { 5 });
        // Rows are standard normal, and the peers have no layer that standardises.
        let recipe = Recipe::new(family, dim).hidden([width, width]).activation(Activation::Relu).standardise(false);
        let recipe = if family.option("layers").is_some() { recipe.layers(layers) } else { recipe };
        let recipe = match family.name() {
            "nsf" => recipe.components(8),
            "sos" => recipe.components(3),
            "naf" => recipe.components(16),
            _ => recipe,
        };
        Case { recipe, dim, width, layers }
    }
}

/// Times of a step of `batch` rows, and of its part that is Adam.
fn train(case: &Case, batch: usize) -> ([f64; 2], f64) {
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    let mut module = Some(case.recipe.flow(&Placement::cpu(Precision::F32).autodiff()).unwrap());
    let batch = Batch::new(Placement::cpu(Precision::F32).normal([batch, case.dim], &mut rng));
    let mut adam = Adam::default();
    let mut of_adam = Vec::new();
    let step = time(if case.width > 64 { 41 } else { 201 }, || {
        let own = module.take().unwrap();
        let gradients = loss(&MaxLikelihood, &own, &batch).unwrap().backward();
        let start = Instant::now();
        module = Some(adam.step(own, gradients, 1e-3, 0.0, f64::INFINITY).0);
        of_adam.push(start.elapsed().as_secs_f64() * 1e3);
    });
    of_adam.sort_by(f64::total_cmp);
    (step, of_adam[of_adam.len() / 2])
}

fn score(case: &Case, rows: usize) -> [f64; 2] {
    let place = Placement::cpu(Precision::F32);
    let model = case.recipe.flow(&place).unwrap();
    let x = place.normal([rows, case.dim], &mut ChaCha12Rng::seed_from_u64(0));
    time(15, || {
        black_box(model.log_prob(x.clone(), &Given::default()).unwrap());
    })
}

fn sample(case: &Case, rows: usize) -> [f64; 2] {
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    let model = case.recipe.flow(&Placement::cpu(Precision::F32)).unwrap();
    time(25, || {
        black_box(model.sample(rows, &Given::default(), &mut rng).unwrap());
    })
}

/// Milliseconds of an n × n product.
fn sgemm(n: usize) -> [f64; 2] {
    let (a, b) = (vec![1f32; n * n], vec![1f32; n * n]);
    let mut c = vec![0f32; n * n];
    let stride = n as isize;
    let threads = gemm::Parallelism::Rayon(rayon::current_num_threads());
    time(9, || {
        // SAFETY: three matrices of n × n numbers, each of its own.
        unsafe {
            #[rustfmt::skip]
            gemm::gemm(
                n, n, n, c.as_mut_ptr(), stride, 1, false, a.as_ptr(), stride, 1, b.as_ptr(), stride, 1,
                0.0, 1.0, false, false, false, threads,
            );
        }
    })
}

/// 6 · rows · (unmasked weights of an autoregressive model), the operations of a step that a mask does not save; none for others.
fn flops(case: &Case, rows: usize) -> Option<f64> {
    (case.recipe.name() == "maf").then(|| {
        let (dim, width) = (case.dim, case.width);
        let degree = |unit: usize| 1 + unit * (dim - 1) / width;
        let first: usize = (0..width).map(degree).sum();
        let middle = (0..width).map(|u| (0..width).filter(|&v| degree(v) <= degree(u)).count()).sum::<usize>();
        let last = (0..dim).map(|rank| 2 * (0..width).filter(|&u| degree(u) <= rank).count()).sum::<usize>();
        6.0 * rows as f64 * (case.layers * (first + middle + last)) as f64
    })
}

fn one(arguments: &[String]) {
    let [model, operation, dim, width, rest @ ..] = arguments else { panic!("MODEL OPERATION D H [LAYERS [BATCH]]") };
    let (dim, width): (usize, usize) = (dim.parse().unwrap(), width.parse().unwrap());
    if model == "peak" {
        let [least, median] = sgemm(dim);
        let gigaflops = 2.0 * (dim as f64).powi(3) / least / 1e6;
        println!("{}", json!({ "least": least, "median": median, "gigaflops": gigaflops }));
        return;
    }
    let numbers: Vec<usize> = rest.iter().map(|n| n.parse().unwrap()).collect();
    let case = Case::new(find(model, &dim.into()).unwrap(), dim, width, numbers.first().copied());
    let rows = |usual| numbers.get(1).copied().unwrap_or(usual);
    let mut work = None;
    let found = match operation.as_str() {
        "train" => {
            work = flops(&case, rows(BATCH));
            train(&case, rows(BATCH)).0
        }
        "score" => score(&case, rows(SCORED)),
        _ => sample(&case, rows(SAMPLED)),
    };
    print(found, work, || parameters::count(&case.recipe.flow(&Placement::cpu(Precision::F32)).unwrap()));
}

fn table(arguments: &[String]) {
    let (dims, models): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.parse::<usize>().is_ok());
    let wide = [(8, 64), (21, 256), (43, 512), (63, 512)];
    let families: [(&dyn Family, usize); 5] = [(&Maf, 4), (&Nsf, 2), (&Sos, 2), (&Naf, 2), (&RealNvp, 2)];
    println!(
        "{} threads, f32; milliseconds, medians: step of {BATCH} rows, of it Adam, {SCORED} rows scored, {SAMPLED} sampled\n",
        rayon::current_num_threads()
    );
    println!("model          D    H     step     adam    score   sample");
    for (family, sizes) in families.into_iter().filter(|(family, _)| models.is_empty() || models.iter().any(|m| *m == family.name())) {
        for &(dim, width) in wide[..sizes].iter().filter(|(dim, _)| dims.is_empty() || dims.contains(&&dim.to_string())) {
            let case = Case::new(family, dim, width, None);
            let ([_, step], adam) = train(&case, BATCH);
            let ([_, score], [_, sample]) = (score(&case, SCORED), sample(&case, SAMPLED));
            println!("{:12} {dim:3} {width:4} {step:8.2} {adam:8.2} {score:8.2} {sample:8.2}", family.name());
        }
    }
}
