//! How the text files of a command are written, and which columns and values of tables are read in a way of their own.

use std::path::Path;

use clap::Args;
use knothe::events::table::{Dialect, Reading, Table, is_text, quoted};

use crate::{columns::named, failure::Failure, hints::for_shell};

/// How text files are written, as far as it is set.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Text files")]
pub struct TextFiles {
    /// Field delimiter: a character, tab, or space for any run of spaces and tabs [default: detected]
    #[arg(long, value_name = "C", value_parser = delimiter)]
    pub delimiter: Option<char>,
    /// Decimal mark: . or , [default: detected]
    #[arg(long, value_name = "C", value_parser = decimal)]
    pub decimal: Option<char>,
    /// Thousands separator: , . ' or space [default: detected]
    #[arg(long, value_name = "C", value_parser = thousands)]
    pub thousands: Option<char>,
    /// Quote around fields that hold delimiters [default: detected]
    #[arg(long, value_name = "C", value_parser = quote)]
    pub quote: Option<char>,
    /// First character of comment lines [default: detected]
    #[arg(long, value_name = "C", value_parser = comment)]
    pub comment: Option<char>,
    /// Whether the first line holds the names of the columns. If not, they are x1, x2, … [default: detected]
    #[arg(long, value_name = "true|false", value_parser = boolean)]
    pub header: Option<bool>,
    /// Encoding, for example utf-16le or windows-1252 [default: detected]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub encoding: Option<String>,
    /// Further texts that stand for a missing value, in every format
    #[arg(long, value_name = "A,B", value_delimiter = ',', allow_hyphen_values = true)]
    pub missing_values: Vec<String>,
    /// Read these columns as text, in every format
    #[arg(long, value_name = "A,B")]
    pub text: Vec<String>,
    /// Read index columns like other columns, in every format
    #[arg(long)]
    pub keep_index: bool,
}

impl TextFiles {
    /// The names of the options.
    pub const OPTIONS: [&'static str; 10] =
        ["delimiter", "decimal", "thousands", "quote", "comment", "header", "encoding", "missing-values", "text", "keep-index"];

    /// The options, and whether they are given.
    pub fn supplied(&self) -> Vec<(&'static str, bool)> {
        let given = [
            self.delimiter.is_some(),
            self.decimal.is_some(),
            self.thousands.is_some(),
            self.quote.is_some(),
            self.comment.is_some(),
            self.header.is_some(),
            self.encoding.is_some(),
            !self.missing_values.is_empty(),
            !self.text.is_empty(),
            self.keep_index,
        ];
        Self::OPTIONS.into_iter().zip(given).collect()
    }

    /// Checks that the options do not contradict each other and that there is a table to read. Options for text files need a text file.
    pub fn check(&self, tables: &[&Path]) -> Result<(), Failure> {
        if let Some(mark) = self.thousands.filter(|mark| self.decimal == Some(*mark)) {
            return Err(Failure::usage(format!("--thousands: expected another character than --decimal, found '{mark}'"), ""));
        }
        self.dialect().check().map_err(|e| Failure::usage(format!("--{e}"), ""))?;
        let of_text = self.dialect() != Dialect::default();
        let supplied = self.supplied();
        let Some((option, _)) = supplied.iter().find(|(_, given)| *given) else { return Ok(()) };
        match tables {
            [] => Err(Failure::usage(format!("--{option}: expected a table to read, found none"), "leave it out")),
            [first, ..] if of_text && !tables.iter().any(|path| is_text(path)) => {
                let message = format!("--{option}: expected a text file, found {}", first.display());
                Err(Failure::usage(message, "leave it out, because it applies to text files only"))
            }
            _ => Ok(()),
        }
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            delimiter: self.delimiter,
            decimal: self.decimal,
            thousands: self.thousands,
            quote: self.quote,
            comment: self.comment,
            header: self.header,
            encoding: self.encoding.clone(),
        }
    }

    /// What is set beside what is known of a table, without the columns that are read as text.
    pub fn beside(&self, known: Reading) -> Reading {
        let missing = self.missing_values.iter().map(|text| text.trim().to_owned()).collect();
        Reading { dialect: self.dialect(), missing, keep_index: self.keep_index || known.keep_index, ..known }
    }

    /// How a table is read: what is set beside what is known of it.
    pub fn of(&self, table: &Path, known: Reading) -> Asked {
        let [text] = named(table, [&self.text], &self.beside(Reading::default()));
        let reading = self.beside(known);
        Asked { reading: Reading { text: [&reading.text[..], &text].concat(), ..reading }, text }
    }

    /// The options as they are typed, with a space before each; empty where none is given.
    pub fn typed(&self) -> String {
        let mark = |c: char| match c {
            '\t' => "tab".to_owned(),
            ' ' => "space".to_owned(),
            other => other.to_string(),
        };
        let list = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
        let mut values: Vec<(&str, Option<String>)> = Self::OPTIONS
            .into_iter()
            .zip([self.delimiter, self.decimal, self.thousands, self.quote, self.comment])
            .map(|(option, c)| (option, c.map(mark)))
            .collect();
        values.push(("header", self.header.map(|header| header.to_string())));
        values.push(("encoding", self.encoding.clone()));
        values.push(("missing-values", list(&self.missing_values)));
        values.extend(self.text.iter().map(|text| ("text", Some(text.clone()))));
        let given = values.into_iter().filter_map(|(option, value)| Some(format!(" --{option} {}", for_shell(&value?))));
        given.chain(self.keep_index.then(|| " --keep-index".to_owned())).collect()
    }
}

/// How a table is read.
pub struct Asked {
    pub reading: Reading,
    /// The columns that the user wants as text.
    text: Vec<String>,
}

impl Asked {
    /// Reads a table whole.
    pub fn read(&self, path: &Path) -> Result<Table, Failure> {
        let table = Table::read_with(path, &self.reading)?;
        self.check(&table)?;
        Ok(table)
    }

    /// Checks that the columns that the user names are there.
    pub fn check(&self, table: &Table) -> Result<(), Failure> {
        match self.text.iter().find(|name| table.column(name).is_none()) {
            Some(name) => {
                let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
                let message = format!("--text: expected a column of {}, found '{name}'", table.path.display());
                Err(Failure::usage(message, format!("its columns are {}", quoted(&known))))
            }
            None => Ok(()),
        }
    }
}

/// The character that a text names.
fn character(text: &str, expected: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        ("space", ..) => Ok(' '),
        (_, Some(c), None) => Ok(c),
        _ => Err(format!("expected {expected}")),
    }
}

/// A character that the library takes for a setting.
fn checked(text: &str, expected: &str, dialect: impl Fn(char) -> Dialect) -> Result<char, String> {
    let c = character(text, expected)?;
    dialect(c).check().map(|()| c).map_err(|_| format!("expected {expected}"))
}

fn delimiter(text: &str) -> Result<char, String> {
    let expected = "an ASCII character that is not a letter, a digit or a quote, or one of the words tab and space";
    checked(text, expected, |c| Dialect { delimiter: Some(c), quote: (c == '"').then_some('\''), ..Dialect::default() })
}

fn decimal(text: &str) -> Result<char, String> {
    checked(text, "'.' or ','", |c| Dialect { decimal: Some(c), ..Dialect::default() })
}

fn thousands(text: &str) -> Result<char, String> {
    checked(text, "',', '.', ''' or the word space", |c| Dialect { thousands: Some(c), ..Dialect::default() })
}

fn quote(text: &str) -> Result<char, String> {
    checked(text, "an ASCII character that is not a letter or a digit", |c| Dialect { quote: Some(c), ..Dialect::default() })
}

fn comment(text: &str) -> Result<char, String> {
    let expected = "an ASCII character that is not a letter, a digit or a quote";
    checked(text, expected, |c| Dialect { comment: Some(c), quote: (c == '"').then_some('\''), ..Dialect::default() })
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "expected true or false".into())
}

fn encoding(text: &str) -> Result<String, String> {
    let dialect = Dialect { encoding: Some(text.into()), ..Dialect::default() };
    let expected = "expected a label of the Encoding Standard, such as utf-8, utf-16le or windows-1252";
    dialect.check().map(|()| text.to_owned()).map_err(|_| expected.into())
}
