//! The bytes of a text file as UTF-8: decompressed, and decoded where they are UTF-16.

use std::io::{self, Cursor, Read};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;
use memchr::memchr_iter;

/// The bytes from which the dialect is detected. More are read if they contain fewer than three lines.
const SAMPLE: usize = 1 << 18;
/// The most bytes for that.
const LARGEST_SAMPLE: usize = 1 << 22;

/// Decoded text, of which the start is known.
pub(super) struct Decoded {
    /// The start, without a byte-order mark.
    pub(super) sample: Vec<u8>,
    /// What follows.
    pub(super) rest: Box<dyn Read + Send>,
    /// Whether nothing follows.
    pub(super) complete: bool,
    /// Whether the bytes of the text are those of the file.
    pub(super) plain: bool,
    /// How the bytes were written, where that is not plain UTF-8.
    pub(super) notes: Vec<String>,
}

/// Opens the text in `file`, in the encoding of this label where there is one.
pub(super) fn decode(mut file: impl Read + Send + 'static, encoding: Option<&str>) -> io::Result<Decoded> {
    let mut notes = Vec::new();
    let start = take(&mut file, 4)?;
    let bytes = Cursor::new(start.clone()).chain(file);
    let mut rest: Box<dyn Read + Send> = match start[..] {
        [0x1f, 0x8b, ..] => {
            notes.push("compressed with gzip".into());
            Box::new(MultiGzDecoder::new(bytes))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            notes.push("compressed with zstd".into());
            Box::new(zstd::Decoder::new(bytes)?)
        }
        _ => Box::new(bytes),
    };
    let mut plain = notes.is_empty();
    let mut sample = sample(&mut rest, Vec::new())?;
    let named = encoding.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(encoding) = named.or_else(|| utf_16(&sample)) {
        let bytes = Cursor::new(sample).chain(rest);
        rest = Box::new(DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(bytes));
        sample = self::sample(&mut rest, Vec::new())?;
        plain = false;
        if encoding.name() != "UTF-8" {
            notes.push(format!("in {}", encoding.name()));
        }
    } else if std::str::from_utf8(&sample).is_err_and(|e| e.error_len().is_some()) {
        notes.push("in Windows-1252 (Latin-1), since it is not UTF-8".into());
    }
    if sample.starts_with(b"\xef\xbb\xbf") {
        sample.drain(..3);
    }
    // A file that ends with the sample gives nothing more.
    let more = take(&mut rest, 1)?;
    let complete = more.is_empty();
    sample.extend(more);
    Ok(Decoded { sample, rest, complete, plain, notes })
}

/// The next `most` bytes, or fewer at the end.
fn take(bytes: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut taken = Vec::new();
    bytes.take(most).read_to_end(&mut taken)?;
    Ok(taken)
}

/// A start of the text that holds a few lines, if it can.
fn sample(bytes: &mut Box<dyn Read + Send>, mut so_far: Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        let read = bytes.by_ref().take(SAMPLE as u64).read_to_end(&mut so_far)?;
        if read == 0 || so_far.len() >= LARGEST_SAMPLE || memchr_iter(b'\n', &so_far).nth(2).is_some() {
            return Ok(so_far);
        }
    }
}

/// UTF-16 by its byte-order mark, or by the zeros that it puts beside every letter of ASCII.
fn utf_16(sample: &[u8]) -> Option<&'static Encoding> {
    match sample {
        [0xff, 0xfe, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let pairs = sample.chunks_exact(2).take(1000);
    let (all, first, second) = pairs
        .fold((0, 0, 0), |(all, first, second), pair| (all + 1, first + usize::from(pair[0] == 0), second + usize::from(pair[1] == 0)));
    match (2 * first > all, 2 * second > all) {
        (false, true) => Some(UTF_16LE),
        (true, false) => Some(UTF_16BE),
        _ => None,
    }
}
