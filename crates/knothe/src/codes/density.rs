//! The density of codes and lattice values, its samples, and its distribution functions.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use rand::Rng;

use super::{
    layout::{Group, Layout},
    network::MaskedNetwork,
    start,
};
use crate::{
    bijection::{Given, Replay},
    conditioner::{Activation, TILE, check_context},
    density::Density,
    error::Result,
    order::index,
    placement::{Placement, assign},
    random::{Purpose, stream},
    shape::check_input,
    space::Space,
    triangular::{
        sum_coordinates,
        tiles::{in_tiles, rows_of},
    },
};

/// The architecture of the network of a [`CodesDensity`].
#[derive(Clone, Debug)]
pub struct CodesConfig {
    /// Context columns, which every element reads.
    pub context_dim: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity between layers.
    pub activation: Activation,
    /// The number of discretised logistic laws per lattice.
    pub components: usize,
}

/// The parameters of all laws.
// A density has only one of these, so the difference in size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
enum Parameters {
    /// A network gives the parameters.
    Network(MaskedNetwork),
    /// The parameters are the same for all rows.
    Constant(Param<Tensor<1>>),
}

/// q(c | context) = Π_j q(c_j | c_<j, context) over the discrete elements of a [`Space`], in their order. A code follows a softmax, a lattice value a
/// [`DiscretisedLogistics`](crate::univariate::DiscretisedLogistics).
///
/// An element is absent if its [parent](Space::parent) is absent or has a code other than 0. It adds nothing to log_prob, whatever its value, and is 0 in a sample.
#[derive(Module, Debug)]
pub struct CodesDensity {
    parameters: Parameters,
    context_dim: usize,
    #[module(skip)]
    layout: Arc<Layout>,
}

/// Rows as the laws and the network read them.
pub(crate) struct Read {
    /// Values, with 0 where an element is absent.
    x: Tensor<2>,
    /// 1 for present and 0 for absent elements; nothing if all are present.
    present: Option<Tensor<2>>,
    /// The features that a network reads; nothing if there are none.
    pub(crate) features: Option<Tensor<2>>,
}

impl CodesDensity {
    /// A network with random weights, whose outputs are near 0, for the discrete elements of a space. A space of one element without a context has no network.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a space without discrete elements, and if an [outline](Placement::outline) has no room for the network.
    pub fn new(space: &Space, config: &CodesConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        space.check()?;
        let layout = Layout::new(space, config.components)?;
        let (features, parameters) = (layout.elements_of_features(), layout.elements_of_parameters());
        if config.context_dim == 0 && (layout.dim == 1 || features.is_empty()) {
            return Ok(Self::constant(layout, 0, place));
        }
        let network = MaskedNetwork::new(&features, &parameters, config.context_dim, &config.hidden, config.activation, place, rng)?;
        Ok(CodesDensity { parameters: Parameters::Network(network), context_dim: config.context_dim, layout: Arc::new(layout) })
    }

    /// Independent elements that do not depend on the context: frequencies of codes, and one discretised logistic law per lattice. The data-dependent start is
    /// the whole fit.
    ///
    /// # Errors
    /// As [`CodesDensity::new`].
    pub fn independent(space: &Space, context_dim: usize, place: &Placement) -> Result<Self> {
        space.check()?;
        Ok(Self::constant(Layout::new(space, 1)?, context_dim, place))
    }

    fn constant(layout: Layout, context_dim: usize, place: &Placement) -> Self {
        let parameters = Parameters::Constant(Param::from_tensor(place.zeros([layout.parameters()])));
        CodesDensity { parameters, context_dim, layout: Arc::new(layout) }
    }

    /// The number of features of a space: k − 1 per element with k codes, and 1 per lattice.
    pub fn features(space: &Space) -> usize {
        (0..space.discrete()).fold(0, |sum, j| sum.saturating_add(space.law_of(j).features()))
    }

    /// The number of features of a row.
    pub(crate) fn feature_dim(&self) -> usize {
        self.layout.elements_of_features().len()
    }

    fn bias(&self) -> Tensor<1> {
        match &self.parameters {
            Parameters::Network(network) => network.bias(),
            Parameters::Constant(bias) => bias.val(),
        }
    }

    fn dtype(&self) -> DType {
        self.bias().dtype()
    }

    /// Prepares rows: absent elements become 0.
    pub(crate) fn read(&self, x: Tensor<2>) -> Result<Read> {
        check_input("x", &x, self.layout.dim, self.dtype())?;
        // Codes have no gradients.
        Ok(read(&self.layout, x.detach()))
    }

    /// Which reals of the space are present, `[rows, reals]`; nothing if all of them always are.
    pub(crate) fn present_reals(&self, read: &Read) -> Option<Tensor<2>> {
        self.layout.ancestors_of_reals.present(&read.x)
    }

    /// All parameters, `[rows, parameters]`.
    fn theta(&self, read: &Read, given: &Given) -> Result<Tensor<2>> {
        let rows = read.x.dims()[0];
        let context = check_context(given.context, rows, self.context_dim, self.dtype())?;
        Ok(match &self.parameters {
            Parameters::Network(network) => network.forward(inputs(read, context)),
            Parameters::Constant(bias) => bias.val().unsqueeze::<2>().expand([rows, self.layout.parameters()]),
        })
    }

    /// log q of each element, `[rows, dim]`, with 0 for absent elements.
    fn log_masses(&self, read: &Read, theta: &Tensor<2>) -> Result<Tensor<2>> {
        let of = |group: &Group| group.whole.log_prob(group.values(&read.x), group.parameters(theta));
        let all = self.layout.in_order(self.layout.groups.iter().map(of).collect::<Result<_>>()?);
        Ok(match &read.present {
            Some(present) => all.mask_fill(present.clone().equal_scalar(0.0), 0.0),
            None => all,
        })
    }

    /// log q(c | context) of prepared rows.
    pub(crate) fn log_mass(&self, read: &Read, given: &Given) -> Result<Tensor<1>> {
        Ok(sum_coordinates(self.log_masses(read, &self.theta(read, given)?)?))
    }

    fn sample_tile(&self, u: &Tensor<2>, context: Option<&Tensor<2>>, weights: &[(Tensor<2>, Tensor<1>)]) -> Result<Tensor<2>> {
        let [rows, dim] = u.dims();
        let mut x = u.zeros_like();
        let mut known = match &self.parameters {
            Parameters::Network(network) => Some(network.start()),
            Parameters::Constant(_) => None,
        };
        for j in 0..dim {
            let (g, i) = self.layout.places[j];
            let group = &self.layout.groups[g];
            let places = group.places(i);
            let read = read(&self.layout, x.clone());
            let theta = match (&self.parameters, &mut known) {
                (Parameters::Network(network), Some(known)) => network.advance(weights, &inputs(&read, context), known, j, &places),
                _ => self.bias().select(0, index(&places, &u.device())).unsqueeze::<2>().expand([rows, places.len()]),
            };
            let value = group.each[i].quantile(u.clone().narrow(1, j, 1), theta.unsqueeze_dim(2))?;
            let value = match &read.present {
                Some(present) => value.mask_fill(present.clone().narrow(1, j, 1).equal_scalar(0.0), 0.0),
                None => value,
            };
            x = x.slice_assign([0..rows, j..j + 1], value);
        }
        Ok(x)
    }
}

fn read(layout: &Layout, x: Tensor<2>) -> Read {
    let present = layout.ancestors.present(&x);
    let x = match &present {
        Some(present) => x.mask_fill(present.clone().equal_scalar(0.0), 0.0),
        None => x,
    };
    Read { features: layout.features(&x), present, x }
}

/// Features and context side by side. A network has at least one of them.
fn inputs(read: &Read, context: Option<&Tensor<2>>) -> Tensor<2> {
    match (&read.features, context) {
        (Some(features), Some(context)) => Tensor::cat(vec![features.clone(), context.clone()], 1),
        (Some(features), None) => features.clone(),
        (None, Some(context)) => context.clone(),
        (None, None) => read.x.clone(),
    }
}

impl Density for CodesDensity {
    fn dim(&self) -> usize {
        self.layout.dim
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    /// Codes start from their frequencies, (count + ½)/(rows + ½ k), over the rows in which they are present. Lattices start from their mean and standard deviation.
    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let layout = self.layout.clone();
        let biases = start::biases(&layout, data, |x| read(&layout, x).present)?;
        match &mut self.parameters {
            Parameters::Network(network) => network.set_bias(biases),
            Parameters::Constant(bias) => assign(bias, biases),
        }
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = x.dims()[0];
        given.check(rows, self.context_dim)?;
        check_input("x", &x, self.layout.dim, self.dtype())?;
        // Some operations of Burn do not accept a batch without rows.
        if rows == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        self.log_mass(&self.read(x)?, given)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check(n, self.context_dim)?;
        check_context(given.context, n, self.context_dim, self.dtype())?;
        let place = Placement::of(&self.bias());
        if n == 0 {
            return Ok(place.zeros([0, self.layout.dim]));
        }
        let u = place.open_uniform([n, self.layout.dim], rng);
        let weights = match &self.parameters {
            Parameters::Network(network) => network.weights(),
            Parameters::Constant(_) => Vec::new(),
        };
        let tiles = in_tiles(n, TILE, place.device.is_autodiff(), |tile| {
            let context = given.context.filter(|_| self.context_dim > 0).map(|context| rows_of(context, &tile));
            self.sample_tile(&rows_of(&u, &tile), context.as_ref(), &weights)
        })?;
        Ok(Tensor::cat(tiles, 0))
    }

    /// F(c−) + V P(c) with V uniform from `given.seed`, and V itself for absent elements.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = x.dims()[0];
        given.check(rows, self.context_dim)?;
        check_input("x", &x, self.layout.dim, self.dtype())?;
        if rows == 0 {
            return Ok(x);
        }
        let read = self.read(x)?;
        let place = Placement::of(&read.x);
        let theta = self.theta(&read, given)?;
        let of = |group: &Group| group.whole.cdf(group.values(&read.x), group.parameters(&theta));
        let above = self.layout.in_order(self.layout.groups.iter().map(of).collect::<Result<_>>()?);
        let v = place.uniform([rows, self.layout.dim], &mut stream(given.seed, Purpose::Check, 1));
        let u = above - v.clone() * self.log_masses(&read, &theta)?.exp();
        Ok(match &read.present {
            // Absent elements have mass 1 above.
            Some(present) => u.mask_where(present.clone().equal_scalar(0.0), v),
            None => u,
        })
    }
}
