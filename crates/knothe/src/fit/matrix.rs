//! Rows of numbers on the host, in the precision of a fit.

use burn::tensor::{Element, ElementConversion, Tensor, TensorData};

use crate::{
    error::{Error, Result},
    placement::{Placement, Precision},
};

/// The largest magnitude of a standardised value: a value far outside its column, whose square is still a 32-bit float.
pub(crate) const LARGEST: f64 = 1e15;

/// Numbers in row-major order that a [`super::Dataset`] can be made from: slices and vectors of `f32` or `f64`, and tensors.
pub trait Numbers {
    /// The number of columns, where the numbers know it: a tensor does, a slice does not.
    fn columns(&self) -> Option<usize> {
        None
    }

    /// The numbers in another precision.
    fn into_vec<T: Element>(self) -> Vec<T>;
}

macro_rules! numbers {
    ($($of:ty),*) => {$(
        impl Numbers for $of {
            fn into_vec<T: Element>(self) -> Vec<T> {
                self.into_iter().map(|v| v.elem()).collect()
            }
        }
    )*};
}

numbers!(Vec<f32>, Vec<f64>, &[f32], &[f64], &Vec<f32>, &Vec<f64>);

impl Numbers for Tensor<2> {
    fn columns(&self) -> Option<usize> {
        Some(self.dims()[1])
    }

    fn into_vec<T: Element>(self) -> Vec<T> {
        self.into_data().iter::<T>().collect()
    }
}

/// Rows of numbers in row-major order.
#[derive(Clone, Debug)]
enum Storage {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A matrix of numbers.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    storage: Storage,
    pub rows: usize,
    pub columns: usize,
}

impl Matrix {
    /// At least one row of `columns` numbers, of a magnitude that a fit can use.
    pub fn new(what: &str, numbers: impl Numbers, columns: usize, precision: Precision) -> Result<Self> {
        let matrix = Matrix::unchecked(what, numbers, columns, precision)?;
        let outlier = match &matrix.storage {
            Storage::F32(numbers) => position(numbers),
            Storage::F64(numbers) => position(numbers),
        };
        match outlier {
            Some(at) => {
                Err(Error::NotFinite { what: "a standardised value, or a power of it that a fit needs,".into(), rows: vec![at / columns] })
            }
            None => Ok(matrix),
        }
    }

    /// At least one row of `columns` numbers.
    pub fn unchecked(what: &str, numbers: impl Numbers, columns: usize, precision: Precision) -> Result<Self> {
        if let Some(found) = numbers.columns().filter(|&found| found != columns) {
            return Err(Error::shape(what, format!("{columns} columns"), format!("{found} columns")));
        }
        let storage = match precision {
            Precision::F32 => Storage::F32(numbers.into_vec()),
            Precision::F64 => Storage::F64(numbers.into_vec()),
        };
        let length = match &storage {
            Storage::F32(numbers) => numbers.len(),
            Storage::F64(numbers) => numbers.len(),
        };
        let rows = length / columns.max(1);
        if rows == 0 || rows * columns != length {
            return Err(Error::shape(what, format!("a whole number of rows of {columns} values each, at least one"), length));
        }
        Ok(Matrix { storage, rows, columns })
    }

    /// The rows with these numbers.
    pub fn gather(&self, rows: &[usize], place: &Placement) -> Tensor<2> {
        fn pick<T: Copy>(values: &[T], columns: usize, rows: &[usize]) -> Vec<T> {
            let mut out = Vec::with_capacity(rows.len() * columns);
            for &row in rows {
                let start = row * columns;
                out.extend_from_slice(&values[start..start + columns]);
            }
            out
        }
        let shape = [rows.len(), self.columns];
        let data = match &self.storage {
            Storage::F32(values) => TensorData::new(pick(values, self.columns, rows), shape),
            Storage::F64(values) => TensorData::new(pick(values, self.columns, rows), shape),
        };
        Tensor::from_data(data, (&place.device, place.dtype()))
    }

    /// A row, in 64 bits.
    pub fn row(&self, row: usize) -> Vec<f64> {
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.storage {
            Storage::F32(values) => values[range].iter().map(|v| f64::from(*v)).collect(),
            Storage::F64(values) => values[range].to_vec(),
        }
    }
}

/// Where the first number is that a fit cannot use.
fn position<T: Element>(numbers: &[T]) -> Option<usize> {
    numbers.iter().map(|v| v.elem::<f64>()).position(|v| v.is_nan() || v.abs() > LARGEST)
}
