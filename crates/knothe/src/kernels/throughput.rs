//! How near each univariate map is to what its elementary functions allow:
//! `cargo test --release --workspace --lib throughput -- --ignored --nocapture`, on an idle machine.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{hint::black_box, time::Instant};

use super::lanes::{LANES, Lanes, vectorised};
use crate::univariate::{Affine, MonotoneMap, Sigmoidal, Spline, SumOfSquares};

/// Rows of a tile.
const ROWS: usize = 128;
const TIMES: usize = 400;
/// Calls a time, so that the clock's own time is of no account.
const CALLS: usize = 16;

/// Nanoseconds a row of the fastest of some calls.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let one = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64()
    };
    let least = (0..TIMES).map(|_| one(&mut call)).fold(f64::INFINITY, f64::min);
    least * 1e9 / (ROWS * CALLS) as f64
}

/// Of a function over a tile that lies in the nearest cache.
macro_rules! of_function {
    ($x:ident, $value:expr) => {{
        let mut x: Vec<f32> = (0..ROWS).map(|k| 0.1 + k as f32 / 50.0).collect();
        let from = x.clone();
        nanoseconds(|| {
            vectorised(
                #[inline(always)]
                || {
                    for (x, from) in x.chunks_exact_mut(LANES).zip(black_box(&from).chunks_exact(LANES)) {
                        let $x = Lanes::<f32>::load(from);
                        $value.store(x);
                    }
                },
            );
        })
    }};
}

#[test]
#[ignore = "a measurement, which wants an idle machine"]
fn of_each_map() {
    let [exp, log] = [of_function!(x, x.exp()), of_function!(x, x.log())];
    println!("float32, one thread, nanoseconds a number: exp {exp:.2}, log {log:.2}");
    println!("map                 value  allows  share   gradient  allows  share");
    // The exponentials and logarithms of a value and of a gradient; beside them are divisions, roots, choices and sums.
    let (bins, units) = (8.0, 16.0);
    let maps: [(&str, &dyn MonotoneMap, _, _); 4] = [
        ("affine", &Affine::default(), [1.0, 0.0], [1.0, 0.0]),
        ("spline", &Spline::default(), [2.0 * bins + 2.0, 3.0], [2.0 * bins + 2.0, 2.0]),
        ("sum of squares", &SumOfSquares::default(), [0.0, 1.0], [0.0, 0.0]),
        ("sigmoidal", &Sigmoidal(16), [5.0 * units + 2.0, 2.0], [6.0 * units + 2.0, 2.0]),
    ];
    for (name, map, value, gradient) in maps {
        let kernel = map.kernel().unwrap();
        let x: Vec<f32> = (0..ROWS).map(|k| (k as f32 - 64.0) / 25.0).collect();
        let theta: Vec<f32> = (0..ROWS * map.parameters()).map(|k| ((k * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
        let (mut y, mut ladj, mut gtheta, mut gx) = (x.clone(), x.clone(), theta.clone(), x.clone());
        let of_value = nanoseconds(|| kernel.value(black_box(&x), &theta, &mut y, &mut ladj));
        let of_gradient = nanoseconds(|| kernel.gradient(black_box(&x), &theta, [&y, &ladj], &mut gtheta, &mut gx));
        let allows = |[exponentials, logarithms]: [f64; 2]| exponentials * exp + logarithms * log;
        let (least, other) = (allows(value), allows(gradient));
        println!(
            "{name:18} {of_value:6.2} {least:7.2} {:5.0}% {of_gradient:9.2} {other:7.2} {:5.0}%",
            100.0 * least / of_value,
            100.0 * other / of_gradient
        );
    }
}
