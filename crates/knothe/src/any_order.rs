//! A density that knows the conditional of every element given any set of the others.

mod network;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use rand::{Rng, RngExt};

use crate::{
    bijection::{Given, Replay},
    codes::{layout::Layout, start},
    conditioner::{Activation, check_context},
    density::{Density, Drawn},
    error::{Error, Result},
    order::index,
    placement::{Placement, values},
    random::{Purpose, stream},
    shape::check_input,
    space::Space,
    triangular::sum_coordinates,
    univariate::Conditional,
};
use network::Residual;

/// The architecture of the network of an [`AnyOrder`].
#[derive(Clone, Debug)]
pub struct AnyOrderConfig {
    /// Context columns, which every element reads.
    pub context_dim: usize,
    /// Units of each residual block.
    pub hidden: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// The nonlinearity.
    pub activation: Activation,
    /// Gaussians per real.
    pub components: usize,
}

/// The number of discretised logistic laws per lattice.
const LOGISTICS: usize = 8;

/// q(x_j | x_S, context) for every element j and every set S of other elements, by one network (Uria, Murray and Larochelle 2014, *A deep and tractable density estimator*). A code follows a
/// softmax, a lattice value a [`DiscretisedLogistics`](crate::univariate::DiscretisedLogistics), and a real a mixture of Gaussians.
///
/// The network reads the features of the known elements, with 0 for the others, and a mask of the known elements. A fit draws the sets S at random: [`Density::training_log_prob`] is an unbiased
/// estimate of the mean of log q over all orders. [`Density::log_prob`] is the exact density in the order of the elements. Another order gives another density. The two agree if
/// the network has learned the conditionals.
///
/// An element is absent if its [parent](Space::parent) is absent or has a code other than 0. It is 0 in a sample, and log_prob does not depend on its value. A parent comes before its children.
#[derive(Module, Debug)]
pub struct AnyOrder {
    network: Residual,
    context_dim: usize,
    /// The number of discrete elements, which come first.
    discrete: usize,
    #[module(skip)]
    layout: Arc<Layout>,
    /// The parent of each element.
    #[module(skip)]
    parents: Vec<Option<usize>>,
}

impl AnyOrder {
    /// A network with random weights, whose outputs are near 0.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid space, and if there are no elements, hidden units or components.
    pub fn new(space: &Space, config: &AnyOrderConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        space.check()?;
        Error::check_count("elements", space.dim())?;
        Error::check_count("hidden units", config.hidden)?;
        Error::check_count("components", config.components)?;
        let layout = Layout::whole(space, LOGISTICS, config.components)?;
        let inputs = layout.elements_of_features().len() + layout.dim + config.context_dim;
        let network = Residual::new([inputs, config.hidden, layout.parameters()], config.blocks, config.activation, place, rng)?;
        let parents = (0..space.dim()).map(|j| space.parent(j)).collect();
        Ok(AnyOrder { network, context_dim: config.context_dim, discrete: space.discrete(), layout: Arc::new(layout), parents })
    }

    fn dtype(&self) -> DType {
        self.network.bias().dtype()
    }

    /// Which elements are present, `[rows, dim]`; nothing if all are.
    fn present(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        // Only codes are parents, and Burn has no columns 0..0.
        if self.discrete == 0 {
            return None;
        }
        self.layout.ancestors.present(&x.clone().narrow(1, 0, self.discrete))
    }

    /// The values with 0 for absent elements, and the mask of the present ones.
    fn read(&self, x: Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
        match self.present(&x) {
            Some(present) => (x.mask_fill(present.clone().equal_scalar(0.0), 0.0), Some(present)),
            None => (x, None),
        }
    }

    /// The parameters of every element given the known ones, `[rows, parameters]`. `known` is 1 for known elements and 0 for the others.
    fn theta(&self, x: &Tensor<2>, known: &Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = x.dims()[0];
        let mut inputs = vec![known.clone()];
        if let Some(features) = self.layout.features(x) {
            let masks = known.clone().select(1, index(&self.layout.elements_of_features(), &x.device()));
            inputs.push(features * masks);
        }
        inputs.extend(check_context(given.context, rows, self.context_dim, self.dtype())?.cloned());
        Ok(self.network.forward(Tensor::cat(inputs, 1)))
    }

    /// The law of an element, and its parameters given the known ones, `[rows, parameters, 1]`.
    fn law_of(&self, j: usize, x: &Tensor<2>, known: &Tensor<2>, given: &Given) -> Result<(&dyn Conditional, Tensor<3>)> {
        let (g, i) = self.layout.places[j];
        let group = &self.layout.groups[g];
        let places = index(&group.places(i), &x.device());
        Ok((group.each[i].as_ref(), self.theta(x, known, given)?.select(1, places).unsqueeze_dim::<3>(2)))
    }

    /// log q of each element under its own parameters, `[rows, dim]`, with 0 for absent elements.
    fn log_laws(&self, x: &Tensor<2>, present: Option<&Tensor<2>>, theta: &Tensor<2>) -> Result<Tensor<2>> {
        let of = |group: &crate::codes::layout::Group| group.whole.log_prob(group.values(x), group.parameters(theta));
        let all = self.layout.in_order(self.layout.groups.iter().map(of).collect::<Result<_>>()?);
        Ok(match present {
            Some(present) => all.mask_fill(present.clone().equal_scalar(0.0), 0.0),
            None => all,
        })
    }

    /// Checks rows and their context, and returns their number.
    fn check(&self, x: &Tensor<2>, given: &Given) -> Result<usize> {
        let rows = check_input("x", x, self.layout.dim, self.dtype())?;
        given.check(rows, self.context_dim)?;
        Ok(rows)
    }

    /// A random set of known elements of each row, and the factor of each element in the estimate of log q. An unknown element whose parent is known is ready. Its factor is D over the number of
    /// ready elements. All other elements have the factor 0.
    ///
    /// The set is the first k elements of a random order in which parents precede their children: each next element is chosen uniformly from those whose parent is known. k is uniform on 0, …, D − 1.
    fn masks(&self, rows: usize, rng: &mut impl Rng) -> [Vec<f64>; 2] {
        let dim = self.layout.dim;
        let (mut known, mut factors) = (vec![0.0; rows * dim], vec![0.0; rows * dim]);
        let mut children = vec![Vec::new(); dim];
        self.parents.iter().enumerate().for_each(|(j, parent)| parent.iter().for_each(|p| children[*p].push(j)));
        let first: Vec<usize> = (0..dim).filter(|&j| self.parents[j].is_none()).collect();
        for (known, factors) in known.chunks_exact_mut(dim).zip(factors.chunks_exact_mut(dim)) {
            let mut ready = first.clone();
            for _ in 0..rng.random_range(0..dim) {
                let j = ready.swap_remove(rng.random_range(0..ready.len()));
                known[j] = 1.0;
                ready.extend(&children[j]);
            }
            ready.iter().for_each(|&j| factors[j] = dim as f64 / ready.len() as f64);
        }
        [known, factors]
    }

    /// Checks that the parent of each element that is asked for is known or asked for too.
    fn check_parents(&self, known: &Tensor<2>, asked: &Tensor<2>) -> Result<()> {
        if self.parents.iter().all(Option::is_none) {
            return Ok(());
        }
        let (asked, known) = (values(asked.clone()), values(known.clone()));
        let row_of = |k: usize| k - k % self.layout.dim;
        let lacks =
            |k: usize| self.parents[k % self.layout.dim].is_some_and(|p| known[row_of(k) + p] == 0.0 && asked[row_of(k) + p] == 0.0);
        match (0..asked.len()).find(|&k| asked[k] == 1.0 && known[k] == 0.0 && lacks(k)) {
            None => Ok(()),
            Some(k) => {
                let found = format!("element {} without its parent", k % self.layout.dim);
                Err(Error::invalid("elements asked for", "elements whose parents are known or asked for", found))
            }
        }
    }
}

/// Checks the shape of a mask.
fn check_mask(mask: &Tensor<2>, shape: [usize; 2]) -> Result<()> {
    if mask.dims() == shape { Ok(()) } else { Err(Error::shape("mask", format!("{shape:?}"), format!("{:?}", mask.dims()))) }
}

impl Density for AnyOrder {
    fn dim(&self) -> usize {
        self.layout.dim
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    /// Every law starts from its frequencies, or its mean and deviation, over the rows in which the element is present.
    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let layout = self.layout.clone();
        let biases = start::biases(&layout, data, |x| self.present(&x))?;
        self.network.set_bias(biases);
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let none = Placement::of(&x).zeros(x.dims());
        let all = none.clone() + 1.0;
        self.log_prob_given(x, &none, &all, given)
    }

    /// Σ_{j ∉ S} log q(x_j | x_S, context) · D/(D − |S|) for a random set S of each row, whose size is uniform on 0, …, D − 1. Its mean is the mean of log q(x) over all orders. Where elements have
    /// parents, the orders are those in which parents precede their children. The sum is then over the elements whose parents are in S, and its factor is D over their number.
    fn training_log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = self.check(&x, given)?;
        let place = Placement::of(&x);
        let masks = self.masks(rows, &mut stream(given.seed, Purpose::Objective, 1));
        let [known, factors] = masks.map(|mask| place.tensor(mask, [rows, self.layout.dim]));
        let (x, present) = self.read(x);
        let log = self.log_laws(&x, present.as_ref(), &self.theta(&x, &known, given)?)?;
        Ok(sum_coordinates(log * factors))
    }

    fn log_prob_given(&self, x: Tensor<2>, known: &Tensor<2>, asked: &Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = self.check(&x, given)?;
        [known, asked].into_iter().try_for_each(|mask| check_mask(mask, x.dims()))?;
        self.check_parents(known, asked)?;
        let place = Placement::of(&x);
        // Some operations of Burn do not accept a batch without rows.
        if rows == 0 {
            return Ok(place.zeros([0]));
        }
        let (x, present) = self.read(x);
        let (mut known, mut total) = (known.clone(), place.zeros([rows, 1]));
        for j in 0..self.layout.dim {
            let of = |t: &Tensor<2>| t.clone().narrow(1, j, 1);
            let now = of(asked) * (of(&known).neg() + 1.0);
            if values(now.clone()).iter().all(|v| *v == 0.0) {
                continue;
            }
            let (law, theta) = self.law_of(j, &x, &known, given)?;
            let counts = match &present {
                Some(present) => now.clone() * of(present),
                None => now.clone(),
            };
            // A product would make NaN of −∞ and 0.
            total = total + law.log_prob(of(&x), theta)?.mask_fill(counts.equal_scalar(0.0), 0.0);
            let column = of(&known) + now;
            known = known.slice_assign([0..rows, j..j + 1], column);
        }
        Ok(total.squeeze_dim::<1>(1))
    }

    fn sample_given(&self, x: Tensor<2>, known: &Tensor<2>, drawn: &Drawn, given: &Given) -> Result<Tensor<2>> {
        let rows = self.check(&x, given)?;
        let draws = drawn.check(x.dims())?;
        check_mask(known, x.dims())?;
        self.check_parents(known, &drawn.asked)?;
        if rows == 0 || draws == 0 {
            return Ok(Placement::of(&x).zeros([0, self.layout.dim]));
        }
        let repeated =
            |t: &Tensor<2>| t.clone().select(0, index(&(0..rows * draws).map(|row| row / draws).collect::<Vec<_>>(), &t.device()));
        // The network sees each row once until its draws differ.
        let (mut x, mut known, mut asked) = (self.read(x).0, known.clone(), drawn.asked.clone());
        let context = given.context.map(&repeated);
        let mut given = *given;
        let mut is_repeated = draws == 1;
        for (j, most) in drawn.most.iter().enumerate() {
            let of = |t: &Tensor<2>| t.clone().narrow(1, j, 1);
            if values(of(&asked) * (of(&known).neg() + 1.0)).iter().all(|v| *v == 0.0) {
                continue;
            }
            let (law, mut theta) = self.law_of(j, &x, &known, &given)?;
            if !is_repeated {
                theta = repeated(&theta.squeeze_dim::<2>(2)).unsqueeze_dim::<3>(2);
                [x, known, asked] = [x, known, asked].map(|t| repeated(&t));
                given.context = context.as_ref();
                is_repeated = true;
            }
            let now = of(&asked) * (of(&known).neg() + 1.0);
            let mut column = if most.is_finite() {
                // F(most) of the mass is at codes that may be drawn. Rounding must not carry a draw beyond them.
                let u = of(&drawn.u);
                let share = law.cdf(u.full_like(*most), theta.clone())?;
                law.quantile(u * share, theta)?.clamp_max(*most)
            } else {
                law.quantile(of(&drawn.u), theta)?
            };
            column = column.mask_where(now.clone().equal_scalar(0.0), of(&x));
            x = x.slice_assign([0..rows * draws, j..j + 1], column);
            // The codes so far decide which elements are present.
            x = self.read(x).0;
            let column = of(&known) + now;
            known = known.slice_assign([0..rows * draws, j..j + 1], column);
        }
        Ok(if is_repeated { x } else { repeated(&x) })
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let place = Placement::of(&self.network.bias());
        let none = place.zeros([n, self.layout.dim]);
        let (asked, u, most) = (none.clone() + 1.0, place.open_uniform([n, self.layout.dim], rng), vec![f64::INFINITY; self.layout.dim]);
        self.sample_given(none.clone(), &none, &Drawn { asked, u, most: &most }, given)
    }

    /// F(x_j | x_<j, context) for reals and F(x_j−) + V P(x_j) for codes and lattices, with V uniform from `given.seed`; V itself for absent elements.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = self.check(&x, given)?;
        if rows == 0 {
            return Ok(x);
        }
        let place = Placement::of(&x);
        let v = place.uniform([rows, self.layout.dim], &mut stream(given.seed, Purpose::Check, 1));
        let (x, present) = self.read(x);
        let mut known = place.zeros([rows, self.layout.dim]);
        let mut columns = Vec::with_capacity(self.layout.dim);
        for j in 0..self.layout.dim {
            let (law, theta) = self.law_of(j, &x, &known, given)?;
            let (value, own) = (x.clone().narrow(1, j, 1), v.clone().narrow(1, j, 1));
            let above = law.cdf(value.clone(), theta.clone())?;
            let u = if j < self.discrete { above - own.clone() * law.log_prob(value, theta)?.exp() } else { above };
            columns.push(match &present {
                Some(present) => u.mask_where(present.clone().narrow(1, j, 1).equal_scalar(0.0), own),
                None => u,
            });
            known = known.clone().slice_assign([0..rows, j..j + 1], known.narrow(1, j, 1).ones_like());
        }
        Ok(Tensor::cat(columns, 1))
    }
}
