//! Pictures of densities of tables, as PNG: [`beside`] for two columns, [`curve`] for one, [`corner`] for more, [`montage`] for many
//! densities of the same two columns.
//!
//! Nothing here knows of models: a density comes as numbers on a [`Grid`], data and samples as columns. Fonts of the system are
//! not needed.
//!
//! ```
//! use knothe::plot::{Axis, ColourScale, Grid, montage};
//! let axis = |label: &str| Axis { label: label.into(), low: -3.0, high: 3.0, cells: 60 };
//! let axes = [axis("x₁"), axis("x₂")];
//! let values = Grid::centres(&axes).iter().map(|[x, y]| (-0.5 * (x * x + (y - x * x).powi(2))).exp()).collect();
//! let grid = Grid { axes, values };
//! let picture = montage(&[("banana".into(), &grid)], 1, ColourScale::of(&grid))?;
//! assert_eq!(picture.png()?[..4], *b"\x89PNG");
//! # Ok::<(), knothe::Error>(())
//! ```

mod axis;
mod canvas;
mod colours;
mod figures;
mod grid;
#[cfg(feature = "images")]
mod mosaic;
mod panel;
mod picture;

pub use axis::Axis;
pub use figures::{beside, corner, curve, montage};
pub use grid::Grid;
#[cfg(feature = "images")]
pub use mosaic::{check_mosaic, mosaic};
pub use panel::ColourScale;
pub use picture::Picture;
