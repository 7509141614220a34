//! Readers of Parquet files and of Arrow files and streams.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::absent::Absent;
use super::arrays::{column, is_readable, refuse};
use super::column::Column;
use super::ipc::{check_blocks, check_messages};
use super::pages::check_pages;
use super::quoted;
use super::reading::{Reading, Source, check_names, is_index, is_pandas_index, rows_at_once};
use super::schema::Notice;
use crate::{
    error::{Error, Result},
    hint::Hint,
};

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The number of times that a reader may ask for more at the end of a file.
const MOST_ENDS: u32 = 100;

/// A Parquet file whose pages are checked to lie inside it. A page that claims to be longer is refused before memory is allocated for it.
struct Within {
    file: File,
    length: u64,
}

impl Length for Within {
    fn len(&self) -> u64 {
        self.length
    }
}

/// A part of such a file. The reader skips the entries of a header one by one, even if it claims billions of them. Reading past the end is therefore an error here instead
/// of an endless series of empty reads.
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
    reading: Reading,
    /// The index columns that are left out.
    indices: Vec<String>,
    /// The columns whose categories have an order.
    ordered: Vec<String>,
    left: Option<RecordBatch>,
    row: u64,
}

impl Columnar {
    /// Opens a Parquet file and reads its schema.
    pub(super) fn parquet(path: &Path, file: File, reading: &Reading) -> Result<Self> {
        guarded(path, "Parquet", || {
            let refuse = |e: ParquetError| damaged(path, "Parquet", &e.to_string());
            let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
            let pages = file.try_clone().map_err(|e| Error::io("read", path, e))?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(Within { file, length }).map_err(refuse)?;
            check_pages(&pages, builder.metadata()).map_err(|e| damaged(path, "Parquet", &e.to_string()))?;
            let schema = builder.schema().clone();
            let batch_rows = rows_at_once(reading.batch_rows, schema.fields().len());
            let batches = builder.with_batch_size(batch_rows).build().map_err(refuse)?;
            Columnar::new(path, "Parquet", &schema, Box::new(batches), reading)
        })
    }

    /// Opens an Arrow file and reads its footer.
    pub(super) fn arrow(path: &Path, mut file: File, reading: &Reading) -> Result<Self> {
        let mut start = Vec::new();
        file.by_ref().take(4).read_to_end(&mut start).map_err(|e| Error::io("read", path, e))?;
        if start == b"FEA1" {
            let hint = Hint::other("write it again with a present version of pandas or Arrow");
            return Err(Error::table(path, "expected an Arrow file, found one of Feather's first version", hint));
        }
        check_blocks(path, &mut file)?;
        guarded(path, "Arrow", || {
            let batches = FileReader::try_new_buffered(file, None).map_err(|e| damaged(path, "Arrow", &e.to_string()))?;
            Columnar::new(path, "Arrow", &batches.schema(), Box::new(batches), reading)
        })
    }

    /// Opens a stream of Arrow messages and reads its schema.
    pub(super) fn stream(path: &Path, mut file: File, reading: &Reading) -> Result<Self> {
        check_messages(path, &mut file)?;
        guarded(path, "Arrow", || {
            let batches = StreamReader::try_new_buffered(file, None).map_err(|e| damaged(path, "Arrow", &e.to_string()))?;
            Columnar::new(path, "Arrow", &batches.schema(), Box::new(batches), reading)
        })
    }

    /// Checks that the columns to read have types that can be read.
    fn new(path: &Path, format: &'static str, schema: &SchemaRef, batches: Batches, reading: &Reading) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        check_names(path, &names)?;
        let of_pandas = pandas_indices(schema);
        let is_index = |(j, name): &(usize, &String)| of_pandas.contains(name) || is_pandas_index(name) || (*j == 0 && is_index(name));
        let mut indices: Vec<String> = names.iter().enumerate().filter(is_index).map(|(_, name)| name.clone()).collect();
        indices.retain(|name| reading.leaves_out(name));
        if indices.len() == names.len() {
            indices.clear();
        }
        let unread = |name: &String| reading.skip.contains(name) || indices.contains(name);
        match schema.fields().iter().find(|f| !unread(f.name()) && !is_readable(f.data_type())) {
            Some(field) => Err(refuse(path, field.name(), field.data_type())),
            None => {
                // Numbers have their own order.
                let is_text = |f: &FieldRef| matches!(f.data_type(), DataType::Dictionary(_, values) if matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View));
                let is_ordered = |f: &&FieldRef| f.dict_is_ordered() == Some(true) && is_text(f) && !unread(f.name());
                let ordered = schema.fields().iter().filter(is_ordered).map(|f| f.name().clone()).collect();
                let reading = Reading { batch_rows: rows_at_once(reading.batch_rows, names.len()), ..reading.clone() };
                Ok(Columnar { path: path.to_owned(), format, batches, reading, indices, ordered, left: None, row: 0 })
            }
        }
    }

    /// The columns of a batch.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<Column>> {
        let schema = batch.schema();
        let read = |(field, array): (&FieldRef, &ArrayRef)| {
            let name = field.name();
            if self.reading.skip.contains(name) {
                return Ok(Column::real(name, vec![f64::NAN; batch.num_rows()]));
            }
            let absent = Absent::of(&self.reading, name);
            let mut column = column(&self.path, name, array, self.reading.text.contains(name), &absent, self.row)?;
            absent.remove(&mut column);
            Ok(column)
        };
        let kept = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| !self.indices.contains(field.name()));
        kept.map(read).collect()
    }
}

impl Source for Columnar {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        while self.left.as_ref().is_none_or(|b| b.num_rows() == 0) {
            let batches = &mut self.batches;
            match guarded(&self.path, self.format, || Ok(batches.next()))? {
                None => return Ok(None),
                Some(batch) => self.left = Some(batch.map_err(|e| damaged(&self.path, self.format, &e.to_string()))?),
            }
        }
        let Some(batch) = self.left.take() else { return Ok(None) };
        let taken = batch.num_rows().min(self.reading.batch_rows);
        self.left = Some(batch.slice(taken, batch.num_rows() - taken));
        let columns = guarded(&self.path, self.format, || self.columns(&batch.slice(0, taken)))?;
        self.row += taken as u64;
        Ok(Some(columns))
    }

    fn notes(&self) -> Vec<Notice> {
        let what = if self.indices.len() == 1 { "is an index column and is" } else { "are index columns and are" };
        let left_out =
            (!self.indices.is_empty()).then(|| Notice::new(format!("{} {what} left out", quoted(&self.indices)), Hint::KeepIndex));
        let ordered = |name: &String| {
            let kind = r#"{"ordered": ["lowest", "…", "highest"]}"#.into();
            let hint = Hint::DeclareKind { columns: vec![name.clone()], kind, only_seen: false };
            Notice::new(format!("the file orders the categories of '{name}', but this order is not read"), hint)
        };
        left_out.into_iter().chain(self.ordered.iter().map(ordered)).collect()
    }
}

/// The index columns, according to the metadata of pandas.
fn pandas_indices(schema: &SchemaRef) -> Vec<String> {
    let metadata = schema.metadata().get("pandas").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let columns = metadata.as_ref().and_then(|metadata| metadata.get("index_columns")?.as_array());
    columns.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

pub(super) fn damaged(path: &Path, format: &str, reason: &str) -> Error {
    let reason = reason.lines().next().unwrap_or_default();
    let article = if format == "Arrow" { "an" } else { "a" };
    Error::table(path, format!("expected {article} {format} file, found one that cannot be read ({reason})"), None)
}

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Turns a panic of a reader into an error. The readers of both formats panic on some damaged files.
///
/// The hook keeps such a panic from being printed beside the error, and passes on every other panic.
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
