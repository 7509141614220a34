//! What a user can do about an error or a notice, as data.

use std::{borrow::Cow, fmt};

/// What a user can do about an [`Error`](crate::Error) or a notice about a table.
///
/// A hint is data, so that each front end can word it with its own names: the command line with its options, a user of this crate with
/// the settings that [`Display`](fmt::Display) names. A front end shows the `Display` of a variant that it does not know.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    /// Leave these columns out of the table. Without them the table has a density.
    DropColumns(Vec<String>),
    /// This column has one value, which samples hold as well unless the column is left out.
    DropConstant(String),
    /// This column does not hold what its kind needs. Declare another kind, or leave it out.
    DeclareOrDrop(String),
    /// Declare what the columns are in the schema.
    DeclareKind {
        /// The columns.
        columns: Vec<String>,
        /// Their kind, in JSON as a schema has it. [`Hint::declaration`] is the whole document.
        kind: String,
        /// Whether the kind was only seen: it is right if it holds of all values that are possible.
        only_seen: bool,
    },
    /// Leave out the rows that lack a value.
    AllowMissing,
    /// If these texts stand for a missing value, read them as one.
    ReadAsMissing(Vec<String>),
    /// Read the index columns too.
    KeepIndex,
    /// These texts stand among numbers or dates. Correct them, or read them as missing values.
    NotNumbers(Vec<String>),
    /// One of these names may be meant.
    DidYouMean(Vec<String>),
    /// Say where the labels of the images or recordings are.
    NameLabels,
    /// Name the array of the images or samples, and the array of the labels.
    NameArray,
    /// Give the sample rate of the recordings.
    NameRate,
    /// Give a second table to validate with.
    NameValidation,
    /// A table has rows and columns. An array of three or four dimensions holds images.
    ReshapeOrImages,
    /// Fit to all 8 bits of the images, so that the model accepts every number of a pixel.
    AllBits,
    /// The file was written by a newer version.
    Upgrade,
    /// Lower the learning rate, or look for extreme values.
    LowerLearningRate,
    /// Fit a single model in place of an ensemble.
    SingleModel,
    /// Fit a model of one layer.
    OneLayer,
    /// Fit a model of the family `any_order`.
    AnyOrder,
    /// Start a new fit in place of resuming one.
    StartAnew,
    /// Resume the fit with the settings that it was started with, or start a new one.
    ResumeSame,
    /// Move this file away, or give the result another name.
    MoveAway,
    /// Compute in single precision.
    SinglePrecision,
    /// Build with this feature of the crate.
    BuildWith(String),
    /// Advice that needs no setting of a front end: a sentence that is the same for all of them.
    Other(Cow<'static, str>),
}

impl Hint {
    /// Advice that names no setting.
    pub const fn other(text: &'static str) -> Self {
        Hint::Other(Cow::Borrowed(text))
    }

    /// The JSON document that declares columns in a schema: `{"price": "positive"}`.
    pub fn declaration(columns: &[String], kind: &str) -> String {
        let entries: Vec<String> = columns.iter().map(|name| format!("{}: {kind}", serde_json::Value::from(name.as_str()))).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::DropColumns(columns) => write!(f, "drop {} (`Roles::drop`)", quoted(columns)),
            Hint::DropConstant(column) => write!(f, "drop '{column}' (`Roles::drop`) to leave it out of the samples too"),
            Hint::DeclareOrDrop(column) => {
                write!(f, "declare another kind in the schema (`Overrides`), or drop '{column}' (`Roles::drop`)")
            }
            Hint::DeclareKind { columns, kind, only_seen } => {
                let condition = if *only_seen { "if this holds for every possible value, " } else { "" };
                write!(f, "{condition}declare it in the schema (`Overrides`): {}", Hint::declaration(columns, kind))
            }
            Hint::AllowMissing => write!(
                f,
                "`MissingPolicy::Model` gives missing values a probability, and `MissingPolicy::Drop` leaves out the rows that lack a value"
            ),
            Hint::ReadAsMissing(texts) => {
                write!(f, "if it is not a category, add it to `Reading::missing`: {}", quoted(texts))
            }
            Hint::NotNumbers(texts) => {
                let them = if texts.len() == 1 { "it" } else { "them" };
                write!(f, "correct {them}, or add {them} to `Reading::missing`: {}", quoted(texts))
            }
            Hint::KeepIndex => write!(f, "set `Reading::keep_index` to read index columns like other columns"),
            Hint::DidYouMean(names) => write!(f, "did you mean {}?", quoted(names)),
            Hint::NameLabels => write!(f, "read the data with their labels"),
            Hint::NameArray => write!(f, "give the names of the arrays that hold the images or samples and the labels"),
            Hint::NameRate => write!(f, "give the sample rate of the recordings"),
            Hint::NameValidation => write!(f, "validate with a table of its own"),
            Hint::ReshapeOrImages => write!(f, "reshape it to rows and columns; three or four dimensions are for models of images"),
            Hint::AllBits => write!(f, "fit with a depth of 8 bits to accept all numbers"),
            Hint::Upgrade => write!(f, "upgrade knothe"),
            Hint::LowerLearningRate => write!(f, "lower the learning rate, or look for extreme values in the data"),
            Hint::SingleModel => write!(f, "fit a single model"),
            Hint::OneLayer => write!(f, "fit with one layer"),
            Hint::AnyOrder => write!(f, "fit a model of the family any_order"),
            Hint::StartAnew => write!(f, "start a new fit"),
            Hint::ResumeSame => write!(f, "resume with the data and the settings of the interrupted fit, or start a new fit"),
            Hint::MoveAway => write!(f, "move the file away, or give the result another name"),
            Hint::SinglePrecision => write!(f, "use `Precision::F32`"),
            Hint::BuildWith(feature) => write!(f, "build with the feature `{feature}` of the crate"),
            Hint::Other(text) => f.write_str(text),
        }
    }
}

/// A number with its noun: "1 row", "2 rows".
#[cfg(feature = "tables")]
pub fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Names for a message: `'a', 'b' and 'c'`.
pub fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let each: Vec<String> = names.iter().map(|n| format!("'{}'", n.as_ref())).collect();
    match each.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => each.join(""),
    }
}
