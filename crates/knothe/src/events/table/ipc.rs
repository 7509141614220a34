//! Checks the claims of Arrow files and streams against the length of the file, before the reader believes them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use arrow::ipc::{Block, root_as_footer, root_as_message};

use super::columnar::damaged;
use crate::error::{Error, Result};
use crate::memory;

/// The bytes after a footer: its length and the magic.
const TRAILER: u64 = 10;
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

/// Checks that there is memory for compressed buffers, which claim a length that the reader allocates.
fn check_buffers(path: &Path, file: &mut File, metadata: &[u8], body: u64) -> Result<()> {
    let Ok(message) = root_as_message(metadata) else { return Ok(()) };
    let batch = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch().and_then(|d| d.data()));
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else { return Ok(()) };
    let mut all: u64 = 0;
    for buffer in batch.buffers().into_iter().flatten().filter(|buffer| buffer.length() >= 8) {
        let mut length = [0; 8];
        let start = u64::try_from(buffer.offset()).ok().and_then(|offset| body.checked_add(offset));
        let start = start.ok_or_else(|| damaged(path, "Arrow", "a buffer lies outside the file"))?;
        if file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut length)).is_err() {
            return Err(damaged(path, "Arrow", "a buffer lies outside the file"));
        }
        // −1 marks a buffer that is not compressed.
        all = all.saturating_add(u64::try_from(i64::from_le_bytes(length)).unwrap_or(0));
    }
    memory::check(format!("a part of {}", path.display()), all)
}
