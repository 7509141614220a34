//! The order of the columns decides what one autoregressive layer can learn, and five layers need not care
//! (Papamakarios, Pavlakou & Murray 2017, Fig. 1): x₂ ~ N(0, 4), x₁ ~ N(x₂²/4, 1).
//!
//! The gap is mean(log q_true − log q_model) over 100,000 new points, in nats: about 0 where the model can be the truth.
//! x₂ first makes both conditionals Gaussian. x₁ first makes x₂ given x₁ two-humped, and the best Gaussian conditionals leave
//! a gap of 0.3354.
//!
//! `cargo run --release --example parabola`

#[path = "toy/mod.rs"]
mod toy;

use knothe::{
    Result,
    families::{Made, Maf},
    fit::FitConfig,
    toys::Toy,
};

use toy::{learn, place};

fn main() -> Result<()> {
    let config = FitConfig { steps: Some(4000), ..FitConfig::default() };
    println!("one layer is a MADE with Gaussian conditionals; gaps in nats");
    for (recipe, layers, columns, note) in [
        (Made::new(2), 1, [1, 0], "x₂ first: Gaussian conditionals are the truth"),
        (Made::new(2), 1, [0, 1], "x₁ first: they are not; the least gap is 0.3354"),
        (Maf::new(2), 5, [0, 1], "x₁ first again"),
    ] {
        let name = recipe.name();
        let learned = learn(Toy::Parabola, columns, recipe.hidden([64, 64]).flow(&place())?, &config)?;
        println!("{name:5} of {layers} layer(s)  gap {:7.4}  {note}", learned.gap);
    }
    Ok(())
}
