//! Delimited text, cut into records and fields.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3, memrchr};

/// A delimiter that stands for any run of spaces and tabs.
pub(super) const SPACES: u8 = b' ';

/// How text is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) comment: Option<Comment>,
    pub(super) line_end: u8,
}

/// What a comment line begins with: a character, or the same one twice as in `//`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comment {
    pub(super) mark: u8,
    pub(super) twice: bool,
}

impl Comment {
    /// A comment that begins with one character.
    pub(super) const fn once(mark: u8) -> Self {
        Comment { mark, twice: false }
    }

    /// Its characters.
    pub(super) fn shown(self) -> String {
        char::from(self.mark).to_string().repeat(1 + usize::from(self.twice))
    }

    fn begins(self, text: &[u8]) -> bool {
        text.first() == Some(&self.mark) && (!self.twice || text.get(1) == Some(&self.mark))
    }
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
        // One comparison settles most bytes, which lie above the space.
        byte <= b' '
            && match byte {
                b' ' => true,
                b'\t' => self.delimiter != b'\t',
                // The other half of a line end, or one that an editor has added.
                b'\r' | b'\n' => byte != self.line_end,
                _ => false,
            }
    }

    /// The start of the next record: after blank lines and comments.
    pub(super) fn skip(&self, text: &[u8], mut at: usize) -> usize {
        loop {
            let padding = text[at..].iter().take_while(|b| self.is_padding(**b)).count();
            match text.get(at + padding) {
                Some(b) if *b == self.line_end => at += padding + 1,
                None => return text.len(),
                Some(_) if self.comment.is_some_and(|comment| comment.begins(&text[at + padding..])) => {
                    match memchr(self.line_end, &text[at..]) {
                        Some(end) => at += end + 1,
                        None => return text.len(),
                    }
                }
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

    /// Whether the last field of a whole text begins with a quote that is not closed.
    pub(super) fn is_unclosed(&self, text: &[u8], field: &Field) -> bool {
        // The closing quote is no part of its field.
        field.end as usize == text.len() && field.start > 0 && text[field.start as usize - 1] == self.quote
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
            let mut left = most;
            while left > 0 && at < text.len() {
                let rest = &text[at..];
                // Up to the first line that ends after `bytes`, or to the last line, which may be unfinished.
                let from = bytes.min(rest.len()) - 1;
                let after = memchr(self.line_end, &rest[from..]).map(|i| from + i + 1);
                let end = after.or_else(|| if last { Some(rest.len()) } else { memrchr(self.line_end, rest).map(|i| i + 1) });
                let Some(end) = end else { break };
                let lines = memchr_iter(self.line_end, &rest[..end]).count() + usize::from(rest[end - 1] != self.line_end);
                at += if lines > left { memchr_iter(self.line_end, rest).nth(left - 1).map_or(end, |i| i + 1) } else { end };
                left -= lines.min(left);
                cut(at, true);
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

/// The places of two bytes in a text, found eight bytes at a time. Fields are so short that one call to `memchr2` per field would cost more than the search itself.
struct Places<'a> {
    text: &'a [u8],
    wanted: [u64; 2],
    /// The start of the bytes at hand, and the highest bit of each that is wanted.
    block: usize,
    found: u64,
    next: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a [u8], wanted: [u8; 2]) -> Self {
        Places { text, wanted: wanted.map(|byte| u64::from_ne_bytes([byte; 8])), block: 0, found: 0, next: 0 }
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
        while self.found == 0 {
            let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
            let bytes = rest.first_chunk::<8>().copied().unwrap_or_else(|| {
                // No text has a zero as its delimiter.
                let mut bytes = [0; 8];
                bytes[..rest.len()].copy_from_slice(rest);
                bytes
            });
            let bytes = u64::from_le_bytes(bytes);
            // The highest bit of each byte that is 0.
            let zeros = |x: u64| !(((x & LOW) + LOW) | x | LOW);
            self.found = zeros(bytes ^ self.wanted[0]) | zeros(bytes ^ self.wanted[1]);
            (self.block, self.next) = (self.next, self.next + 8);
        }
        let place = self.block + self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        Some(place)
    }
}

/// Records of equal numbers of fields.
pub(super) struct Cells {
    pub(super) width: usize,
    fields: Vec<Field>,
}

/// A record that is none.
#[derive(Debug)]
pub(super) struct Uneven {
    /// The records before it.
    pub(super) before: usize,
    /// Its number of fields, which is another one.
    pub(super) found: usize,
    /// Whether a quote in it is not closed before the end of the text.
    pub(super) unclosed: bool,
}

impl Cells {
    /// The cells of whole records, each of `width` fields, or of one more that is empty.
    pub(super) fn new(text: &[u8], syntax: &Syntax, width: usize) -> Result<Self, Uneven> {
        let mut cells = Cells { width, fields: Vec::with_capacity(text.len() / 8) };
        let mut start = syntax.skip(text, 0);
        let mut first = 0;
        if syntax.delimiter == SPACES || memchr(syntax.quote, text).is_some() {
            while start < text.len() {
                let Some(end) = syntax.record(text, start, true, |field| cells.fields.push(field)) else { break };
                // Such a field would swallow all records after it.
                let unclosed = cells.fields.last().is_some_and(|field| syntax.is_unclosed(text, field));
                if unclosed {
                    return Err(Uneven { before: first / width.max(1), found: cells.fields.len() - first, unclosed });
                }
                first = cells.close(first)?;
                start = syntax.skip(text, end);
            }
            return Ok(cells);
        }
        for end in Places::new(text, [syntax.delimiter, syntax.line_end]) {
            // Within blank lines and comments.
            if end < start {
                continue;
            }
            cells.fields.push(syntax.trimmed(text, start..end));
            start = end + 1;
            if text[end] == syntax.line_end {
                first = cells.close(first)?;
                start = syntax.skip(text, start);
            }
        }
        if start < text.len() || cells.fields.len() > first {
            cells.fields.push(syntax.trimmed(text, start..text.len()));
            cells.close(first)?;
        }
        Ok(cells)
    }

    /// Checks the record of the fields from `first` on, and gives the number of all fields.
    fn close(&mut self, first: usize) -> Result<usize, Uneven> {
        let found = self.fields.len() - first;
        if found == self.width + 1 && self.fields.last().is_some_and(Field::is_empty) {
            self.fields.pop();
        } else if found != self.width {
            return Err(Uneven { before: first / self.width.max(1), found, unclosed: false });
        }
        Ok(self.fields.len())
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
        let syntax = Syntax { delimiter, quote: b'"', comment: Some(Comment::once(b'#')), line_end: b'\n' };
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

    /// Text without quotes is cut in another way than text with them, into the same fields.
    #[test]
    fn cells_do_not_depend_on_how_they_are_found() {
        for line_end in [b'\n', b'\r'] {
            let syntax = Syntax { delimiter: b';', quote: b'"', comment: Some(Comment::once(b'#')), line_end };
            let other = Syntax { quote: b'1', ..syntax };
            for text in [
                "a; b ;c\r\n\n  \n# x;y\nlonger than eight;;\td\n;;",
                "a;b;c;\n;;;\n",
                "a;b;c",
                "",
                "\n\n",
                "#\na;;c\n#",
                "\u{e9};\u{80}\u{8a};\u{3b}",
                "a\n",
            ] {
                let text = text.replace('\n', if line_end == b'\n' { "\n" } else { "\r" });
                let with_quote = format!("{text}{}\"\";x;y", char::from(line_end));
                let cut = |text: &str, syntax: &Syntax| {
                    let shown = |cells: Cells| cells.fields.iter().map(|f| (f.start, f.end)).collect::<Vec<_>>();
                    Cells::new(text.as_bytes(), syntax, 3).map(shown).map_err(|uneven| (uneven.before, uneven.found))
                };
                let expected = cut(&with_quote, &syntax).map(|mut fields| {
                    fields.truncate(fields.len() - 3);
                    fields
                });
                assert_eq!(cut(&text, &other), expected, "{text:?}");
            }
        }
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
