//! Checks the page headers of a Parquet file before the reader believes their sizes.
//!
//! The reader allocates the sizes that a page claims. A header is a struct of Thrift's compact protocol (Apache Thrift, thrift-compact-protocol.md).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use parquet::file::metadata::ParquetMetaData;

/// The uncompressed size that any page may claim.
const ORDINARY: i64 = 1 << 26;
/// The largest ratio of the uncompressed size to the compressed size for larger pages.
pub(super) const MOST_EXPANSION: i64 = 50_000;
/// The deepest nesting of structs.
const DEEPEST: u32 = 8;

/// The fields of a page header that determine sizes.
#[derive(Default)]
struct Header {
    uncompressed: i64,
    compressed: i64,
    dictionary_values: i64,
}

/// Checks that no page claims to be larger than its bytes can make it.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] with the claim, and errors of reading.
pub(super) fn check_pages(file: &File, metadata: &ParquetMetaData) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, length) = column.byte_range();
        let (mut at, end) = (start, start.saturating_add(length));
        while at < end {
            reader.seek(SeekFrom::Start(at))?;
            let mut counted = Counted { inner: &mut reader, bytes: 0 };
            let header = header(&mut counted)?;
            at = at.saturating_add(counted.bytes).saturating_add(check(&header)?);
        }
    }
    Ok(())
}

/// The size of the page after its header, if the claims of the header are possible.
fn check(header: &Header) -> io::Result<u64> {
    let Header { uncompressed, compressed, dictionary_values } = *header;
    let most = ORDINARY.max(compressed.saturating_mul(MOST_EXPANSION));
    // A value takes at least one bit.
    if uncompressed < 0 || uncompressed > most || dictionary_values < 0 || dictionary_values > uncompressed.saturating_mul(8) {
        let claim = format!("a page of {compressed} bytes claims {uncompressed} bytes and {dictionary_values} entries of a dictionary");
        return Err(io::Error::new(io::ErrorKind::InvalidData, claim));
    }
    u64::try_from(compressed).map_err(|_| damaged("a page of fewer than 0 bytes"))
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A reader that counts the bytes read.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Counted<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte)?;
        self.bytes += 1;
        Ok(byte[0])
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let found = io::copy(&mut self.inner.by_ref().take(count), &mut io::sink())?;
        self.bytes += found;
        if found == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a number of more than 64 bits"))
    }

    fn integer(&mut self) -> io::Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Calls `field` with the number and the type of each field of a struct. The callback must read or skip the field.
    fn fields(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> io::Result<()>) -> io::Result<()> {
        let mut number = 0;
        loop {
            let byte = self.byte()?;
            let kind = byte & 0x0f;
            if kind == 0 {
                return Ok(());
            }
            number = match byte >> 4 {
                0 => self.integer()?,
                delta => number + i64::from(delta),
            };
            field(self, number, kind)?;
        }
    }

    /// Skips a value of a type.
    fn skip_value(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            12 if depth < DEEPEST => self.fields(|reader, _, kind| reader.skip_value(kind, depth + 1)),
            _ => Err(damaged("a page header of unknown fields")),
        }
    }
}

fn header(reader: &mut Counted<impl Read>) -> io::Result<Header> {
    let mut found = Header::default();
    reader.fields(|reader, number, kind| {
        match (number, kind) {
            (2, 5) => found.uncompressed = reader.integer()?,
            (3, 5) => found.compressed = reader.integer()?,
            (7, 12) => reader.fields(|reader, number, kind| {
                if (number, kind) == (1, 5) {
                    found.dictionary_values = reader.integer()?;
                    return Ok(());
                }
                reader.skip_value(kind, 0)
            })?,
            _ => reader.skip_value(kind, 0)?,
        }
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A header of a dictionary page: type 2, sizes, and the number of values.
    fn bytes(uncompressed: u8, compressed: u8, values: &[u8]) -> Vec<u8> {
        let mut all = vec![0x15, 4, 0x15, 2 * uncompressed, 0x15, 2 * compressed, 0x4c, 0x15];
        all.extend(values);
        all.extend([0x15, 0, 0x12, 0, 0]);
        all
    }

    #[test]
    fn a_dictionary_has_no_more_values_than_bits() {
        let read = |bytes: Vec<u8>| {
            let mut counted = Counted { inner: &bytes[..], bytes: 0 };
            let found = header(&mut counted).unwrap();
            assert_eq!(counted.bytes, bytes.len() as u64);
            check(&found)
        };
        assert_eq!(read(bytes(60, 40, &[0x78])).unwrap(), 40);
        // 2⁹ zigzagged values are more than the bits of 60 bytes.
        assert!(read(bytes(60, 40, &[0x80, 0x08])).is_err());
        assert!(check(&Header { uncompressed: i64::from(i32::MAX), compressed: 600, dictionary_values: 0 }).is_err());
        assert!(check(&Header { uncompressed: 4, compressed: -1, dictionary_values: 0 }).is_err());
    }

    #[test]
    fn what_is_no_header_is_an_error() {
        for bytes in [
            &[][..],
            &[0x15],
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x1c; 40],
            &[0x1b, 0],
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(header(&mut Counted { inner: bytes, bytes: 0 }).is_err(), "{bytes:?}");
        }
    }
}
