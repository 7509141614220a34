//! Glow on pictures of 8 × 8 pixels made up here, blobs of light of any place and size: bits per dimension as it learns, and four samples in
//! characters. About ten seconds.
//!
//! `cargo run --release --package knothe --example digits`

use knothe::{
    Given, Placement, Precision, Result, bits_per_dim,
    families::Glow,
    fit::{Dataset, Fit},
    space::{ImageShape, Law, Shape, Space},
    values,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

const IMAGE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };

/// A blob in 16 levels of grey.
fn picture(rng: &mut ChaCha12Rng) -> Vec<f64> {
    let [i, j, size]: [f64; 3] = [rng.random_range(2.0..5.0), rng.random_range(2.0..5.0), rng.random_range(1.0..2.0)];
    let square = |k: usize| ((k / IMAGE.width) as f64 - i).powi(2) + ((k % IMAGE.width) as f64 - j).powi(2);
    (0..IMAGE.dim()).map(|k| (15.0 * (-square(k) / (2.0 * size * size)).exp()).round()).collect()
}

fn main() -> Result<()> {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let mut data = |rows: usize| Dataset::new((0..rows).flat_map(|_| picture(&mut rng)).collect::<Vec<f64>>(), IMAGE.dim(), &place);
    let (train, validation) = (data(2048)?, data(512)?);
    let glow = Glow::new(Space::new(Shape::Grid(IMAGE), Law::Codes(16)));
    let q = glow.levels(2).steps_per_level(4).width(32).dequantised(&place.autodiff())?;
    let (q, report) = Fit::new().epochs(10).batch(64).run(q, &train, &validation)?;
    for (epoch, found) in report.history.iter().enumerate() {
        println!("epoch {:2}  {:.3} bits/dim", epoch + 1, bits_per_dim(found.validation, IMAGE.dim()));
    }
    let q = burn::module::Module::valid(&q);
    let samples = values(q.sample_at(4, &Given::default(), 0.8, &mut rng)?);
    for line in 0..IMAGE.height {
        let grey = |level: f64| [' ', '.', ':', 'o', 'O', '@'][(level / 3.0) as usize];
        let part = |sample: &[f64]| sample[line * IMAGE.width..][..IMAGE.width].iter().map(|&v| grey(v)).collect::<String>();
        println!("{}", samples.chunks(IMAGE.dim()).map(part).collect::<Vec<_>>().join("  "));
    }
    Ok(())
}
