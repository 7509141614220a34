//! Checks the claims of Arrow files and streams against the length of the file, before the reader believes them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use arrow::ipc::{Block, CompressionType, root_as_footer, root_as_message};

use super::columnar::damaged;
use super::pages::MOST_EXPANSION;
use crate::error::{Error, Result};
use crate::memory;

/// The bytes after a footer: its length and the magic.
const TRAILER: u64 = 10;
/// The largest expansion of LZ4: each byte lengthens a match by at most 255 bytes.
const MOST_OF_LZ4: u64 = 256;
/// The marker before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Checks that the blocks of the footer lie inside the file. The reader believes them and would allocate any size that they claim.
pub(super) fn check_blocks(path: &Path, file: &mut File) -> Result<()> {
    let io = |e| Error::io("read", path, e);
    let wrong = || damaged(path, "Arrow", "its footer is not one");
    let length = file.metadata().map_err(io)?.len();
    let mut trailer = [0; TRAILER as usize];
    if length < TRAILER {
        return Err(wrong());
    }
    file.seek(SeekFrom::End(-(TRAILER as i64))).map_err(io)?;
    file.read_exact(&mut trailer).map_err(io)?;
    let size = i32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
    let size = u64::try_from(size).ok().filter(|s| s + TRAILER <= length && trailer[4..] == *b"ARROW1").ok_or_else(wrong)?;
    file.seek(SeekFrom::Start(length - TRAILER - size)).map_err(io)?;
    let mut footer = vec![0; size as usize];
    file.read_exact(&mut footer).map_err(io)?;
    let footer = root_as_footer(&footer).map_err(|_| wrong())?;
    for block in footer.recordBatches().into_iter().flatten().chain(footer.dictionaries().into_iter().flatten()) {
        let Some((start, body)) = inside(block, length) else { return Err(damaged(path, "Arrow", "a block lies outside the file")) };
        let mut message = vec![0; (body - start) as usize];
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut message)).map_err(io)?;
        let metadata = message.strip_prefix(&CONTINUATION).unwrap_or(&message).get(4..).unwrap_or_default();
        check_buffers(path, file, metadata, body)?;
    }
    file.rewind().map_err(io)
}

/// Where a block and its body start, if both lie in the file.
fn inside(block: &Block, length: u64) -> Option<(u64, u64)> {
    let [start, metadata, body] = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()].map(|v| u64::try_from(v).ok());
    let body_start = start?.checked_add(metadata?)?;
    (body_start.checked_add(body?)? <= length).then_some((start?, body_start))
}

/// As [`check_blocks`], for consecutive messages. The reader itself never allocates more for a message than the file has.
pub(super) fn check_messages(path: &Path, file: &mut File) -> Result<()> {
    let io = |e| Error::io("read", path, e);
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        // If messages end too early, the reader reports it.
        let Ok(mut word) = word(file) else { break };
        at += 4;
        if word == CONTINUATION {
            let Ok(next) = self::word(file) else { break };
            word = next;
            at += 4;
        }
        let Ok(size) = u64::try_from(i32::from_le_bytes(word)) else { break };
        let mut metadata = Vec::new();
        file.take(size).read_to_end(&mut metadata).map_err(io)?;
        let Ok(message) = root_as_message(&metadata) else { break };
        at += size;
        check_buffers(path, file, &metadata, at)?;
        match u64::try_from(message.bodyLength()).ok().and_then(|body| at.checked_add(body)) {
            Some(end) if size > 0 => at = end,
            _ => break,
        }
    }
    file.rewind().map_err(io)
}

/// The next four bytes.
fn word(file: &mut File) -> io::Result<[u8; 4]> {
    let mut word = [0; 4];
    file.read_exact(&mut word)?;
    Ok(word)
}

/// Checks the lengths that compressed buffers claim, since the reader allocates them: against what their codec can hold in so many bytes, and against the memory.
fn check_buffers(path: &Path, file: &mut File, metadata: &[u8], body: u64) -> Result<()> {
    // The reader would look for the rest of a message in the body.
    let message = root_as_message(metadata).map_err(|_| damaged(path, "Arrow", "a message is not whole"))?;
    let batch = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch().and_then(|d| d.data()));
    let Some((batch, compression)) = batch.and_then(|batch| Some((batch, batch.compression()?))) else { return Ok(()) };
    let most = if compression.codec() == CompressionType::LZ4_FRAME { MOST_OF_LZ4 } else { MOST_EXPANSION as u64 };
    let end = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    let outside = || damaged(path, "Arrow", "a buffer lies outside the file");
    let mut all: u64 = 0;
    for buffer in batch.buffers().into_iter().flatten().filter(|buffer| buffer.length() >= 8) {
        let mut length = [0; 8];
        let start = u64::try_from(buffer.offset()).ok().and_then(|offset| body.checked_add(offset));
        let start = start.ok_or_else(outside)?;
        let bytes = u64::try_from(buffer.length()).ok().filter(|bytes| start.checked_add(*bytes).is_some_and(|at| at <= end));
        let bytes = bytes.ok_or_else(outside)?;
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut length)).map_err(|_| outside())?;
        // −1 marks a buffer that is not compressed.
        let claimed = u64::try_from(i64::from_le_bytes(length)).unwrap_or(0);
        if claimed > bytes.saturating_mul(most) {
            return Err(damaged(path, "Arrow", "a compressed buffer claims more bytes than it can hold"));
        }
        all = all.saturating_add(claimed);
    }
    memory::check(format!("a part of {}", path.display()), all)
}
