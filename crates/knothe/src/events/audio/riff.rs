//! The chunks of a WAV file. `hound` reads the samples, but it does not skip the padding of chunks of an odd size, and it expects samples at the lower end of their bytes.

use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read, Seek, SeekFrom, Take};
use std::path::Path;

use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The largest format chunk; the usual ones have 16, 18 or 40 bytes.
const LARGEST_FORMAT: u32 = 1 << 10;
/// The size of a data chunk that was written before its end was known.
const UNKNOWN: u32 = u32::MAX;
/// The format tag whose subformat stands further down.
const EXTENSIBLE: u16 = 0xfffe;

/// A file of a format chunk and a data chunk alone.
pub(super) type Plain = Chain<Cursor<Vec<u8>>, Take<BufReader<File>>>;

/// The format and the samples of a file of `length` bytes, without its other chunks. Samples with fewer bits than their bytes fill the upper bits, as the format demands. They are
/// read as samples that use all bits of their bytes.
pub(super) fn plain(path: &Path, file: File, length: u64) -> Result<Plain> {
    let io = |e| Error::io("read", path, e);
    let damaged =
        |problem: String| Error::table(path, problem, Hint::other("convert it, for example with ffmpeg -c:a pcm_s16le, or remove it"));
    let whole = |found: &str| damaged(format!("expected a whole WAV file, found {found}"));
    let mut file = BufReader::new(file);
    let mut start = [0; 12];
    file.read_exact(&mut start).map_err(|_| whole("other bytes"))?;
    if &start[..4] != b"RIFF" || &start[8..] != b"WAVE" {
        return Err(whole("other bytes"));
    }
    let mut format: Option<Vec<u8>> = None;
    let mut at = 12u64;
    loop {
        let mut header = [0; 8];
        file.read_exact(&mut header).map_err(|_| whole("one without a data chunk"))?;
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        at += 8;
        // A chunk of an odd size has one byte more.
        let padded = u64::from(size) + u64::from(size % 2);
        match &header[..4] {
            b"fmt " if (16..=LARGEST_FORMAT).contains(&size) && size % 2 == 0 => {
                let mut bytes = vec![0; size as usize];
                file.read_exact(&mut bytes).map_err(|_| whole("one that ends in its format chunk"))?;
                format = Some(bytes);
            }
            b"fmt " => return Err(whole(&format!("a format chunk of {size} bytes"))),
            b"data" => {
                let Some(format) = format else { return Err(whole("one whose format does not stand before its data")) };
                let left = length.saturating_sub(at);
                let size = if size == UNKNOWN { left } else { u64::from(size) };
                if size > left {
                    let problem = format!("expected {size} bytes of samples, as its header says, found {left}");
                    return Err(Error::table(path, problem, Hint::other("the file was cut off: copy it again, or remove it")));
                }
                let (format, frame) = of_all_bits(format).map_err(damaged)?;
                let size = size - size % frame;
                let mut head = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
                head.extend((format.len() as u32).to_le_bytes());
                head.extend(format);
                head.extend(b"data");
                head.extend(u32::try_from(size).unwrap_or(UNKNOWN).to_le_bytes());
                return Ok(Cursor::new(head).chain(file.take(size)));
            }
            _ => {
                file.seek(SeekFrom::Current(padded as i64)).map_err(io)?;
            }
        }
        at += padded;
    }
}

/// A format in which samples have as many bits as their bytes hold, and the bytes of a frame.
fn of_all_bits(mut format: Vec<u8>) -> Result<(Vec<u8>, u64), String> {
    let number = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
    let (tag, channels, frame, bits) = (number(0), number(2), number(12), number(14));
    if channels == 0 || frame == 0 || frame % channels != 0 {
        return Err(format!(
            "expected at least one channel and frames of whole samples, found {channels} channels and {frame} bytes per frame"
        ));
    }
    let all = (frame / channels).saturating_mul(8);
    if bits > all || bits == 0 {
        return Err(format!("expected samples of 1 to {all} bits in {} bytes, found {bits}", all / 8));
    }
    format[14..16].copy_from_slice(&all.to_le_bytes());
    if tag == EXTENSIBLE && format.len() >= 40 {
        format[18..20].copy_from_slice(&all.to_le_bytes());
    }
    Ok((format, u64::from(frame)))
}
