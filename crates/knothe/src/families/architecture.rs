//! What a model is made of, as a file records it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Form, TabularFlow, Triangular, recipes};
use crate::{
    conditioner::{Activation, Degrees},
    error::{Error, Result},
    placement::Placement,
    random::{Purpose, stream},
    univariate::{Spline, SumOfSquares},
};

/// A model by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// A full-covariance Gaussian: the triangular affine map, fitted in closed form.
    Gaussian,
    /// Gaussian conditionals whose mean and log-scale are linear in the columns before.
    ArGaussian,
    /// Gaussian conditionals from one masked network (Germain et al. 2015).
    Made,
    /// Mixture-of-Gaussians conditionals from one masked network.
    MadeMog,
    /// Bernoulli conditionals from one masked network, for tables of 0 and 1.
    MadeBinary,
    /// The masked autoregressive flow (Papamakarios et al. 2017).
    Maf,
    /// A masked autoregressive flow over mixture-of-Gaussians conditionals.
    MafMog,
    /// The inverse autoregressive flow (Kingma et al. 2016): sampling in one pass.
    Iaf,
    /// Additive couplings and one scaling (Dinh et al. 2015).
    Nice,
    /// Affine couplings (Dinh et al. 2017).
    RealNvp,
    /// The neural spline flow: a masked autoregressive flow of rational-quadratic splines (Durkan et al. 2019), each after a
    /// conditional location and scale, which a spline with fixed ends lacks.
    Nsf,
    /// The neural autoregressive flow: masked autoregressive layers of deep sigmoidal maps (Huang et al. 2018).
    Naf,
    /// The neural autoregressive flow of dense deep sigmoidal maps of two layers (Huang et al. 2018).
    NafDdsf,
    /// The sum-of-squares polynomial flow (Jaini et al. 2019).
    Sos,
    /// Layers of mixture-of-logistics CDFs, each before a conditional scale and shift (the univariate map of Flow++, Ho et al. 2019).
    MixtureCdf,
}

/// What mixes the columns between two layers of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// The order is reversed from layer to layer (couplings: the halves move in turn).
    #[default]
    Reversed,
    /// A fixed random permutation.
    Random,
    /// A trained matrix L U.
    Lu,
    /// A trained rotation.
    Rotation,
}

/// The source density of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Standard normal.
    #[default]
    Normal,
    /// Standard logistic: tails as exp(−|z|).
    Logistic,
    /// Student's t with trained degrees of freedom: power-law tails.
    StudentT,
    /// A joint mixture of Gaussians with trained weights, means and covariances.
    GaussianMixture,
}

impl Model {
    /// Every model, in the order of the documentation.
    pub const ALL: [Model; 15] = [
        Model::Gaussian,
        Model::ArGaussian,
        Model::Made,
        Model::MadeMog,
        Model::MadeBinary,
        Model::Maf,
        Model::MafMog,
        Model::Iaf,
        Model::Nice,
        Model::RealNvp,
        Model::Nsf,
        Model::Naf,
        Model::NafDdsf,
        Model::Sos,
        Model::MixtureCdf,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Model::Gaussian => "gaussian",
            Model::ArGaussian => "ar_gaussian",
            Model::Made => "made",
            Model::MadeMog => "made_mog",
            Model::MadeBinary => "made_binary",
            Model::Maf => "maf",
            Model::MafMog => "maf_mog",
            Model::Iaf => "iaf",
            Model::Nice => "nice",
            Model::RealNvp => "real_nvp",
            Model::Nsf => "nsf",
            Model::Naf => "naf",
            Model::NafDdsf => "naf_ddsf",
            Model::Sos => "sos",
            Model::MixtureCdf => "mixture_cdf",
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Model::Gaussian => "full-covariance Gaussian, fitted in closed form; linear in the context",
            Model::ArGaussian => "autoregressive with Gaussian conditionals, linear in the columns before",
            Model::Made => "masked network with Gaussian conditionals",
            Model::MadeMog => "masked network with mixture-of-Gaussians conditionals",
            Model::MadeBinary => "masked network with Bernoulli conditionals, for tables of 0 and 1",
            Model::Maf => "masked autoregressive flow: density in one pass",
            Model::MafMog => "masked autoregressive flow over mixture-of-Gaussians conditionals (the default)",
            Model::Iaf => "inverse autoregressive flow: sampling in one pass, density slower",
            Model::Nice => "additive couplings and one scaling",
            Model::RealNvp => "affine couplings: density and sampling in one pass",
            Model::Nsf => "neural spline flow: masked autoregressive flow of splines; components are their bins",
            Model::Naf => "neural autoregressive flow: of deep sigmoidal maps; components are their units",
            Model::NafDdsf => "neural autoregressive flow of dense deep sigmoidal maps; components are their units",
            Model::Sos => "sum-of-squares polynomial flow; components are the squared polynomials",
            Model::MixtureCdf => "flow of mixture-of-logistics distribution functions; components are their logistic laws",
        }
    }

    /// Layers, hidden widths and components when none are asked for.
    pub fn defaults(self) -> (usize, Vec<usize>, usize) {
        match self {
            Model::Gaussian => (1, vec![], 0),
            Model::ArGaussian => (1, vec![], 0),
            Model::Made | Model::MadeBinary => (1, vec![128, 128], 0),
            Model::MadeMog => (1, vec![128, 128], 10),
            Model::Maf | Model::Iaf => (5, vec![128, 128], 0),
            Model::MafMog => (3, vec![128, 128], 10),
            Model::Nice => (8, vec![128, 128], 0),
            Model::RealNvp => (10, vec![128, 128], 0),
            Model::Nsf => (5, vec![128, 128], 8),
            Model::Naf => (5, vec![128, 128], 16),
            Model::NafDdsf => (5, vec![128, 128], 8),
            Model::Sos => (5, vec![128, 128], 3),
            Model::MixtureCdf => (5, vec![128, 128], 8),
        }
    }

    /// [`Architecture::bound`] when none is asked for.
    fn bound(self) -> f64 {
        match self {
            Model::Sos => SumOfSquares::BOUND,
            _ => Spline::default().bound,
        }
    }
}

fn default_degree() -> usize {
    SumOfSquares::default().degree
}

/// The bound of every model in the files that name none.
fn unnamed_bound() -> f64 {
    5.0
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let names = || Model::ALL.map(Model::name).join(", ");
        Model::ALL.into_iter().find(|m| m.name() == name).ok_or_else(|| Error::invalid("model", format!("one of {}", names()), name))
    }
}

/// Everything that decides the shapes and the start of a model's parameters. Two equal ones build equal models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The recipe.
    pub model: Model,
    /// Coordinates.
    pub dim: usize,
    /// Context columns.
    pub context_dim: usize,
    /// Layers of the flow.
    pub layers: usize,
    /// Widths of the hidden layers of each conditioner.
    pub hidden: Vec<usize>,
    /// Components of a mixture; what a univariate map has of its own: the bins of a spline,
    /// the units of a sigmoidal map, the polynomials of a sum of squares, the laws of a mixture CDF.
    pub components: usize,
    /// The degree of the polynomials of a sum of squares.
    #[serde(default = "default_degree")]
    pub degree: usize,
    /// B of the interval [−B, B] in which a spline, or a sum of squares, bends; it is a straight line outside.
    #[serde(default = "unnamed_bound")]
    pub bound: f64,
    /// What the parameters of a column read; by default what the model's name says ([`Model::product`]).
    #[serde(default)]
    pub triangular: Option<Triangular>,
    /// Which direction of the univariate map is explicit; by default as [`Model::product`] has it.
    #[serde(default)]
    pub form: Option<Form>,
    /// The nonlinearity of the conditioners.
    #[serde(default)]
    pub activation: Activation,
    /// The degrees of masked networks.
    #[serde(default)]
    pub degrees: Degrees,
    /// Whether masked networks are residual.
    #[serde(default)]
    pub residual: bool,
    /// What mixes the columns between layers.
    #[serde(default)]
    pub mixing: Mixing,
    /// Bins of the map of each column alone that stands next to the data ([`crate::triangular::Marginals`]); 0 for none.
    #[serde(default)]
    pub marginals: usize,
    /// Whether batch normalisation stands between layers.
    #[serde(default)]
    pub batch_norm: bool,
    /// The source, of the models that leave it open.
    #[serde(default)]
    pub source: SourceKind,
    /// Whether the columns come in a random order, drawn from the seed, in the place of the table's.
    #[serde(default)]
    pub random_order: bool,
    /// Seeds the parameters' start.
    pub seed: u64,
}

impl Architecture {
    /// A model of the recipe's default size.
    pub fn new(model: Model, dim: usize, context_dim: usize, seed: u64) -> Self {
        let (layers, hidden, components) = model.defaults();
        Architecture {
            model,
            dim,
            context_dim,
            layers,
            hidden,
            components,
            degree: default_degree(),
            bound: model.bound(),
            triangular: None,
            form: None,
            activation: Activation::default(),
            degrees: Degrees::default(),
            residual: false,
            mixing: Mixing::default(),
            marginals: 0,
            batch_norm: false,
            source: SourceKind::default(),
            random_order: false,
            seed,
        }
    }

    /// What the parameters of a column read, and which direction of the univariate map is explicit.
    pub fn product(&self) -> (Triangular, Form) {
        let (triangular, form) = self.model.product();
        (self.triangular.unwrap_or(triangular), self.form.unwrap_or(form))
    }

    /// Builds the model with its parameters at their start.
    pub fn build(&self, place: &Placement) -> Result<TabularFlow> {
        self.check()?;
        recipes::build(self, place, &mut stream(self.seed, Purpose::Start, 0))
    }

    /// What every recipe needs, checked once.
    fn check(&self) -> Result<()> {
        let range = |what: &str, value: usize, lowest: usize, highest: usize| {
            let fits = (lowest..=highest).contains(&value);
            if fits { Ok(()) } else { Err(Error::invalid(what, format!("{lowest} to {highest}"), value)) }
        };
        range("columns", self.dim, 1, 65_536)?;
        range("context columns", self.context_dim, 0, 65_536)?;
        range("layers", self.layers, 1, 1_000)?;
        range("hidden layers", self.hidden.len(), 0, 100)?;
        self.hidden.iter().try_for_each(|&width| range("hidden units", width, 1, 65_536))?;
        if matches!(self.model, Model::MadeMog | Model::MafMog) || self.source == SourceKind::GaussianMixture {
            range("components", self.components, 1, 10_000)?;
        }
        if self.marginals > 0 && self.model == Model::MadeBinary {
            return Err(Error::invalid("marginals", "none for made_binary, whose columns are 0 and 1", self.marginals));
        }
        if self.model == Model::Sos {
            range("degree", self.degree, 0, 16)?;
        }
        if !(self.bound.is_finite() && self.bound > 0.0) {
            return Err(Error::invalid("bound", "a number above 0", self.bound));
        }
        let own = match self.model {
            Model::Nsf => Some(("components, the bins of a spline,", 2, 500)),
            Model::Naf => Some(("components, the units of a sigmoidal map,", 1, 500)),
            Model::NafDdsf => Some(("components, the units of a deep sigmoidal map,", 1, 100)),
            Model::Sos => Some(("components, the polynomials of a sum of squares,", 1, 500)),
            Model::MixtureCdf => Some(("components, the laws of a mixture CDF,", 1, 500)),
            _ => None,
        };
        own.map_or(Ok(()), |(what, lowest, highest)| range(what, self.components, lowest, highest))?;
        let (own, found) = (self.model.product(), self.product());
        if found != own && !self.model.leaves_product_open() {
            let shown = |(triangular, form): (Triangular, Form)| format!("{} and {}", triangular.name(), form.name());
            return Err(Error::invalid(format!("product of {}", self.model.name()), shown(own), shown(found)));
        }
        if found.0 == Triangular::Coupling && self.dim < 2 {
            return Err(Error::invalid(
                format!("columns of {} by couplings", self.model.name()),
                "at least 2, of which one moves the other (maf takes 1)",
                1,
            ));
        }
        if found.0 == Triangular::Coupling && self.residual {
            return Err(Error::invalid("residual", "none for couplings, whose networks are not masked", true));
        }
        if self.size() > 1 << 32 {
            return Err(Error::invalid("parameters", "at most 4 thousand million", self.size()));
        }
        let conditionals = matches!(self.model, Model::Gaussian | Model::MadeMog | Model::MadeBinary | Model::MafMog);
        if conditionals && self.source != SourceKind::Normal {
            return Err(Error::invalid(
                "source",
                format!("none for {}, which has its own", self.model.name()),
                format!("{:?}", self.source),
            ));
        }
        Ok(())
    }

    /// At least about how many parameters the model has, without building it.
    pub fn size(&self) -> usize {
        let product = |factors: &[usize]| factors.iter().fold(1usize, |a, &b| a.saturating_mul(b));
        let network = |outputs: usize| {
            let mut widths = vec![self.dim + self.context_dim];
            widths.extend(&self.hidden);
            widths.push(outputs);
            widths.windows(2).fold(0usize, |sum, w| sum.saturating_add(product(w) / 2))
        };
        let square = product(&[self.dim, self.dim]);
        let mixing = if matches!(self.mixing, Mixing::Lu | Mixing::Rotation) { square } else { 0 };
        let layers = match self.model {
            Model::Gaussian => square,
            Model::MadeMog | Model::MadeBinary => 0,
            Model::Made | Model::ArGaussian => network(self.dim),
            // Every univariate map has as many parameters as components, or more.
            Model::Nsf | Model::Naf | Model::NafDdsf | Model::Sos | Model::MixtureCdf => {
                let moving = if self.product().0 == Triangular::Coupling { self.dim / 2 } else { self.dim };
                product(&[self.layers, network(product(&[self.components, moving])).saturating_add(mixing)])
            }
            _ => product(&[self.layers, network(self.dim.div_ceil(2)).saturating_add(mixing)]),
        };
        let source = match self.model {
            Model::MadeMog | Model::MafMog => network(product(&[3, self.components, self.dim])),
            Model::MadeBinary => network(self.dim),
            _ if self.source == SourceKind::GaussianMixture => product(&[self.components, square]),
            _ => 0,
        };
        layers.saturating_add(source).saturating_add(product(&[3, self.marginals, self.dim]))
    }
}
