//! The conditioners that go through the pixels of an image: what each conditional reads, exact masses, and one pixel after another.

use burn::tensor::Tensor;
use knothe::{
    Given, Placement, Precision,
    conditioner::{AutoregressiveConditioner, Conditioner, PixelCnn, PixelCnnConfig},
    conformance,
    families::{self, Family, Recipe},
    space::{ImageShape, Law, Shape, Space},
    values,
};

use crate::common::{context, randomised, rng};

/// Small images of one and of several channels, and the numbers that an element can be.
const CASES: [(ImageShape, usize); 4] = [
    (ImageShape { channels: 1, height: 3, width: 3 }, 2),
    (ImageShape { channels: 1, height: 2, width: 5 }, 4),
    (ImageShape { channels: 2, height: 3, width: 2 }, 2),
    (ImageShape { channels: 3, height: 2, width: 2 }, 5),
];

fn network(image: ImageShape, levels: usize, context_dim: usize, within_pixel: bool, place: &Placement) -> PixelCnn {
    let config = PixelCnnConfig { context_dim, levels, width: 24, layers: 4, first_radius: 2, radius: 1, parameters: 2, within_pixel };
    randomised(PixelCnn::new(image, config, place, &mut rng(1)).unwrap(), 0.2, &mut rng(2))
}

fn images(rows: usize, image: ImageShape, levels: usize, place: &Placement) -> Tensor<2> {
    (place.uniform([rows, image.dim()], &mut rng(3)) * levels as f64).floor()
}

/// A change of an element changes the parameters of every later element. Those of the element itself and of earlier ones stay the same, bit for bit.
#[test]
fn parameters_read_all_elements_before_theirs_and_no_others() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for ((image, levels), within_pixel) in CASES.into_iter().flat_map(|case| [(case, true), (case, false)]) {
            let network = network(image, levels, 0, within_pixel, &place);
            // The elements that are generated together.
            let group = |rank: usize| if within_pixel { rank } else { rank / image.channels };
            let columns = network.order().columns().to_vec();
            let x = images(1, image, levels, &place);
            let of = |x: &Tensor<2>| values(network.parameters(x.clone(), &Given::default()).unwrap());
            let before = of(&x);
            for (rank, &column) in columns.iter().enumerate() {
                let mut other = values(x.clone());
                other[column] = (levels - 1) as f64 - other[column] + f64::from(levels % 2 == 1) * 0.5;
                let after = of(&place.tensor(other, [1, image.dim()]));
                for (later, &read) in columns.iter().enumerate() {
                    for p in 0..2 {
                        let k = p * image.dim() + read;
                        assert_eq!(
                            before[k] != after[k],
                            group(later) > group(rank),
                            "{image:?}: element {rank}, parameter {p} of element {later}"
                        );
                    }
                }
            }
        }
    }
}

/// One pixel after another gives the parameters of the pass over the whole image.
#[test]
fn the_incremental_form_has_the_parameters_of_the_parallel_one() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for (image, levels) in CASES {
            for (context_dim, within_pixel) in [(0, true), (3, true), (3, false)] {
                let network = network(image, levels, context_dim, within_pixel, &place);
                let (rows, dim) = (4, image.dim());
                let x = images(rows, image, levels, &place);
                let context = context(rows, context_dim, &place, &mut rng(4));
                let given = Given::context(context.as_ref());
                let expected = values(network.parameters(x.clone(), &given).unwrap());
                let mut found = vec![0.0; expected.len()];
                let step = |column: usize, theta: Tensor<3>| {
                    for (k, v) in values(theta).into_iter().enumerate() {
                        found[k * dim + column] = v;
                    }
                    Ok(x.clone().narrow(1, column, 1))
                };
                let solved = network.solve(rows, &given, &place, step).unwrap();
                assert_eq!(values(solved), values(x.clone()));
                for (k, (f, e)) in found.iter().zip(&expected).enumerate() {
                    // Some hundred products of numbers of about 1, in another order.
                    assert!((f - e).abs() <= 200.0 * precision.epsilon() * (1.0 + e.abs()), "{image:?} {k}: {f} against {e}");
                }
            }
        }
    }
}

/// P(x) over all images adds up to 1, and samples have these masses.
#[test]
fn masses_sum_to_one_and_samples_have_them() {
    let place = Placement::cpu(Precision::F64);
    for (image, levels) in [(CASES[0].0, 2), (ImageShape { channels: 2, height: 2, width: 1 }, 4)] {
        let space = Space::new(Shape::Grid(image), Law::Codes(levels));
        let families: [&'static dyn Family; 2] = [&families::PixelCnn, &families::PixelCnnPp];
        for (family, context_dim) in families.into_iter().flat_map(|family| [(family, 0), (family, 2)]) {
            let recipe = Recipe::new(family, space.clone()).context(context_dim).layers(3).width(6).windows([3, 3]);
            let density = randomised(recipe.build(&place).unwrap(), 0.3, &mut rng(5));
            let context = context(1, context_dim, &place, &mut rng(6));
            let support: Vec<f64> = (0..levels).map(f64::from).collect();
            conformance::masses_sum_to_one(&density, &support, context.as_ref(), &place).unwrap();
            conformance::samples_have_masses(&density, &support, 4_000, context.as_ref(), &place, &mut rng(7)).unwrap();
        }
    }
}
