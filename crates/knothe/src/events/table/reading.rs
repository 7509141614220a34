//! Settings and checks that all readers of tables share.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::column::{Column, shortened};
use super::kind::Label;
use super::moment;
use super::schema::Notice;
use super::text::Dialect;
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The most columns.
const MOST_COLUMNS: usize = 100_000;
/// The most values of a batch.
const BATCH_VALUES: usize = 1 << 24;

/// How a table is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Columns whose contents are skipped. Their values are missing.
    pub skip: Vec<String>,
    /// Columns that are read as text, even if they look like numbers.
    pub text: Vec<String>,
    /// The expected names of columns. A first line that holds most of them is a header, even if it looks like a row. A column with such a name is never left out.
    pub names: Vec<String>,
    /// The known labels, by column. In such a column, a word for a missing value such as `NA` is a value if it is one of the labels. Otherwise it is missing, in every
    /// format.
    pub labels: BTreeMap<String, Vec<String>>,
    /// Further texts that stand for a missing value. Columns of numbers and moments compare their values: `-999` also matches `-999.0`.
    pub missing: Vec<String>,
    /// Columns that may hold −∞ and numbers below −10³⁰, such as logarithms of weights that may be 0. In all other columns such a number is an error.
    pub negative_infinity: Vec<String>,
    /// Whether index columns are read like other columns. They are an unnamed first column, a first column named `Unnamed: 0` or `rownames`, and the index columns of pandas.
    pub keep_index: bool,
    /// The most rows of a batch. A table that is read whole does not depend on it.
    pub batch_rows: usize,
    /// How text is written; the other formats say it themselves.
    pub dialect: Dialect,
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            skip: Vec::new(),
            text: Vec::new(),
            names: Vec::new(),
            labels: BTreeMap::new(),
            missing: Vec::new(),
            negative_infinity: Vec::new(),
            keep_index: false,
            batch_rows: 1 << 16,
            dialect: Dialect::default(),
        }
    }
}

impl Reading {
    /// With the labels of columns; those that hold texts are read as text.
    pub(super) fn with_labels<'a>(mut self, columns: impl IntoIterator<Item = (&'a String, &'a [Label])>) -> Self {
        for (name, labels) in columns.into_iter().filter(|(_, labels)| !labels.is_empty()) {
            let text = |label: &Label| if let Label::Text(text) = label { Some(text.clone()) } else { None };
            let texts: Vec<String> = labels.iter().filter_map(text).collect();
            // Moments are read as such, whatever their spelling.
            if texts.iter().any(|text| moment::parse(text).is_none()) {
                self.text.push(name.clone());
            }
            self.labels.insert(name.clone(), texts);
        }
        self
    }

    /// Whether an index of this name is left out. A column that the user or the schema names is kept.
    pub(super) fn leaves_out(&self, name: &String) -> bool {
        !(self.keep_index || [&self.skip, &self.text, &self.names].iter().any(|names| names.contains(name)))
    }
}

/// A reader of one file format. It returns the next rows, at least one, or nothing at the end.
pub(super) trait Source {
    /// The next batch of columns.
    fn batch(&mut self) -> Result<Option<Vec<Column>>>;

    /// The estimated share of the rows that have been read. None if it is unknown.
    fn share(&self) -> Option<f64> {
        None
    }

    /// The number of rows of the file, where its header tells it.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// Columns in which marks such as `?` were read as missing. They are missing values only among numbers.
    fn marks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Notes for the user about the file.
    fn notes(&self) -> Vec<Notice>;
}

/// Whether a first column of this name is an index of the rows, as pandas and R write it.
pub(super) fn is_index(name: &str) -> bool {
    matches!(name, "Unnamed: 0" | "rownames") || is_pandas_index(name)
}

/// `__index_level_0__` and so on.
pub(super) fn is_pandas_index(name: &str) -> bool {
    let level = name.strip_prefix("__index_level_").and_then(|n| n.strip_suffix("__"));
    level.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The number of rows in a batch with this many columns, at most `batch_rows`.
pub(super) fn rows_at_once(batch_rows: usize, columns: usize) -> usize {
    batch_rows.min(BATCH_VALUES / columns.max(1)).max(1)
}

/// Checks that there are columns, and not too many.
pub(super) fn check_columns(path: &Path, columns: usize) -> Result<()> {
    match columns {
        0 => Err(Error::table(path, "expected at least one column, found none", None)),
        1..=MOST_COLUMNS => Ok(()),
        _ => Err(Error::table(path, format!("expected at most {MOST_COLUMNS} columns, found {columns}"), None)),
    }
}

/// Checks that names are not empty, fit on one line and differ.
pub(super) fn check_names(path: &Path, names: &[String]) -> Result<()> {
    check_columns(path, names.len())?;
    let mut seen = HashSet::new();
    for (j, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Error::table(path, format!("expected a name for each column, found none for column {}", j + 1), None));
        }
        if name.chars().any(char::is_control) {
            let found = shortened(&name.escape_debug().to_string());
            return Err(Error::table(
                path,
                format!("expected names of one line without control characters, found '{found}'"),
                Hint::other("rename the column"),
            ));
        }
        if !seen.insert(name) {
            return Err(Error::table(
                path,
                format!("expected names that differ, found two columns named '{name}'"),
                Hint::other("rename one of them"),
            ));
        }
    }
    Ok(())
}

/// The error of a moment in microseconds that a 64-bit float does not hold.
pub(super) fn too_fine(path: &Path, column: &str, row: u64, found: impl std::fmt::Display) -> Error {
    Error::Table {
        path: path.to_owned(),
        column: Some(column.into()),
        row: Some(row),
        problem: format!("expected times in microseconds from 1684 to 2255, found {found}: a 64-bit float cannot hold its digits"),
        hint: Some(Hint::other("round the times of this column to milliseconds").into()),
    }
}

/// The error for a whole number above 2⁵³.
pub(super) fn identifier(path: &Path, column: &str, row: u64, found: impl std::fmt::Display) -> Error {
    let reason = "such numbers are identifiers, whose digits a 64-bit float cannot hold";
    Error::Table {
        path: path.to_owned(),
        column: Some(column.into()),
        row: Some(row),
        problem: format!("expected numbers below 2^53 in magnitude, found {found}: {reason}"),
        hint: Some(Hint::DropColumns(vec![column.into()]).into()),
    }
}
