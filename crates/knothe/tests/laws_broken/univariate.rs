//! The laws of a univariate map, each shown a broken one.

use burn::tensor::{Tensor, activation};
use knothe::{
    Bijection, Given, Placement, Precision, Result,
    conformance::{self, Law},
    special::log_cosh,
    univariate::{MonotoneMap, check_theta},
};

/// How the map is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// log cosh u from Burn's softplus, which is a line from u = 10 on: in 64 bits the log-slope falls there by 2·10⁻⁹.
    LinearSoftplus,
    /// Falls by 1 at x = 1.
    Falls,
    /// NaN beyond 10².
    NotANumber,
    /// The inverse is off by 10⁻⁸.
    Inverse,
    /// No gradient reaches the parameters.
    Detached,
    /// Shifts by 0.06.
    FarStart,
    /// The third parameter does what the first does.
    Twins,
    /// Takes any number of parameters.
    AnyShape,
    /// 0 in the place of NaN.
    HidesNan,
}

/// T(x; b, a) = sinh(a asinh(x) + b) for |b| < 3 and |log a| < 1, with a third parameter that makes −b/2.
#[derive(Clone, Copy, Debug)]
struct SinhArcsinh(Fault);

impl SinhArcsinh {
    fn skew_and_log_tail(self, x: &Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        if self.0 != Fault::AnyShape {
            check_theta(x, &theta, 3)?;
        }
        let theta = if self.0 == Fault::Detached { Tensor::from_inner(theta.inner()) } else { theta };
        let raw = |k| theta.clone().narrow(1, k, 1).squeeze_dim::<2>(1) * 0.25;
        let third = if self.0 == Fault::Twins { raw(2) } else { raw(2) * -0.5 };
        let bounded = |s: Tensor<2>, bound: f64| s.clone() / ((s * bound.recip()).square() + 1.0).sqrt();
        Ok((bounded(raw(0) + third, 3.0), bounded(raw(1), 1.0)))
    }

    fn log_cosh(self, u: Tensor<2>) -> Tensor<2> {
        match self.0 {
            Fault::LinearSoftplus => activation::softplus(u.clone() * 2.0, 1.0) - u - std::f64::consts::LN_2,
            _ => log_cosh(u),
        }
    }
}

impl MonotoneMap for SinhArcsinh {
    fn parameters(&self) -> usize {
        3
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let (skew, log_tail) = self.skew_and_log_tail(&x, theta)?;
        let v = x.clone().asinh();
        let u = v.clone() * log_tail.clone().exp() + skew;
        let (y, ladj) = (u.clone().sinh(), log_tail + self.log_cosh(u) - self.log_cosh(v));
        let y = match self.0 {
            Fault::Falls => y - x.zeros_like().mask_fill(x.greater_scalar(1.0), 1.0),
            Fault::NotANumber => y.mask_fill(x.greater_scalar(100.0), f64::NAN),
            Fault::FarStart => y + 0.06,
            Fault::HidesNan => y.clone().mask_fill(y.is_nan(), 0.0),
            _ => y,
        };
        Ok((y, ladj))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let (skew, log_tail) = self.skew_and_log_tail(&y, theta)?;
        let y = if self.0 == Fault::FarStart { y - 0.06 } else { y };
        let u = y.asinh();
        let v = (u.clone() - skew) * log_tail.clone().neg().exp();
        let (x, ladj) = (v.clone().sinh(), self.log_cosh(v) - self.log_cosh(u) - log_tail);
        Ok((if self.0 == Fault::Inverse { x + 1e-8 } else { x }, ladj))
    }
}

#[test]
fn laws_of_a_univariate_map_fail_on_broken_maps() {
    for precision in [Precision::F64, Precision::F32] {
        conformance::univariate::every_law(&SinhArcsinh(Fault::None), precision).unwrap_or_else(|violation| panic!("{violation}"));
    }
    let faults = [
        (Fault::LinearSoftplus, Law::LogSlope),
        (Fault::Falls, Law::Increasing),
        (Fault::NotANumber, Law::Increasing),
        (Fault::Inverse, Law::RoundTrip),
        (Fault::Detached, Law::Gradient),
        (Fault::FarStart, Law::NearIdentity),
        (Fault::Twins, Law::UnitsApart),
        (Fault::AnyShape, Law::BadInput),
        (Fault::HidesNan, Law::BadInput),
    ];
    for (fault, law) in faults {
        let found = conformance::univariate::every_law(&SinhArcsinh(fault), Precision::F64).map_err(|violation| violation.law());
        assert_eq!(found, Err(law), "{fault:?}");
    }
}

/// The map with some fixed parameters as a bijection of one coordinate.
struct Fixed(SinhArcsinh);

impl Fixed {
    fn theta(rows: usize, place: &Placement) -> Tensor<3> {
        place.tensor([0.5, 0.4, 0.0].repeat(rows), [rows, 3, 1])
    }
}

impl Bijection for Fixed {
    fn dim(&self) -> usize {
        1
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let theta = Fixed::theta(z.dims()[0], &Placement::of(&z));
        let (x, ladj) = self.0.value(z, theta)?;
        Ok((x, ladj.squeeze_dim(1)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let theta = Fixed::theta(x.dims()[0], &Placement::of(&x));
        let (z, ladj) = self.0.inverse(x, theta)?;
        Ok((z, ladj.squeeze_dim(1)))
    }
}

/// The law of bijections sees the line too, where x is large: the size of T does not loosen the tolerance of its ladj.
#[test]
fn the_law_of_the_ladj_sees_a_softplus_that_is_a_line() {
    let z = Placement::cpu(Precision::F64).tensor(vec![0.5, 11_100.0, -20_000.0], [3, 1]);
    let law = |fault| {
        let map = Fixed(SinhArcsinh(fault));
        conformance::ladj_is_jacobian(&map, z.clone(), &Given::default()).map_err(|violation| violation.law())
    };
    assert_eq!(law(Fault::None), Ok(()));
    assert_eq!(law(Fault::LinearSoftplus), Err(Law::LadjJacobian));
}
