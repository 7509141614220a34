//! The list of built-in maps.

use std::sync::Arc;

use super::{
    Affine, Composed, DeepSigmoidal, Inverted, MixtureCdf, MonotoneMap, RectifiedPolynomial, Scale, Sigmoidal, Spline, Standard,
    SumOfSquares,
};

/// Every built-in map by name, in settings small enough for tests. A new map is one line here.
///
/// Every law runs over this list: [`crate::conformance::univariate::every_law`] over each map, and the laws of bijections and
/// densities over layers of each map. `Affine` with [`Scale::Sigmoid`] is not here, since it does not start at the identity.
///
/// ```
/// use knothe::{Precision, conformance, univariate};
/// let (name, map) = univariate::all().swap_remove(0);
/// assert_eq!(name, "affine");
/// conformance::univariate::every_law(&map, Precision::F32)?;
/// # Ok::<(), conformance::Violation>(())
/// ```
pub fn all() -> Vec<(&'static str, Arc<dyn MonotoneMap>)> {
    let logistic = MixtureCdf { law: Standard::Logistic, components: 4 };
    vec![
        ("affine", Arc::new(Affine::default())),
        ("affine with a softplus scale", Arc::new(Affine { scale: Scale::Softplus })),
        ("additive", Arc::new(Affine { scale: Scale::One })),
        ("inverted affine", Arc::new(Inverted(Affine::default()))),
        ("spline", Arc::new(Spline::default())),
        ("narrow spline", Arc::new(Spline { bins: 3, bound: 1.0 })),
        ("spline after location and scale", Arc::new(Composed(Inverted(Affine::default()), Spline::default()))),
        ("spline before location and scale", Arc::new(Composed(Spline::default(), Affine::default()))),
        ("sigmoidal map", Arc::new(Sigmoidal(8))),
        ("deep sigmoidal map", Arc::new(DeepSigmoidal { units: 4, layers: 2 })),
        ("deep sigmoidal map of three layers", Arc::new(DeepSigmoidal { units: 3, layers: 3 })),
        ("normal mixture CDF", Arc::new(MixtureCdf { law: Standard::Normal, components: 4 })),
        ("logistic mixture CDF", Arc::new(logistic)),
        ("logistic mixture CDF before location and scale", Arc::new(Composed(logistic, Affine::default()))),
        ("sum of squares", Arc::new(SumOfSquares::default())),
        ("sum of squares on [−3, 3]", Arc::new(SumOfSquares { polynomials: 7, degree: 2, bound: Some(3.0) })),
        ("rectified polynomial", Arc::new(RectifiedPolynomial::default())),
        ("rectified polynomial of degree 5", Arc::new(RectifiedPolynomial { degree: 5, bound: 3.0 })),
        ("raw sum of squares", Arc::new(SumOfSquares { polynomials: 2, degree: 2, bound: None })),
    ]
}
