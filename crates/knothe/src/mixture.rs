//! A mixture of densities, q(x | c) = Σ_k w_k q_k(x | c): an ensemble as one density.
//!
//! Where single fits err in different places, their mixture has a mean log-likelihood of at least the (weighted) mean of
//! theirs, because the logarithm is concave (Jensen).

use burn::module::Module;
use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use crate::{
    bijection::{Given, Replay, check_dim},
    density::{Density, Drawn, Exactness},
    error::{Error, Result},
    order::index,
    placement::{Placement, values},
    random::{Purpose, stream},
    univariate::special::logsumexp,
};

/// How far from 1 the weights of a mixture may add up: rounding of any number of members.
const WEIGHT_SUM: f64 = 1e-9;

/// q(x | c) = Σ_k w_k q_k(x | c), with fixed weights w_k.
#[derive(Module, Debug)]
pub struct Mixture<D: Module> {
    members: Vec<D>,
    #[module(skip)]
    weights: Vec<f64>,
}

impl<D: Density + Module> Mixture<D> {
    /// The mixture of equal weights.
    ///
    /// # Errors
    /// As [`Mixture::weighted`].
    pub fn new(members: Vec<D>) -> Result<Self> {
        let weight = 1.0 / members.len() as f64;
        let weights = vec![weight; members.len()];
        Mixture::weighted(members, weights)
    }

    /// The mixture of given weights.
    ///
    /// # Errors
    /// [`Error::Invalid`] without members, and where the weights are not one a member, at least 0 and of sum 1;
    /// [`Error::Shape`] where the members differ in dim or context_dim.
    pub fn weighted(members: Vec<D>, weights: Vec<f64>) -> Result<Self> {
        let Some(first) = members.first() else {
            return Err(Error::invalid("mixture", "at least one member", "none"));
        };
        let shape = |d: &D| (d.dim(), d.context_dim());
        if let Some((k, other)) = members.iter().enumerate().find(|(_, d)| shape(d) != shape(first)) {
            let words = |(dim, context_dim)| format!("dim {dim} and context_dim {context_dim}");
            return Err(Error::shape(format!("member {} of the mixture", k + 1), words(shape(first)), words(shape(other))));
        }
        let sum: f64 = weights.iter().sum();
        if weights.len() != members.len() || weights.iter().any(|w| w.is_nan() || *w < 0.0) || (sum - 1.0).abs() > WEIGHT_SUM {
            let expected = format!("{} numbers of at least 0 that add up to 1", members.len());
            return Err(Error::invalid("weights of the mixture", expected, format!("{weights:?}")));
        }
        Ok(Mixture { members, weights })
    }

    /// The densities q_k.
    pub fn members(&self) -> &[D] {
        &self.members
    }

    /// The weights w_k.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// log w_k + log q_k(x | context), `[members, rows]`, of at least one row.
    fn log_joint(&self, x: &Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let one = |(q, w): (&D, &f64)| Ok((q.log_prob(x.clone(), given)? + w.ln()).unsqueeze_dim::<2>(0));
        Ok(Tensor::cat(self.members.iter().zip(&self.weights).map(one).collect::<Result<_>>()?, 0))
    }

    /// log w_k + log q_k(x_S | context), `[members, rows]`, of at least one row.
    fn log_known(&self, x: &Tensor<2>, known: &Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let none = Placement::of(x).zeros(x.dims());
        let one = |(q, w): (&D, &f64)| Ok((q.log_prob_given(x.clone(), &none, known, given)? + w.ln()).unsqueeze_dim::<2>(0));
        let all = Tensor::cat(self.members.iter().zip(&self.weights).map(one).collect::<Result<_>>()?, 0);
        let (shape, log_weights) = (all.dims(), self.weights.iter().map(|w| w.ln()).collect());
        // What no member thinks possible says nothing about the members.
        let impossible = logsumexp(all.clone(), 0).equal_scalar(f64::NEG_INFINITY).expand(shape);
        Ok(all.mask_where(impossible, Placement::of(x).tensor::<2>(log_weights, [shape[0], 1]).expand(shape)))
    }

    /// Draws the member of each of `n` rows with probability w_k, and then the rows of each member by `draw`, which is told how many.
    pub fn sample_with<R: Rng>(
        &self,
        n: usize,
        given: &Given,
        rng: &mut R,
        mut draw: impl FnMut(&D, usize, &Given, &mut R) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        given.check(n, self.context_dim())?;
        let member_of: Vec<usize> = match self.members.len() {
            1 => vec![0; n],
            _ => (0..n).map(|_| choose(&self.weights, rng.random())).collect(),
        };
        self.by_member(&member_of, given, |q, rows, given| draw(q, rows.len(), given, rng))
    }

    /// What `call` makes of the rows of each member, given the member that each row belongs to; back in the order of the rows.
    fn by_member(
        &self,
        member_of: &[usize],
        given: &Given,
        mut call: impl FnMut(&D, &[usize], &Given) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        let mut groups = vec![Vec::new(); self.members.len()];
        member_of.iter().enumerate().for_each(|(row, &k)| groups[k].push(row));
        let (mut order, mut parts) = (Vec::with_capacity(member_of.len()), Vec::new());
        for (k, (member, rows)) in self.members.iter().zip(&groups).enumerate() {
            // Without a row, the first member gives the result without rows.
            if rows.is_empty() && (k > 0 || !member_of.is_empty()) {
                continue;
            }
            let own = given.map(|t| t.clone().select(0, index(rows, &t.device())));
            parts.push(call(member, rows, &own.given()).map_err(|e| e.renumbered(|row| rows.get(row).copied().unwrap_or(row)))?);
            order.extend_from_slice(rows);
        }
        let together = Tensor::cat(parts, 0);
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &row)| place[row] = at);
        let place = index(&place, &together.device());
        Ok(together.select(0, place))
    }
}

impl<D: Density + Module> Density for Mixture<D> {
    fn dim(&self) -> usize {
        self.members.first().map_or(0, D::dim)
    }

    fn context_dim(&self) -> usize {
        self.members.first().map_or(0, D::context_dim)
    }

    fn exactness(&self) -> Exactness {
        let bound = self.members.iter().any(|q| q.exactness() == Exactness::LowerBound);
        if bound { Exactness::LowerBound } else { Exactness::Exact }
    }

    fn check_absent(&self) -> Result<()> {
        self.members.iter().try_for_each(D::check_absent)
    }

    fn starts_from_data(&self) -> bool {
        self.members.iter().any(D::starts_from_data)
    }

    fn has_statistics(&self) -> bool {
        self.members.iter().any(D::has_statistics)
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.members.iter_mut().try_for_each(|q| q.initialise(data))
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.members.iter_mut().try_for_each(|q| q.collect_statistics(data))
    }

    /// log Σ_k exp(log w_k + log q_k(x | context)).
    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = check_dim("x", &x, self.dim())?;
        given.check(rows, self.context_dim())?;
        // Burn takes a length of 0 in a new shape to mean that of the old one.
        if rows == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        Ok(logsumexp(self.log_joint(&x, given)?, 0).reshape([rows]))
    }

    /// log Σ_k w_k q_k(x_S, x_A | context) − log Σ_k w_k q_k(x_S | context).
    fn log_prob_given(&self, x: Tensor<2>, known: &Tensor<2>, asked: &Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        if let [only] = self.members.as_slice() {
            return only.log_prob_given(x, known, asked, given);
        }
        if x.dims()[0] == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        let of_known = self.log_known(&x, known, given)?;
        let more = |q: &D| Ok(q.log_prob_given(x.clone(), known, asked, given)?.unsqueeze_dim::<2>(0));
        let of_both = of_known.clone() + Tensor::cat(self.members.iter().map(more).collect::<Result<_>>()?, 0);
        Ok((logsumexp(of_both, 0) - logsumexp(of_known, 0)).squeeze_dim::<1>(0))
    }

    /// Member k draws a row with probability w_k q_k(x_S | context) / Σ_l w_l q_l(x_S | context). The first number of the row chooses the member. Rescaled to the interval of that member, it is uniform again.
    fn sample_given(&self, x: Tensor<2>, known: &Tensor<2>, asked: &Drawn, given: &Given) -> Result<Tensor<2>> {
        let ([rows, dim], members) = (x.dims(), self.members.len());
        let draws = asked.check([rows, dim])?;
        if let ([only], _) | ([only, ..], true) = (self.members.as_slice(), rows == 0 || draws == 0) {
            return only.sample_given(x, known, asked, given);
        }
        let log = self.log_known(&x, known, given)?;
        let shares = values((log.clone() - logsumexp(log, 0)).exp());
        let mut numbers = values(asked.u.clone());
        let mut member_of = Vec::with_capacity(rows * draws);
        for (k, numbers) in numbers.chunks_exact_mut(dim).enumerate() {
            let of_row: Vec<f64> = (0..members).map(|member| shares[member * rows + k / draws]).collect();
            let member = choose(&of_row, numbers[0]);
            let below: f64 = of_row[..member].iter().sum();
            // Rounding must not carry the number to an end of the interval.
            numbers[0] = ((numbers[0] - below) / of_row[member]).clamp(1e-6, 1.0 - 1e-6);
            member_of.push(member);
        }
        let place = Placement::of(&x);
        let u: Tensor<2> = place.tensor(numbers, [rows * draws, dim]);
        let of_draw: Vec<usize> = (0..rows * draws).map(|k| k / draws).collect();
        let repeated = |t: &Tensor<2>| t.clone().select(0, index(&of_draw, &t.device()));
        let [x, known, mask] = [&x, known, &asked.asked].map(repeated);
        let all = given.map(repeated);
        self.by_member(&member_of, &all.given(), |q, rows, given| {
            let own = |t: &Tensor<2>| t.clone().select(0, index(rows, &t.device()));
            q.sample_given(own(&x), &own(&known), &Drawn { asked: own(&mask), u: own(&u), most: asked.most }, given)
        })
    }

    /// Draws the member of each row with probability w_k, then the row from it. A mixture of one draws as its member does.
    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        self.sample_with(n, given, rng, |q, rows, given, rng| q.sample(rows, given, rng))
    }

    /// The transform of a member that is drawn, for each row, from its responsibilities r_k(x) = w_k q_k(x) / q(x), by
    /// `given.seed`.
    ///
    /// It is exactly uniform when x follows the mixture. Such an x comes with a member K, drawn with probability w_K, that it
    /// is drawn from; r_k(x) is the law of K given x, so a member K′ drawn from it makes (x, K′) a pair of the same law as
    /// (x, K). Given K′ = k, then, x follows q_k, and the transform of x by q_k is uniform. That holds for every k, so it
    /// holds for the mixture.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = check_dim("x", &x, self.dim())?;
        given.check(rows, self.context_dim())?;
        let member_of = if rows == 0 || self.members.len() == 1 { vec![0; rows] } else { self.responsible(&x, given)? };
        self.by_member(&member_of, given, |q, rows, given| q.to_uniform(x.clone().select(0, index(rows, &x.device())), given))
    }
}

impl<D: Density + Module> Mixture<D> {
    /// A member for each row, drawn from its responsibilities.
    fn responsible(&self, x: &Tensor<2>, given: &Given) -> Result<Vec<usize>> {
        let rows = x.dims()[0];
        let log_joint = values(self.log_joint(x, given)?);
        // Discrete conditionals take the noise of index 1.
        let mut rng = stream(given.seed, Purpose::Check, 2);
        let of_row = |row| {
            let log_joint = || log_joint.iter().skip(row).step_by(rows);
            let most = log_joint().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = log_joint().map(|l| (l - most).exp()).collect();
            choose(&shares, rng.random())
        };
        Ok((0..rows).map(of_row).collect())
    }
}

/// The index k with probability shares_k / Σ shares, from `u` uniform on [0, 1).
pub(crate) fn choose(shares: &[f64], u: f64) -> usize {
    let mut left = u * shares.iter().sum::<f64>();
    let found = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    // The last share that is not 0 also takes what rounding leaves over.
    found.or_else(|| shares.iter().rposition(|share| *share > 0.0)).unwrap_or(0)
}

#[cfg(test)]
#[path = "mixture_tests.rs"]
mod tests;
