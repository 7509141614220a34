//! Transposes of tables, a square of numbers at a time.

use super::{
    Real,
    lanes::{LANES, vectorised},
};

/// into[c · `stride` + r] = from[r · `across` + c] for so many rows r and columns c.
pub(super) fn transpose<T: Real>((from, across): (&[T], usize), (into, stride): (&mut [T], usize), [rows, columns]: [usize; 2]) {
    let [high, wide] = [rows, columns].map(|count| count - count % LANES);
    for r in (0..high).step_by(LANES) {
        for c in (0..wide).step_by(LANES) {
            T::transpose_square((&from[r * across + c..], across), (&mut into[c * stride + r..], stride));
        }
    }
    for (r, row) in from.chunks(across.max(1)).take(rows).enumerate() {
        let done = if r < high { wide } else { 0 };
        for (c, &entry) in row[..columns].iter().enumerate().skip(done) {
            into[c * stride + r] = entry;
        }
    }
}

/// A square of [`LANES`] rows and columns on any machine, four rows at a time.
pub(super) fn square<T: Real>((from, across): (&[T], usize), (into, stride): (&mut [T], usize)) {
    vectorised(
        #[inline(always)]
        || {
            for r in (0..LANES).step_by(4) {
                let mut taken = [[T::of(0.0); 4]; LANES];
                for k in 0..4 {
                    let row = &from[(r + k) * across..][..LANES];
                    for c in 0..LANES {
                        taken[c][k] = row[c];
                    }
                }
                for c in 0..LANES {
                    into[c * stride + r..][..4].copy_from_slice(&taken[c]);
                }
            }
        },
    );
}

/// The same in the registers of AVX-512, for which the compiler does not find it.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use std::arch::x86_64::{__m512, __m512d};

    use pulp::{NullaryFnOnce, cast, x86::V4};

    use super::LANES;

    pub struct Square<'a> {
        pub simd: V4,
        pub from: (&'a [f32], usize),
        pub into: (&'a mut [f32], usize),
    }

    impl NullaryFnOnce for Square<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Square { simd, from: (from, across), into: (into, stride) } = self;
            let mut rows = [cast::<[f32; LANES], __m512>([0.0; LANES]); LANES];
            for r in 0..LANES {
                let mut row = [0.0; LANES];
                row.copy_from_slice(&from[r * across..][..LANES]);
                rows[r] = cast(row);
            }
            let columns = turned(simd, rows);
            for c in 0..LANES {
                into[c * stride..][..LANES].copy_from_slice(&cast::<__m512, [f32; LANES]>(columns[c]));
            }
        }
    }

    /// Pairs of rows are interleaved number by number, then by two and two, which turns each square of four; then squares of four change places.
    #[inline(always)]
    fn turned(simd: V4, rows: [__m512; LANES]) -> [__m512; LANES] {
        let x = simd.avx512f;
        let (doubles, singles) = (cast::<__m512, __m512d>, cast::<__m512d, __m512>);
        let mut fours = rows;
        for k in (0..LANES).step_by(4) {
            let (low, high) = (x._mm512_unpacklo_ps(rows[k], rows[k + 1]), x._mm512_unpackhi_ps(rows[k], rows[k + 1]));
            let (low2, high2) = (x._mm512_unpacklo_ps(rows[k + 2], rows[k + 3]), x._mm512_unpackhi_ps(rows[k + 2], rows[k + 3]));
            fours[k] = singles(x._mm512_unpacklo_pd(doubles(low), doubles(low2)));
            fours[k + 1] = singles(x._mm512_unpackhi_pd(doubles(low), doubles(low2)));
            fours[k + 2] = singles(x._mm512_unpacklo_pd(doubles(high), doubles(high2)));
            fours[k + 3] = singles(x._mm512_unpackhi_pd(doubles(high), doubles(high2)));
        }
        let mut columns = fours;
        for k in 0..4 {
            // The even fours of two vectors, and the odd ones.
            let (even, odd) =
                (x._mm512_shuffle_f32x4::<0x88>(fours[k], fours[k + 4]), x._mm512_shuffle_f32x4::<0xdd>(fours[k], fours[k + 4]));
            let (even2, odd2) =
                (x._mm512_shuffle_f32x4::<0x88>(fours[k + 8], fours[k + 12]), x._mm512_shuffle_f32x4::<0xdd>(fours[k + 8], fours[k + 12]));
            columns[k] = x._mm512_shuffle_f32x4::<0x88>(even, even2);
            columns[k + 4] = x._mm512_shuffle_f32x4::<0x88>(odd, odd2);
            columns[k + 8] = x._mm512_shuffle_f32x4::<0xdd>(even, even2);
            columns[k + 12] = x._mm512_shuffle_f32x4::<0xdd>(odd, odd2);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_transposed<T: Real>([rows, columns]: [usize; 2], gap: usize) {
        let (across, stride) = (columns + gap, rows + gap);
        let from: Vec<T> = (0..rows * across).map(|k| T::of(k as f64)).collect();
        let before = vec![T::of(-1.0); columns * stride];
        let mut into = before.clone();
        transpose((&from, across), (&mut into, stride), [rows, columns]);
        for (place, (&found, &before)) in into.iter().zip(&before).enumerate() {
            let (c, r) = (place / stride, place % stride);
            assert!(found == if r < rows { from[r * across + c] } else { before }, "row {r}, column {c}");
        }
    }

    proptest! {
        #[test]
        fn rows_become_columns(rows in 1usize..70, columns in 1usize..70, gap in 0usize..3) {
            is_transposed::<f32>([rows, columns], gap);
            is_transposed::<f64>([rows, columns], gap);
        }
    }

    #[test]
    fn a_square_is_the_same_on_any_machine() {
        let from: Vec<f32> = (0..LANES * LANES).map(|k| k as f32).collect();
        let (mut plain, mut own) = (vec![0.0; LANES * LANES], vec![0.0; LANES * LANES]);
        square((&from, LANES), (&mut plain, LANES));
        f32::transpose_square((&from, LANES), (&mut own, LANES));
        assert_eq!(plain, own);
    }
}
