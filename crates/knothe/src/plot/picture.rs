//! Pixels, and the PNG file of them (ISO/IEC 15948).

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::ZlibEncoder};

use crate::{
    error::{Error, Result},
    file::write_atomically,
};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// A picture of red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The pixels, row after row from the top.
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The bytes of a PNG file.
    pub fn png(&self) -> Result<Vec<u8>> {
        let failed = |e: std::io::Error| Error::invalid("picture", "one that can be compressed", e);
        let length = |size: usize| u32::try_from(size).map_err(|_| Error::invalid("picture", "fewer than 2^32 pixels a side", size));
        let mut header = [length(self.width)?.to_be_bytes(), length(self.height)?.to_be_bytes()].concat();
        // Eight bits, true colour, and the standard's only compression, set of filters, and no interlacing.
        header.extend([8, 2, 0, 0, 0]);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let mut above = vec![0; 3 * self.width];
        for row in self.pixels.chunks(self.width.max(1)) {
            encoder.write_all(&filtered(row.as_flattened(), &above)).map_err(failed)?;
            above = row.as_flattened().to_vec();
        }
        let data = encoder.finish().map_err(failed)?;
        let mut png = SIGNATURE.to_vec();
        for (kind, content) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", vec![])] {
            png.extend(length(content.len())?.to_be_bytes());
            let start = png.len();
            png.extend(kind);
            png.extend(content);
            png.extend(crc32fast::hash(&png[start..]).to_be_bytes());
        }
        Ok(png)
    }

    /// Writes a PNG file, as a whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let png = self.png()?;
        write_atomically(path, |file| file.write_all(&png))
    }
}

/// A row after the filter that leaves the least to compress, behind the number of the filter: the difference of each byte to the
/// same one of the pixel before, above, or that of the two and the one between them which is nearest to their plane (Paeth).
fn filtered(row: &[u8], above: &[u8]) -> Vec<u8> {
    let at = |values: &[u8], i: usize| if i < 3 { 0 } else { values[i - 3] };
    let predict = |filter: u8, i: usize| match filter {
        0 => 0,
        1 => at(row, i),
        2 => above[i],
        _ => {
            let [a, b, c] = [at(row, i), above[i], at(above, i)].map(i16::from);
            let [to_a, to_b, to_c] = [b - c, a - c, a + b - 2 * c].map(i16::abs);
            (if to_a <= to_b && to_a <= to_c {
                a
            } else if to_b <= to_c {
                b
            } else {
                c
            }) as u8
        }
    };
    let each = [0u8, 1, 2, 4].map(|filter| {
        let mut line = vec![filter];
        line.extend((0..row.len()).map(|i| row[i].wrapping_sub(predict(filter, i))));
        line
    });
    let rest = |line: &Vec<u8>| line[1..].iter().map(|&v| u64::from((v as i8).unsigned_abs())).sum::<u64>();
    each.into_iter().min_by_key(rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use super::*;

    #[test]
    fn a_png_holds_the_pixels() {
        let pixels: Vec<[u8; 3]> = (0..35u32).map(|i| [(i * i) as u8, (255 - i) as u8, (i * 77) as u8]).collect();
        let picture = Picture { width: 7, height: 5, pixels: pixels.clone() };
        let png = picture.png().unwrap();
        assert_eq!(png[..8], SIGNATURE);
        assert_eq!(png[16..24], [0, 0, 0, 7, 0, 0, 0, 5]);
        // The data chunk stands between the header, 33 bytes, and the end, 12.
        let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
        assert_eq!(png.len(), 33 + 12 + length + 12);
        let mut raw = Vec::new();
        flate2::read::ZlibDecoder::new(&png[41..41 + length]).read_to_end(&mut raw).unwrap();
        let mut above = vec![0u8; 21];
        let mut decoded = Vec::new();
        for line in raw.chunks(22) {
            // The standard's inverse of each filter, written from its text.
            let mut row = vec![0u8; 21];
            for i in 0..21 {
                let (a, b, c) = if i < 3 { (0, above[i], 0) } else { (row[i - 3], above[i], above[i - 3]) };
                let p = i32::from(a) + i32::from(b) - i32::from(c);
                let d = [a, b, c].map(|v| (p - i32::from(v)).abs());
                let paeth = if d[0] <= d[1] && d[0] <= d[2] {
                    a
                } else if d[1] <= d[2] {
                    b
                } else {
                    c
                };
                row[i] = line[i + 1].wrapping_add([0, a, b, 0, paeth][usize::from(line[0])]);
            }
            decoded.extend(row.as_chunks::<3>().0.to_vec());
            above = row;
        }
        assert_eq!(decoded, pixels);
    }
}
