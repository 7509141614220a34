//! Settings that are no map. The laws of every map run in tests/laws.rs.

use burn::tensor::Tensor;

use super::*;
use crate::{Placement, Precision};

#[test]
fn settings_that_are_no_map_are_errors() {
    let place = Placement::cpu(Precision::F64);
    let zeros = || -> (Tensor<2>, Tensor<3>) { (place.zeros([1, 1]), place.zeros([1, 2, 1])) };
    for broken in [(0, 1, None), (2, 17, None), (2, 2, Some(-1.0)), (2, 2, Some(f64::INFINITY))] {
        let (polynomials, degree, bound) = broken;
        let found = SumOfSquares { polynomials, degree, bound }.value(zeros().0, zeros().1);
        assert!(matches!(found, Err(Error::Invalid { .. })), "{broken:?}");
    }
    for broken in [DeepSigmoidal { units: 0, layers: 1 }, DeepSigmoidal { units: 1, layers: 0 }] {
        assert!(matches!(broken.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{broken:?}");
    }
    for (law, components) in [(Standard::Normal, 0), (Standard::Uniform, 1)] {
        assert!(matches!(MixtureCdf { law, components }.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{law:?}");
    }
    for broken in [(0, 4.0), (17, 4.0), (2, 0.0), (2, f64::NAN)] {
        let found = RectifiedPolynomial { degree: broken.0, bound: broken.1 }.value(zeros().0, zeros().1);
        assert!(matches!(found, Err(Error::Invalid { .. })), "{broken:?}");
    }
    assert!(matches!(Sigmoidal(0).value(zeros().0, zeros().1), Err(Error::Invalid { .. })));
    for broken in [Spline { bins: 1, bound: 1.0 }, Spline { bins: 8, bound: 0.0 }, Spline { bins: 8, bound: f64::NAN }] {
        assert!(matches!(broken.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{broken:?}");
    }
}
