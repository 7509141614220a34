//! What one event is, to a network: a shape, and the law of each of its elements.

mod image_shape;

pub use image_shape::ImageShape;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The arrangement of the elements of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// So many columns of a table.
    Columns(usize),
    /// An image.
    Grid(ImageShape),
    /// A sequence of `length` steps of `channels` numbers each, step by step: element c of step t is column t · channels + c.
    Sequence {
        /// Numbers of a step.
        channels: usize,
        /// Steps, or the most of them where the length varies.
        length: usize,
    },
}

impl Shape {
    /// The number of elements.
    pub fn dim(self) -> usize {
        match self {
            Shape::Columns(dim) => dim,
            Shape::Grid(image) => image.dim(),
            Shape::Sequence { channels, length } => channels.saturating_mul(length),
        }
    }

    /// The word for shapes of this kind, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Columns(_) => "tables",
            Shape::Grid(_) => "images",
            Shape::Sequence { .. } => "sequences",
        }
    }
}

/// What the values of an element can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Real numbers.
    Real,
    /// The codes 0, 1, …, k − 1 of an alphabet of k.
    Codes(u32),
}

/// The set in which one event lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// How the elements are arranged.
    pub shape: Shape,
    /// The law of each element, or one law for all of them.
    laws: Vec<Law>,
    /// Whether the length varies from event to event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varying: bool,
}

impl Space {
    /// Events of one shape, whose elements all have one law.
    pub fn new(shape: Shape, law: Law) -> Self {
        Space { shape, laws: vec![law], varying: false }
    }

    /// Events whose elements have a law each.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is not one law for each element.
    pub fn of_laws(shape: Shape, laws: Vec<Law>) -> Result<Self> {
        if laws.len() != shape.dim() {
            return Err(Error::shape("laws", format!("{}, one for each element", shape.dim()), laws.len()));
        }
        Ok(Space { shape, laws, varying: false })
    }

    /// The number of elements.
    pub fn dim(&self) -> usize {
        self.shape.dim()
    }

    /// The law that all elements share; none where they differ.
    pub fn law(&self) -> Option<Law> {
        let (first, rest) = self.laws.split_first()?;
        rest.iter().all(|law| law == first).then_some(*first)
    }
}

/// So many columns of real numbers.
impl From<usize> for Space {
    fn from(dim: usize) -> Self {
        Space::new(Shape::Columns(dim), Law::Real)
    }
}

/// Images of bytes, 0 to 255.
impl From<ImageShape> for Space {
    fn from(image: ImageShape) -> Self {
        Space::new(Shape::Grid(image), Law::Codes(256))
    }
}
