//! Products of the tables of a tile with matrices, summed in registers.
//!
//! Tables stand by columns, so that a vector holds rows. Some vectors by some columns of a product are summed over the whole
//! depth before any of it is written, one product after another: so the bits of an entry do not depend on how many are formed at once.

use super::{
    Real,
    lanes::{LANES, Lanes, register_bytes, vectorised},
};

/// Columns that are formed together, at most: with the vectors of a block, they fill the registers.
pub(super) const PANEL: usize = 6;

/// A table of whole vectors by columns: column k begins at k · `stride`.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T> {
    pub numbers: &'a [T],
    pub stride: usize,
}

/// A matrix by which a table is multiplied.
#[derive(Clone, Copy)]
pub(super) enum Matrix<'a, T> {
    /// Entry (k, c) stands at k · stride + c.
    ByRows(&'a [T], usize),
    /// Entry (k, c) stands at c · stride + k.
    ByColumns(&'a [T], usize),
}

impl<'a, T> Matrix<'a, T> {
    /// The columns from `first` on.
    fn after(self, first: usize) -> Self {
        match self {
            Matrix::ByRows(numbers, stride) => Matrix::ByRows(&numbers[first..], stride),
            Matrix::ByColumns(numbers, stride) => Matrix::ByColumns(&numbers[first * stride..], stride),
        }
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// What is there.
    Sum,
    /// A number a column.
    Bias(&'a [T]),
    /// A number a column, and what is then below 0 is 0.
    Rectified(&'a [T]),
}

impl<'a, T: Real> Start<'a, T> {
    /// That of the columns from `first` on.
    fn after(self, first: usize) -> Self {
        match self {
            Start::Bias(biases) => Start::Bias(&biases[first..]),
            Start::Rectified(biases) => Start::Rectified(&biases[first..]),
            other => other,
        }
    }

    /// The product of no depth.
    fn alone(self, (into, stride): (&mut [T], usize), [vectors, columns]: [usize; 2]) {
        for c in 0..columns {
            let into = &mut into[c * stride..][..vectors * LANES];
            match self {
                Start::Zero => into.fill(T::of(0.0)),
                Start::Sum => {}
                Start::Bias(biases) => into.fill(biases[c]),
                Start::Rectified(biases) => into.fill(if biases[c] < T::of(0.0) { T::of(0.0) } else { biases[c] }),
            }
        }
    }
}

/// The block of so many vectors and columns; of one each, if it is none of those named.
macro_rules! sized {
    ($height:ident, $width:ident, $arguments:tt, $([$r:literal $c:literal])*) => {
        match ($height, $width) {
            $(($r, $c) => block::<T, $r, $c> $arguments,)*
            _ => block::<T, 1, 1> $arguments,
        }
    };
}

/// into[·, c] = start[·, c] + Σ_{k < depth} table[·, k] matrix[k, c], for so many vectors of rows and `columns` of the matrix; columns of `into`
/// are `stride` apart.
pub(super) fn product<T: Real>(
    (into, stride): (&mut [T], usize),
    start: Start<'_, T>,
    table: Columns<'_, T>,
    matrix: Matrix<'_, T>,
    [vectors, depth, columns]: [usize; 3],
) {
    if depth == 0 {
        return start.alone((into, stride), [vectors, columns]);
    }
    // A quarter of the registers is for what is multiplied.
    let sums = register_bytes() * 3 / 4 / size_of::<Lanes<T>>();
    vectorised(
        #[inline(always)]
        || {
            let mut column = 0;
            while column < columns {
                let width = fitting([PANEL, 3, 2], columns - column, sums);
                let mut vector = 0;
                while vector < vectors {
                    let height = fitting([4, 3, 2], vectors - vector, sums / width);
                    let into = (&mut into[column * stride + vector * LANES..], stride);
                    let table = Columns { numbers: &table.numbers[vector * LANES..], ..table };
                    let (matrix, start) = (matrix.after(column), start.after(column));
                    sized!(height, width, (into, start, table, matrix, depth),
                        [4 6] [3 6] [2 6] [1 6] [4 3] [3 3] [2 3] [1 3] [4 2] [3 2] [2 2] [1 2] [4 1] [3 1] [2 1]);
                    vector += height;
                }
                column += width;
            }
        },
    );
}

/// The first of the sizes that neither what is left nor the registers are too small for, or else 1.
fn fitting(sizes: [usize; 3], left: usize, most: usize) -> usize {
    sizes.into_iter().find(|&size| size <= left.min(most)).unwrap_or(1)
}

/// Arrays are filled by loops here: those of the standard library are not inlined, and so not vectorised.
#[inline(always)]
fn block<T: Real, const R: usize, const C: usize>(
    into: (&mut [T], usize),
    start: Start<'_, T>,
    table: Columns<'_, T>,
    matrix: Matrix<'_, T>,
    depth: usize,
) {
    match matrix {
        Matrix::ByRows(numbers, stride) => sum_block::<T, R, C>(
            into,
            start,
            table,
            depth,
            #[inline(always)]
            |k| {
                let mut row = [T::of(0.0); C];
                row.copy_from_slice(&numbers[k * stride..][..C]);
                row
            },
        ),
        Matrix::ByColumns(numbers, stride) => {
            let mut columns: [&[T]; C] = [&[]; C];
            for c in 0..C {
                columns[c] = &numbers[c * stride..][..depth];
            }
            sum_block::<T, R, C>(
                into,
                start,
                table,
                depth,
                #[inline(always)]
                |k| {
                    let mut row = [T::of(0.0); C];
                    for c in 0..C {
                        row[c] = columns[c][k];
                    }
                    row
                },
            );
        }
    }
}

#[inline(always)]
fn sum_block<T: Real, const R: usize, const C: usize>(
    (into, stride): (&mut [T], usize),
    start: Start<'_, T>,
    table: Columns<'_, T>,
    depth: usize,
    row: impl Fn(usize) -> [T; C],
) {
    let mut sums = [[Lanes::of(0.0); R]; C];
    for (k, column) in table.numbers.chunks(table.stride).take(depth).enumerate() {
        let (column, row) = (&column[..R * LANES], row(k));
        let mut vectors = [Lanes::of(0.0); R];
        for r in 0..R {
            vectors[r] = Lanes::load(&column[r * LANES..]);
        }
        for c in 0..C {
            let entry = Lanes([row[c]; LANES]);
            for r in 0..R {
                sums[c][r] = vectors[r].fused(entry, sums[c][r]);
            }
        }
    }
    let (into, zero) = ((into, stride), Lanes::of(0.0));
    // A loop for each: with the choice inside of one, the compiler lets the sums out of the registers.
    match start {
        Start::Zero => write(
            into,
            &sums,
            #[inline(always)]
            |_, sum, _| sum,
        ),
        Start::Sum => write(
            into,
            &sums,
            #[inline(always)]
            |_, sum, before| Lanes::load(before) + sum,
        ),
        Start::Bias(biases) => write(
            into,
            &sums,
            #[inline(always)]
            |c, sum, _| sum + biases[c],
        ),
        Start::Rectified(biases) => write(
            into,
            &sums,
            #[inline(always)]
            |c, sum, _| {
                let sum = sum + biases[c];
                sum.below(zero, zero, sum)
            },
        ),
    }
}

/// Writes what becomes of the sum of each column and vector, and of what was there.
#[inline(always)]
fn write<T: Real, const R: usize, const C: usize>(
    (into, stride): (&mut [T], usize),
    sums: &[[Lanes<T>; R]; C],
    f: impl Fn(usize, Lanes<T>, &[T]) -> Lanes<T>,
) {
    for c in 0..C {
        let into = &mut into[c * stride..][..R * LANES];
        for r in 0..R {
            let into = &mut into[r * LANES..][..LANES];
            f(c, sums[c][r], into).store(into);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of few digits, whose sums of products are exact at both precisions.
    fn numbers<T: Real>(count: usize, step: usize) -> Vec<T> {
        (0..count).map(|k| T::of((k * step % 13) as f64 - 6.0)).collect()
    }

    fn is_a_sum_of_products<T: Real>([vectors, depth, columns]: [usize; 3], gap: usize, by_rows: bool, kind: usize) {
        let stride = (vectors + gap) * LANES;
        let (table, before) =
            (numbers::<T>((depth - 1) * stride + vectors * LANES, 5), numbers::<T>((columns - 1) * stride + vectors * LANES, 3));
        let (across, along) = (columns + gap, depth + gap);
        let entries = numbers::<T>(if by_rows { (depth - 1) * across + columns } else { (columns - 1) * along + depth }, 7);
        let matrix = if by_rows { Matrix::ByRows(&entries, across) } else { Matrix::ByColumns(&entries, along) };
        let mut into = before.clone();
        let biases = numbers::<T>(columns, 11);
        let start = [Start::Zero, Start::Sum, Start::Bias(&biases), Start::Rectified(&biases)][kind];
        product((&mut into, stride), start, Columns { numbers: &table, stride }, matrix, [vectors, depth, columns]);
        for (place, (&found, &before)) in into.iter().zip(&before).enumerate() {
            let (c, r) = (place / stride, place % stride);
            let mut expected = before;
            if r < vectors * LANES {
                expected = [T::of(0.0), before, biases[c], biases[c]][kind];
                for k in 0..depth {
                    expected += table[k * stride + r] * if by_rows { entries[k * across + c] } else { entries[c * along + k] };
                }
            }
            if r < vectors * LANES && kind == 3 && expected < T::of(0.0) {
                expected = T::of(0.0);
            }
            assert!(found == expected, "row {r}, column {c}: {found} against {expected}");
        }
    }

    proptest! {
        #[test]
        fn products_are_sums_of_products(vectors in 1usize..10, depth in 1usize..40, columns in 1usize..20, gap in 0usize..2, by_rows: bool, kind in 0usize..4) {
            is_a_sum_of_products::<f32>([vectors, depth, columns], gap, by_rows, kind);
            is_a_sum_of_products::<f64>([vectors, depth, columns], gap, by_rows, kind);
        }
    }

    #[test]
    fn a_product_of_no_depth_is_its_start() {
        let mut into = [1.0f32; 5 * LANES];
        for (start, expected) in [(Start::Sum, 1.0), (Start::Bias(&[2.0]), 2.0), (Start::Zero, 0.0), (Start::Rectified(&[-2.0]), 0.0)] {
            product((&mut into, 5 * LANES), start, Columns { numbers: &[], stride: 5 * LANES }, Matrix::ByRows(&[], 1), [5, 0, 1]);
            assert_eq!(into, [expected; 5 * LANES]);
        }
    }
}
