//! Draws which pixels the law of one pixel reads: pixel_cnn, row_lstm and diagonal_bilstm side by side.
//!
//! `cargo run --release --package knothe --features images,plot --example receptive_fields -- OUT.png`
//!
//! Each network takes some steps on random images, so that no weight is 0 any longer. Then each pixel is changed in turn. The brightness of a pixel shows by how much this changes the
//! probability of the pixel in the middle, which is drawn in grey: from no change (black) to the largest one (white), on a logarithmic scale of six decades.

use std::path::Path;

use knothe::{
    Density, Given, Placement, Precision, Result,
    events::image::ImageSet,
    families::{DiagonalBilstm, PixelCnn, Recipe, RowLstm},
    fit::{Dataset, Fit},
    plot::mosaic,
    space::{ImageShape, Law, Shape, Space},
    values,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

const SIDE: usize = 15;
const IMAGE: ImageShape = ImageShape { channels: 1, height: SIDE, width: SIDE };
const MIDDLE: usize = SIDE / 2 * SIDE + SIDE / 2;
const DECADES: f64 = 6.0;
/// Pixels of the picture along each side of a pixel.
const ZOOM: usize = 10;

fn main() -> Result<()> {
    let out = std::env::args().nth(1).unwrap_or_else(|| "receptive_fields.png".into());
    let space = || Space::new(Shape::Grid(IMAGE), Law::Codes(2));
    let recipes = [
        PixelCnn::new(space()).layers(6).width(8).windows([5, 3]),
        RowLstm::new(space()).layers(3).width(4).windows([5]),
        DiagonalBilstm::new(space()).layers(3).width(4).windows([5]),
    ];
    let pixels = recipes.into_iter().map(field).collect::<Result<Vec<_>>>()?.concat();
    let shape = ImageShape { channels: 1, height: ZOOM * SIDE, width: ZOOM * SIDE };
    let fields = ImageSet { path: "".into(), shape, depth: 8, white: u8::MAX, pixels, labels: None, weights: None };
    mosaic(&fields, 3)?.write(Path::new(&out))
}

/// The pixels that the middle one reads, as an image.
fn field(recipe: Recipe) -> Result<Vec<u8>> {
    let (place, mut rng) = (Placement::cpu(Precision::F64), ChaCha12Rng::seed_from_u64(0));
    let dim = IMAGE.dim();
    let x = (place.uniform::<2>([64, dim], &mut rng) * 2.0).floor();
    let data = Dataset::new(x.clone(), dim, &place)?;
    let (network, _) = Fit::new().steps(20).run(recipe.build(&place)?, &data, &data)?;
    let image = values(x.narrow(0, 0, 1));
    let network = burn::module::Module::valid(&network);
    // The uniform number of a pixel of 1 is 1 − V P(1), with the same V at each call.
    let of_middle = |image: &[f64]| -> Result<f64> {
        let mut one = image.to_vec();
        one[MIDDLE] = 1.0;
        let u = network.to_uniform(place.tensor(one, [1, dim]), &Given::default())?;
        Ok(values(u)[MIDDLE])
    };
    let before = of_middle(&image)?;
    let mut found = Vec::with_capacity(dim);
    for pixel in 0..dim {
        let mut other = image.clone();
        other[pixel] = 1.0 - other[pixel];
        found.push((of_middle(&other)? - before).abs());
    }
    let most = found.iter().enumerate().filter(|(k, _)| *k != MIDDLE).map(|(_, v)| *v).fold(0.0, f64::max);
    let level = |v: f64| if v > 0.0 { (((v / most).log10() / DECADES + 1.0).clamp(0.1, 1.0) * 255.0) as u8 } else { 0 };
    let drawn = |k: usize| if k == MIDDLE { 128 } else { level(found[k]) };
    let side = ZOOM * SIDE;
    Ok((0..side * side).map(|k| drawn(k / side / ZOOM * SIDE + k % side / ZOOM)).collect())
}
