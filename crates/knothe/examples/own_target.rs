//! A target of your own: a map that carries a normal source to an unnormalised density.
//!
//! The banana π̃(x) = exp(−½ x_1² − ½ (x_2 − x_1²)²) has Z = 2π. A spline flow is fitted to it by reverse KL, and then serves as the proposal of importance sampling.
//!
//! `cargo run --release -p knothe --example own_target` prints the estimates.

use knothe::{
    Placement, Precision, Result,
    families::Nsf,
    fit::Fit,
    inference::{MapDiagnostic, ReverseKl, Smoothed, SourceDraws, Target, WeightedDraws},
};

struct Banana;

impl Target for Banana {
    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let bend = x[1] - x[0] * x[0];
        gradient.copy_from_slice(&[2.0 * x[0] * bend - x[0], -bend]);
        Ok(-0.5 * (x[0] * x[0] + bend * bend))
    }
}

/// The flow's draws, weighed.
fn weighed() -> Result<WeightedDraws> {
    let place = Placement::cpu(Precision::F64);
    let flow = Nsf::new(2).layers(2).seed(0).flow(&place)?;
    let draws = SourceDraws::new(2, &place);
    let (flow, _) = Fit::new().objective(ReverseKl(&Banana)).steps(600).batch(128).learning_rate(5e-3).run(flow, &draws, &draws)?;
    WeightedDraws::of(&flow, &Banana, 10_000, 0)
}

fn main() -> Result<()> {
    let draws = weighed()?;
    let (diagnostic, smoothed) = (MapDiagnostic::of(&draws.weights), Smoothed::of(&draws.weights));
    println!("variance diagnostic {:.4}", diagnostic.variance);
    println!("log Z = {:.4} ± {:.4}, exactly 1.8379", diagnostic.log_evidence.value, 2.0 * diagnostic.log_evidence.standard_error);
    println!("effective sample size {:.0}, k̂ = {:.2}", draws.weights.effective_sample_size(), smoothed.shape);
    let mean = smoothed.weights.expectation(&draws.coordinate(1))?;
    println!("mean of x_2 = {:.3} ± {:.3}, exactly 1", mean.value, 2.0 * mean.standard_error);
    Ok(())
}

#[test]
fn the_map_finds_the_banana() -> Result<()> {
    let draws = weighed()?;
    let diagnostic = MapDiagnostic::of(&draws.weights);
    assert!(diagnostic.variance < 0.05, "{diagnostic:?}");
    // Four standard errors, plus rounding.
    let evidence = diagnostic.log_evidence;
    assert!((evidence.value - std::f64::consts::TAU.ln()).abs() < 4.0 * evidence.standard_error + 1e-9, "{evidence:?}");
    assert!(diagnostic.bound.value < evidence.value);
    let mean = draws.weights.expectation(&draws.coordinate(1))?;
    assert!((mean.value - 1.0).abs() < 4.0 * mean.standard_error, "{mean:?}");
    Ok(())
}
