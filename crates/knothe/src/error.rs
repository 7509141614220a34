//! What can go wrong.

use std::path::{Path, PathBuf};

use crate::hint::Hint;

/// The result of everything fallible in Knothe.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Each variant carries what was expected and what came; [`Error::hint`] says what to do
/// about it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor whose shape does not fit.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The argument.
        what: String,
        /// The shape that fits, in words.
        expected: String,
        /// The shape that came.
        found: String,
    },
    /// A setting or an argument that cannot be.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The name of the setting.
        what: String,
        /// What would be accepted.
        expected: String,
        /// What came.
        found: String,
    },
    /// A root that was not bracketed, or an iteration that did not converge: these rows have no inverse.
    #[error("{what} has no inverse{}", at(rows))]
    NotInvertible {
        /// The map.
        what: String,
        /// Indices of the rows, from 0. The message counts from 1, as [`Error::Table`] does.
        rows: Vec<usize>,
    },
    /// A value that is not a finite number where one is needed.
    #[error("{what} is not finite{}", at(rows))]
    NotFinite {
        /// What is not finite.
        what: String,
        /// Indices of the rows, from 0. The message counts from 1, as [`Error::Table`] does.
        rows: Vec<usize>,
    },
    /// Fitting met too many steps in a row whose loss or gradient was not finite.
    #[error("the fit diverged: {steps} steps in a row had a loss or a gradient that was not finite")]
    Diverged {
        /// Consecutive steps skipped.
        steps: usize,
    },
    /// A table that cannot be read or used.
    #[error("{}{}{}: {problem}", path.display(), column.as_ref().map(|c| format!(", column '{c}'")).unwrap_or_default(), row.map(|r| format!(", row {r}")).unwrap_or_default())]
    Table {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: Option<String>,
        /// The record, counted from 1 without the header.
        row: Option<u64>,
        /// What is wrong: expected and found.
        problem: String,
        /// What to do about it.
        hint: Option<Box<Hint>>,
    },
    /// A model file or a checkpoint that cannot be used.
    #[error("{}: {reason}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        reason: String,
        /// What to do about it.
        hint: Option<Box<Hint>>,
    },
    /// An operation of the file system that failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: read, write, create.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Something that does not fit into memory, refused before it is asked for.
    #[error("{what}: expected at most {} of memory, but {} are needed", gibibytes(*available), gibibytes(*needed))]
    Memory {
        /// What needs it.
        what: String,
        /// The bytes that it needs.
        needed: u64,
        /// The bytes that there are.
        available: u64,
    },
    /// A device that this build or this machine lacks.
    #[error("device '{device}': {reason}")]
    Device {
        /// The device asked for.
        device: String,
        /// Why it cannot be had.
        reason: String,
        /// What to do about it.
        hint: Option<Box<Hint>>,
    },
    /// Something that this density or map cannot do.
    #[error("{what}: {reason}")]
    Unsupported {
        /// The operation.
        what: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: Option<Box<Hint>>,
    },
}

/// Where a row failed, for a reader who counts from 1.
fn at(rows: &[usize]) -> String {
    match rows {
        [] => String::new(),
        [row] => format!(" at row {}", row + 1),
        [first, ..] => format!(" at {} rows, the first of which is row {}", rows.len(), first + 1),
    }
}

/// 2³⁰ bytes are a gibibyte.
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30))
}

impl Error {
    /// A shape that does not fit.
    pub fn shape(what: impl Into<String>, expected: impl std::fmt::Display, found: impl std::fmt::Debug) -> Self {
        Error::Shape { what: what.into(), expected: expected.to_string(), found: format!("{found:?}") }
    }

    /// A setting that cannot be.
    pub fn invalid(what: impl Into<String>, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Self {
        Error::Invalid { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Refuses a count of 0.
    pub(crate) fn check_count(what: &str, count: usize) -> Result<()> {
        if count > 0 { Ok(()) } else { Err(Error::invalid(what, "at least 1", 0)) }
    }

    /// A failed operation on a file.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Error::Io { action, path: path.to_owned(), source }
    }

    /// A table that cannot be used, without a column or a row to blame.
    pub fn table(path: &Path, problem: impl Into<String>, hint: impl Into<Option<Hint>>) -> Self {
        Error::Table { path: path.to_owned(), column: None, row: None, problem: problem.into(), hint: hint.into().map(Box::new) }
    }

    /// A refused model file.
    pub fn model_file(path: &Path, reason: impl Into<String>, hint: impl Into<Option<Hint>>) -> Self {
        Error::ModelFile { path: path.to_owned(), reason: reason.into(), hint: hint.into().map(Box::new) }
    }

    /// The same error with the rows of the whole, where `of` gives the index in the whole of a row of a part.
    pub(crate) fn renumbered(self, of: impl Fn(usize) -> usize) -> Self {
        let all = |rows: Vec<usize>| rows.into_iter().map(&of).collect();
        match self {
            Error::NotInvertible { what, rows } => Error::NotInvertible { what, rows: all(rows) },
            Error::NotFinite { what, rows } => Error::NotFinite { what, rows: all(rows) },
            other => other,
        }
    }

    /// What the user can do about it, where there is something to say.
    pub fn hint(&self) -> Option<&Hint> {
        const OUTSIDE: &Hint = &Hint::other("these rows lie outside the range of the map; look for extreme values");
        match self {
            Error::Table { hint, .. } | Error::ModelFile { hint, .. } | Error::Device { hint, .. } | Error::Unsupported { hint, .. } => {
                hint.as_deref()
            }
            Error::Diverged { .. } => Some(&Hint::LowerLearningRate),
            Error::NotInvertible { .. } => Some(OUTSIDE),
            _ => None,
        }
    }
}
