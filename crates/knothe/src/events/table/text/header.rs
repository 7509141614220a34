//! The names of the columns of a text file, and which fields they are.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::columns::unclosed;
use super::dialect::named;
use super::field::{Numerals, decoded, is_mark};
use super::scan::{Cells, Field, Syntax};
use super::sniff::{Record, Start, is_typed, numerals, start, syntax, usual_width};
use crate::error::{Error, Result};
use crate::events::table::absent::Absent;
use crate::events::table::quoted;
use crate::events::table::reading::{Reading, check_columns, check_names, is_index};
use crate::events::table::schema::Notice;
use crate::hint::Hint;

/// The most names that a note lists.
const MOST_NAMES: usize = 5;

/// The layout of a text file.
pub(super) struct Layout {
    pub(super) syntax: Syntax,
    pub(super) numerals: Numerals,
    /// The fields of a record.
    pub(super) width: usize,
    /// The columns: the place of the field, and the name.
    pub(super) columns: Vec<(usize, String)>,
    /// Where the records start after the header.
    pub(super) start: usize,
    /// What a user should know of it.
    pub(super) notes: Vec<Notice>,
}

/// Finds out how a text is written from its start, and names the columns.
pub(super) fn layout(path: &Path, sample: &[u8], complete: bool, tabs: bool, reading: &Reading, mut how: Vec<String>) -> Result<Layout> {
    let dialect = &reading.dialect;
    let syntax = syntax(sample, complete, dialect, tabs);
    let Start { records, second, is_unclosed } = start(sample, complete, &syntax);
    if is_unclosed {
        return Err(unclosed(path, None, syntax.quote));
    }
    if records.is_empty() && !complete {
        let problem = format!("expected a line of names or values within the first {} bytes, found none", sample.len());
        return Err(Error::table(path, problem, Hint::other("a header and the comments before it may take 4 MiB")));
    }
    let first = records.first().map(Vec::as_slice).unwrap_or_default();
    check_columns(path, first.len())?;
    let usual = if records.len() > 1 { usual_width(&records) } else { first.len() };
    let numerals = numerals(&records[1..], usual, syntax.delimiter, dialect);
    // The last comment may hold the names: those that are expected, or any before a line with a value.
    let mut commented = if dialect.header.is_some() { None } else { commented_names(sample, &syntax, usual) };
    let are_names = |names: &Vec<String>| are_most(names, &reading.names) || first.iter().any(|field| is_typed(field, numerals));
    let is_told = commented.as_ref().is_some_and(are_names);
    let has_header = dialect.header.unwrap_or_else(|| !is_told && has_header(&records, usual, numerals, reading));
    if has_header {
        commented = None;
    }
    let mut notes = Vec::new();
    let mut names: Vec<String> = match (&commented, has_header) {
        (Some(names), _) => names.clone(),
        (None, true) => first.iter().map(|name| decoded(name).into_owned()).collect(),
        (None, false) => (1..=usual).map(|j| format!("x{j}")).collect(),
    };
    if !has_header && commented.is_none() {
        notes.push(Notice::plain(format!("the first line holds values, so the columns are named x1 to x{usual}")));
    } else if has_header && dialect.header.is_none() && !holds(first, &reading.names) && counts(&records, numerals) {
        notes.push(Notice::plain("the first line holds consecutive numbers and was read as the names of the columns"));
    }

    let data = &records[usize::from(has_header)..];
    let empty_at = |j: usize| !data.is_empty() && data.iter().all(|r| r.get(j).is_none_or(|f| f.is_empty()));
    let mut width = names.len();
    let mut columns: Vec<(usize, String)> = Vec::new();
    if names.len() + 1 == usual && !empty_at(names.len()) {
        // R's write.table: the names of the rows have no name.
        width = usual;
        names.insert(0, String::new());
    }
    if names.len() > 1 && names.last().is_some_and(String::is_empty) && (names.len() == usual + 1 || empty_at(names.len() - 1)) {
        names.pop();
        width = names.len();
    }
    let mut taken: HashSet<String> = names.iter().filter(|n| !n.is_empty()).cloned().collect();
    let mut seen = HashSet::new();
    // The last number that was appended to each repeated name.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let (mut renamed, mut unnamed) = (Vec::new(), Vec::new());
    let several = names.len() > 1;
    for (j, mut name) in names.into_iter().enumerate() {
        if name.is_empty() {
            name = format!("Unnamed: {j}");
            unnamed.push(name.clone());
        }
        if seen.contains(&name) {
            let last = numbers.entry(name.clone()).or_insert(0);
            *last = (*last + 1..).find(|k| !taken.contains(&format!("{name}.{k}"))).unwrap_or(0);
            name = format!("{name}.{last}");
            taken.insert(name.clone());
            renamed.push(name.clone());
        }
        seen.insert(name.clone());
        if j == 0 && several && is_index(&name) && reading.leaves_out(&name) {
            let what =
                if name == "Unnamed: 0" { "the first column, which has no name,".into() } else { format!("the first column, '{name}',") };
            notes.push(Notice::new(format!("{what} is read as an index column and is left out"), Hint::KeepIndex));
            unnamed.clear();
        } else {
            columns.push((j, name));
        }
    }
    if !unnamed.is_empty() {
        notes.push(Notice::plain(format!("columns without a name are called {}", listed(&unnamed))));
    }
    if !renamed.is_empty() {
        notes.push(Notice::plain(format!("columns with repeated names are renamed to {}", listed(&renamed))));
    }
    let names: Vec<String> = columns.iter().map(|(_, name)| name.clone()).collect();
    check_names(path, &names)?;
    describe(&mut how, &syntax, numerals, sample, data);
    if !how.is_empty() || syntax.delimiter != usual_delimiter(tabs) {
        let text = if syntax.delimiter == usual_delimiter(tabs) { "text".into() } else { named(syntax.delimiter) };
        notes.insert(0, Notice::plain(format!("read as {text} {}", how.join(", ")).trim_end()));
    }
    Ok(Layout { syntax, numerals, width, columns, start: if has_header { second } else { 0 }, notes })
}

fn usual_delimiter(tabs: bool) -> u8 {
    if tabs { b'\t' } else { b',' }
}

/// A description of the dialect, apart from UTF-8 with commas and points.
fn describe(how: &mut Vec<String>, syntax: &Syntax, numerals: Numerals, sample: &[u8], data: &[Record]) {
    if syntax.quote != b'"' {
        how.push(format!("quoted by {}", char::from(syntax.quote)));
    }
    if numerals.decimal_comma {
        how.push("with decimal commas".into());
    }
    // Commas and points are looked for in every file.
    let is_assumed = |mark: char| if numerals.decimal_comma { mark == '.' } else { mark == ',' };
    let occurs = || data.iter().flatten().any(|field| numerals.is_grouped(field));
    let parted = numerals.thousands.filter(|mark| !is_assumed(*mark) || occurs());
    if let Some(mark) = parted {
        let name = match mark {
            ' ' => "spaces".into(),
            '\'' => "apostrophes".into(),
            mark => format!("'{mark}'"),
        };
        how.push(format!("with thousands separated by {name}"));
    }
    if let Some(comment) = syntax.comment.filter(|comment| memchr::memchr(comment.mark, sample).is_some()) {
        how.push(format!("with comments after {}", comment.shown()));
    }
}

fn listed(names: &[String]) -> String {
    match names.len() {
        ..=MOST_NAMES => quoted(names),
        more => format!("{} and so on ({more} columns)", quoted(&names[..MOST_NAMES])),
    }
}

/// Whether the first line holds 0, 1, 2, … or 1, 2, 3, …, or years in a row; two years count where no line after them holds a year.
fn counts(records: &[Record], numerals: Numerals) -> bool {
    let Some((line, data)) = records.split_first() else { return false };
    let numbers: Option<Vec<f64>> = line.iter().map(|field| numerals.number(field)).collect();
    let is_year = |v: f64| (1000.0..3000.0).contains(&v) && v.fract() == 0.0;
    let no_years = || !data.is_empty() && !data.iter().flatten().filter_map(|field| numerals.number(field)).any(is_year);
    numbers.is_some_and(|v| {
        let years = |f| is_year(f) && (v.len() > 2 || (v.len() == 2 && no_years()));
        let starts = v.first().is_some_and(|&f| f == 0.0 || (v.len() > 1 && f == 1.0) || years(f));
        starts && v.windows(2).all(|w| w[1] == w[0] + 1.0)
    })
}

/// Whether a line holds most of these names.
fn holds(line: &[Cow<[u8]>], names: &[String]) -> bool {
    are_most(&line.iter().map(|field| decoded(field).into_owned()).collect::<Vec<_>>(), names)
}

/// Whether some names are most of those that are expected.
fn are_most(found: &[String], expected: &[String]) -> bool {
    let found: HashSet<&str> = found.iter().map(String::as_str).collect();
    2 * expected.iter().filter(|name| found.contains(name.as_str())).count() > expected.len()
}

/// What the names that a table is expected to have say of its first line: it is a header if it holds them, and a row if columns without a header are expected.
fn expected(first: &[Cow<[u8]>], usual: usize, numerals: Numerals, reading: &Reading) -> Option<bool> {
    let is_made = |name: &String| {
        let number = name.strip_prefix('x').and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|j| (1..=usual).contains(&j) && *name == format!("x{j}"))
    };
    let is_label = |(j, field): (usize, &Cow<[u8]>)| {
        reading.labels.get(&format!("x{}", j + 1)).is_some_and(|labels| labels.iter().any(|label| label.as_bytes() == &**field))
    };
    let has_value = || first.iter().any(|field| is_typed(field, numerals)) || first.iter().enumerate().any(is_label);
    match &reading.names[..] {
        [] => None,
        names if holds(first, names) => Some(true),
        names => (names.iter().all(is_made) && has_value()).then_some(false),
    }
}

/// Whether the first line holds names. It does not if it resembles the lines after it: each field is a value where theirs are values, or a text that occurs again in its column. In a table of text alone, each text
/// has to occur twice more, in rows that differ from the first line. A header that is repeated as a whole is still a header.
fn has_header(records: &[Record], usual: usize, numerals: Numerals, reading: &Reading) -> bool {
    let Some((first, data)) = records.split_first() else { return true };
    if let Some(known) = expected(first, usual, numerals, reading) {
        return known;
    }
    let absent = Absent::of(reading, "");
    let is_missing = |field: &[u8]| absent.is_field(field);
    if first.len() != usual || counts(records, numerals) || first.iter().all(|f| is_missing(f)) {
        return true;
    }
    let column = |j: usize| data.iter().filter_map(move |r| r.get(j)).filter(|f| !is_missing(f));
    let (mut values, mut is_apart) = (0, first.len() > 1 && !first.iter().any(|f| is_missing(f)));
    let others: Vec<&Record> = data.iter().filter(|r| *r != first).collect();
    for (j, field) in first.iter().enumerate().filter(|(_, f)| !is_missing(f)) {
        let like = if is_mark(field) {
            // `?` may stand for a missing value of any column.
            values += usize::from(column(j).all(|f| is_typed(f, numerals)));
            true
        } else if is_typed(field, numerals) && !field.is_empty() {
            values += 1;
            column(j).all(|f| is_typed(f, numerals))
        } else {
            is_apart = is_apart && others.iter().filter(|r| r.get(j) == Some(field)).nth(1).is_some();
            column(j).any(|f| f == field)
        };
        if !like {
            return true;
        }
    }
    values == 0 && !is_apart
}

/// Names in the last comment before the data, as NumPy and many instruments write them.
fn commented_names(sample: &[u8], syntax: &Syntax, width: usize) -> Option<Vec<String>> {
    let comment = syntax.comment?;
    let before = &sample[..syntax.skip(sample, 0)];
    let line = before.split(|b| *b == syntax.line_end).map(<[u8]>::trim_ascii).rfind(|line| !line.is_empty())?;
    let line = line.strip_prefix(comment.shown().as_bytes())?;
    let cells = Cells::new(line, &Syntax { comment: None, ..*syntax }, width).ok()?;
    if width < 2 || cells.rows() != 1 {
        return None;
    }
    let name = |j| cells.column(j).next().map(|field: &Field| decoded(&field.text(line, syntax.quote)).into_owned());
    (0..width).map(name).collect()
}
