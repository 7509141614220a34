//! Products of matrices in slices, through the `gemm` crate, which takes pointers.
#![allow(unsafe_code)]

use gemm::Parallelism;

use super::Real;

/// A matrix in a slice: entry (i, j) stands at i · `strides[0]` + j · `strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub rows: usize,
    pub columns: usize,
    pub strides: [usize; 2],
}

impl Shape {
    /// Whether every entry stands within `length` numbers, and, where written to, none on another's place.
    fn fits(self, length: usize) -> bool {
        self.rows == 0 || self.columns == 0 || (self.rows - 1) * self.strides[0] + (self.columns - 1) * self.strides[1] < length
    }

    fn is_distinct(self) -> bool {
        let [down, across] = self.strides;
        (across >= 1 && down >= across * self.columns) || (down >= 1 && across >= down * self.rows)
    }
}

/// Writes A B to `into`, or adds it to what is there, on the calling thread.
///
/// Shapes that do not fit together or into their slices are a mistake of the kernels, and stop the program.
pub(super) fn multiply<T: Real>(into: (&mut [T], Shape), a: (&[T], Shape), b: (&[T], Shape), add: bool) {
    let ((into, shape), (a, of_a), (b, of_b)) = (into, a, b);
    let agree = of_a.rows == shape.rows && of_b.columns == shape.columns && of_a.columns == of_b.rows;
    assert!(agree && of_a.fits(a.len()) && of_b.fits(b.len()), "matrices that do not fit");
    assert!(shape.fits(into.len()) && shape.is_distinct(), "a product without place");
    let [stride, of_a_strides, of_b_strides] = [shape, of_a, of_b].map(|s| s.strides.map(|s| s as isize));
    // SAFETY: all entries lie within their slices, those of the product apart from each other, and no slice is both read and written.
    unsafe {
        gemm::gemm(
            shape.rows,
            shape.columns,
            of_a.columns,
            into.as_mut_ptr(),
            stride[1],
            stride[0],
            add,
            a.as_ptr(),
            of_a_strides[1],
            of_a_strides[0],
            b.as_ptr(),
            of_b_strides[1],
            of_b_strides[0],
            T::of(1.0),
            T::of(1.0),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_products_are_sums_of_products() {
        // A is 2 × 3 by rows, B 3 × 2 by columns, the product by columns with gaps.
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.5]);
        let (of_a, of_b) = (Shape { rows: 2, columns: 3, strides: [3, 1] }, Shape { rows: 3, columns: 2, strides: [1, 3] });
        let mut into = [10.0; 5];
        let shape = Shape { rows: 2, columns: 2, strides: [1, 3] };
        multiply((&mut into, shape), (&a, of_a), (&b, of_b), false);
        assert_eq!(into, [-2.0, -2.0, 10.0, 5.5, 16.0]);
        multiply((&mut into, shape), (&a, of_a), (&b, of_b), true);
        assert_eq!(into, [-4.0, -4.0, 10.0, 11.0, 32.0]);
    }

    #[test]
    #[should_panic(expected = "matrices that do not fit")]
    fn a_matrix_beyond_its_slice_is_refused() {
        let shape = Shape { rows: 2, columns: 2, strides: [2, 1] };
        multiply((&mut [0.0; 4], shape), (&[0.0; 3], shape), (&[0.0; 4], shape), false);
    }
}
