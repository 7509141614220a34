//! Parquet and Arrow IPC files.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::{reader::FileReader, root_as_footer};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::column::Column;
use super::reader::{Source, check_names, rows_at_once};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// How often a reader may look for more at the end of a file.
const MOST_ENDS: u32 = 100;

/// A Parquet file whose pages lie within it: one that claims to be longer is refused before memory is taken for it.
struct Within {
    file: File,
    length: u64,
}

impl Length for Within {
    fn len(&self) -> u64 {
        self.length
    }
}

/// A part of such a file. A header that claims thousands of millions of entries is skipped entry by entry, so that the end of the file is an error and not nothing,
/// over and over.
struct Part {
    inner: BufReader<File>,
    ends: u32,
}

impl Read for Part {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.ends += u32::from(read == 0 && !bytes.is_empty());
        if self.ends > MOST_ENDS { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

impl ChunkReader for Within {
    type T = Part;

    fn get_read(&self, start: u64) -> Result<Part, ParquetError> {
        Ok(Part { inner: self.file.get_read(start)?, ends: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            let found = format!("expected a page within {} bytes, found one of {length} at {start}", self.length);
            return Err(ParquetError::EOF(found));
        }
        self.file.get_bytes(start, length)
    }
}

/// A reader of record batches.
pub(super) struct Columnar {
    path: PathBuf,
    format: &'static str,
    batches: Batches,
    batch_rows: usize,
    skip: Vec<String>,
    left: Option<RecordBatch>,
}

impl Columnar {
    /// Reads a Parquet file's schema.
    pub(super) fn parquet(path: &Path, file: File, batch_rows: usize, skip: &[String]) -> Result<Self> {
        guarded(path, "Parquet", || {
            let refuse = |e: ParquetError| damaged(path, "Parquet", &e.to_string());
            let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
            let builder = ParquetRecordBatchReaderBuilder::try_new(Within { file, length }).map_err(refuse)?;
            check_types(path, builder.schema(), skip)?;
            let batch_rows = rows_at_once(batch_rows, builder.schema().fields().len());
            let reader = builder.with_batch_size(batch_rows).build().map_err(refuse)?;
            Ok(Columnar::new(path, "Parquet", Box::new(reader), batch_rows, skip))
        })
    }

    /// Reads an Arrow file's footer.
    pub(super) fn arrow(path: &Path, mut file: File, batch_rows: usize, skip: &[String]) -> Result<Self> {
        check_blocks(path, &mut file)?;
        guarded(path, "Arrow", || {
            let reader = FileReader::try_new_buffered(file, None).map_err(|e| damaged(path, "Arrow", &e.to_string()))?;
            check_types(path, &reader.schema(), skip)?;
            let batch_rows = rows_at_once(batch_rows, reader.schema().fields().len());
            Ok(Columnar::new(path, "Arrow", Box::new(reader), batch_rows, skip))
        })
    }

    fn new(path: &Path, format: &'static str, batches: Batches, batch_rows: usize, skip: &[String]) -> Self {
        Columnar { path: path.to_owned(), format, batches, batch_rows, skip: skip.to_vec(), left: None }
    }
}

impl Source for Columnar {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        let (path, format, batches) = (&self.path, self.format, &mut self.batches);
        while self.left.as_ref().is_none_or(|b| b.num_rows() == 0) {
            match guarded(path, format, || Ok(batches.next()))? {
                None => return Ok(None),
                Some(batch) => self.left = Some(batch.map_err(|e| damaged(path, format, &e.to_string()))?),
            }
        }
        let Some(batch) = self.left.take() else { return Ok(None) };
        let taken = batch.num_rows().min(self.batch_rows);
        self.left = Some(batch.slice(taken, batch.num_rows() - taken));
        columns(path, &batch.slice(0, taken), &self.skip).map(Some)
    }
}

/// The numbers of a batch.
fn columns(path: &Path, batch: &RecordBatch, skip: &[String]) -> Result<Vec<Column>> {
    let schema = batch.schema();
    let read = |(field, array): (&arrow::datatypes::FieldRef, &arrow::array::ArrayRef)| {
        let name = field.name().clone();
        if skip.contains(&name) {
            return Ok(Column::real(name, vec![f64::NAN; batch.num_rows()]));
        }
        let numbers = cast(array, &DataType::Float64).map_err(|e| damaged(path, "columnar", &e.to_string()))?;
        let values = numbers.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        Ok(Column::numbers(name, values, field.data_type().is_integer() || *field.data_type() == DataType::Boolean))
    };
    schema.fields().iter().zip(batch.columns()).map(read).collect()
}

/// The columns that will be looked into hold numbers.
fn check_types(path: &Path, schema: &SchemaRef, skip: &[String]) -> Result<()> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    check_names(path, &names)?;
    for field in schema.fields().iter().filter(|f| !skip.contains(f.name())) {
        let data_type = field.data_type();
        let decimal = matches!(data_type, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..));
        if !(data_type.is_integer() || data_type.is_floating() || decimal || *data_type == DataType::Boolean) {
            return Err(Error::Table {
                path: path.to_owned(),
                column: Some(field.name().clone()),
                row: None,
                problem: format!("expected numbers, found {data_type}"),
                hint: Some(Hint::DeclareOrDrop(field.name().clone()).into()),
            });
        }
    }
    Ok(())
}

/// The footer's blocks lie inside the file: the reader believes them, and would allocate whatever they say.
fn check_blocks(path: &Path, file: &mut File) -> Result<()> {
    const TRAILER: u64 = 10;
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
    file.rewind().map_err(io)?;
    let footer = root_as_footer(&footer).map_err(|_| wrong())?;
    let inside = |block: &arrow::ipc::Block| {
        let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()].map(|v| u64::try_from(v).ok());
        parts.into_iter().try_fold(0, |end: u64, part| end.checked_add(part?)).is_some_and(|end| end <= length)
    };
    let blocks = footer.recordBatches().into_iter().flatten().chain(footer.dictionaries().into_iter().flatten());
    if blocks.into_iter().all(inside) { Ok(()) } else { Err(damaged(path, "Arrow", "a block lies outside the file")) }
}

fn damaged(path: &Path, format: &str, reason: &str) -> Error {
    let reason = reason.lines().next().unwrap_or_default();
    let article = if format == "Arrow" { "an" } else { "a" };
    Error::table(path, format!("expected {article} {format} file, found one that cannot be read ({reason})"), None)
}

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The readers of both formats panic on some damaged files; to a user that is a damaged file and nothing more.
///
/// The hook keeps such a panic from being printed beside the error, and passes every other one on.
fn guarded<T>(path: &Path, format: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.try_with(Cell::get).unwrap_or(false) {
                previous(panic);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    outcome.unwrap_or_else(|_| Err(damaged(path, format, "its parts contradict each other")))
}
