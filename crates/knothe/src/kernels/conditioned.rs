//! A triangular map on a tile of rows: conditioner, univariate map and log-determinant, forward and backward.

use super::{
    Kernel, Network, Real,
    network::{Trace, Weights, add, multiply},
    spare::Table,
    table::gather,
};

/// y_j = T(x_j; θ_j) for the columns that are `mapped`, y_j = x_j for the others, with θ the network's outputs.
#[derive(Clone, Debug)]
pub(crate) struct Conditioned {
    pub network: Network,
    /// Input i of the network is this column of x.
    pub reads: Vec<usize>,
    /// The columns that move; the p-th parameter of the k-th is output k · count + p.
    pub mapped: Vec<usize>,
    /// The degrees of the hidden layers of a masked network, by which it is inverted.
    pub degrees: Vec<Vec<usize>>,
}

/// What the gradient of a tile needs.
#[derive(Debug)]
pub(super) struct Kept<T: Real> {
    pub trace: Trace<T>,
    /// The columns that move, `[mapped, n]`, and their parameters, `[mapped, count, n]`.
    pub x: Table<T>,
    pub theta: Table<T>,
}

/// What a tile has beside x.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a, T> {
    /// The context's part of the first hidden layer.
    pub added: Option<&'a [T]>,
    /// 1 for each number of x that is there and 0 for each that is absent, `[dim, n]`; none where all are there.
    pub present: Option<&'a [T]>,
}

/// What is present of a column, of n rows.
pub(super) fn of_column<T>(present: Option<&[T]>, column: usize, n: usize) -> Option<&[T]> {
    present.map(|present| &present[column * n..][..n])
}

/// The gradients by T and by log T′ of a column, from those by y, `g`, and by Σ log T′, `h`: those of absent rows, which T does not reach, are 0.
/// The second is in a table of its own.
pub(super) fn reaching<T: Real>(g: &mut [T], h: &[T], present: &[T]) -> Table<T> {
    multiply(g, present);
    let mut own = Table::with_capacity(h.len());
    own.extend_from_slice(h);
    multiply(&mut own, present);
    own
}

impl Conditioned {
    /// Units of the first hidden layer.
    pub(super) fn first(&self) -> usize {
        self.network.layers[0].outputs()
    }

    /// Puts y in the place of x, `[dim, n]`, and adds Σ_j log T′ to `ladj`; where x is absent, y and log T′ are 0.
    pub(super) fn forward<T: Real>(
        &self,
        kernel: &Kernel,
        weights: &Weights<T>,
        table: &mut [T],
        ladj: &mut [T],
        beside: Beside<'_, T>,
        keep: bool,
    ) -> Option<Kept<T>> {
        let n = ladj.len();
        let mut trace = keep.then(Trace::default);
        let theta = self.network.forward(weights, gather(table, &self.reads, n), beside.added, n, trace.as_mut());
        let x = gather(table, &self.mapped, n);
        let mut slopes = Table::unwritten(n);
        for ((&column, x), theta) in self.mapped.iter().zip(x.chunks(n)).zip(theta.chunks(theta.len() / self.mapped.len())) {
            let y = &mut table[column * n..][..n];
            kernel.value(x, theta, y, &mut slopes);
            if let Some(present) = of_column(beside.present, column, n) {
                multiply(y, present);
                multiply(&mut slopes, present);
            }
            add(ladj, &slopes);
        }
        trace.map(|trace| Kept { trace, x, theta })
    }

    /// Puts the gradient by x in the place of that by y, `g`, if it is wanted, with `h` that by Σ log T′ and then what is present; returns those of
    /// the outputs of each layer of the network.
    pub(super) fn backward<T: Real>(
        &self,
        kernel: &Kernel,
        weights: &Weights<T>,
        kept: &Kept<T>,
        (g, h, present): (&mut [T], &[T], Option<&[T]>),
        wanted: bool,
    ) -> Vec<Table<T>> {
        let n = h.len();
        let (mut gtheta, mut gx) = (Table::unwritten(kept.theta.len()), Table::unwritten(n));
        let size = kept.theta.len() / self.mapped.len();
        let columns = kept.x.chunks(n).zip(kept.theta.chunks(size)).zip(gtheta.chunks_mut(size));
        for (&column, ((x, theta), gtheta)) in self.mapped.iter().zip(columns) {
            let g = &mut g[column * n..][..n];
            let own = of_column(present, column, n).map(|present| reaching(g, h, present));
            kernel.gradient(x, theta, [g, own.as_deref().unwrap_or(h)], gtheta, &mut gx);
            g.copy_from_slice(&gx);
        }
        let (of_outputs, gread) = self.network.backward(weights, &kept.trace, gtheta, n, wanted);
        for (&column, gread) in self.reads.iter().zip(gread.iter().flat_map(|gread| gread.chunks(n))) {
            add(&mut g[column * n..][..n], gread);
        }
        of_outputs
    }
}
