//! How a text file is written.

use encoding_rs::Encoding;

use super::scan::SPACES;
use crate::error::{Error, Result};

/// The dialect of a text file. Settings that are not given are detected from the start of the file.
///
/// ```
/// use knothe::events::table::{Dialect, Reading};
/// let dialect = Dialect { delimiter: Some(';'), decimal: Some(','), ..Dialect::default() };
/// let reading = Reading { dialect, ..Reading::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialect {
    /// The field delimiter: an ASCII character. A space stands for any run of spaces and tabs.
    pub delimiter: Option<char>,
    /// The decimal mark: a point or a comma.
    pub decimal: Option<char>,
    /// The thousands separator: a comma, a point, an apostrophe, or a space for every kind of space.
    pub thousands: Option<char>,
    /// The quote around fields that hold delimiters: an ASCII character.
    pub quote: Option<char>,
    /// The first character of comment lines: an ASCII character.
    pub comment: Option<char>,
    /// Whether the first line holds the names of the columns. Without it they are x1, …, xD.
    pub header: Option<bool>,
    /// The label of an encoding in the Encoding Standard, such as `utf-16le` or `windows-1252`.
    pub encoding: Option<String>,
}

impl Dialect {
    /// Checks that the characters are ones that can be told apart, and that the encoding is known.
    ///
    /// # Errors
    /// [`Error::Invalid`], with the setting.
    pub fn check(&self) -> Result<()> {
        for (what, mark) in [("delimiter", self.delimiter), ("quote", self.quote), ("comment", self.comment)] {
            if let Some(mark) = mark.filter(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '\n' | '\r')) {
                return Err(Error::invalid(what, "an ASCII character that is not a letter, a digit or a line break", format!("{mark:?}")));
            }
        }
        if let Some(mark) = self.decimal.filter(|c| !matches!(c, '.' | ',')) {
            return Err(Error::invalid("decimal", "'.' or ','", format!("{mark:?}")));
        }
        if let Some(mark) = self.thousands.filter(|c| !matches!(c, '.' | ',' | '\'' | ' ')) {
            return Err(Error::invalid("thousands", "',', '.', ''' or a space", format!("{mark:?}")));
        }
        if let Some(mark) = self.thousands.filter(|mark| self.decimal == Some(*mark)) {
            return Err(Error::invalid("thousands", "a character other than the decimal mark", format!("{mark:?}")));
        }
        let quote = self.quote.unwrap_or('"');
        for (what, mark, others) in
            [("delimiter", self.delimiter, [Some(quote), self.comment]), ("comment", self.comment, [Some(quote), None])]
        {
            if let Some(mark) = mark.filter(|mark| others.contains(&Some(*mark))) {
                return Err(Error::invalid(what, "another character than for quotes and comments", format!("{mark:?}")));
            }
        }
        if let Some(label) = self.encoding.as_ref().filter(|label| Encoding::for_label(label.as_bytes()).is_none()) {
            return Err(Error::invalid("encoding", "a label of the Encoding Standard", label));
        }
        Ok(())
    }
}

/// A delimiter for a message.
pub(super) fn named(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab-separated text".into(),
        SPACES => "space-separated text".into(),
        other => format!("'{}'-separated text", char::from(other)),
    }
}
