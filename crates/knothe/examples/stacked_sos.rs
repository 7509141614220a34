//! Five stacked layers of sums of squares, whose composition has the degree (2r + 1)⁵, stay finite: raw monomials do not.
//!
//! For three seeds and three toy densities: the gap mean(log q_true − log q_model) over 100,000 new points, in nats, the largest difference at
//! one of them, and how many steps had a loss or a gradient that was not finite.
//!
//! `cargo run --release --package knothe --example stacked_sos -- [TOY …]`

#[path = "toy/mod.rs"]
mod toy;

use knothe::{Result, conditioner::Activation, families::Sos, fit::FitConfig, toys::Toy};

use toy::{learn, place};

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let toys = [Toy::Parabola, Toy::EightGaussians, Toy::Moons];
    for toy in toys.into_iter().filter(|t| asked.is_empty() || asked.iter().any(|a| a == t.name())) {
        let mut gaps = Vec::new();
        for seed in 0..3 {
            let start = Sos::new(2).seed(seed).layers(5).hidden([64, 64]).activation(Activation::Silu).flow(&place())?;
            let config =
                FitConfig { steps: Some(4_000), learning_rate: 3e-3, patience: 0, average: Some(0.998), seed, ..FitConfig::default() };
            let learned = learn(toy, [0, 1], start, &config)?;
            println!(
                "{:16} seed {seed}  gap {:7.4} ± {:.4}  worst point {:6.1}  steps that were not finite {}  {:.0} s",
                toy.name(),
                learned.gap,
                learned.two_se,
                learned.worst,
                learned.report.skipped,
                learned.report.seconds
            );
            gaps.push(learned.gap);
        }
        gaps.sort_unstable_by(f64::total_cmp);
        println!("{:16} median gap {:.4}", toy.name(), gaps[1]);
    }
    Ok(())
}
