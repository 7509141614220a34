//! Polynomials of the earlier coordinates as a conditioner.

use std::collections::BTreeSet;

use burn::module::{Module, Param};
use burn::tensor::{DType, Gradients, Tensor};

use super::{
    AutoregressiveConditioner, Conditioner, Order, Widths, check_context, index,
    multi_index::{MultiIndex, total_degree},
};
use crate::{
    error::{Error, Result},
    given::Given,
    placement::{Placement, values},
    shape::check_input,
    univariate::hermite,
};

/// The most multi-indices of all coordinates together.
const MOST: usize = 1 << 17;
/// The polynomials are constant outside ± this number of a coordinate, where no draw of a normal source lies.
const BOUND: f64 = 8.0;
/// The scale beyond which the context counts by its logarithm.
const FAR: f64 = 5.0;

/// θ_{j,d}(x_<j, context) = Σ_α c_α Π_i ψ_{α_i}(v_i), where v are the context and the coordinates before j, and ψ are the Hermite polynomials He_n/√n!.
///
/// Each coordinate j has a set of multi-indices α over the context and the coordinates up to j. The degree α_j is the number d of the parameter. With a
/// [`RectifiedPolynomial`](crate::univariate::RectifiedPolynomial), the map of coordinate j is the one of the polynomial f(x_≤j) = Σ_α c_α Π_i ψ_{α_i}(v_i) (Baptista, Marzouk and
/// Zahm 2023). Coordinates outside [−8, 8] count as ±8, and a context c as 5 asinh(c/5). All coefficients are 0 at the start.
#[derive(Module, Debug)]
pub struct PolynomialConditioner {
    /// `[monomials, parameters · dim]`.
    coefficients: Param<Tensor<2>>,
    /// 1 for each coefficient of a multi-index, 0 for the others.
    mask: Tensor<2>,
    /// The monomials of earlier variables: the constant first, then by their number of variables.
    #[module(skip)]
    monomials: Vec<MultiIndex>,
    #[module(skip)]
    sets: Vec<BTreeSet<MultiIndex>>,
    #[module(skip)]
    order: Order,
    #[module(skip)]
    context_dim: usize,
    #[module(skip)]
    parameters: usize,
}

impl PolynomialConditioner {
    /// All polynomials up to a total degree.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a degree of 0 and for too many monomials.
    pub fn of_degree(order: Order, context_dim: usize, degree: usize, place: &Placement) -> Result<Self> {
        Error::check_count("degree", degree)?;
        let variables = context_dim + order.dim();
        if !Self::is_possible(variables, degree) {
            let found = format!("{:.3e}, for degree {degree} in {variables} variables", count(variables, degree));
            return Err(Error::invalid("terms of the polynomials", format!("at most {MOST}"), found));
        }
        let sets = (0..order.dim()).map(|rank| total_degree(context_dim + rank + 1, degree).into_iter().collect()).collect();
        Self::new(order, context_dim, sets, degree + 1, place)
    }

    /// Whether [`of_degree`](PolynomialConditioner::of_degree) takes so many coordinates and columns of the context together.
    pub(crate) fn is_possible(variables: usize, degree: usize) -> bool {
        count(variables, degree) <= MOST as f64
    }

    /// The polynomials of these multi-indices for each coordinate, in the order of the coordinates.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one set per coordinate, and [`Error::Invalid`] for a multi-index with a later variable, a variable that is not sorted or a degree that has no
    /// parameter.
    pub fn new(order: Order, context_dim: usize, sets: Vec<BTreeSet<MultiIndex>>, parameters: usize, place: &Placement) -> Result<Self> {
        let dim = order.dim();
        if sets.len() != dim {
            return Err(Error::shape("sets of multi-indices", format!("{dim}, one per coordinate"), sets.len()));
        }
        let mut earlier: BTreeSet<MultiIndex> = BTreeSet::from([Vec::new()]);
        for (rank, set) in sets.iter().enumerate() {
            for alpha in set {
                let own = context_dim + rank;
                let sorted = alpha.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let (before, degree) = split(alpha, own);
                let fits = alpha.iter().all(|(variable, degree)| *variable <= own && *degree > 0) && degree < parameters;
                if !sorted || !fits {
                    return Err(Error::invalid(
                        "multi-index",
                        format!("sorted variables up to {own}, with degrees below {parameters}"),
                        format!("{alpha:?}"),
                    ));
                }
                // With a monomial come its beginnings, from which it is computed.
                earlier.extend((0..=before.len()).map(|length| before[..length].to_vec()));
            }
        }
        let mut monomials: Vec<MultiIndex> = earlier.into_iter().collect();
        monomials.sort_by_key(|monomial| (monomial.len(), monomial.clone()));
        place.count(monomials.len())?;
        let size = [monomials.len(), parameters * dim];
        let zeros = place.zeros(size);
        let mut found = PolynomialConditioner {
            coefficients: Param::from_tensor(zeros.clone()),
            mask: zeros,
            monomials,
            sets,
            order,
            context_dim,
            parameters,
        };
        if !place.is_outline() {
            let mut mask = vec![0.0; size[0] * size[1]];
            for (rank, alpha) in found.terms() {
                if let Some(at) = found.place_of(alpha, rank) {
                    mask[at] = 1.0;
                }
            }
            found.mask = place.tensor(mask, size);
        }
        Ok(found)
    }

    /// The multi-indices of each coordinate, in the order of the coordinates.
    pub fn sets(&self) -> &[BTreeSet<MultiIndex>] {
        &self.sets
    }

    /// The same polynomials with the coefficients of another conditioner, for the multi-indices that both have.
    pub(crate) fn with_coefficients_of(mut self, other: &Self) -> Self {
        let mut found = values(self.coefficients.val().inner());
        let theirs = values(other.coefficients.val().inner());
        for (rank, alpha) in self.terms().filter(|(rank, alpha)| other.sets[*rank].contains(*alpha)) {
            if let (Some(to), Some(from)) = (self.place_of(alpha, rank), other.place_of(alpha, rank)) {
                found[to] = theirs[from];
            }
        }
        let shape = self.coefficients.dims();
        let place = Placement::of(&self.mask);
        self.coefficients = Param::from_tensor(place.tensor(found, shape));
        self
    }

    /// The gradient by the coefficient of each multi-index, with the rank of its coordinate.
    pub(crate) fn gradient_of_terms(&self, gradients: &Gradients) -> Vec<(usize, MultiIndex, f64)> {
        let Some(found) = self.coefficients.val().grad(gradients).map(values) else { return Vec::new() };
        self.terms().filter_map(|(rank, alpha)| self.place_of(alpha, rank).map(|at| (rank, alpha.clone(), found[at]))).collect()
    }

    /// The multi-indices of all coordinates, each with the rank of its coordinate.
    fn terms(&self) -> impl Iterator<Item = (usize, &MultiIndex)> {
        self.sets.iter().enumerate().flat_map(|(rank, set)| set.iter().map(move |alpha| (rank, alpha)))
    }

    /// The place of the coefficient of a multi-index among all coefficients.
    fn place_of(&self, alpha: &MultiIndex, rank: usize) -> Option<usize> {
        let (before, degree) = split(alpha, self.context_dim + rank);
        let row = self.monomials.binary_search_by(|known| (known.len(), &known[..]).cmp(&(before.len(), before))).ok()?;
        let dim = self.order.dim();
        Some((row * self.parameters + degree) * dim + self.order.columns()[rank])
    }

    /// All monomials of earlier variables, `[rows, monomials]`.
    fn features(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        let device = x.device();
        let [rows, _] = x.dims();
        let x = x.select(1, index(self.order.columns(), &device));
        let x = x.clamp(-BOUND, BOUND);
        let variables = match context {
            Some(context) => Tensor::cat(vec![(context.clone() * FAR.recip()).asinh() * FAR, x], 1),
            None => x,
        };
        let [_, width] = variables.dims();
        let highest = self.monomials.iter().flatten().map(|(_, degree)| *degree).max().unwrap_or(0);
        let constant = Placement::of(&variables.clone().inner()).zeros([rows, 1]) + 1.0;
        if highest == 0 {
            return constant;
        }
        // ψ_d of variable v stands in column (d − 1) · width + v.
        let powers = Tensor::cat(hermite(&variables, highest).split_off(1), 1);
        let (mut all, mut level, mut start) = (vec![constant.clone()], constant, 0);
        while let Some(length) = self.monomials.get(start).map(Vec::len) {
            let end = start + self.monomials[start..].iter().take_while(|monomial| monomial.len() == length).count();
            let next: Vec<&MultiIndex> = self.monomials[end..].iter().take_while(|monomial| monomial.len() == length + 1).collect();
            if next.is_empty() {
                break;
            }
            let own = &self.monomials[start..end];
            let parents: Vec<usize> = next.iter().map(|m| own.binary_search_by(|known| known[..].cmp(&m[..length])).unwrap_or(0)).collect();
            let factors: Vec<usize> = next.iter().map(|m| (m[length].1 - 1) * width + m[length].0).collect();
            level = level.select(1, index(&parents, &device)) * powers.clone().select(1, index(&factors, &device));
            all.push(level.clone());
            start = end;
        }
        Tensor::cat(all, 1)
    }
}

/// The multi-indices of all coordinates: over v variables there are C(v + degree, degree), and C(v + degree + 1, degree + 1) for all of the first v coordinates.
fn count(variables: usize, degree: usize) -> f64 {
    (1..=degree + 1).fold(1.0, |count, d| count * (variables + d) as f64 / d as f64)
}

/// The part of a multi-index before a variable, and the degree of that variable.
fn split(alpha: &MultiIndex, variable: usize) -> (&[(usize, usize)], usize) {
    match alpha.split_last() {
        Some(((last, degree), before)) if *last == variable => (before, *degree),
        _ => (alpha, 0),
    }
}

impl Conditioner for PolynomialConditioner {
    fn widths(&self) -> Widths {
        let dim = self.order.dim();
        Widths { inputs: dim, context_dim: self.context_dim, parameters: self.parameters, outputs: dim }
    }

    fn placement(&self) -> Placement {
        Placement::of(&self.coefficients.val())
    }

    fn dtype(&self) -> DType {
        self.coefficients.val().dtype()
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let (dim, dtype) = (self.order.dim(), self.dtype());
        let rows = check_input("conditioner input", &x, dim, dtype)?;
        let context = check_context(given.context, rows, self.context_dim, dtype)?;
        let theta = self.features(x, context).matmul(self.coefficients.val() * self.mask.clone());
        Ok(theta.reshape([rows, self.parameters, dim]))
    }
}

impl AutoregressiveConditioner for PolynomialConditioner {
    fn order(&self) -> &Order {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::placement::Precision;

    #[test]
    fn parameters_are_the_polynomials() {
        // Of coordinate 1 (the second): θ_0 = 3 ψ_2(x_0) and θ_1 = 5 x_0 c, with a context c.
        let place = Placement::cpu(Precision::F64);
        let sets = vec![BTreeSet::new(), BTreeSet::from([vec![(1, 2)], vec![(0, 1), (1, 1), (2, 1)]])];
        let mut network = PolynomialConditioner::new(Order::natural(2), 1, sets, 2, &place).unwrap();
        let monomials = network.monomials.clone();
        let coefficients = |k: usize| {
            let (monomial, output) = (&monomials[k / 4], k % 4);
            match (monomial.as_slice(), output) {
                ([(1, 2)], 1) => 3.0,
                ([(0, 1), (1, 1)], 3) => 5.0,
                // These have no multi-index, and must not count.
                _ => 100.0,
            }
        };
        network.coefficients = Param::from_tensor(place.tensor((0..4 * monomials.len()).map(coefficients).collect(), [monomials.len(), 4]));
        let context = place.tensor(vec![0.5], [1, 1]);
        let theta = values(network.parameters(place.tensor(vec![2.0, 9.0], [1, 2]), &Given::context(Some(&context))).unwrap());
        // ψ_2(2) = (4 − 1)/√2, and the context counts as 5 asinh(0.1).
        let expected = [0.0, 9.0 / 2f64.sqrt(), 0.0, 50.0 * 0.1f64.asinh()];
        assert!(theta.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13), "{theta:?}");
    }

    #[test]
    fn coefficients_go_to_the_same_multi_indices() {
        let place = Placement::cpu(Precision::F64);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut small = PolynomialConditioner::of_degree(Order::natural(3), 0, 2, &place).unwrap();
        small.coefficients = Param::from_tensor(place.normal(small.coefficients.dims(), &mut rng));
        let large = PolynomialConditioner::of_degree(Order::natural(3), 0, 3, &place).unwrap().with_coefficients_of(&small);
        let x = place.normal::<2>([5, 3], &mut rng);
        let [before, after] = [&small, &large].map(|network| network.parameters(x.clone(), &Given::default()).unwrap());
        // The parameters of the smaller polynomials, and a new one that is 0.
        assert!(values(before - after.clone().narrow(1, 0, 3)).iter().all(|d| d.abs() < 1e-12));
        assert!(values(after.narrow(1, 3, 1)).iter().all(|d| *d == 0.0));
    }

    #[test]
    fn multi_indices_that_do_not_fit_are_refused() {
        let place = Placement::cpu(Precision::F64);
        let with = |alpha: MultiIndex| PolynomialConditioner::new(Order::natural(1), 0, vec![BTreeSet::from([alpha])], 3, &place);
        assert!(with(vec![(0, 2)]).is_ok());
        for wrong in [vec![(1, 1)], vec![(0, 3)], vec![(0, 0)], vec![(0, 1), (0, 1)]] {
            assert!(with(wrong.clone()).is_err(), "{wrong:?}");
        }
        assert!(PolynomialConditioner::of_degree(Order::natural(2), 0, 0, &place).is_err());
        assert!(PolynomialConditioner::of_degree(Order::natural(200), 0, 5, &place).is_err());
    }
}
