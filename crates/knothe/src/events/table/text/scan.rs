//! Delimited text, cut into records and fields.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3};

/// A delimiter that stands for any run of spaces and tabs.
pub(super) const SPACES: u8 = b' ';

/// How text is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) comment: Option<u8>,
    pub(super) line_end: u8,
}

/// Where a field lies, and whether quotes in it are doubled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    start: u32,
    end: u32,
    doubled: bool,
}

impl Syntax {
    /// Whether a byte is no part of a field at its ends.
    fn is_padding(&self, byte: u8) -> bool {
        byte == b' ' || byte == b'\r' && self.line_end != b'\r' || byte == b'\t' && self.delimiter != b'\t'
    }

    /// The start of the next record: after blank lines and comments.
    pub(super) fn skip(&self, text: &[u8], mut at: usize) -> usize {
        loop {
            let padding = text[at..].iter().take_while(|b| self.is_padding(**b)).count();
            match text.get(at + padding) {
                Some(b) if *b == self.line_end => at += padding + 1,
                None => return text.len(),
                Some(b) if Some(*b) == self.comment => match memchr(self.line_end, &text[at..]) {
                    Some(end) => at += end + 1,
                    None => return text.len(),
                },
                Some(_) => return at,
            }
        }
    }

    /// The record that starts at `at`: `each` gets its fields. Gives where the next line starts, or nothing where the text ends within the record and is not the `last`.
    pub(super) fn record(&self, text: &[u8], mut at: usize, last: bool, mut each: impl FnMut(Field)) -> Option<usize> {
        loop {
            if self.delimiter == SPACES {
                at += text[at..].iter().take_while(|b| self.is_padding(**b)).count();
                match text.get(at) {
                    Some(b) if *b == self.line_end => return Some(at + 1),
                    None => return last.then_some(at),
                    Some(_) => {}
                }
            }
            let (field, end) = self.field(text, at, last)?;
            each(field);
            match text.get(end) {
                None => return Some(end),
                Some(b) if *b == self.line_end => return Some(end + 1),
                Some(_) => at = end + 1,
            }
        }
    }

    /// The field that starts at `at`, and its end.
    fn field(&self, text: &[u8], at: usize, last: bool) -> Option<(Field, usize)> {
        let open = at + text[at..].iter().take_while(|b| self.is_padding(**b)).count();
        if text.get(open) == Some(&self.quote) {
            let mut doubled = false;
            let mut from = open + 1;
            let close = loop {
                match memchr(self.quote, &text[from..]) {
                    None if last => break text.len(),
                    None => return None,
                    Some(i) if text.get(from + i + 1) == Some(&self.quote) => {
                        doubled = true;
                        from += i + 2;
                    }
                    // The next byte, not there yet, may double it.
                    Some(i) if from + i + 1 == text.len() && !last => return None,
                    Some(i) => break from + i,
                }
            };
            let after = (close + 1).min(text.len());
            let end = self.end(text, after, last)?;
            if text[after..end].iter().all(|b| self.is_padding(*b)) {
                return Some((Field { start: open as u32 + 1, end: close as u32, doubled }, end));
            }
            return Some((self.trimmed(text, open..end), end));
        }
        let end = self.end(text, at, last)?;
        Some((self.trimmed(text, at..end), end))
    }

    /// Where the field ends that is not in quotes from here on.
    fn end(&self, text: &[u8], from: usize, last: bool) -> Option<usize> {
        let found = match self.delimiter {
            SPACES => memchr3(b' ', b'\t', self.line_end, &text[from..]),
            delimiter => memchr2(delimiter, self.line_end, &text[from..]),
        };
        found.map(|i| from + i).or(last.then_some(text.len()))
    }

    fn trimmed(&self, text: &[u8], Range { mut start, mut end }: Range<usize>) -> Field {
        while start < end && self.is_padding(text[start]) {
            start += 1;
        }
        while start < end && self.is_padding(text[end - 1]) {
            end -= 1;
        }
        Field { start: start as u32, end: end as u32, doubled: false }
    }

    /// Where chunks of about `bytes` end, at the ends of records: at most `most` lines in all, and the last cut is the end of the complete ones.
    pub(super) fn cuts(&self, text: &[u8], last: bool, bytes: usize, most: usize) -> Vec<usize> {
        let mut cuts = vec![0];
        let mut next = bytes;
        let mut cut = |end: usize, done: bool| {
            if (done || end >= next) && cuts.last() != Some(&end) {
                cuts.push(end);
                next = end + bytes;
            }
        };
        let mut at = 0;
        if memchr(self.quote, text).is_none() {
            let ends =
                memchr_iter(self.line_end, text).map(|i| i + 1).chain((last && text.last() != Some(&self.line_end)).then_some(text.len()));
            for end in ends.take(most) {
                at = end;
                cut(at, false);
            }
        } else {
            for _ in 0..most {
                let start = self.skip(text, at);
                if start == text.len() {
                    // An unfinished comment is one still when the rest of it comes.
                    at = if last || text.last() == Some(&self.line_end) { start } else { at };
                    break;
                }
                let Some(end) = self.record(text, start, last, |_| {}) else { break };
                at = end;
                cut(at, false);
            }
        }
        cut(at, true);
        cuts
    }
}

impl Field {
    /// Its text, with doubled quotes single.
    pub(super) fn text<'a>(&self, text: &'a [u8], quote: u8) -> Cow<'a, [u8]> {
        let bytes = &text[self.start as usize..self.end as usize];
        if self.doubled {
            let mut before = false;
            let is_first = |byte: &u8| {
                before = *byte == quote && !before;
                *byte != quote || before
            };
            return bytes.iter().copied().filter(is_first).collect::<Vec<u8>>().trim_ascii().to_vec().into();
        }
        bytes.trim_ascii().into()
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Records of equal numbers of fields.
pub(super) struct Cells {
    pub(super) width: usize,
    fields: Vec<Field>,
}

/// A record of another number of fields.
#[derive(Debug)]
pub(super) struct Uneven {
    /// The records before it.
    pub(super) before: usize,
    /// Its number of fields.
    pub(super) found: usize,
}

impl Cells {
    /// The cells of whole records, each of `width` fields, or of one more that is empty.
    pub(super) fn new(text: &[u8], syntax: &Syntax, width: usize) -> Result<Self, Uneven> {
        let mut fields = Vec::with_capacity(text.len() / 8);
        let mut at = syntax.skip(text, 0);
        while at < text.len() {
            let before = fields.len();
            let Some(end) = syntax.record(text, at, true, |field| fields.push(field)) else { break };
            let found = fields.len() - before;
            if found == width + 1 && fields.last().is_some_and(Field::is_empty) {
                fields.pop();
            } else if found != width {
                return Err(Uneven { before: before / width.max(1), found });
            }
            at = syntax.skip(text, end);
        }
        Ok(Cells { width, fields })
    }

    /// The number of records.
    pub(super) fn rows(&self) -> usize {
        self.fields.len() / self.width.max(1)
    }

    /// The fields of a column.
    pub(super) fn column(&self, j: usize) -> impl Iterator<Item = &Field> + Clone {
        self.fields.iter().skip(j).step_by(self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str, delimiter: u8) -> Vec<Vec<String>> {
        let syntax = Syntax { delimiter, quote: b'"', comment: Some(b'#'), line_end: b'\n' };
        let mut rows = Vec::new();
        let mut at = syntax.skip(text.as_bytes(), 0);
        while at < text.len() {
            let mut row = Vec::new();
            let show = |f: Field| row.push(String::from_utf8_lossy(&f.text(text.as_bytes(), b'"')).into_owned());
            let end = syntax.record(text.as_bytes(), at, true, show);
            rows.push(row);
            at = end.map_or(text.len(), |end| syntax.skip(text.as_bytes(), end));
        }
        rows
    }

    #[test]
    fn records_are_cut_as_they_were_written() {
        assert_eq!(fields("a,b\r\n\r\n# c\n1, \"x, \"\"y\"\"\" \n\"l\nm\",\n", b','), [["a", "b"], ["1", "x, \"y\""], ["l\nm", ""]]);
        assert_eq!(fields("5\",b\n\"a\"b,\"open", b','), [["5\"", "b"], ["\"a\"b", "open"]]);
        assert_eq!(fields("  a  \"b c\" \n1\t2\n", SPACES), [["a", "b c"], ["1", "2"]]);
        assert_eq!(fields("a\t\n\t\n", b'\t'), [["a", ""], ["", ""]]);
    }

    #[test]
    fn cuts_lie_between_records() {
        let syntax = Syntax { delimiter: b',', quote: b'"', comment: None, line_end: b'\n' };
        assert_eq!(syntax.cuts(b"1,2\n3,4\n5,6", false, 5, 100), [0, 8]);
        assert_eq!(syntax.cuts(b"1,2\n3,4\n5,6", true, 5, 100), [0, 8, 11]);
        assert_eq!(syntax.cuts(b"1,2\n3,4\n5,6", true, 5, 1), [0, 4]);
        assert_eq!(syntax.cuts(b"1,\"\n\"\n3,\"4\n\"", false, 1, 100), [0, 6]);
        assert_eq!(syntax.cuts(b"1,\"\n\"\n3,\"4\n\"", true, 1, 100), [0, 6, 12]);
    }
}
