//! The conditioners that go through the pixels of an image: the reach of each conditional, exact masses, and one pixel after another.

use burn::tensor::Tensor;
use knothe::{
    Given, Placement, Precision,
    conditioner::{AutoregressiveConditioner, PixelCnn, PixelCnnConfig, PixelRnn, PixelRnnConfig, Recurrence},
    conformance,
    families::{self, Family, Recipe},
    space::{ImageShape, Law, Shape, Space},
    values,
};

use crate::common::{context, randomised, rng};

/// Small images of one and of several channels, and the numbers that an element can be.
const CASES: [(ImageShape, usize); 6] = [
    (ImageShape { channels: 1, height: 3, width: 3 }, 2),
    (ImageShape { channels: 1, height: 2, width: 5 }, 4),
    (ImageShape { channels: 2, height: 3, width: 2 }, 2),
    (ImageShape { channels: 3, height: 2, width: 2 }, 5),
    (ImageShape { channels: 1, height: 3, width: 6 }, 2),
    (ImageShape { channels: 2, height: 1, width: 4 }, 2),
];

/// The recurrent layers of the networks below, and the radius of their first convolution.
const RECURRENT: (usize, usize) = (2, 1);

fn convolutional(image: ImageShape, levels: usize, context_dim: usize, within_pixel: bool, place: &Placement) -> PixelCnn {
    let config = PixelCnnConfig { context_dim, levels, width: 24, layers: 4, first_radius: 2, radius: 1, parameters: 2, within_pixel };
    randomised(PixelCnn::new(image, config, place, &mut rng(1)).unwrap(), 0.2, &mut rng(2))
}

fn recurrent(image: ImageShape, levels: usize, context_dim: usize, recurrence: Recurrence, place: &Placement) -> PixelRnn {
    let (layers, radius) = RECURRENT;
    let config = PixelRnnConfig { context_dim, levels, width: 24, layers, radius, parameters: 2, recurrence };
    randomised(PixelRnn::new(image, config, place, &mut rng(1)).unwrap(), 0.2, &mut rng(2))
}

fn images(rows: usize, image: ImageShape, levels: usize, place: &Placement) -> Tensor<2> {
    (place.uniform([rows, image.dim()], &mut rng(3)) * levels as f64).floor()
}

/// The row and the column of the pixel of an element.
fn pixel(image: ImageShape, column: usize) -> [isize; 2] {
    let pixel = column % image.pixels();
    [pixel / image.width, pixel % image.width].map(|k| k as isize)
}

/// A change of an element changes the parameters of each later element that `sees` it. All others stay the same, bit for bit. `sees` takes the ranks of both elements.
fn reads_what_it_sees(
    network: &impl AutoregressiveConditioner,
    (image, levels): (ImageShape, usize),
    sees: impl Fn(usize, usize) -> bool,
    place: &Placement,
) {
    let columns = network.order().columns().to_vec();
    let x = images(1, image, levels, place);
    let of = |x: &Tensor<2>| values(network.parameters(x.clone(), &Given::default()).unwrap());
    let before = of(&x);
    for (rank, &column) in columns.iter().enumerate() {
        let mut other = values(x.clone());
        other[column] = (levels - 1) as f64 - other[column] + f64::from(levels % 2 == 1) * 0.5;
        let after = of(&place.tensor(other, [1, image.dim()]));
        for (later, &read) in columns.iter().enumerate() {
            for p in 0..2 {
                let k = p * image.dim() + read;
                assert_eq!(before[k] != after[k], sees(later, rank), "{image:?}: element {rank}, parameter {p} of element {later}");
            }
        }
    }
}

#[test]
fn parameters_read_all_elements_before_theirs_and_no_others() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for (image, levels) in CASES {
            for within_pixel in [true, false] {
                let network = convolutional(image, levels, 0, within_pixel, &place);
                // The elements that are generated together.
                let group = |rank: usize| if within_pixel { rank } else { rank / image.channels };
                reads_what_it_sees(&network, (image, levels), |later, rank| group(later) > group(rank), &place);
            }
            let network = recurrent(image, levels, 0, Recurrence::Diagonal, &place);
            reads_what_it_sees(&network, (image, levels), |later, rank| later > rank, &place);
        }
    }
}

/// With each row upwards, a state sees one more pixel on either side. The window of the first convolution and the left taps of the layers add to that.
#[test]
fn parameters_of_a_row_lstm_read_a_triangle() {
    let (layers, radius) = RECURRENT;
    let (layers, radius) = (layers as isize, radius as isize);
    let mut beyond = 0;
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for (image, levels) in CASES {
            let network = recurrent(image, levels, 0, Recurrence::Row, &place);
            let columns = network.order().columns().to_vec();
            let sees = |later: usize, rank: usize| {
                let ([i, j], [row, column]) = (pixel(image, columns[later]), pixel(image, columns[rank]));
                let up = i - row;
                let farthest = if up == 0 { 0 } else { up - 1 + radius };
                later > rank && (-(up + layers + radius)..=farthest).contains(&(column - j))
            };
            let dim = image.dim();
            beyond += (0..dim * dim).filter(|k| k / dim > k % dim && !sees(k / dim, k % dim)).count();
            reads_what_it_sees(&network, (image, levels), sees, &place);
        }
    }
    assert!(beyond > 10, "the images have elements on either side of the border");
}

/// One pixel after another gives the same parameters as the pass over the whole image.
fn solves_to_its_parameters(network: &impl AutoregressiveConditioner, (image, levels): (ImageShape, usize), precision: Precision) {
    let place = Placement::cpu(precision);
    let (rows, dim) = (4, image.dim());
    let x = images(rows, image, levels, &place);
    let context = context(rows, network.widths().context_dim, &place, &mut rng(4));
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

#[test]
fn the_incremental_form_has_the_parameters_of_the_parallel_one() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for case @ (image, levels) in CASES {
            for (context_dim, within_pixel) in [(0, true), (3, true), (3, false)] {
                solves_to_its_parameters(&convolutional(image, levels, context_dim, within_pixel, &place), case, precision);
            }
            for recurrence in [Recurrence::Row, Recurrence::Diagonal] {
                for context_dim in [0, 3] {
                    solves_to_its_parameters(&recurrent(image, levels, context_dim, recurrence, &place), case, precision);
                }
            }
        }
    }
}

#[test]
fn a_recurrent_network_without_a_size_is_refused() {
    let place = Placement::cpu(Precision::F32);
    let image = CASES[0].0;
    let config =
        PixelRnnConfig { context_dim: 0, levels: 2, width: 4, layers: 1, radius: 1, parameters: 1, recurrence: Recurrence::Diagonal };
    for (what, image, config) in [
        ("layers", image, PixelRnnConfig { layers: 0, ..config.clone() }),
        ("width", image, PixelRnnConfig { width: 0, ..config.clone() }),
        ("radius", image, PixelRnnConfig { radius: 0, ..config.clone() }),
        ("parameters", image, PixelRnnConfig { parameters: 0, ..config.clone() }),
        ("levels", image, PixelRnnConfig { levels: 1, ..config.clone() }),
        ("image", ImageShape { width: 0, ..image }, config),
    ] {
        let error = PixelRnn::new(image, config, &place, &mut rng(1)).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

/// P(x) over all images adds up to 1, and samples have these masses.
#[test]
fn masses_sum_to_one_and_samples_have_them() {
    let place = Placement::cpu(Precision::F64);
    for (image, levels) in [(CASES[0].0, 2), (ImageShape { channels: 2, height: 2, width: 1 }, 4)] {
        let space = Space::new(Shape::Grid(image), Law::Codes(levels));
        let families: [(&'static dyn Family, &[usize]); 4] = [
            (&families::PixelCnn, &[3, 3]),
            (&families::PixelCnnPp, &[3, 3]),
            (&families::RowLstm, &[3]),
            (&families::DiagonalBilstm, &[3]),
        ];
        for ((family, windows), context_dim) in families.into_iter().flat_map(|family| [(family, 0), (family, 2)]) {
            let recipe = Recipe::new(family, space.clone()).context(context_dim).layers(3).width(6).windows(windows);
            let density = randomised(recipe.build(&place).unwrap(), 0.3, &mut rng(5));
            let context = context(1, context_dim, &place, &mut rng(6));
            let support: Vec<f64> = (0..levels).map(f64::from).collect();
            conformance::masses_sum_to_one(&density, &support, context.as_ref(), &place).unwrap();
            conformance::samples_have_masses(&density, &support, 4_000, context.as_ref(), &place, &mut rng(7)).unwrap();
        }
    }
}
