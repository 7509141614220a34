//! What one event is, to a network: a shape, and the law of each of its elements.

mod check;
mod image_shape;
mod law;

pub use image_shape::ImageShape;
pub(crate) use law::SLACK;
pub use law::{Cells, Law};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most numbers of an event.
pub(crate) const MOST_NUMBERS: usize = 1 << 24;

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

/// The set in which one event lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// How the elements are arranged.
    pub shape: Shape,
    /// The law of each element, or one law for all of them.
    laws: Vec<Law>,
    /// The parent of each element, where elements have any; see [`Space::with_parents`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parents: Vec<Option<u32>>,
    /// Whether the length varies from event to event. If it does, it is the first element of a row, and zeros fill the row after the end of the event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varying: bool,
}

impl Space {
    /// Events of one shape, whose elements all have one law.
    pub fn new(shape: Shape, law: Law) -> Self {
        Space { shape, laws: vec![law], parents: Vec::new(), varying: false }
    }

    /// Events whose elements have a law each.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is not one law for each element, and those of [`Space::check`].
    pub fn of_laws(shape: Shape, laws: Vec<Law>) -> Result<Self> {
        if laws.len() != shape.dim() {
            return Err(Error::shape("laws", format!("{}, one for each element", shape.dim()), laws.len()));
        }
        let space = Space { shape, laws, parents: Vec::new(), varying: false };
        space.check()?;
        Ok(space)
    }

    /// The same events, in which element j exists only where element `parents[j]` exists and has the code 0. It is absent in all other rows.
    /// An element without a parent is always there.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is not one entry for each element, and those of [`Space::check`].
    pub fn with_parents(self, parents: Vec<Option<u32>>) -> Result<Self> {
        let parents = if parents.iter().all(Option::is_none) { Vec::new() } else { parents };
        let space = Space { parents, ..self };
        space.check()?;
        Ok(space)
    }

    /// The number of elements of a row. These are the elements of the shape and, if the length varies, the length before them.
    pub fn dim(&self) -> usize {
        self.shape.dim().saturating_add(usize::from(self.varying))
    }

    /// The same space, with lengths that vary from 1 to the length of the shape.
    pub fn of_varying_length(self) -> Self {
        Space { varying: true, ..self }
    }

    /// The law that all elements share; none where they differ.
    pub fn law(&self) -> Option<Law> {
        let (first, rest) = self.laws.split_first()?;
        rest.iter().all(|law| law == first).then_some(*first)
    }

    /// The law of element j.
    pub fn law_of(&self, j: usize) -> Law {
        self.laws.get(j).or(self.laws.first()).copied().unwrap_or(Law::Real)
    }

    /// The law of every element, in order.
    pub fn laws(&self) -> impl Iterator<Item = Law> + '_ {
        (0..self.dim()).map(|j| self.law_of(j))
    }

    /// The element whose code says whether element j exists, if there is one.
    pub fn parent(&self, j: usize) -> Option<usize> {
        self.parents.get(j).copied().flatten().map(|parent| parent as usize)
    }

    /// Whether an element can be absent.
    pub fn has_parents(&self) -> bool {
        !self.parents.is_empty()
    }

    /// Whether elements have different laws, or a law that is neither the reals nor an alphabet, or can be absent.
    pub fn is_mixed(&self) -> bool {
        self.has_parents() || !matches!(self.law(), Some(Law::Real | Law::Codes(_)))
    }

    /// The number of elements that are not real numbers. In a mixed space of columns they stand first.
    pub fn discrete(&self) -> usize {
        match self.law() {
            Some(Law::Real) => 0,
            Some(_) => self.dim(),
            None => self.laws.iter().filter(|law| law.is_discrete()).count(),
        }
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
