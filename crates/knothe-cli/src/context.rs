//! The context of samples.

/// The context of samples in the units of the file: rows that are used over and over.
pub struct Context {
    /// Row-major `[rows, width]`.
    pub values: Vec<f64>,
    /// Values of a row.
    pub width: usize,
    /// Which of them are whole numbers in their file.
    pub whole: Vec<bool>,
}

impl Context {
    /// The rows of the context.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The context of samples `first..first + n`, row-major.
    pub fn part(&self, first: usize, n: usize) -> Vec<f64> {
        let row = |i: usize| &self.values[i % self.rows().max(1) * self.width..][..self.width];
        if self.width == 0 { Vec::new() } else { (first..first + n).flat_map(row).copied().collect() }
    }
}
