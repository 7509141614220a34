//! Families: the published models, each a product of conditioner, univariate map and mixing, in a file of its own.
//!
//! A [`Family`] says what it is, which spaces of events it supports, which options it has, and how a [`Recipe`] of it is built. [`ALL`] is the only list: the command
//! line, the model file, the documentation of options and the laws read it.

/// Declares the type of a family, with its description, which is its documentation too.
macro_rules! family {
    ($type:ident { name: $name:literal, about: $about:literal, details: $details:literal, takes: $takes:ident $(,)? }) => {
        #[doc = $about]
        #[doc = "\n\n"]
        #[doc = $details]
        #[derive(Clone, Copy, Debug)]
        pub struct $type;

        impl $type {
            const DESCRIPTION: crate::families::Description =
                crate::families::Description { name: $name, about: $about, details: $details, takes: crate::families::Takes::$takes };
        }
    };
}

mod any_order;
mod ar_gaussian;
mod chain;
mod diagonal_bilstm;
mod gaussian;
mod gaussian_mixture;
mod glow;
mod iaf;
mod made;
mod made_binary;
mod made_mog;
mod maf;
mod maf_mog;
mod mixed;
mod mixture_cdf;
mod naf;
mod naf_ddsf;
mod nice;
mod nsf;
mod option;
mod pixel_by_pixel;
mod pixel_cnn;
mod pixel_cnn_pp;
mod pixels;
mod product;
mod real_nvp;
mod recipe;
mod row_lstm;
mod setters;
mod sos;
mod wavenet;

pub use chain::{Mixing, SourceKind};
pub use option::{FamilyOption, Initial, Range, Setting};
pub use pixels::{ChannelMixing, Noise};
pub use product::{Form, Triangular};
pub use recipe::Recipe;

use std::fmt::Debug;

use rand_chacha::ChaCha12Rng;

use crate::{
    error::{Error, Result},
    fit::FitConfig,
    network::Network,
    placement::Placement,
    space::{Law, Shape, Space},
};

/// What is said of a family.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The name in files and on the command line. Families of different spaces may share one.
    pub name: &'static str,
    /// A sentence without its full stop.
    pub about: &'static str,
    /// Its formula, its source, and when to use it.
    pub details: &'static str,
    /// The events that it takes.
    pub takes: Takes,
}

/// The events that a family takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Columns of real numbers, and also of codes and of lattices, unless all are 0 and 1.
    Reals,
    /// Columns of 0 and 1.
    Binary,
    /// Images of 1 to 8 bits.
    Images,
    /// Recordings of 256 levels.
    Recordings,
}

impl Takes {
    /// The events in words, of which the first is the kind.
    pub fn words(self) -> &'static str {
        match self {
            Takes::Reals => "tables of columns of numbers and categories",
            Takes::Binary => "tables of columns of 0 and 1",
            Takes::Images => "images of 1 to 8 bits",
            Takes::Recordings => "recordings of sound",
        }
    }

    /// Whether these are the events of a space.
    pub fn holds(self, space: &Space) -> bool {
        match self {
            Takes::Binary => matches!(space.shape, Shape::Columns(_)) && space.law() == Some(Law::Codes(2)) && !space.has_parents(),
            Takes::Reals => matches!(space.shape, Shape::Columns(_)),
            Takes::Images => pixels::supports(space),
            Takes::Recordings => wavenet::supports(space),
        }
    }

    /// The law that the elements of an event need to have, as far as a coding can give it to them.
    pub fn law(self) -> Law {
        if self == Takes::Binary { Law::Codes(2) } else { Law::Real }
    }
}

/// A named family of networks.
pub trait Family: Debug + Sync {
    /// Its name, its documentation and the events that it takes.
    fn description(&self) -> Description;

    /// The name in files and on the command line.
    fn name(&self) -> &'static str {
        self.description().name
    }

    /// What it is, in a sentence without its full stop.
    fn about(&self) -> &'static str {
        self.description().about
    }

    /// Its formula, its source, and when to use it.
    fn details(&self) -> &'static str {
        self.description().details
    }

    /// The events that it takes, in words.
    fn spaces(&self) -> &'static str {
        self.description().takes.words()
    }

    /// Whether it takes the events of a space.
    fn supports(&self, space: &Space) -> bool {
        self.description().takes.holds(space)
    }

    /// The law that it needs the elements of an event to have.
    fn law(&self) -> Law {
        self.description().takes.law()
    }

    /// Its options with their defaults.
    fn options(&self) -> Vec<FamilyOption>;

    /// The option of a name, if the family has it.
    fn option(&self, name: &str) -> Option<FamilyOption> {
        self.options().into_iter().find(|option| option.name == name)
    }

    /// Checks what the ranges of single options cannot say.
    fn check(&self, _recipe: &Recipe) -> Result<()> {
        Ok(())
    }

    /// Builds a network with its parameters at their start, or its [outline](Placement::outline). The recipe has passed [`Recipe::check`].
    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network>;

    /// The settings of a fit to this many training events, unless the user has others.
    fn fitting(&self, events: usize) -> FitConfig {
        FitConfig::of_rows(events)
    }

    /// Whether it models codes and lattices itself. Otherwise they get a density of their own, and its flow is conditional on them.
    fn takes_codes(&self) -> bool {
        false
    }

    /// Whether the data-dependent start is already the maximum of the likelihood.
    fn closed_form(&self) -> bool {
        false
    }

    /// The number of parts of an event. A reconstruction can keep the first of them. They are the scales of a flow, the coarsest first, or the rows of pixels or the samples of
    /// an autoregressive model.
    fn parts(&self, _recipe: &Recipe) -> usize {
        1
    }

    /// The plural noun for them in messages, such as "scales".
    fn part_words(&self) -> &'static str {
        "scales"
    }
}

/// The family of a name that supports a space.
///
/// # Errors
/// [`Error::Invalid`], with the names of the families that do.
pub fn find(name: &str, space: &Space) -> Result<&'static dyn Family> {
    ALL.iter().find(|family| family.name() == name && family.supports(space)).copied().ok_or_else(|| {
        let names = ALL.iter().filter(|family| family.supports(space)).map(|family| family.name()).collect::<Vec<_>>();
        Error::invalid("family", format!("one of {}", names.join(", ")), name)
    })
}

/// The registry: each family is public, stands in [`ALL`], and has a constructor.
macro_rules! registry {
    ($($module:ident::$family:ident),+ $(,)?) => {
        $(pub use $module::$family;)+

        /// Every family, in the order of the documentation.
        pub static ALL: &[&dyn Family] = &[$(&$family),+];

        $(impl $family {
            /// A recipe of this family with its default options, for a number of columns or another [`Space`].
            #[allow(clippy::new_ret_no_self)]
            pub fn new(space: impl Into<Space>) -> Recipe {
                Recipe::new(&$family, space)
            }
        })+
    };
}

// A new family is one file and its line here, with its `mod` above.
registry!(
    gaussian::Gaussian,
    gaussian_mixture::GaussianMixture,
    ar_gaussian::ArGaussian,
    made::Made,
    made_mog::MadeMog,
    made_binary::MadeBinary,
    maf::Maf,
    maf_mog::MafMog,
    iaf::Iaf,
    nice::Nice,
    real_nvp::RealNvp,
    nsf::Nsf,
    naf::Naf,
    naf_ddsf::NafDdsf,
    sos::Sos,
    mixture_cdf::MixtureCdf,
    any_order::AnyOrder,
    glow::Glow,
    real_nvp::ImageRealNvp,
    pixel_cnn::PixelCnn,
    pixel_cnn_pp::PixelCnnPp,
    row_lstm::RowLstm,
    diagonal_bilstm::DiagonalBilstm,
    wavenet::WaveNet,
);
