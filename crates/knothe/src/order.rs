//! Orders of coordinates: which one is generated first.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;

use crate::error::{Error, Result};

/// A permutation of the coordinates 0..dim: `columns()[k]` is generated k-th, given those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Vec<usize>);

impl Order {
    /// Checks that `columns` is a permutation of 0..len.
    pub fn new(columns: Vec<usize>) -> Result<Self> {
        let mut seen = vec![false; columns.len()];
        for &c in &columns {
            if c >= seen.len() || std::mem::replace(&mut seen[c], true) {
                return Err(Error::invalid("order", format!("a permutation of 0..{}", columns.len()), format!("{columns:?}")));
            }
        }
        Ok(Order(columns))
    }

    /// 0, 1, …, dim − 1.
    pub fn natural(dim: usize) -> Self {
        Order((0..dim).collect())
    }

    /// A uniformly random order. The draw is spelled out here so that a file opens the same after an upgrade of the
    /// random library (Fisher–Yates).
    pub fn random(dim: usize, rng: &mut impl Rng) -> Self {
        let mut columns: Vec<usize> = (0..dim).collect();
        for i in (1..dim).rev() {
            let j = ((u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64) as usize;
            columns.swap(i, j);
        }
        Order(columns)
    }

    /// The same order from its end.
    pub fn reversed(&self) -> Self {
        Order(self.0.iter().rev().copied().collect())
    }

    /// The order that undoes this one as a permutation: `inverse().columns()[c]` is the rank of column c.
    pub fn inverse(&self) -> Self {
        let mut ranks = vec![0; self.0.len()];
        for (rank, &column) in self.0.iter().enumerate() {
            ranks[column] = rank;
        }
        Order(ranks)
    }

    /// The columns in the order of their generation.
    pub fn columns(&self) -> &[usize] {
        &self.0
    }

    /// The number of coordinates.
    pub fn dim(&self) -> usize {
        self.0.len()
    }
}

/// An index of columns on a device, for `select`.
pub(crate) fn index(columns: &[usize], device: &Device) -> Tensor<1, Int> {
    let columns: Vec<i64> = columns.iter().map(|&c| c as i64).collect();
    let length = columns.len();
    Tensor::from_data(TensorData::new(columns, [length]), device)
}
