//! The dialect of a text file, from its start.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::dialect::Dialect;
use super::field::{Numerals, boolean, is_mark, is_missing};
use super::scan::{Comment, Field, SPACES, Syntax};
use crate::events::table::moment;

/// The most records that are looked at.
const MOST_RECORDS: usize = 1000;
/// A delimiter must cut at least this share of the records into equally many fields.
const LEAST_EQUAL: f64 = 0.5;

/// The fields of a record.
pub(super) type Record<'a> = Vec<Cow<'a, [u8]>>;

/// The start of a text.
pub(super) struct Start<'a> {
    /// The whole records.
    pub(super) records: Vec<Record<'a>>,
    /// Where the second record starts.
    pub(super) second: usize,
    /// Whether the text ends within a quote of the first record.
    pub(super) is_unclosed: bool,
}

/// The whole records at the start of the text.
pub(super) fn start<'a>(sample: &'a [u8], complete: bool, syntax: &Syntax) -> Start<'a> {
    let mut start = Start { records: Vec::new(), second: sample.len(), is_unclosed: false };
    let mut at = syntax.skip(sample, 0);
    while at < sample.len() && start.records.len() < MOST_RECORDS {
        let (mut record, mut last) = (Vec::new(), None);
        let each = |field: Field| {
            record.push(field.text(sample, syntax.quote));
            last = Some(field);
        };
        let Some(end) = syntax.record(sample, at, complete, each) else { break };
        if start.records.is_empty() {
            start.second = end;
            start.is_unclosed = complete && last.is_some_and(|field| syntax.is_unclosed(sample, &field));
        }
        start.records.push(record);
        at = syntax.skip(sample, end);
    }
    start
}

/// The number of fields that most records after the first have.
pub(super) fn usual_width(records: &[Record]) -> usize {
    let mut widths: Vec<usize> = records.iter().skip(usize::from(records.len() > 1)).map(Vec::len).collect();
    widths.sort_unstable();
    let runs = widths.chunk_by(|a, b| a == b);
    runs.max_by_key(|run| run.len()).and_then(|run| run.first()).copied().unwrap_or(0)
}

/// How the text is cut.
pub(super) fn syntax(sample: &[u8], complete: bool, dialect: &Dialect, tabs: bool) -> Syntax {
    // Quoted fields of a file may have line ends of the other kind, and an editor may add one at its end.
    let feeds = memchr_iter(b'\n', sample).count();
    let returns = memchr_iter(b'\r', sample).filter(|i| sample.get(i + 1) != Some(&b'\n')).count();
    let line_end = if returns > feeds { b'\r' } else { b'\n' };
    let set = |mark: Option<char>| mark.and_then(|c| u8::try_from(c).ok());
    let mut syntax = Syntax {
        delimiter: set(dialect.delimiter).unwrap_or(b','),
        quote: set(dialect.quote).unwrap_or(b'"'),
        comment: Some(Comment::once(set(dialect.comment).unwrap_or(b'#'))),
        line_end,
    };
    if dialect.delimiter.is_none() {
        syntax.delimiter = delimiter(sample, complete, syntax, tabs);
    }
    if dialect.quote.is_none() && memchr(b'"', sample).is_none() && memchr(b'\'', sample).is_some() {
        syntax.quote = quote(sample, complete, syntax);
    }
    if dialect.comment.is_none() && !has_comments(sample, complete, syntax) {
        syntax.comment = other_comments(sample, complete, syntax);
    }
    syntax
}

/// The delimiter that cuts most records into equally many fields, most of them of a type.
fn delimiter(sample: &[u8], complete: bool, syntax: Syntax, tabs: bool) -> u8 {
    let order = if tabs { [b'\t', b',', b';', b'|'] } else { [b',', b';', b'\t', b'|'] };
    let mut best = (0.0, order[0]);
    for delimiter in order {
        let score = score(&start(sample, complete, &Syntax { delimiter, ..syntax }).records, delimiter)
            .map_or(0.0, |(equal, typed)| equal * (1.0 + typed));
        if score > best.0 {
            best = (score, delimiter);
        }
        if tabs && score > 0.0 {
            break;
        }
    }
    if best.0 > 0.0 {
        return best.1;
    }
    // Spaces part words as well as columns: every record has as many, and among them are numbers. The first lines may be comments.
    let is_spaced = |comment: Option<Comment>| {
        let spaced = start(sample, complete, &Syntax { delimiter: SPACES, comment, ..syntax }).records;
        let (first, usual) = (spaced.first().map_or(0, Vec::len), usual_width(&spaced));
        let aligned = spaced.len() > 1 && (first == usual || (first + 1 == usual && first > 1));
        aligned && score(&spaced, SPACES).is_some_and(|(equal, typed)| equal == 1.0 && typed >= 0.4)
    };
    let other = other_mark(&sample[Syntax { comment: None, ..syntax }.skip(sample, 0)..]);
    if is_spaced(syntax.comment) || other.is_some_and(|mark| is_spaced(Some(mark))) { SPACES } else { best.1 }
}

/// The share of records of the usual length, and the share of fields that are of a type; nothing where records are of a single field.
fn score(records: &[Record], delimiter: u8) -> Option<(f64, f64)> {
    let usual = usual_width(records);
    if usual < 2 {
        return None;
    }
    let data = &records[usize::from(records.len() > 1)..];
    let fits = |r: &Record| r.len() == usual || (r.len() == usual + 1 && r.last().is_some_and(|f| f.is_empty()));
    let equal = data.iter().filter(|r| fits(r)).count() as f64 / data.len() as f64;
    let fields = data.iter().flatten();
    let typed = fields.clone().filter(|f| is_missing(f) || has_type(f, delimiter)).count() as f64 / fields.count() as f64;
    // A name may be missing before the first column, or nothing after the last.
    let header = if records[0].len().abs_diff(usual) <= 1 { 1.0 } else { 0.25 };
    (equal >= LEAST_EQUAL).then_some((equal * header, typed))
}

/// Whether a field is a number in one of the usual ways between these delimiters, a Boolean or a moment.
fn has_type(field: &[u8], delimiter: u8) -> bool {
    let ways = [Numerals { decimal_comma: delimiter != b',', thousands: None }, Numerals { decimal_comma: false, thousands: Some(',') }];
    ways.iter().any(|way| is_typed(field, *way))
}

/// Whether a field is a number, a Boolean or a moment.
pub(super) fn is_typed(field: &[u8], numerals: Numerals) -> bool {
    let moment = || std::str::from_utf8(field).ok().and_then(moment::parse);
    is_mark(field) || numerals.number(field).is_some() || boolean(field).is_some() || moment().is_some()
}

/// The quote character: `'` if most records have a field in single quotes, otherwise `"`. Quotes are not known yet, so a quoted field that holds the delimiter is in several parts here.
fn quote(sample: &[u8], complete: bool, syntax: Syntax) -> u8 {
    let is_most = |records: &[Record], holds: &dyn Fn(&Record) -> bool| 2 * records.iter().filter(|r| holds(r)).count() > records.len();
    let cut = start(sample, complete, &syntax).records;
    let has_whole = |r: &Record| r.iter().any(|f| f.len() > 1 && f.starts_with(b"'") && f.ends_with(b"'"));
    if is_most(&cut, &has_whole) {
        return b'\'';
    }
    // A field that opens and one that closes may be parts of one field, if the header then has as many fields as the rows. Apostrophes open and close other fields.
    let has_parts = |r: &Record| {
        let opens = r.iter().position(|f| f.starts_with(b"'"));
        opens.zip(r.iter().rposition(|f| f.ends_with(b"'"))).is_some_and(|(first, last)| first < last)
    };
    let quoted = start(sample, complete, &Syntax { quote: b'\'', ..syntax }).records;
    let usual = usual_width(&quoted);
    if is_most(&cut, &|r| has_whole(r) || has_parts(r)) && usual > 1 && quoted.first().is_some_and(|first| first.len() == usual) {
        b'\''
    } else {
        b'"'
    }
}

/// Whether lines that begin with `#` are comments: the first line does, or they are not cut as the others are.
fn has_comments(sample: &[u8], complete: bool, syntax: Syntax) -> bool {
    let plain = Syntax { comment: None, ..syntax };
    if sample.get(plain.skip(sample, 0)) == Some(&b'#') {
        return true;
    }
    let all = start(sample, complete, &plain).records;
    let usual = usual_width(&all);
    all.iter().any(|r| r.first().is_some_and(|f| f.starts_with(b"#")) && r.len() != usual)
}

/// The comment mark `%` or `//` with which a text begins.
fn other_mark(text: &[u8]) -> Option<Comment> {
    match text {
        [b'%', ..] => Some(Comment::once(b'%')),
        [b'/', b'/', ..] => Some(Comment { mark: b'/', twice: true }),
        _ => None,
    }
}

/// The comment mark `%` or `//`, if the first line begins with it and is not a header. The line is a comment if its number of fields is unusual. If a space follows the mark, it is also one if spaces
/// separate the columns, if the next line begins with the mark too, or if a header follows.
fn other_comments(sample: &[u8], complete: bool, syntax: Syntax) -> Option<Comment> {
    let plain = Syntax { comment: None, ..syntax };
    let first = &sample[plain.skip(sample, 0)..];
    let comment = other_mark(first)?;
    let all = start(sample, complete, &plain).records;
    let rest = start(sample, complete, &Syntax { comment: Some(comment), ..syntax }).records;
    let (usual, shown) = (usual_width(&rest), comment.shown());
    // The name of a column may begin with `%`, as `%CPU` does, but hardly with a space after it.
    let is_apart = first.get(shown.len()) == Some(&b' ');
    let goes_on = || all.get(1).and_then(|record| record.first()).is_some_and(|field| field.starts_with(shown.as_bytes()));
    let is_value = |field: &Cow<[u8]>| has_type(field, syntax.delimiter);
    // Names, and after them a column of values.
    let are_values = |data: &[Record], j: usize| {
        let mut present = data.iter().filter_map(|record| record.get(j)).filter(|field| !is_missing(field)).peekable();
        present.peek().is_some() && present.all(is_value)
    };
    let header_follows = || {
        rest.split_first().is_some_and(|(first, data)| {
            !first.iter().any(|field| is_missing(field) || is_value(field)) && (0..usual).any(|j| are_values(data, j))
        })
    };
    let is_comment = |record: &Record| record.len() != usual || (is_apart && (syntax.delimiter == SPACES || goes_on() || header_follows()));
    all.first().is_some_and(is_comment).then_some(comment)
}

/// The evidence in a column for each way of writing numbers.
#[derive(Default)]
struct Evidence {
    decimal_comma: usize,
    decimal_point: usize,
    comma_groups: usize,
    point_groups: usize,
    space_groups: usize,
    apostrophe_groups: usize,
    /// `1,234`, which may be either.
    undecided: usize,
    /// Whole numbers without marks below 1000, and from there on.
    below_1000: usize,
    from_1000: usize,
}

/// How numbers are written in the records after a header.
pub(super) fn numerals(data: &[Record], width: usize, delimiter: u8, dialect: &Dialect) -> Numerals {
    let (mut commas, mut points) = (0, 0);
    let (mut comma_groups, mut point_groups, mut space_groups, mut apostrophe_groups) = (0, 0, 0, 0);
    // Numbers that can be nothing else, as 0,801 is.
    let mut certain = 0;
    for j in 0..width {
        let mut column = Evidence::default();
        data.iter().filter_map(|r| r.get(j)).filter_map(|f| std::str::from_utf8(f).ok()).for_each(|field| column.weigh(field));
        certain += column.decimal_comma;
        let grouped = column.undecided > 0 && column.decimal_comma == 0 && column.below_1000 > 0 && column.from_1000 == 0;
        commas += column.decimal_comma + if grouped { 0 } else { column.undecided };
        comma_groups += column.comma_groups + if grouped { column.undecided } else { 0 };
        points += column.decimal_point;
        point_groups += column.point_groups;
        space_groups += column.space_groups;
        apostrophe_groups += column.apostrophe_groups;
    }
    let decimal_comma = match (dialect.decimal, dialect.thousands) {
        (Some(mark), _) => mark == ',',
        // The other of the two marks.
        (None, Some(mark @ ('.' | ','))) => mark == '.',
        (None, _) if delimiter == b',' => certain > 0 && comma_groups == 0 && points == 0,
        (None, _) => comma_groups == 0 && (commas > points || (point_groups > 0 && points == 0)),
    };
    // Between commas, quoted numbers with commas can be nothing else.
    let thousands = dialect.thousands.or(match (decimal_comma, space_groups > 0) {
        (_, true) if delimiter != SPACES => Some(' '),
        _ if apostrophe_groups > 0 => Some('\''),
        (true, _) => Some('.'),
        (false, _) => (delimiter == b',' || comma_groups > 0 || commas > 0).then_some(','),
    });
    Numerals { decimal_comma, thousands }
}

impl Evidence {
    fn weigh(&mut self, field: &str) {
        let body = field.trim_start_matches(['+', '-']);
        let body = body.split(['e', 'E']).next().unwrap_or_default();
        if !body.chars().any(|c| c.is_ascii_digit())
            || !body.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’'))
        {
            return;
        }
        let grouped = |mark| Numerals { decimal_comma: false, thousands: Some(mark) }.number(body.as_bytes()).is_some();
        let german = |mark| Numerals { decimal_comma: true, thousands: Some(mark) }.number(body.as_bytes()).is_some();
        let (commas, points) = (body.matches(',').count(), body.matches('.').count());
        let apostrophes = body.chars().filter(|c| matches!(c, '\'' | '’')).count();
        let spaces = body.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, ',' | '.')).count() - apostrophes;
        let three_after =
            |mark| body.split_once(mark).is_some_and(|(a, b)| b.len() == 3 && (1..=3).contains(&a.len()) && !a.starts_with('0'));
        if apostrophes > 0 {
            let (plain, comma) = (spaces == 0 && grouped('\''), spaces == 0 && german('\''));
            self.apostrophe_groups += usize::from(plain || comma);
            self.decimal_point += usize::from(plain && points > 0);
            self.decimal_comma += usize::from(comma && commas > 0);
            return;
        }
        match (commas, points, spaces) {
            (0, 0, 0) if body.len() < 4 => self.below_1000 += 1,
            (0, 0, 0) => self.from_1000 += 1,
            (1, 0, 0) if three_after(',') => self.undecided += 1,
            (1, 0, 0) => self.decimal_comma += 1,
            (0, 1, 0) if !three_after('.') => self.decimal_point += 1,
            (1, _, 0) if german('.') => {
                self.decimal_comma += 1;
                self.point_groups += 1;
            }
            (2.., 0, 0) | (_, 1, 0) if grouped(',') => self.comma_groups += usize::from(commas > 0),
            (0, 2.., 0) if german('.') => self.point_groups += 1,
            (0 | 1, 0, 1..) if german(' ') => {
                self.space_groups += 1;
                self.decimal_comma += commas;
            }
            (0, 1, 1..) if grouped(' ') => self.space_groups += 1,
            _ => {}
        }
    }
}
