//! Laws of a bijection that need its values alone.

use burn::tensor::Tensor;

use super::{
    Law, Violation, check, failed, is_triangular, ladj_is_jacobian,
    measure::{Way, condition, rounding},
};
use crate::{
    bijection::{Bijection, Given},
    error::Error,
    order::Order,
    placement::{Placement, values},
};

/// T⁻¹(T(z)) = z and, with the same numbers as data, T(T⁻¹(x)) = x.
///
/// `points` is `[rows, dim]`; take some in the source's bulk and some far out, |z| = 8 and 30. Tolerance: rounding of the way
/// there, times how much the way back magnifies it (see [the module](super)).
pub fn round_trip<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::RoundTrip;
    let place = Placement::of(&points);
    let [_, dim] = points.dims();
    let start = values(points.clone());
    for (there, back) in [(Way::Forward, Way::Inverse), (Way::Inverse, Way::Forward)] {
        let there_condition = condition(map, there, &points, given).map_err(failed(law))?;
        let (middle, _) = there.apply(map, points.clone(), given).map_err(failed(law))?;
        let between = there.after(map, given);
        let back_condition = condition(map, back, &middle, &between.given()).map_err(failed(law))?;
        let (end, _) = back.apply(map, middle, &between.given()).map_err(failed(law))?;
        for (k, (found, &expected)) in values(end).into_iter().zip(&start).enumerate() {
            let row = k / dim;
            let tolerance = rounding(&place, expected, back_condition[row].worst() * (1.0 + there_condition[row].worst()).min(1e3));
            check(law, row, || format!("row {row}, column {}, {there:?} then {back:?}", k % dim), expected, found, tolerance)?;
        }
    }
    Ok(())
}

/// ladj of T at z + ladj of T⁻¹ at T(z) = 0, for `points` of `[rows, dim]`.
///
/// Tolerance: that of the ladj of T⁻¹ under a rounding of its argument.
pub fn ladj_sums_to_zero<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::LadjSum;
    let place = Placement::of(&points);
    let (x, ladj) = map.forward_and_ladj(points, given).map_err(failed(law))?;
    let between = Way::Forward.after(map, given);
    let sensitivity = condition(map, Way::Inverse, &x, &between.given()).map_err(failed(law))?;
    let (_, back) = map.inverse_and_ladj(x, &between.given()).map_err(failed(law))?;
    for (row, (there, back)) in values(ladj).into_iter().zip(values(back)).enumerate() {
        check(law, row, || format!("row {row}"), -there, back, rounding(&place, there, sensitivity[row].worst()))?;
    }
    Ok(())
}

/// Both ways, a coordinate that is absent is 0 afterwards, and the ladj of a row of which nothing is present is 0, for `points` of
/// `[rows, dim]` that are 0 where [`Given::present`] is 0. There is no tolerance.
pub fn leaves_absent<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::LeavesAbsent;
    let [_, dim] = points.dims();
    for way in [Way::Forward, Way::Inverse] {
        let Some(present) = way.after(map, given).present.map(values) else { return Ok(()) };
        let (y, ladj) = way.apply(map, points.clone(), given).map_err(failed(law))?;
        for (k, (found, _)) in values(y).into_iter().zip(&present).enumerate().filter(|(_, (_, present))| **present == 0.0) {
            check(law, k / dim, || format!("row {}, column {}, {way:?}", k / dim, k % dim), 0.0, found, 0.0)?;
        }
        for (row, (found, present)) in values(ladj).into_iter().zip(present.chunks(dim.max(1))).enumerate() {
            if present.iter().all(|present| *present == 0.0) {
                check(law, row, || format!("ladj of row {row}, {way:?}"), 0.0, found, 0.0)?;
            }
        }
    }
    Ok(())
}

/// |T(z) − z| ≤ 0.05 in every coordinate, for `points` of `[rows, dim]` in [−3, 3]: how a fresh map must start.
pub fn is_near_identity<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::NearIdentity;
    let [_, dim] = points.dims();
    let start = values(points.clone());
    let (x, _) = map.forward_and_ladj(points, given).map_err(failed(law))?;
    for (k, (found, &expected)) in values(x).into_iter().zip(&start).enumerate() {
        check(law, k / dim, || format!("row {}, column {}", k / dim, k % dim), expected, found, 0.05)?;
    }
    Ok(())
}

/// T of a row alone = T of the row in its batch, both ways, for `points` of `[rows, dim]`; a batch of one row is then also
/// seen to work.
///
/// Tolerance: rounding, because matrix products of other shapes add in another order.
pub fn is_batch_invariant<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::BatchInvariance;
    let place = Placement::of(&points);
    let [rows, dim] = points.dims();
    for way in [Way::Forward, Way::Inverse] {
        let sensitivity = condition(map, way, &points, given).map_err(failed(law))?;
        let (x, ladj) = way.apply(map, points.clone(), given).map_err(failed(law))?;
        let (x, ladj) = (values(x), values(ladj));
        for row in 0..rows {
            let alone = given.map(|t| t.clone().narrow(0, row, 1));
            let (x1, ladj1) = way.apply(map, points.clone().narrow(0, row, 1), &alone.given()).map_err(failed(law))?;
            for (column, found) in values(x1).into_iter().chain(values(ladj1)).enumerate() {
                let expected = if column < dim { x[row * dim + column] } else { ladj[row] };
                let tolerance = rounding(&place, expected, sensitivity[row].worst());
                check(law, row, || format!("row {row} alone, value {column}, {way:?}"), expected, found, tolerance)?;
            }
        }
    }
    Ok(())
}

/// A batch of 0 rows gives `[0, dim]` and `[0]` both ways. `context_dim` is the width of the context that the map reads.
pub fn handles_empty_batch<B: Bijection + ?Sized>(map: &B, context_dim: usize, place: &Placement) -> Result<(), Violation> {
    let law = Law::EmptyBatch;
    let context = (context_dim > 0).then(|| place.zeros([0, context_dim]));
    for way in [Way::Forward, Way::Inverse] {
        let (x, ladj) = way.apply(map, place.zeros([0, map.dim()]), &Given::context(context.as_ref())).map_err(failed(law))?;
        if x.dims() != [0, map.dim()] || ladj.dims() != [0] {
            let source = Error::shape("result", format!("[0, {}] and [0]", map.dim()), (x.dims(), ladj.dims()));
            return Err(Violation::Failed { law, source });
        }
    }
    Ok(())
}

/// All laws of a map at once: [`round_trip`], [`ladj_sums_to_zero`], [`ladj_is_jacobian`], [`is_batch_invariant`], [`leaves_absent`],
/// [`handles_empty_batch`] and, for a map that is triangular in the order `triangular`, [`is_triangular`]. `points` is `[rows, dim]`.
///
/// How a fresh map must start, [`is_near_identity`], is a law of its own.
pub fn obeys_laws<B: Bijection + ?Sized>(map: &B, triangular: Option<&Order>, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    round_trip(map, points.clone(), given)?;
    ladj_sums_to_zero(map, points.clone(), given)?;
    ladj_is_jacobian(map, points.clone(), given)?;
    is_batch_invariant(map, points.clone(), given)?;
    leaves_absent(map, points.clone(), given)?;
    handles_empty_batch(map, given.context.map_or(0, |c| c.dims()[1]), &Placement::of(&points))?;
    triangular.map_or(Ok(()), |order| is_triangular(map, order.columns(), points, given))
}
