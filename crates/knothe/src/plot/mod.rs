//! Pictures of densities of tables, as PNG: [`single`] for one column, [`beside`] for two, [`corner`] for more, [`montage`] for many
//! densities of the same two columns. [`trace`] and [`uniformity`] draw curves, and [`gains`] the differences of two densities.
//!
//! Nothing here knows of models: a density comes as numbers on a [`Grid`], data and samples as columns. A [`Variable`] says how a column
//! is shown: its [`Axis`] has numbers, labels or dates, and special and missing values stand apart from the others. Fonts of the system
//! are not needed.
//!
//! ```
//! use knothe::plot::{Axis, ColourScale, Grid, montage};
//! let axis = |label: &str| Axis::between(label, -3.0, 3.0, 60);
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
mod corner;
mod dates;
mod discrete;
mod figures;
mod gains;
mod grid;
mod lines;
#[cfg(feature = "images")]
mod mosaic;
mod panel;
mod picture;
mod single;
mod ticks;
mod variable;

pub use axis::{Axis, Marks};
pub use corner::corner;
pub use figures::{beside, montage};
pub use gains::{Gains, Interval, gains};
pub use grid::Grid;
pub use lines::{trace, uniformity};
#[cfg(feature = "images")]
pub use mosaic::{check_mosaic, mosaic};
pub use panel::ColourScale;
pub use picture::Picture;
pub use single::{OfModel, single};
pub use variable::{Apart, Variable};
