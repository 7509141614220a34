//! Converts Arrow arrays to columns.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float64Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::error::ArrowError;

use super::absent::Absent;
use super::column::{Column, Form};
use super::moment;
use super::reading::{identifier, too_fine};
use super::written::LARGEST_INTEGER;
use crate::error::{Error, Result};
use crate::hint::Hint;

/// Whether columns of this type can be read.
pub(super) fn is_readable(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Null | Boolean | Utf8 | LargeUtf8 | Utf8View | Date32 | Date64 | Timestamp(..) | Time32(_) | Time64(_) | Duration(_) => true,
        Dictionary(_, values) => is_readable(values),
        other => other.is_integer() || other.is_floating() || other.is_decimal(),
    }
}

/// The error for a column of a type that cannot be read.
pub(super) fn refuse(path: &Path, name: &str, data_type: &DataType) -> Error {
    let found: String = data_type.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    Error::Table {
        path: path.to_owned(),
        column: Some(name.into()),
        row: None,
        problem: format!("expected numbers, text, Booleans or moments, found {found}"),
        hint: Some(Hint::DropColumns(vec![name.into()]).into()),
    }
}

/// Converts an array to a column. Its first row is row `first_row` of the file.
pub(super) fn column(path: &Path, name: &str, array: &ArrayRef, as_text: bool, absent: &Absent, first_row: u64) -> Result<Column> {
    use DataType::*;
    let wrong = |e: ArrowError| super::columnar::damaged(path, "columnar", &e.to_string());
    let cast = |to: &DataType| cast(array, to).map_err(wrong);
    let at = (path, name, first_row);
    match array.data_type() {
        Null => Ok(Column::missing(name, array.len())),
        Dictionary(_, values) => column(path, name, &cast(values)?, as_text, absent, first_row),
        _ if as_text => Ok(texts(name, &cast(&Utf8)?, absent)),
        Utf8 | LargeUtf8 | Utf8View => Ok(texts(name, &cast(&Utf8)?, absent)),
        Boolean => Ok(Column { form: Form::Boolean, ..floats(name, &cast(&Float64)?) }),
        UInt64 => {
            let numbers = array.as_primitive::<UInt64Type>();
            let large = numbers.iter().position(|v| v.is_some_and(|v| v > LARGEST_INTEGER as u64));
            large.map_or(Ok(()), |i| Err(identifier(path, name, first_row + i as u64 + 1, numbers.value(i))))?;
            Ok(Column { form: Form::Whole, ..floats(name, &cast(&Float64)?) })
        }
        Int64 => {
            let numbers = array.as_primitive::<Int64Type>();
            let large = numbers.iter().position(|v| v.is_some_and(|v| v.unsigned_abs() > LARGEST_INTEGER as u64));
            large.map_or(Ok(()), |i| Err(identifier(path, name, first_row + i as u64 + 1, numbers.value(i))))?;
            Ok(Column { form: Form::Whole, ..floats(name, &cast(&Float64)?) })
        }
        whole if whole.is_integer() => Ok(Column { form: Form::Whole, ..floats(name, &cast(&Float64)?) }),
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => {
            let column = floats(name, &cast(&Float64)?);
            if *scale > 0 {
                return Ok(column);
            }
            match column.values.iter().position(|v| v.abs() > LARGEST_INTEGER) {
                Some(i) => Err(identifier(path, name, first_row + i as u64 + 1, column.values[i])),
                None => Ok(Column { form: Form::Whole, ..column }),
            }
        }
        Float16 | Float32 | Float64 => Ok(floats(name, &cast(&Float64)?)),
        Date32 => moments::<Date32Type>(at, array, 86_400_000_000, 1),
        Date64 => moments::<Date64Type>(at, array, 1000, 1),
        Timestamp(TimeUnit::Second, _) => moments::<TimestampSecondType>(at, array, 1_000_000, 1),
        Timestamp(TimeUnit::Millisecond, _) => moments::<TimestampMillisecondType>(at, array, 1000, 1),
        Timestamp(TimeUnit::Microsecond, _) => moments::<TimestampMicrosecondType>(at, array, 1, 1),
        // Fractions of a microsecond are cut off.
        Timestamp(TimeUnit::Nanosecond, _) => moments::<TimestampNanosecondType>(at, array, 1, 1000),
        Duration(TimeUnit::Second) => Ok(seconds::<DurationSecondType>(name, array, 1.0)),
        Duration(TimeUnit::Millisecond) => Ok(seconds::<DurationMillisecondType>(name, array, 1e3)),
        Duration(TimeUnit::Microsecond) => Ok(seconds::<DurationMicrosecondType>(name, array, 1e6)),
        Duration(TimeUnit::Nanosecond) => Ok(seconds::<DurationNanosecondType>(name, array, 1e9)),
        Time32(TimeUnit::Second) => Ok(seconds::<Time32SecondType>(name, array, 1.0)),
        Time32(_) => Ok(seconds::<Time32MillisecondType>(name, array, 1e3)),
        Time64(TimeUnit::Microsecond) => Ok(seconds::<Time64MicrosecondType>(name, array, 1e6)),
        Time64(_) => Ok(seconds::<Time64NanosecondType>(name, array, 1e9)),
        other => Err(refuse(path, name, other)),
    }
}

fn floats(name: &str, array: &ArrayRef) -> Column {
    Column::real(name, array.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// Texts without surrounding spaces. An empty text is missing, as in text files.
fn texts(name: &str, array: &ArrayRef, absent: &Absent) -> Column {
    let mut labels = Vec::new();
    let mut codes: HashMap<&str, usize> = HashMap::new();
    let mut values = Vec::with_capacity(array.len());
    for text in array.as_string::<i32>() {
        let value = text.map(str::trim_ascii).filter(|text| !absent.is_text(text)).map_or(f64::NAN, |text| {
            *codes.entry(text).or_insert_with(|| {
                labels.push(text.to_owned());
                labels.len() - 1
            }) as f64
        });
        values.push(value);
    }
    if labels.is_empty() { Column::missing(name, values.len()) } else { Column { name: name.into(), values, form: Form::Text(labels) } }
}

/// Moments in units of `times / over` microseconds.
fn moments<T>(at: (&Path, &str, u64), array: &ArrayRef, times: i64, over: i64) -> Result<Column>
where
    T: ArrowPrimitiveType<Native: Into<i64>>,
{
    let (path, name, first_row) = at;
    let microseconds = |v: Option<T::Native>| v.map(|v| v.into().saturating_mul(times).div_euclid(over));
    let all: Vec<Option<i64>> = array.as_primitive::<T>().iter().map(microseconds).collect();
    match moment::column(name, &all) {
        _ if all.iter().all(Option::is_none) => Ok(Column::missing(name, all.len())),
        (column, None) => Ok(column),
        (column, Some(i)) => Err(too_fine(path, name, first_row + i as u64 + 1, column.text(i))),
    }
}

/// Durations and times of day, in seconds.
fn seconds<T: ArrowPrimitiveType<Native: Into<i64>>>(name: &str, array: &ArrayRef, per_second: f64) -> Column {
    let seconds = |v: Option<T::Native>| v.map_or(f64::NAN, |v| v.into() as f64 / per_second);
    let values: Vec<f64> = array.as_primitive::<T>().iter().map(seconds).collect();
    let whole = values.iter().all(|v| v.is_nan() || v.fract() == 0.0);
    Column::numbers(name, values, whole)
}
