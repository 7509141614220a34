//! The options of `predict` and `impute`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    given::Value,
    options::{Runtime, draws, fraction},
    text_files::TextFiles,
};

/// The options that both commands have.
#[derive(Args, Debug)]
pub struct ConditionalArguments {
    /// Set a column of the model to this value in every row, in place of the table's values. Repeat the option for more columns
    #[arg(long, value_name = "COLUMN=VALUE", help_heading = "Input")]
    pub given: Vec<Value>,
    #[command(flatten)]
    pub text_files: TextFiles,
    /// CSV, TSV, Parquet, Arrow IPC or NPY file to write, or - for standard output [default: CSV on standard output]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Predict a column of a table from any other columns
#[derive(Args, Debug)]
#[command(after_help = "\
The prediction of a row is conditional on the other values of the row. Values of the predicted column
itself are ignored. Columns that the table lacks are unknown. A missing value is unknown too, unless
the model has a probability for missing values in that column. The model must be fitted with
--model any_order.

For a column of numbers or times, the output has the mean, the standard deviation and quantiles of
the conditional distribution. For a categorical column, it has the most probable category and the
probability of each category. Standard deviations of dates are in days, and those of times in the
unit of the model. The prediction assumes that the value is not missing. Periodic columns cannot be
predicted.

Example:
  knothe fit housing.parquet --model any_order --out housing.safetensors
  knothe predict housing.safetensors new.csv --column value --out value.csv")]
pub struct PredictArguments {
    /// Model file
    pub model: PathBuf,
    /// Table. Columns are matched by name, in any order
    pub data: PathBuf,
    /// Column to predict
    #[arg(long, value_name = "NAME", help_heading = "Prediction")]
    pub column: String,
    /// Quantiles to write for a column of numbers or times
    #[arg(long, value_name = "P,P", value_delimiter = ',', value_parser = fraction, default_value = "0.05,0.5,0.95", help_heading = "Prediction")]
    pub quantiles: Vec<f64>,
    /// Number of draws per row that give the mean, the standard deviation and the quantiles. With 256 draws, the error of the mean is about 0.2 % of the standard deviation
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = draws, help_heading = "Prediction")]
    pub draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Prediction")]
    pub seed: u64,
    #[command(flatten)]
    pub common: ConditionalArguments,
}

/// Fill in the missing values of a table with draws given the known values
#[derive(Args, Debug)]
#[command(after_help = "\
Each missing value is drawn from its conditional distribution given all known values of its row, so
the completed table keeps the spread of the data and the relations between the columns. All other
values, and columns that are not in the model, stay as they are. Modelled columns that the table
lacks are added at the end. The model must be fitted with --model any_order.

With --draws K, the output has K completed copies of the table, numbered in the column 'draw'. Analyse
each copy and combine the results (multiple imputation, Rubin 1987).

Example:
  knothe fit patients.csv --model any_order --out patients.safetensors
  knothe impute patients.safetensors patients.csv --out complete.csv")]
pub struct ImputeArguments {
    /// Model file
    pub model: PathBuf,
    /// Table. Columns are matched by name, in any order
    pub data: PathBuf,
    /// Number of completed copies of the table
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = draws, help_heading = "Sampling")]
    pub draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    #[command(flatten)]
    pub common: ConditionalArguments,
}
